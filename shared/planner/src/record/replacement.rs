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
    /// The group that the instance belongs to.
    pub group: GroupName,
    /// The zone of the instance, and of its replacement instance.
    pub zone: Zone,
    pub drift: BTreeSet<DriftReason>,
    /// Config's annotations, by rule: evidence that outlives the instance.
    pub findings: BTreeMap<RuleName, Finding>,
    /// When the drift was first seen. The debounce counts from here.
    pub detected_at: Timestamp,
    phase: Phase,
    /// Attempts that failed, oldest first.
    pub failures: Vec<Failure>,
}

/// The reason why an instance has drifted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftReason {
    /// A Config rule of the policy's list reports it non-compliant.
    Rule(RuleName),
    /// It was launched with another version of the launch template than the release's.
    Template {
        /// The version that it runs.
        found: TemplateVersion,
    },
    /// It runs another image than the release's: its root volume was replaced.
    Image {
        /// The image that it runs.
        found: ImageId,
    },
    /// It is older than the fleet allows.
    Age,
    /// An alarm of the fleet's list that names this instance, and no other, is in ALARM.
    Alarm(AlarmName),
    /// An operator requested its replacement.
    Operator { actor: UntrustedText },
}

impl DriftReason {
    /// Whether a common cause can produce this reason. Not age: the instances of one cutover reach the limit together.
    /// Nor an operator's request.
    pub const fn may_be_common(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Template { .. } | Self::Image { .. } | Self::Alarm(_) => true,
            Self::Age | Self::Operator { .. } => false,
        }
    }

    /// Whether a replacement instance with the same reason is repeat drift: the image, the template or the rule is then
    /// at fault.
    pub const fn is_inherited(&self) -> bool {
        self.may_be_common()
    }
}

/// The phase of a replacement. `replaced` and `cleared` are not phases: such a replacement leaves the record and stays
/// in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum_discriminants(
    name(PhaseKind),
    derive(PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "kebab-case"),
    doc = "Which phase a replacement is in."
)]
pub enum Phase {
    /// The debounce of the drift is not over.
    Debouncing,
    /// A guard blocks it.
    Blocked(Waiting),
    /// The replacement instance is being launched.
    Launching(Surge),
    /// The replacement instance must be in service, with a healthy target for the warm-up.
    Verifying(Verifying),
    /// The drifted instance is being terminated, or moved to standby.
    Retiring(Retiring),
    /// Terminate-first: the drifted instance is being terminated.
    Terminating(Terminating),
    /// Terminate-first: the drifted instance is terminating or gone; the instance that Auto Scaling launches in its
    /// place is verified.
    LaunchingAfter(LaunchingAfter),
    /// The surge is abandoned: its extra instance is being terminated. A drifted instance that still exists stays.
    Cancelling(Cancelling),
    /// Abandoned. An operator must inspect it.
    Stopped(Stopped),
}

/// An attempt to replace a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// The idempotency token of the launch: derived from the instance, the attempt and the time of admission.
    pub token: String,
    /// When the guards admitted it.
    pub admitted_at: Timestamp,
    /// Members at admission that were launched within that second or have no known launch time. EC2 reports launch
    /// times in whole seconds, so only this list tells them from later instances.
    pub existing_members: BTreeSet<InstanceId>,
    /// When the replacement instance must be verified. Terminate-first: when the drifted instance must be gone. A pause
    /// moves it.
    pub deadline: Timestamp,
    /// The group's desired capacity at admission, which it must have again at the end unless an external change sets
    /// another.
    pub base_desired: u32,
    /// How the replacement instance is launched.
    pub method: SurgeMethod,
    /// Whether the launch call was repeated: an earlier call may have succeeded without a response.
    pub asked_again: bool,
    /// Since when a freeze or observe mode pauses it.
    pub paused_since: Option<Timestamp>,
    /// The policy that admitted the surge. It applies to the end, whatever the tags say later.
    pub policy: Box<Policy>,
}

/// How a replacement instance is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurgeMethod {
    /// `LaunchInstances`, which is idempotent and returns the id.
    LaunchInstances,
    /// The desired capacity is raised by one, because the group or the endpoint does not support `LaunchInstances`. The
    /// replacement instance is the one of the release that was launched after the admission.
    RaiseDesired,
    /// Terminate-first: Auto Scaling launches it, because the desired capacity stays.
    LaunchAfter,
}

/// The verification of a replacement instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifying {
    pub surge: Surge,
    /// The instance that is being verified.
    pub successor: InstanceId,
    /// Since when it has been in service with a healthy target, without interruption.
    pub healthy_since: Option<Timestamp>,
}

/// The termination of a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retiring {
    pub surge: Surge,
    /// The verified replacement instance.
    pub successor: InstanceId,
    /// When the drifted instance must be gone.
    pub deadline: Timestamp,
    /// The desired capacity that the decision to terminate assumed.
    pub desired_before: u32,
    /// Whether AWS accepted the termination. After a crash it can be false although AWS did.
    pub terminated: bool,
}

/// Terminate-first: the termination of a drifted instance before its replacement instance is launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminating {
    pub surge: Surge,
    /// Whether AWS accepted the termination. After a crash it can be false although AWS did.
    pub terminated: bool,
}

/// Terminate-first: the verification of the instance that Auto Scaling launches in place of the terminated one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchingAfter {
    pub surge: Surge,
    /// When the replacement instance must be verified.
    pub deadline: Timestamp,
    /// The instance that is being verified. None: not launched yet.
    pub successor: Option<InstanceId>,
    /// Since when it has been in service with a healthy target, without interruption.
    pub healthy_since: Option<Timestamp>,
}

/// The end of a surge without a replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelling {
    pub surge: Surge,
    /// The extra instance. None: it is gone or was never launched, and only the desired capacity is too high.
    pub successor: Option<InstanceId>,
    pub because: CancelReason,
    /// The deadline: an extra instance that the minimum healthy still needs then stays.
    pub deadline: Timestamp,
    /// The desired capacity that the decision to remove the extra instance assumed. None: not decided yet.
    pub desired_before: Option<u32>,
    /// Whether AWS accepted the removal, or none was needed. After a crash it can be false although AWS did.
    pub taken_back: bool,
    /// Set if AWS refused a repeated launch call: an earlier call may have launched an instance all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A launch that AWS refused. An instance of an earlier call is in the requested zone and older than the refusal; every
/// other instance is an external change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    pub zone: Zone,
    /// When the refusal was read.
    pub at: Timestamp,
}

/// Why a surge is abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// The drift is over: there is nothing to replace.
    Cleared,
    /// The drifted instance was terminated outside Driftless.
    #[serde(rename = "terminated-outside")]
    DriftedGone,
    /// Many instances of the fleet drifted at once, which points to a common cause.
    BreakerOpen,
    /// Many fleets drifted at once under this rule, which points to the rule.
    RuleBreakerOpen(RuleName),
    /// AWS has no capacity for the replacement instance, with its message.
    NoCapacity(UntrustedText),
    /// The replacement instance drifted for the same reason as the instance that it was to replace.
    #[serde(rename = "repeat-drift")]
    DriftedFromTheStart {
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
    },
    /// The drifted instance is protected now.
    Protected {
        /// The protection, as a clause.
        by: UntrustedText,
    },
    /// With terminate-first: the window closed before the drifted instance was terminated.
    WindowClosed,
    /// With terminate-first: too few instances would stay healthy without the drifted instance, which stays for now.
    #[serde(rename = "below-minimum")]
    BelowMinimum {
        /// How many would stay healthy without it.
        #[serde(rename = "healthy")]
        serving: u32,
        #[serde(rename = "min_healthy")]
        minimum_healthy: u32,
    },
    /// The attempt failed: the replacement instance was not verified in time, or AWS rejected a call.
    Failed(UntrustedText),
}

/// Why a replacement is abandoned for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    pub at: Timestamp,
    pub why: StopReason,
}

/// What ends a replacement without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// As many attempts as [`crate::replacement::ATTEMPTS_MAX`] failed.
    Failures,
    /// The instance is itself a replacement instance and drifted for a reason for which its predecessor was replaced:
    /// the image, the template or the rule is at fault.
    #[serde(rename = "repeat-drift")]
    RepeatDrift {
        #[serde(rename = "replaced_instance")]
        ancestor: InstanceId,
        /// The image of the release, if there is one: the message suggests a veto on it.
        image: Option<ImageId>,
    },
    /// Its replacement instance drifted for the same reason before it was verified: the image, the template or the rule
    /// is at fault.
    #[serde(rename = "repeat-drift-of-replacement")]
    Recurrence {
        /// The replacement instance, which is terminated.
        #[serde(rename = "replacement_instance")]
        successor: InstanceId,
        /// The image of the release: the message suggests a veto on it.
        image: Option<ImageId>,
    },
    /// With terminate-first: the instance was terminated, and no replacement instance passed health checks in time.
    #[serde(rename = "not-relaunched")]
    NotLaunchedAfter,
}

/// An instance that is kept for forensics, in standby: it receives no traffic and stays in its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    pub group: GroupName,
    pub since: Timestamp,
    /// When it is terminated, unless an operator ends the quarantine earlier.
    pub until: Timestamp,
    pub drift: BTreeSet<DriftReason>,
}

/// The back-off of a fleet for whose launches AWS has no capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackOff {
    pub since: Timestamp,
    /// When the next launch may be attempted.
    pub until: Timestamp,
    /// How many launches in a row found no capacity.
    pub tries: u32,
    pub message: UntrustedText,
}

/// A rule under which many fleets drifted at once, as this fleet knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBreaker {
    /// Since when it is open.
    pub since: Timestamp,
    /// The most fleets that were seen to drift at once.
    pub fleets: u32,
    /// The most instances of this fleet that were drifted under it meanwhile.
    pub drifted: u32,
}

impl StopReason {
    /// The image that the message suggests to veto. None: the evidence points to no image.
    pub const fn suspect(&self) -> Option<&ImageId> {
        match self {
            Self::RepeatDrift { image, .. } | Self::Recurrence { image, .. } => image.as_ref(),
            Self::Failures | Self::NotLaunchedAfter => None,
        }
    }
}

impl Surge {
    /// How the drifted instance is replaced, by the policy that the attempt was admitted with.
    pub const fn replace_by(&self) -> ReplaceBy {
        self.policy.replace
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub at: Timestamp,
    /// Why it failed: AWS's message, or Driftless's own reason.
    pub why: UntrustedText,
}

/// The instance that a replacement instance replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descent {
    /// The instance that it replaced.
    pub ancestor: InstanceId,
    /// The drift reasons of that instance.
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

    /// The replacement instance. None: it is not known yet, or there is none.
    pub const fn successor(&self) -> Option<&InstanceId> {
        match self {
            Self::Verifying(verifying) => Some(&verifying.successor),
            Self::Retiring(retiring) => Some(&retiring.successor),
            Self::Cancelling(cancelling) => cancelling.successor.as_ref(),
            Self::LaunchingAfter(launching_after) => launching_after.successor.as_ref(),
            Self::Launching(_) | Self::Terminating(_) | Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// Whether Driftless does nothing more until an operator acts.
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
    /// All phases. Those of a replacement that succeeds are in order.
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

    /// Enters another phase. No other function changes the phase.
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

    /// Updates the data of its phase.
    pub(crate) fn stay(&mut self, phase: Phase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes the data of its phase, for callers that compare records and mask values such as times. A change to
    /// another phase is ignored.
    pub fn change_data(&mut self, change: impl FnOnce(&mut Phase)) {
        let mut changed = self.phase.clone();
        change(&mut changed);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
    }

    /// Removes the replacement from the record.
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

/// Records a transition: it is in the history from here on.
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
