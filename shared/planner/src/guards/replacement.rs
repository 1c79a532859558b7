//! The guards that a replacement of a drifted instance must pass.

use crate::adopt::FleetState;
use crate::answer::{self, Answer, Ask, Guard, reasons};
use crate::draft::Draft;
use crate::drift::{Findings, debounced_at};
use crate::guards::fleet::{Fleet, mode_is_act, nobody_froze_it, policy_is_valid, setup_is_fit};
use crate::guards::instance::{
    Instance, are_hooks_read, aws_has_room, back_off_is_over, breaker_is_closed, budget_is_left, group_is_fit,
    is_drift_read, is_in_service, is_no_successor, is_unprotected, minimum_healthy_leaves_room, no_cutover,
    no_successor_inherited_it, quarantine_has_room, rule_breaker_is_closed, window_is_open,
};
use crate::guards::{GuardAnswer, GuardResult};
use crate::ids::InstanceId;
use crate::policy::Policy;
use crate::record::Replacement;
use crate::waiting::{GuardId, Waiting};

/// The input of the guards of a replacement, for one drifted instance.
pub(crate) struct Question<'q> {
    fleet: Fleet<'q>,
    findings: &'q Findings,
    replacement: &'q Replacement,
    /// None: the instance is not in the live group, or the policy is invalid.
    instance: Option<Instance<'q>>,
}

/// Which input a guard needs.
pub(crate) enum Scope {
    /// Only the state of the fleet: the guard answers the same for all drifted instances.
    Fleet(fn(&Fleet<'_>) -> GuardAnswer),
    /// The drift of the instance, and whether the instance is in the live group.
    Drift(fn(&Question<'_>) -> GuardAnswer),
    /// The instance as a member of the live group. The guard is not evaluated if the instance is no member of it.
    Instance(fn(&Instance<'_>) -> GuardAnswer),
}

impl Ask<Question<'_>> for Scope {
    type Reason = Waiting;

    fn answer(&self, question: &Question<'_>) -> GuardAnswer {
        match self {
            Self::Fleet(ask) => ask(&question.fleet),
            Self::Drift(ask) => ask(question),
            Self::Instance(ask) => question.instance.as_ref().map_or(Answer::NotAsked, ask),
        }
    }
}

/// The guards of a replacement, in the order in which they are evaluated.
const REPLACEMENT: [Guard<GuardId, Scope>; 23] = [
    Guard { id: GuardId::Debounce, asks: "the drift has lasted for the debounce time", ask: Scope::Drift(drift_lasts) },
    Guard { id: GuardId::Member, asks: "the instance is in its group", ask: Scope::Drift(is_there) },
    Guard { id: GuardId::Rules, asks: "AWS Config has every rule in driftless:rules", ask: Scope::Drift(rules_exist) },
    Guard { id: GuardId::Freeze, asks: "the fleet is not frozen", ask: Scope::Fleet(nobody_froze_it) },
    Guard { id: GuardId::Mode, asks: "driftless:mode is act", ask: Scope::Fleet(mode_is_act) },
    Guard { id: GuardId::Policy, asks: "the policy is valid", ask: Scope::Fleet(policy_is_valid) },
    Guard { id: GuardId::Setup, asks: "the groups of the fleet are ready", ask: Scope::Fleet(setup_is_fit) },
    Guard { id: GuardId::Window, asks: "the window is open", ask: Scope::Instance(window_is_open) },
    Guard { id: GuardId::Cutover, asks: "no cutover is in progress in its groups", ask: Scope::Instance(no_cutover) },
    Guard { id: GuardId::Group, asks: "the group can take a replacement", ask: Scope::Instance(group_is_fit) },
    Guard {
        id: GuardId::LaunchPending,
        asks: "it is not a replacement instance whose launch call has not returned",
        ask: Scope::Instance(is_no_successor),
    },
    Guard { id: GuardId::DriftRead, asks: "this pass read its compliance", ask: Scope::Instance(is_drift_read) },
    Guard {
        id: GuardId::Breaker,
        asks: "the share of drifted instances is within driftless:breaker",
        ask: Scope::Instance(breaker_is_closed),
    },
    Guard {
        id: GuardId::RuleBreaker,
        asks: "none of its rules made many fleets drift at once",
        ask: Scope::Instance(rule_breaker_is_closed),
    },
    Guard {
        id: GuardId::RepeatDrift,
        asks: "no replacement instance drifted for the same reason",
        ask: Scope::Instance(no_successor_inherited_it),
    },
    Guard { id: GuardId::Budget, asks: "the budget has room for one more", ask: Scope::Instance(budget_is_left) },
    Guard {
        id: GuardId::Quarantine,
        asks: "the quarantine has room for one more",
        ask: Scope::Instance(quarantine_has_room),
    },
    Guard { id: GuardId::BackOff, asks: "no back-off after a failed attempt", ask: Scope::Instance(back_off_is_over) },
    Guard {
        id: GuardId::Capacity,
        asks: "no back-off after a launch that AWS had no capacity for",
        ask: Scope::Instance(aws_has_room),
    },
    Guard { id: GuardId::Protection, asks: "the instance is not protected", ask: Scope::Instance(is_unprotected) },
    Guard { id: GuardId::InService, asks: "the instance is in service", ask: Scope::Instance(is_in_service) },
    Guard {
        id: GuardId::MinHealthy,
        asks: "with terminate-first, enough instances stay healthy without it",
        ask: Scope::Instance(minimum_healthy_leaves_room),
    },
    Guard {
        id: GuardId::HooksRead,
        asks: "this pass read the lifecycle hooks and instance refreshes of its group",
        ask: Scope::Instance(are_hooks_read),
    },
];

/// Why a drifted instance is not replaced now.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The reason of the first guard that blocks.
    pub(crate) told: Waiting,
    /// The reason of the first guard that blocks, leaving out freezes and the mode. None: no other guard blocks.
    pub(crate) otherwise: Option<Waiting>,
}

impl<'q> Question<'q> {
    /// The input of the guards for one instance. None: the record has no drift of this instance.
    pub(crate) fn about(
        draft: &'q Draft<'q>,
        standing: &'q FleetState<'q>,
        findings: &'q Findings,
        id: &'q InstanceId,
    ) -> Option<Self> {
        let replacement = draft.record().replacements.get(id)?;
        let fleet = Fleet { draft, standing };
        let member = standing.live.and_then(|group| Some((group, group.member(id)?)));
        let instance = fleet.policy().zip(member).map(|(policy, (group, member))| Instance {
            draft,
            findings,
            policy,
            id,
            replacement,
            group,
            member,
        });
        Some(Self { fleet, findings, replacement, instance })
    }

    /// The policy. None: it is invalid, or the groups of the fleet have an obstacle.
    fn policy_of_fit_groups(&self) -> Option<&'q Policy> {
        let is_fit = self.fleet.standing.obstacle.is_none();
        self.fleet.policy().filter(|_| is_fit)
    }
}

/// Why the instance may not be replaced now. None: no guard blocks.
pub(crate) fn refusal(question: &Question<'_>) -> Option<Refusal> {
    let is_hold = |waiting: &Waiting| matches!(waiting.guard(), GuardId::Freeze | GuardId::Mode);
    let mut reasons = reasons(&REPLACEMENT, question);
    let told = reasons.next()?;
    let otherwise = if is_hold(&told) { reasons.find(|waiting| !is_hold(waiting)) } else { Some(told.clone()) };
    Some(Refusal { told, otherwise })
}

/// The result of every guard of the replacement.
pub(crate) fn verdicts(question: &Question<'_>) -> Vec<GuardResult> {
    answer::verdicts(&REPLACEMENT, question)
}

/// Whether this pass has not read the lifecycle hooks of the instance's group yet. False if the instance is not in the
/// live group.
pub(crate) fn lacks_hooks(question: &Question<'_>) -> bool {
    question.instance.as_ref().is_some_and(|instance| are_hooks_read(instance) != Answer::Agrees)
}

/// Whether this guard examines the instance as a member of its group.
pub(crate) fn looks_at_the_instance(guard: GuardId) -> bool {
    REPLACEMENT.iter().any(|known| known.id == guard && matches!(known.ask, Scope::Instance(_)))
}

fn drift_lasts(question: &Question<'_>) -> GuardAnswer {
    let Some(policy) = question.fleet.policy() else { return Answer::NotAsked };
    let until = debounced_at(question.replacement, policy.debounce);
    (question.fleet.draft.input().now < until).then_some(Waiting::Debounce { until }).into()
}

fn is_there(question: &Question<'_>) -> GuardAnswer {
    match question.policy_of_fit_groups() {
        None => Answer::NotAsked,
        Some(_) => question.instance.is_none().then_some(Waiting::Gone).into(),
    }
}

fn rules_exist(question: &Question<'_>) -> GuardAnswer {
    match question.policy_of_fit_groups() {
        None => Answer::NotAsked,
        Some(_) => (!question.findings.missing.is_empty()).then_some(Waiting::RuleMissing).into(),
    }
}
