//! The bounds travel with the traffic, and the old color is let go.

use crate::action::{Action, Bounds, Direction};
use crate::cutover::shift::taken;
use crate::cutover::{Sight, Step};
use crate::decide::Plan;
use crate::decision::Waiting;
use crate::ids::TargetGroupArn;
use crate::ledger;
use crate::notification::Condition;
use crate::observation::Group;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route};

/// One look at it.
pub(crate) fn retire(plan: &mut Plan<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Step {
    let done =
        || Step::End(CutoverOutcome::Done, "the new release has the traffic, and the old color is gone".to_owned());
    if cutover.route == Route::Rolling {
        return done();
    }
    if let Some(waiting) = taken(plan, sight, cutover) {
        return Step::Wait(CutoverPhase::Retiring, waiting);
    }
    let surges = plan.next.slots_used(&sight.new.name);
    if surges > 0 {
        // The bounds of a group with a surge under way are the surge's.
        let surges = u32::try_from(surges).unwrap_or(u32::MAX);
        return Step::Wait(CutoverPhase::Retiring, Waiting::ReplacementsUnderWay { surges });
    }
    let is_at_bounds = ledger::travel(plan, sight.new, cutover.bounds);
    if !is_at_bounds {
        return Step::Stay(CutoverPhase::Retiring);
    }
    let without_traffic = match &cutover.route {
        Route::Weighted { old, .. } => Some(old.clone()),
        Route::Shared { .. } | Route::None | Route::Rolling => None,
    };
    let is_empty = empty(plan, sight.old, 0, without_traffic, Direction::Forward);
    if is_empty {
        ledger::strike_held(plan, &sight.old.name, "the color is let go");
        return done();
    }
    if sight.now >= cutover.deadline {
        let left = sight.old.members.len();
        let detail = format!("{left} instances of {} are still there", sight.old.name);
        plan.is_in(Condition::RetireOverdue, detail);
    }
    Step::Stay(CutoverPhase::Retiring)
}

/// Lets a color go. True: it is gone.
pub(crate) fn empty(
    plan: &mut Plan<'_>,
    group: &Group,
    maximum: u32,
    without_traffic: Option<TargetGroupArn>,
    direction: Direction,
) -> bool {
    let live = Bounds { min: group.min, max: group.max, desired: group.desired };
    if live == (Bounds { min: 0, max: maximum, desired: 0 }) {
        return group.members.is_empty();
    }
    plan.actions.push(Action::Empty { group: group.name.clone(), expected: live, maximum, without_traffic, direction });
    false
}
