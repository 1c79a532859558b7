//! Undoing a cutover: traffic returns to the old color first, then the new color is scaled to zero and the settings are
//! restored. No freeze, window or pause blocks this.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::action::{Action, Direction, WeightChange};
use crate::borrowed_settings;
use crate::cutover::retire::empty;
use crate::cutover::shift::Weights;
use crate::cutover::{CutoverContext, Transition, minimum_healthy, rolling, serving};
use crate::draft::Draft;
use crate::ids::TargetGroupArn;
use crate::notification::Condition;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route, Setting};
use crate::text::UntrustedText;
use crate::waiting::{TrafficChange, Waiting};

/// How long reads of the groups may lag behind a write at most; usually they lag by seconds. A new color that was just
/// attached to the shared target group may still appear detached for this long, and must not be scaled to zero because
/// of that.
const DESCRIBES_TRAIL: SignedDuration = SignedDuration::from_secs(15);

/// Undoes a cutover whose new color has had no traffic from Driftless.
pub(crate) fn abort(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    outcome: CutoverOutcome,
    why: &UntrustedText,
) -> Transition {
    let stay = CutoverPhase::Aborting { outcome, why: why.clone() };
    if let Some(change) = has_traffic_already(context, cutover) {
        draft.is_in(Condition::TrafficChanged, change.to_string());
        return Transition::Wait(stay, Waiting::TrafficChangedByOthers { change });
    }
    match scale_new_color_to_zero(draft, context, cutover) {
        ScaleDown::Done => Transition::End(outcome, why.to_string()),
        ScaleDown::UnderWay => Transition::Stay(stay),
        ScaleDown::Waits(waiting) => Transition::Wait(stay, waiting),
    }
}

/// The external change that gave traffic to the new color. Scaling the new color to zero would drop requests then.
/// None: there is no such change.
fn has_traffic_already(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<TrafficChange> {
    match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            let live = weights.forward(context)?;
            (live.weights.get(new).is_some_and(|weight| *weight > 0))
                .then(|| TrafficChange::Given { group: context.new.name.clone(), place: live.place.clone() })
        }
        Route::Shared { target_group, .. } => {
            let is_attached = context.new.target_groups.contains(target_group);
            is_attached.then(|| TrafficChange::Attached { group: context.new.name.clone() })
        }
        Route::None | Route::Rolling => None,
    }
}

/// The progress of scaling the new color to zero and restoring the settings.
enum ScaleDown {
    UnderWay,
    Waits(Waiting),
    Done,
}

/// Scales the new color to zero and restores every borrowed setting of both groups. A cutover of a single group has
/// nothing to scale to zero.
fn scale_new_color_to_zero(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> ScaleDown {
    if cutover.route == Route::Rolling {
        return ScaleDown::Done;
    }
    let left = serving(context.seen, context.new);
    if left > 0 && context.old.desired > 0 && serving(context.seen, context.old) == 0 {
        return ScaleDown::Waits(keep_last_healthy(draft, context, cutover, left));
    }
    let without_traffic = match &cutover.route {
        Route::Weighted { new, .. } => Some(new.clone()),
        Route::Shared { .. } | Route::None | Route::Rolling => None,
    };
    let maximum = borrowed_settings::maximum_before(draft, context.new);
    let is_empty = empty(draft, context.new, maximum, without_traffic, Direction::Back);
    let is_restored = borrowed_settings::restore(draft, context.old);
    if is_empty && borrowed_settings::restore(draft, context.new) && is_restored {
        return ScaleDown::Done;
    }
    if context.now >= cutover.deadline() {
        let left = context.new.members.len();
        let detail = format!("{left} instances of {} still exist, or a setting is not restored", context.new.name);
        draft.is_in(Condition::RestoreOverdue, detail);
    }
    ScaleDown::UnderWay
}

/// Keeps the new color while the old color has no healthy instance: an operator could then send traffic only to
/// instances of the new color, whatever is wrong with them. Scales up the old color, and on-call gets a message.
fn keep_last_healthy(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover, left: u32) -> Waiting {
    borrowed_settings::borrow_minimum(draft, context.old, cutover.size);
    let detail = format!(
        "{old} has no healthy targets; {} keeps its {left} instances until {old} has one",
        context.new.name,
        old = context.old.name
    );
    draft.is_in(Condition::OldColorDown, detail);
    Waiting::OldColorDown { left }
}

/// Returns all traffic to the old color, then scales the new color to zero and restores the borrowed settings.
pub(crate) fn roll_back(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    why: &UntrustedText,
    back_since: Option<Timestamp>,
) -> Transition {
    let stay = |back_since| CutoverPhase::RollingBack { why: why.clone(), back_since };
    let back = match &cutover.route {
        Route::Weighted { place, old, new } => weighted(draft, context, cutover, &Weights { place, old, new }),
        Route::Shared { target_group, api } => shared(draft, context, cutover, target_group, *api),
        Route::None => Back::There,
        Route::Rolling => match rolling::go_back(draft, context, cutover) {
            rolling::GoingBack::UnderWay => Back::NotYet,
            rolling::GoingBack::There => Back::There,
            rolling::GoingBack::Lost(why) => {
                return Transition::To(CutoverPhase::NeedsOperator { why: why.as_str().into() }, why);
            }
        },
    };
    match back {
        Back::NotYet => {
            page_when_overdue(draft, context, cutover);
            Transition::Stay(stay(None))
        }
        Back::Waits(waiting) => {
            page_when_overdue(draft, context, cutover);
            Transition::Wait(stay(None), waiting)
        }
        Back::There => {
            draft.traffic_is_back(cutover.old, &cutover.rollback_to);
            let since = back_since.unwrap_or(context.now);
            if matches!(cutover.route, Route::Shared { .. }) && context.now < since + DESCRIBES_TRAIL {
                draft.requeue(since + DESCRIBES_TRAIL);
                return Transition::Stay(stay(Some(since)));
            }
            match scale_new_color_to_zero(draft, context, cutover) {
                ScaleDown::Done => Transition::End(CutoverOutcome::RolledBack, why.to_string()),
                ScaleDown::UnderWay => Transition::Stay(stay(Some(since))),
                ScaleDown::Waits(waiting) => Transition::Wait(stay(Some(since)), waiting),
            }
        }
    }
}

fn page_when_overdue(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) {
    if context.now >= cutover.deadline() {
        let detail = format!("{} still has traffic after {:#}", context.new.name, super::ROLLBACK_DEADLINE);
        draft.is_in(Condition::RollbackOverdue, detail);
    }
}

/// The progress of returning the traffic to the old color.
enum Back {
    NotYet,
    Waits(Waiting),
    There,
}

/// How much of the traffic the old color can take now, which depends on the health of both colors.
enum Gate {
    All {
        /// The old color can take all traffic. The action requires this many healthy targets of the old color right
        /// before it writes.
        healthy: u32,
    },
    /// The old color can take a share of the traffic in proportion to its healthy instances. This percentage stays with
    /// the new color.
    Part { stays_percent: u32 },
    /// The old color can take no traffic, because it has no healthy instance.
    None,
}

/// Decides how much traffic returns to the old color now. All traffic returns at once if the old color has its minimum
/// healthy, or more healthy instances than the new color. Otherwise the traffic is split in proportion to the
/// healthy instances of both colors. If the old color has no healthy instance, no traffic returns.
fn gate(context: &CutoverContext<'_>, cutover: &Cutover) -> Gate {
    let (old, new) = (serving(context.seen, context.old), serving(context.seen, context.new));
    if old >= minimum_healthy(cutover) {
        Gate::All { healthy: minimum_healthy(cutover) }
    } else if old > new {
        Gate::All { healthy: new + 1 }
    } else if old > 0 {
        let stays = u64::from(new) * 100 / (u64::from(new) + u64::from(old));
        Gate::Part { stays_percent: u32::try_from(stays).unwrap_or(100) }
    } else {
        Gate::None
    }
}

/// Scales up the old color, which has fewer healthy instances than it needs for all of the traffic. On-call gets a
/// message. Returns what the rollback waits for.
fn raise_old_color(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Waiting {
    let (serving, minimum_healthy) = (serving(context.seen, context.old), minimum_healthy(cutover));
    // The fleet may have scaled out since, beyond the maximum of the old color.
    borrowed_settings::borrow_maximum(draft, context.old, cutover.size);
    borrowed_settings::borrow_minimum(draft, context.old, cutover.size);
    let detail =
        format!("{} has {serving} of {} healthy instances, {minimum_healthy} needed", context.old.name, cutover.size);
    draft.is_in(Condition::RollbackBelowMinimum, detail);
    Waiting::RollbackBelowMinimum { serving, minimum_healthy }
}

fn weighted(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover, weights: &Weights<'_>) -> Back {
    let Some(live) = weights.forward(context) else {
        let change = TrafficChange::ForwardGone;
        draft.is_in(Condition::TrafficChanged, change.to_string());
        return Back::Waits(Waiting::TrafficChangedByOthers { change });
    };
    if weights.give(&live.weights, 0) {
        return Back::There;
    }
    let (percent, healthy) = match gate(context, cutover) {
        Gate::All { healthy } => (0, healthy),
        Gate::Part { stays_percent } => (stays_percent, 1),
        Gate::None => return Back::Waits(raise_old_color(draft, context, cutover)),
    };
    let waiting = (serving(context.seen, context.old) < minimum_healthy(cutover))
        .then(|| raise_old_color(draft, context, cutover));
    let of_new = live.weights.get(weights.new).copied().unwrap_or(0);
    let all: u32 = live.weights.values().sum();
    let is_less = u64::from(percent) * u64::from(all) < u64::from(of_new) * 100;
    if is_less {
        if let Some(had) = live.stickiness {
            let setting = Setting::Stickiness { place: live.place.clone(), had };
            borrowed_settings::note(draft, &context.old.name, setting);
        }
        draft.act(Action::SetWeights {
            group: context.old.name.clone(),
            change: WeightChange {
                place: live.place.clone(),
                expected: live.weights.clone(),
                weights: weights.at(percent),
                expected_stickiness: live.stickiness,
                stickiness: None,
            },
            gate: BTreeMap::from([(weights.old.clone(), healthy)]),
            direction: Direction::Back,
        });
    }
    waiting.map_or(Back::NotYet, Back::Waits)
}

/// Rolls back on the route on which both colors share one target group: attaches the old color, and then detaches the
/// new color.
fn shared(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    target_group: &TargetGroupArn,
    api: crate::balancer::AttachmentApi,
) -> Back {
    let is_attached = |group: &crate::observation::Group| group.target_groups.contains(target_group);
    if !is_attached(context.old) {
        draft.act(Action::Attach {
            group: context.old.name.clone(),
            target_group: target_group.clone(),
            api,
            // The old color is attached beside the new one, which removes no target: so no instance needs to be in
            // service.
            in_service: 0,
            direction: Direction::Back,
        });
        return Back::NotYet;
    }
    if !is_attached(context.new) {
        return Back::There;
    }
    let healthy = match gate(context, cutover) {
        Gate::All { healthy } => healthy,
        Gate::Part { .. } | Gate::None => return Back::Waits(raise_old_color(draft, context, cutover)),
    };
    draft.act(Action::Detach {
        group: context.new.name.clone(),
        target_group: target_group.clone(),
        api,
        others_healthy: healthy,
        direction: Direction::Back,
    });
    Back::NotYet
}
