//! The stored state of a drifted instance and its replacement.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::ids::{AlarmName, GroupName, ImageId, InstanceId, RuleName, Zone};
use crate::observation::Finding;
use crate::policy::{Policy, ReplaceBy};
use crate::record::history::{Change, DRIFTLESS, History};
use crate::record::transitions::{self, ReplacementEnd, ReplacementStep, Step};
use crate::template::TemplateVersion;
use crate::text::UntrustedText;
use crate::waiting::Waiting;

/// A drifted instance and its replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The Auto Scaling group of the drifted instance.
    pub group: GroupName,
    /// The availability zone of the drifted instance, in which its replacement instance is launched too.
    pub zone: Zone,
    pub drift: BTreeSet<DriftReason>,
    /// The AWS Config findings about the instance, by rule. They are evidence that remains after the instance is
    /// terminated.
    pub findings: BTreeMap<RuleName, Finding>,
    /// When the drift was first seen. The debounce counts from here.
    pub detected_at: Timestamp,
    phase: Phase,
    /// The failed attempts to replace the instance, oldest first.
    pub failures: Vec<Failure>,
}

/// The reason why an instance has drifted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftReason {
    /// A Config rule of the policy's list reports the instance as non-compliant.
    Rule(RuleName),
    /// The instance was launched with another launch template version than that of the release.
    Template {
        /// The launch template version that the instance runs.
        found: TemplateVersion,
    },
    /// The instance runs another image than that of the release, because its root volume was replaced.
    Image {
        /// The image that it runs.
        found: ImageId,
    },
    /// The instance has reached the maximum age that the policy allows.
    Age,
    /// An alarm of the policy's list is in ALARM, and its dimensions name this instance and no other.
    Alarm(AlarmName),
    /// An operator asked to replace the instance.
    Operator { actor: UntrustedText },
}

impl DriftReason {
    /// Whether a common cause can make many instances drift for this reason at once. Age is no common cause, because
    /// the instances of one cutover reach the maximum age together. An operator's request is none either.
    pub const fn may_be_common(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Template { .. } | Self::Image { .. } | Self::Alarm(_) => true,
            Self::Age | Self::Operator { .. } => false,
        }
    }

    /// Whether it is repeat drift if a replacement instance drifts for this reason again: the image, the launch
    /// template or the rule is then at fault.
    pub const fn is_inherited(&self) -> bool {
        self.may_be_common()
    }
}

/// The phase of a replacement. The ends `replaced` and `cleared` are not phases: a replacement that reaches one of them
/// leaves the record, and only the history still shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum_discriminants(
    name(PhaseKind),
    derive(PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "kebab-case"),
    doc = "Which phase a replacement is in."
)]
pub enum Phase {
    /// The drift has not lasted for the debounce time yet.
    Debouncing,
    /// A guard blocks the start of the replacement.
    Blocked(Waiting),
    /// The replacement instance is being launched.
    Launching(Surge),
    /// The replacement instance is being verified: it must stay in service, with healthy targets, for the warm-up.
    Verifying(Verifying),
    /// The drifted instance is being terminated, or moved to standby.
    Retiring(Retiring),
    /// Terminate-first: the drifted instance is being terminated.
    Terminating(Terminating),
    /// Terminate-first: the drifted instance is terminating or gone. Driftless waits for the instance that Auto Scaling
    /// launches in its place, and verifies it.
    LaunchingAfter(LaunchingAfter),
    /// The surge is abandoned, and its extra instance is being terminated. A drifted instance that still exists stays.
    Cancelling(Cancelling),
    /// Driftless has abandoned the replacement, and an operator must inspect the instance.
    Stopped(Stopped),
}

/// An attempt to replace a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// The idempotency token of the launch, derived from the drifted instance, the number of the attempt and the time
    /// of admission.
    pub token: String,
    /// When the guards admitted the attempt.
    pub admitted_at: Timestamp,
    /// The members of the group that, at the admission, had been launched within the same second or had no known launch
    /// time. EC2 reports launch times in whole seconds, so only this list distinguishes them from instances that were
    /// launched after the admission.
    pub existing_members: BTreeSet<InstanceId>,
    /// The time by which the replacement instance must be verified, or by which the drifted instance must be gone with
    /// terminate-first. A pause moves this time.
    pub deadline: Timestamp,
    /// The desired capacity that the group had without surges at the admission. The group must have it again at the
    /// end, unless an external change sets another.
    pub base_desired: u32,
    /// How the replacement instance is launched.
    pub method: SurgeMethod,
    /// Whether the launch call was repeated. If so, an earlier call may have launched an instance although its response
    /// was lost.
    pub asked_again: bool,
    /// Since when a freeze or observe mode pauses the attempt. None: it is not paused.
    pub paused_since: Option<Timestamp>,
    /// The policy that admitted the attempt. It applies until the attempt ends, whatever the tags say later.
    pub policy: Box<Policy>,
}

/// How a replacement instance is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurgeMethod {
    /// By `LaunchInstances`, which is idempotent and returns the id of the instance.
    LaunchInstances,
    /// By raising the desired capacity by one, because the group or the endpoint does not support `LaunchInstances`.
    /// The replacement instance is then the instance of the release that was launched after the admission.
    RaiseDesired,
    /// By Auto Scaling itself, with terminate-first: the desired capacity stays, so Auto Scaling replaces the
    /// terminated instance.
    LaunchAfter,
}

/// The data of the phase in which a replacement instance is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifying {
    pub surge: Surge,
    /// The replacement instance that is being verified.
    pub successor: InstanceId,
    /// Since when the replacement instance has been in service with healthy targets, without interruption. None: it is
    /// not healthy now.
    pub healthy_since: Option<Timestamp>,
}

/// The data of the phase in which a drifted instance is terminated or moved to standby, after its replacement instance
/// was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retiring {
    pub surge: Surge,
    /// The verified replacement instance.
    pub successor: InstanceId,
    /// The time by which the drifted instance must be gone. A pause moves this time.
    pub deadline: Timestamp,
    /// The desired capacity when Driftless last decided to terminate the drifted instance.
    pub desired_before: u32,
    /// Whether AWS accepted the termination, or the move to standby. After a crash it can be false although AWS
    /// accepted it.
    pub terminated: bool,
}

/// Terminate-first: the data of the phase in which a drifted instance is terminated before its replacement instance is
/// launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminating {
    pub surge: Surge,
    /// Whether AWS accepted the termination. After a crash it can be false although AWS accepted it.
    pub terminated: bool,
}

/// Terminate-first: the data of the phase in which Auto Scaling launches an instance in place of the terminated one,
/// and Driftless verifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchingAfter {
    pub surge: Surge,
    /// The time by which the replacement instance must be verified.
    pub deadline: Timestamp,
    /// The replacement instance that is being verified. None: it is not launched yet.
    pub successor: Option<InstanceId>,
    /// Since when the replacement instance has been in service with healthy targets, without interruption. None: it is
    /// not healthy now.
    pub healthy_since: Option<Timestamp>,
}

/// The data of the phase in which an abandoned surge is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelling {
    pub surge: Surge,
    /// The extra instance that is to be terminated. None: it is gone or was never launched, and only the desired
    /// capacity is too high.
    pub successor: Option<InstanceId>,
    pub because: CancelReason,
    /// Until when Driftless waits if the extra instance is protected by a tag or needed for the minimum healthy. If it
    /// still is then, it stays as a member.
    pub deadline: Timestamp,
    /// The desired capacity when Driftless last decided to remove the extra instance. None: not decided yet.
    pub desired_before: Option<u32>,
    /// Whether AWS accepted the removal of the extra instance, or no removal was needed. After a crash it can be false
    /// although AWS accepted it.
    pub taken_back: bool,
    /// The refusal, if AWS refused a repeated launch call: an earlier call may have launched an instance although its
    /// response was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A repeated launch call that AWS refused. An instance of an earlier call is in the requested zone and was launched
/// before the refusal. Every other new instance comes from an external change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub zone: Zone,
    /// When Driftless read the refusal.
    pub at: Timestamp,
}

/// Why a surge is abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// The drift of the instance is over, so there is nothing to replace.
    Cleared,
    /// A change outside Driftless terminated the drifted instance, took it out of service, or made its group so small
    /// that it needs no replacement.
    #[serde(rename = "terminated-outside")]
    DriftedGone,
    /// The breaker of the fleet opened: many of its instances drifted at once, which points to a common cause.
    BreakerOpen,
    /// The breaker of this rule opened: many fleets drifted under it at once, which points to the rule.
    RuleBreakerOpen(RuleName),
    /// AWS has no capacity for the replacement instance. Contains the message of AWS.
    NoCapacity(UntrustedText),
    /// The replacement instance drifted for the same reason as the instance that it was to replace.
    #[serde(rename = "repeat-drift")]
    DriftedFromTheStart {
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
    },
    /// The drifted instance is protected now.
    Protected {
        /// The protection, in words that complete the clause "the drifted instance is …".
        by: UntrustedText,
    },
    /// With terminate-first: the change window closed before the drifted instance was terminated.
    WindowClosed,
    /// With terminate-first: without the drifted instance the group would have fewer healthy instances than its minimum
    /// healthy. The drifted instance stays for now.
    #[serde(rename = "below-minimum")]
    BelowMinimum {
        /// How many instances would stay healthy without the drifted one.
        #[serde(rename = "healthy")]
        serving: u32,
        #[serde(rename = "min_healthy")]
        minimum_healthy: u32,
    },
    /// The attempt failed: the replacement instance was lost or not verified in time, the drifted instance could not be
    /// terminated in time, or AWS rejected a call. Contains the cause.
    Failed(UntrustedText),
}

/// When and why Driftless stopped a replacement. Driftless then does nothing more until an operator acts or the drift
/// is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    pub at: Timestamp,
    pub why: StopReason,
}

/// Why Driftless stopped a replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// [`ATTEMPTS_MAX`](crate::replacement::ATTEMPTS_MAX) attempts failed.
    Failures,
    /// The drifted instance is itself a replacement instance, and it drifted for a reason for which the instance before
    /// it was replaced. The image, the launch template or the rule is at fault.
    #[serde(rename = "repeat-drift")]
    RepeatDrift {
        #[serde(rename = "replaced_instance")]
        ancestor: InstanceId,
        /// The image of the release, if there is one. The notification suggests a veto on it.
        image: Option<ImageId>,
    },
    /// The replacement instance drifted for the same reason as the drifted instance, before Driftless had verified it.
    /// The image, the launch template or the rule is at fault.
    #[serde(rename = "repeat-drift-of-replacement")]
    Recurrence {
        /// The replacement instance, which is terminated.
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
        /// The image of the release, if there is one. The notification suggests a veto on it.
        image: Option<ImageId>,
    },
    /// With terminate-first: the drifted instance was terminated, and no replacement instance was verified in time.
    #[serde(rename = "not-relaunched")]
    NotLaunchedAfter,
}

/// An instance in quarantine: it is kept in standby for forensics, so it receives no traffic but stays in its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    pub group: GroupName,
    pub since: Timestamp,
    /// When Driftless terminates the instance, unless an operator ends the quarantine earlier or protects the instance.
    pub until: Timestamp,
    pub drift: BTreeSet<DriftReason>,
}

/// The back-off of a fleet after launches for which AWS had no capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackOff {
    pub since: Timestamp,
    /// When the fleet may try the next launch.
    pub until: Timestamp,
    /// How many launches in a row found no capacity. Several in one pass count as one.
    pub tries: u32,
    pub message: UntrustedText,
}

/// The open breaker of a rule under which many fleets drifted at once, as one fleet records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBreaker {
    /// When the breaker opened.
    pub since: Timestamp,
    /// The highest number of fleets that drifted under the rule at once since the breaker opened.
    pub fleets: u32,
    /// The highest number of instances of this fleet that were drifted under the rule at once since the breaker opened.
    pub drifted: u32,
}

impl StopReason {
    /// The image for which the notification suggests a veto. None: the evidence points to no image.
    pub const fn suspect(&self) -> Option<&ImageId> {
        match self {
            Self::RepeatDrift { image, .. } | Self::Recurrence { image, .. } => image.as_ref(),
            Self::Failures | Self::NotLaunchedAfter => None,
        }
    }
}

impl Surge {
    /// How the drifted instance is replaced, according to the policy that admitted the attempt.
    pub const fn replace_by(&self) -> ReplaceBy {
        self.policy.replace
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub at: Timestamp,
    /// The cause of the failure: a message of AWS, or a reason of Driftless.
    pub why: UntrustedText,
}

/// The origin of a replacement instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descent {
    /// The instance that the replacement instance replaced.
    pub ancestor: InstanceId,
    /// The drift reasons of the replaced instance.
    pub drift: BTreeSet<DriftReason>,
    pub at: Timestamp,
}

impl Phase {
    /// The attempt in progress. None: no attempt is in progress.
    pub const fn surge(&self) -> Option<&Surge> {
        match self {
            Self::Launching(surge) => Some(surge),
            Self::Verifying(verifying) => Some(&verifying.surge),
            Self::Retiring(retiring) => Some(&retiring.surge),
            Self::Cancelling(cancelling) => Some(&cancelling.surge),
            Self::Terminating(terminating) => Some(&terminating.surge),
            Self::LaunchingAfter(launching_after) => Some(&launching_after.surge),
            Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// The replacement instance. None: it is not known yet, or this phase has none.
    pub const fn successor(&self) -> Option<&InstanceId> {
        match self {
            Self::Verifying(verifying) => Some(&verifying.successor),
            Self::Retiring(retiring) => Some(&retiring.successor),
            Self::Cancelling(cancelling) => cancelling.successor.as_ref(),
            Self::LaunchingAfter(launching_after) => launching_after.successor.as_ref(),
            Self::Launching(_) | Self::Terminating(_) | Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// Whether the phase is `Stopped`, in which Driftless does nothing more until an operator acts or the drift is
    /// over.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// The kind of the phase.
    pub fn kind(&self) -> PhaseKind {
        self.into()
    }

    /// The name of the phase in messages, the history and metrics.
    pub fn name(&self) -> &'static str {
        self.kind().into()
    }
}

impl PhaseKind {
    /// All phases. The phases of a replacement that succeeds are in the order in which it enters them.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }
}

impl Replacement {
    /// Begins the replacement of an instance that was found drifted.
    pub(crate) fn found(
        instance: &InstanceId,
        group: GroupName,
        zone: Zone,
        drift: BTreeSet<DriftReason>,
        findings: BTreeMap<RuleName, Finding>,
        history: &mut History,
    ) -> Self {
        let names: Vec<String> = drift.iter().map(ToString::to_string).collect();
        step(instance, None, Step::Enters(PhaseKind::Debouncing), names.join(", "), history);
        let detected_at = history.at();
        Self { group, zone, drift, findings, detected_at, phase: Phase::Debouncing, failures: Vec::new() }
    }

    /// The phase.
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Enters a phase and writes the transition into the history. No other function changes the phase.
    pub(crate) fn enter(
        &mut self,
        instance: &InstanceId,
        to: Phase,
        why: impl Into<UntrustedText>,
        history: &mut History,
    ) {
        step(instance, Some(self.phase.kind()), Step::Enters(to.kind()), why, history);
        self.phase = to;
    }

    /// Replaces the data of the current phase.
    pub(crate) fn stay(&mut self, phase: Phase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes the data of the current phase, for callers that compare records and mask values such as times. A change
    /// to another phase is ignored.
    pub fn change_data(&mut self, change: impl FnOnce(&mut Phase)) {
        let mut changed = self.phase.clone();
        change(&mut changed);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
    }

    /// Ends the replacement, which the caller has removed from the record, and writes the end into the history.
    pub(crate) fn end(
        self,
        instance: &InstanceId,
        end: ReplacementEnd,
        why: impl Into<UntrustedText>,
        history: &mut History,
    ) {
        step(instance, Some(self.phase.kind()), Step::Ends(end), why, history);
    }
}

/// Writes a transition of a replacement into the history. A debug build panics if the state machine does not allow it.
fn step(
    instance: &InstanceId,
    from: Option<PhaseKind>,
    to: ReplacementStep,
    why: impl Into<UntrustedText>,
    history: &mut History,
) {
    debug_assert!(transitions::allows(transitions::REPLACEMENT, from, to), "no replacement goes from {from:?} to {to}");
    history.write(DRIFTLESS, Change::Replacement { instance: instance.clone(), from, to }, why);
}

impl std::fmt::Display for DriftReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rule(rule) => write!(formatter, "rule {rule}"),
            Self::Template { found } => write!(formatter, "runs {found} instead of the release"),
            Self::Image { found } => write!(formatter, "runs {found} instead of the image of the release"),
            Self::Age => formatter.write_str("older than driftless:max-age"),
            Self::Alarm(alarm) => write!(formatter, "alarm {alarm} is in ALARM"),
            Self::Operator { actor } => write!(formatter, "requested by {actor}"),
        }
    }
}

impl std::fmt::Display for CancelReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cleared => formatter.write_str("the drift is over"),
            Self::DriftedGone => formatter.write_str("the drifted instance was terminated outside Driftless"),
            Self::BreakerOpen => formatter.write_str("the breaker opened"),
            Self::RuleBreakerOpen(rule) => write!(formatter, "the breaker opened for rule {rule} in all fleets"),
            Self::NoCapacity(message) => {
                write!(formatter, "AWS has no capacity for the replacement instance: {message}")
            }
            Self::DriftedFromTheStart { successor } => {
                write!(formatter, "the replacement instance {successor} drifted for the same reason")
            }
            Self::Protected { by } => write!(formatter, "the drifted instance is {by}"),
            Self::WindowClosed => formatter.write_str("the window closed before the drifted instance was terminated"),
            Self::BelowMinimum { serving, minimum_healthy } => {
                write!(
                    formatter,
                    "only {serving} instances would stay healthy without the drifted instance, minimum healthy is {minimum_healthy}"
                )
            }
            Self::Failed(why) => write!(formatter, "the attempt failed: {why}"),
        }
    }
}
