//! A drifted instance, and what is being done about it.

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

/// A drifted instance and what is being done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The group that the instance belongs to.
    pub group: GroupName,
    /// Where it runs; its successor goes there too.
    pub zone: Zone,
    /// Why it is not what its release made it.
    pub drift: BTreeSet<DriftReason>,
    /// What Config said, by rule: evidence that outlives the instance.
    pub findings: BTreeMap<RuleName, Finding>,
    /// When the drift was first seen. The debounce counts from here.
    pub detected_at: Timestamp,
    phase: Phase,
    /// Attempts that failed, oldest first.
    pub failures: Vec<Failure>,
}

/// Why an instance is not what its release made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftReason {
    /// A rule of the fleet's list says so.
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
    /// An operator said so.
    Operator { actor: UntrustedText },
}

impl DriftReason {
    /// Whether a common cause can bring it about. Age does not: a fleet that was cut over as one grows old as one. Nor
    /// does an operator's word.
    pub const fn may_be_common(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Template { .. } | Self::Image { .. } | Self::Alarm(_) => true,
            Self::Age | Self::Operator { .. } => false,
        }
    }

    /// Whether a successor that drifts for it too was born with it: then the image, the template or the rule is wrong.
    pub const fn is_inherited(&self) -> bool {
        self.may_be_common()
    }
}

/// Where a replacement is. `replaced` and `cleared` are no phases: such a replacement leaves the record, and the
/// history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum_discriminants(
    name(PhaseKind),
    derive(PartialOrd, Ord, strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray),
    strum(serialize_all = "kebab-case"),
    doc = "Which phase a replacement is in."
)]
pub enum Phase {
    /// The drift has not lasted long enough yet.
    Debouncing,
    /// A guard says no.
    Blocked(Waiting),
    /// A successor is being launched.
    Launching(Surge),
    /// The successor must be in service, with a healthy target for the warm-up.
    Verifying(Verifying),
    /// The drifted instance is being terminated, or set aside.
    Retiring(Retiring),
    /// The drifted instance goes first: it is being terminated.
    Terminating(Terminating),
    /// The drifted instance is gone or on its way; what Auto Scaling launches in its place must prove itself.
    LaunchingAfter(LaunchingAfter),
    /// The surge is abandoned: its extra instance is being terminated, and the drifted instance stays.
    Cancelling(Cancelling),
    /// Abandoned for good. An operator must look.
    Stopped(Stopped),
}

/// An attempt to put a successor in the place of a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surge {
    /// The idempotency token of the launch: derived from the instance, the attempt and the time of admission.
    pub token: String,
    /// When the guards let it through.
    pub admitted_at: Timestamp,
    /// What was in the group at the admission, and was launched in that very second or is not known to be older. EC2
    /// tells launch times in whole seconds, so only this list tells them from what came after.
    pub existing_members: BTreeSet<InstanceId>,
    /// When the successor must have proven itself. Moves by the time that a freeze holds it.
    pub deadline: Timestamp,
    /// The group's desired capacity at admission: what it must have again at the end, unless someone else changes it.
    pub base_desired: u32,
    /// How the successor comes.
    pub method: SurgeMethod,
    /// Whether the launch was asked for more than once: then an earlier one may have succeeded without an answer.
    pub asked_again: bool,
    /// Since when a freeze holds it.
    pub paused_since: Option<Timestamp>,
    /// The policy that it was admitted with. It ends under it, whatever the tags say by then.
    pub policy: Box<Policy>,
}

/// How a successor comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SurgeMethod {
    /// `LaunchInstances`, idempotent, which answers the id.
    LaunchInstances,
    /// Desired capacity raised by one, where the group or the endpoint does not offer the other. The successor is
    /// the instance of the release that was launched after the admission.
    RaiseDesired,
    /// Auto Scaling launches it by itself: the drifted one goes first, and its place stays.
    LaunchAfter,
}

/// The proof of a successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifying {
    pub surge: Surge,
    /// The instance that must prove itself.
    pub successor: InstanceId,
    /// Since when it has been in service with a healthy target, without interruption.
    pub healthy_since: Option<Timestamp>,
}

/// The end of a drifted instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retiring {
    pub surge: Surge,
    /// The instance that has proven itself.
    pub successor: InstanceId,
    /// When the drifted instance must be gone.
    pub deadline: Timestamp,
    /// The desired capacity on which the termination was decided.
    pub desired_before: u32,
    /// Whether AWS accepted the termination. After a crash it can be false although it did.
    pub terminated: bool,
}

/// The end of a drifted instance that goes before its successor comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminating {
    pub surge: Surge,
    /// Whether AWS accepted the termination. After a crash it can be false although it did.
    pub terminated: bool,
}

/// The proof of an instance that comes into a place that was terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchingAfter {
    pub surge: Surge,
    /// When the successor must have proven itself.
    pub deadline: Timestamp,
    /// The instance that must prove itself. None: not launched yet.
    pub successor: Option<InstanceId>,
    /// Since when it has been in service with a healthy target, without interruption.
    pub healthy_since: Option<Timestamp>,
}

/// The end of a surge without a replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancelling {
    pub surge: Surge,
    /// The extra instance. None: it is gone or never came, and only the desired capacity is too high.
    pub successor: Option<InstanceId>,
    pub because: CancelReason,
    /// When it must be over: a extra instance that the minimum healthy still holds then stays for good.
    pub deadline: Timestamp,
    /// The desired capacity on which taking the extra instance back was decided. None: not decided yet.
    pub desired_before: Option<u32>,
    /// Whether AWS accepted that, or there was nothing to take back. After a crash it can be false although it did.
    pub taken_back: bool,
    /// Set where AWS refused the launch when it was asked for again: an earlier call may have launched something all the
    /// same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A launch that was refused. What an earlier call launched is in its zone, and was there before the refusal; whatever
/// comes elsewhere or later is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The zone that was asked for.
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
    /// The instance is itself a replacement instance and fails the rule that its predecessor was replaced for: the image
    /// or the rule is wrong.
    #[serde(rename = "repeat-drift")]
    RepeatDrift {
        #[serde(rename = "replaced_instance")]
        ancestor: InstanceId,
        /// The image that both run, if the release says so: the message suggests a veto on it.
        image: Option<ImageId>,
    },
    /// Its replacement instance failed the same rule before it was verified: the image or the rule is wrong.
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

/// An instance that is kept for forensics: out of its target groups, still of its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    pub group: GroupName,
    pub since: Timestamp,
    /// When it is terminated, unless someone took it out before.
    pub until: Timestamp,
    /// What it was replaced for.
    pub drift: BTreeSet<DriftReason>,
}

/// A fleet that AWS has no room for: its launches wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackOff {
    pub since: Timestamp,
    /// When the next launch may be tried.
    pub until: Timestamp,
    /// How many launches in a row found no room.
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
    /// The image that a veto is proposed for, where the evidence speaks against one.
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
    /// Why, in AWS's own words where it said something.
    pub why: UntrustedText,
}

/// What a successor descends from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descent {
    /// The instance that it replaced.
    pub ancestor: InstanceId,
    /// What the ancestor was replaced for.
    pub drift: BTreeSet<DriftReason>,
    pub at: Timestamp,
}

impl Phase {
    /// The attempt that is under way.
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

    /// The successor, once it is known.
    pub const fn successor(&self) -> Option<&InstanceId> {
        match self {
            Self::Verifying(verifying) => Some(&verifying.successor),
            Self::Retiring(retiring) => Some(&retiring.successor),
            Self::Cancelling(cancelling) => cancelling.successor.as_ref(),
            Self::LaunchingAfter(launching_after) => launching_after.successor.as_ref(),
            Self::Launching(_) | Self::Terminating(_) | Self::Debouncing | Self::Blocked(_) | Self::Stopped(_) => None,
        }
    }

    /// Whether nothing more will be done without an operator.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// Which one it is.
    pub fn kind(&self) -> PhaseKind {
        self.into()
    }

    /// The word for it in messages, the history and metrics.
    pub fn name(&self) -> &'static str {
        self.kind().into()
    }
}

impl PhaseKind {
    /// Each of them, in the order of a replacement that succeeds.
    pub const fn all() -> &'static [Self] {
        Self::VARIANTS
    }
}

impl Replacement {
    /// What begins when an instance is found drifted.
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

    /// Where the replacement is.
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Goes on to another phase: the only way there.
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

    /// Brings the data of its phase up to date.
    pub(crate) fn stay(&mut self, phase: Phase) {
        debug_assert_eq!(self.phase.kind(), phase.kind(), "another phase is entered");
        self.phase = phase;
    }

    /// Changes the data of its phase, for who tells records apart by what matters in them. Nothing changes where that would
    /// make it another phase.
    pub fn change_data(&mut self, change: impl FnOnce(&mut Phase)) {
        let mut changed = self.phase.clone();
        change(&mut changed);
        if changed.kind() == self.phase.kind() {
            self.phase = changed;
        }
    }

    /// Leaves the record.
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

/// Takes a step of the machine: it is in the history from here on.
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
