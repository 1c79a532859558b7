//! Facts: stored reports of AWS events and of commands. The `reconcile` function stores a fact before it acts. A report
//! of an event only causes a pass: the decision follows from what that pass reads.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmState, AlarmSubject};
use crate::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName};
use crate::text::UntrustedText;

/// A report of an AWS event, or a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact {
    /// AWS Config evaluated an instance, or a resource that belongs to one.
    Compliance(ComplianceFact),
    /// A CloudWatch alarm changed its state.
    Alarm(AlarmFact),
    /// An image was published, disabled or deregistered.
    Image(ImageFact),
    /// A command of an operator or a pipeline.
    Command(CommandFact),
}

/// A command of an operator or a pipeline to a fleet. The sender gets one answer: the resulting state, or why the
/// command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandFact {
    /// The id of the command, which its sender chooses. Two commands with the same id are one command.
    pub request: String,
    pub fleet: FleetName,
    pub actor: UntrustedText,
    pub at: Timestamp,
    /// The sender's reason, if given.
    pub reason: Option<UntrustedText>,
    /// The id of the cutover that the command is for. The command is refused if another cutover or none is in progress,
    /// because a verdict on one image says nothing about the next. None: the command is for any cutover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<String>,
    pub command: Command,
}

/// A command to one fleet. A freeze is no command: it is a row of its own, which applies while no pass can decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "command"))]
pub enum Command {
    /// Pause the cutover where it is and stop its timers. A rollback stays possible.
    Pause,
    /// Continue a paused cutover, or one that needs an operator.
    Resume,
    /// Approve the cutover before it has traffic, so that it need not wait for approval.
    Approve,
    /// Veto the image of the cutover, and undo the cutover: abort it before it has traffic, roll back after.
    Reject,
    /// Skip the remaining waits of the cutover; health checks and alarms still apply.
    Promote,
    /// End the cutover: undo it if the new color had no traffic yet, else roll it back.
    Abort,
    /// Roll back to the last good release.
    Rollback,
    /// Try stopped replacements and deferred candidates again now.
    Retry,
    /// Replace an instance; every guard but the debounce applies.
    Replace {
        /// The instance.
        instance: InstanceId,
    },
    /// Cut over to new instances of the same release.
    Redeploy,
    /// Veto an image: it must not take traffic.
    Veto {
        /// The image.
        image: ImageId,
    },
    /// End a veto.
    Unveto {
        /// The image.
        image: ImageId,
    },
    /// Set groups that launch `$Latest` or `$Default` to the version number that runs now; no instance is changed.
    Pin,
    /// Set the live color where the load balancer and Driftless's record disagree.
    AcceptLive {
        /// The color.
        color: crate::fleet::Color,
    },
}

/// AWS Config's verdict on one instance under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceFact {
    /// The instance. Config may have evaluated a resource that belongs to the instance: its inventory, patches or
    /// associations.
    pub instance: InstanceId,
    pub rule: RuleName,
    pub verdict: ComplianceType,
    /// Config's `orderingTimestamp`, by which results are ordered. The time of arrival does not matter.
    pub observed_at: Timestamp,
    /// Config's annotation, if any.
    pub annotation: Option<UntrustedText>,
}

/// The compliance type that AWS Config determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComplianceType {
    /// The resource keeps the rule.
    Compliant,
    /// The resource breaks the rule.
    NonCompliant,
    /// The rule no longer applies to the resource, or the resource no longer exists.
    NotApplicable,
}

/// A change of state of a CloudWatch alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmFact {
    pub alarm: AlarmName,
    pub state: AlarmState,
    /// When the alarm entered this state.
    pub since: Timestamp,
    pub reason: UntrustedText,
    /// The resources that the dimensions of the alarm's metrics name.
    pub subject: AlarmSubject,
    /// Whether a mute rule or a suppressor mutes the alarm's actions. CloudWatch sends the event of a muted alarm too.
    pub muted: bool,
}

/// A change of an image, or the publication of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFact {
    pub image: ImageReference,
    /// What happened to the image.
    pub change: ImageChange,
    /// The source of the report; policies trust sources differently (`image-source`).
    pub source: ImageSource,
    /// When the source reported the change.
    pub at: Timestamp,
    /// The fleet that the image is for, if the report names one.
    pub fleet: Option<FleetName>,
    /// The source commit from which the image was built, if the report names one.
    pub commit: Option<UntrustedText>,
    /// The build of the image, if the report names one.
    pub build: Option<UntrustedText>,
    /// A page about the build, if the report names one.
    pub url: Option<UntrustedText>,
}

/// How a report names an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageReference {
    Ami(ImageId),
    /// The ARN of an image of EC2 Image Builder, whose event does not contain the AMI id.
    ImageBuilder(String),
}

/// What happened to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageChange {
    /// Instances can be launched from the image.
    Available,
    /// No instance can be launched from the image until it is enabled again.
    Disabled,
    Deregistered,
    /// The image could not be created.
    Failed,
}

/// The source of a report about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// An event of EC2, which reports every AMI of the account, backups included.
    Ec2,
    ImageBuilder,
    /// The event `image.published` on Driftless's own event bus, whose resource policy names the permitted senders.
    Published,
}

impl ImageSource {
    const fn word(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::ImageBuilder => "image-builder",
            Self::Published => "published",
        }
    }
}

/// The resource that a fact is about, from which the fleet is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A fleet, named in the report itself.
    Fleet(FleetName),
    /// An instance; the tag of its group names the fleet.
    Instance(InstanceId),
    /// A group; its tag names the fleet.
    Group(GroupName),
    /// A target group, as CloudWatch writes it: `targetgroup/<name>/<id>`.
    TargetGroup(String),
    /// An alarm whose metrics name no resource; the policies that list the alarm's name tell its fleets.
    Alarm(AlarmName),
    /// An image; its tag names the fleet.
    Image(ImageId),
    /// An Image Builder image, by its ARN; the tag of its AMI names the fleet.
    ImageBuilder(String),
}

impl Fact {
    /// The resource that the fact is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Compliance(fact) => Subject::Instance(fact.instance.clone()),
            Self::Alarm(fact) => {
                let AlarmSubject { instances, groups, target_groups } = &fact.subject;
                match (groups.first(), instances.first(), target_groups.first()) {
                    (Some(group), _, _) => Subject::Group(group.clone()),
                    (None, Some(instance), _) => Subject::Instance(instance.clone()),
                    (None, None, Some(target_group)) => Subject::TargetGroup(target_group.clone()),
                    (None, None, None) => Subject::Alarm(fact.alarm.clone()),
                }
            }
            Self::Image(fact) => match (&fact.fleet, &fact.image) {
                (Some(fleet), _) => Subject::Fleet(fleet.clone()),
                (None, ImageReference::Ami(image)) => Subject::Image(image.clone()),
                (None, ImageReference::ImageBuilder(arn)) => Subject::ImageBuilder(arn.clone()),
            },
            Self::Command(fact) => Subject::Fleet(fact.fleet.clone()),
        }
    }

    /// The key under which the fact is stored: two reports with the same key are one fact, and the newer report
    /// replaces the older one.
    pub fn key(&self) -> String {
        match self {
            Self::Compliance(fact) => format!("compliance#{}#{}", fact.instance, fact.rule),
            Self::Alarm(fact) => format!("alarm#{}", fact.alarm),
            // The key includes the source: an event that anyone can cause must not replace one that only the pipeline
            // may send.
            Self::Image(fact) => match &fact.image {
                ImageReference::Ami(image) => format!("image#{}#{image}", fact.source.word()),
                ImageReference::ImageBuilder(arn) => format!("image#{}#{arn}", fact.source.word()),
            },
            Self::Command(fact) => format!("command#{}", fact.request),
        }
    }

    /// The time at which the report was true, by the reporter's clock. It orders reports with the same key.
    pub const fn observed_at(&self) -> Timestamp {
        match self {
            Self::Compliance(fact) => fact.observed_at,
            Self::Alarm(fact) => fact.since,
            Self::Image(fact) => fact.at,
            Self::Command(fact) => fact.at,
        }
    }
}
