//! The guards that keep a cutover from starting, or that pause it.

use crate::action::ActionResult;
use crate::answer::{Answer, Ask, Guard, reasons, verdicts};
use crate::guards::fleet::{Fleet, mode_is_act, nobody_froze_it, policy_is_valid, setup_is_fit, when_closed};
use crate::guards::{GuardAnswer, GuardResult};
use crate::limits::CUTOVERS_MAX;
use crate::record::{Cutover, CutoverPhase};
use crate::waiting::{GuardId, Waiting};

/// The input of the guards of a cutover.
pub(crate) struct CutoverQuestion<'q> {
    pub(crate) fleet: Fleet<'q>,
    pub(crate) cutover: &'q Cutover,
}

/// The phases of a cutover in which a guard applies. No guard applies while the cutover is undone or needs an operator.
pub(crate) enum Scope {
    /// The guard applies in every phase except those: it keeps the cutover from starting, and pauses it later.
    Throughout(fn(&CutoverQuestion<'_>) -> GuardAnswer),
    /// The guard applies before the first change: it only keeps the cutover from starting.
    Beginning(fn(&CutoverQuestion<'_>) -> GuardAnswer),
}

impl Ask<CutoverQuestion<'_>> for Scope {
    type Reason = Waiting;

    fn answer(&self, question: &CutoverQuestion<'_>) -> GuardAnswer {
        match self {
            Self::Throughout(ask) | Self::Beginning(ask) => ask(question),
        }
    }
}

/// The guards of a cutover, in this order.
const CUTOVER: [Guard<GuardId, Scope>; 8] = [
    Guard {
        id: GuardId::Freeze,
        asks: "the fleet is not frozen",
        ask: Scope::Throughout(|question| nobody_froze_it(&question.fleet)),
    },
    Guard {
        id: GuardId::Mode,
        asks: "driftless:mode is act",
        ask: Scope::Throughout(|question| mode_is_act(&question.fleet)),
    },
    Guard { id: GuardId::Pause, asks: "the cutover is not paused", ask: Scope::Throughout(nobody_paused_it) },
    Guard {
        id: GuardId::Policy,
        asks: "the policy is valid",
        ask: Scope::Beginning(|question| policy_is_valid(&question.fleet)),
    },
    Guard { id: GuardId::Window, asks: "the window is open", ask: Scope::Beginning(window_is_open) },
    Guard {
        id: GuardId::Setup,
        asks: "the groups of the fleet are ready",
        ask: Scope::Beginning(|question| setup_is_fit(&question.fleet)),
    },
    Guard {
        id: GuardId::Replacements,
        asks: "no instance of the fleet is being replaced",
        ask: Scope::Beginning(nothing_is_replaced),
    },
    Guard {
        id: GuardId::Slot,
        asks: "the account has a free cutover slot",
        ask: Scope::Beginning(account_has_a_free_slot),
    },
];

/// Why the cutover may not start now. None: no guard blocks it.
pub(crate) fn may_not_begin(question: &CutoverQuestion<'_>) -> Option<Waiting> {
    reasons(&CUTOVER, question).next()
}

/// Why the cutover is paused: the reason of the first blocking guard that applies in every phase. None: it is not
/// paused.
pub(crate) fn pause(question: &CutoverQuestion<'_>) -> Option<Waiting> {
    let holds_it = |guard: &&Guard<GuardId, Scope>| matches!(guard.ask, Scope::Throughout(_));
    reasons(CUTOVER.iter().filter(holds_it), question).next()
}

/// The results of the guards that apply in the current phase of the cutover.
pub(crate) fn verdicts_on_cutover(question: &CutoverQuestion<'_>) -> Vec<GuardResult> {
    let is_asked = |guard: &&Guard<GuardId, Scope>| match question.cutover.phase() {
        CutoverPhase::Queued | CutoverPhase::Preflight => true,
        CutoverPhase::Aborting { .. } | CutoverPhase::RollingBack { .. } | CutoverPhase::NeedsOperator { .. } => false,
        CutoverPhase::Preparing
        | CutoverPhase::Scaling
        | CutoverPhase::Verifying { .. }
        | CutoverPhase::AwaitingApproval
        | CutoverPhase::Shifting(_)
        | CutoverPhase::Baking { .. }
        | CutoverPhase::Warm { .. }
        | CutoverPhase::Retiring => matches!(guard.ask, Scope::Throughout(_)),
    };
    verdicts(CUTOVER.iter().filter(is_asked), question)
}

fn nobody_paused_it(question: &CutoverQuestion<'_>) -> GuardAnswer {
    question.cutover.paused().cloned().map(|actor| Waiting::Paused { actor }).into()
}

fn window_is_open(question: &CutoverQuestion<'_>) -> GuardAnswer {
    match question.fleet.policy() {
        None => Answer::NotAsked,
        Some(_) if question.cutover.is_expedited => Answer::Agrees,
        Some(policy) => when_closed(policy, question.fleet.draft.input().now).into(),
    }
}

fn nothing_is_replaced(question: &CutoverQuestion<'_>) -> GuardAnswer {
    let replacements = question.fleet.draft.record().replacements.values();
    let surges = replacements.filter(|work| work.phase().surge().is_some()).count();
    let surges = u32::try_from(surges).unwrap_or(u32::MAX);
    (surges > 0).then_some(Waiting::ReplacementsUnderWay { surges }).into()
}

/// Blocks a queued cutover while all cutover slots of the account are taken. A cutover that has a slot keeps it until
/// its end.
fn account_has_a_free_slot(question: &CutoverQuestion<'_>) -> GuardAnswer {
    let input = question.fleet.draft.input();
    let slots = &input.seen.account.slots;
    if slots.contains_key(input.fleet) {
        return Answer::Agrees;
    }
    if *question.cutover.phase() != CutoverPhase::Queued {
        return Answer::NotAsked;
    }
    let is_refused = input.outcomes.iter().any(|outcome| outcome.result == ActionResult::NoSlot);
    let is_full = is_refused || slots.len() >= CUTOVERS_MAX;
    is_full.then_some(Waiting::NoSlot { limit: CUTOVERS_MAX }).into()
}
