//! The end of a cutover: the minimum and the maximum of the fleet move to the new color, and the old color is scaled to
//! zero.

use crate::action::{Action, ActionResult, Bounds, Direction, Outcome};
use crate::borrowed_settings;
use crate::cutover::grow::below_minimum;
use crate::cutover::shift::{externally_changed, mostly_unhealthy};
use crate::cutover::{CutoverContext, Transition, roll_back, veto_and_defer};
use crate::draft::Draft;
use crate::ids::TargetGroupArn;
use crate::notification::Condition;
use crate::observation::Group;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route};
use crate::waiting::Waiting;

/// Advances the phase `Retiring` by one pass.
pub(crate) fn retire(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Transition {
    let done = || {
        Transition::End(
            CutoverOutcome::Done,
            "the new release has all traffic, and the old color is scaled to zero".to_owned(),
        )
    };
    if cutover.route == Route::Rolling {
        return done();
    }
    if let Some(waiting) = externally_changed(draft, context, cutover) {
        return Transition::Wait(CutoverPhase::Retiring, waiting);
    }
    if !is_scaled_to_zero(draft, context.old)
        && let Some(step) = too_few_serve(draft, context, cutover)
    {
        return step;
    }
    let surges = draft.record().slots_used(&context.new.name);
    if surges > 0 {
        // The surge sets the bounds of a group while it is in progress.
        let surges = u32::try_from(surges).unwrap_or(u32::MAX);
        return Transition::Wait(CutoverPhase::Retiring, Waiting::ReplacementsUnderWay { surges });
    }
    let without_traffic = match &cutover.route {
        Route::Weighted { old, .. } => Some(old.clone()),
        Route::Shared { .. } | Route::None | Route::Rolling => None,
    };
    let is_empty = empty(draft, context.old, 0, without_traffic, Direction::Forward);
    // The settings of the new color stay borrowed until the old color is empty: a rollback before that restores them.
    if is_empty && borrowed_settings::hand_over(draft, context.new, cutover.bounds) {
        borrowed_settings::forget_borrowed(draft, &context.old.name, "the color was scaled to zero");
        return done();
    }
    if !is_empty && context.now >= cutover.deadline() {
        let left = context.old.members.len();
        let detail = format!("{left} instances of {} still exist", context.old.name);
        draft.is_in(Condition::RetireOverdue, detail);
    }
    Transition::Stay(CutoverPhase::Retiring)
}

/// Whether Driftless has begun to scale a color to zero. From then on it gives that color no traffic.
fn is_scaled_to_zero(draft: &Draft<'_>, group: &Group) -> bool {
    let goes = |outcome: &Outcome| {
        matches!(outcome.action, Action::ScaleToZero { .. })
            && outcome.action.group() == Some(&group.name)
            && outcome.result == ActionResult::Done
    };
    (group.min, group.max, group.desired) == (0, 0, 0) || draft.input().outcomes.iter().any(goes)
}

/// Waits while the new color has fewer healthy instances than its minimum healthy. Rolls back if that lasts until the
/// deadline, and at once if fewer than half of its instances are healthy. None: it has enough.
fn too_few_serve(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Option<Transition> {
    if let Some(step) = mostly_unhealthy(draft, context, cutover) {
        return Some(step);
    }
    let waiting = below_minimum(context, cutover)?;
    if context.now < cutover.deadline() {
        return Some(Transition::Wait(CutoverPhase::Retiring, waiting));
    }
    veto_and_defer(draft, cutover, &waiting.to_string().as_str().into());
    Some(roll_back("the new color has too few healthy instances to scale the old one to zero"))
}

/// Scales a color to zero and sets its `MaxSize` to `maximum`. `without_traffic` is the target group whose weight must
/// be 0 right before the write. Returns whether no instance remains besides those in quarantine.
pub(crate) fn empty(
    draft: &mut Draft<'_>,
    group: &Group,
    maximum: u32,
    without_traffic: Option<TargetGroupArn>,
    direction: Direction,
) -> bool {
    let live = Bounds { min: group.min, max: group.max, desired: group.desired };
    if live == (Bounds { min: 0, max: maximum, desired: 0 }) {
        return draft.record().is_vacant(group);
    }
    draft.act(Action::ScaleToZero { group: group.name.clone(), expected: live, maximum, without_traffic, direction });
    false
}
