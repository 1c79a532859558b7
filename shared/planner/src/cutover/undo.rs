//! The way back: traffic first, and everything else later. Nothing holds it: no freeze, no window, no pause.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::action::{Action, Direction, WeightChange};
use crate::cutover::retire::empty;
use crate::cutover::shift::Weights;
use crate::cutover::{Sight, Step, floor, rolling, serving};
use crate::draft::Draft;
use crate::ids::TargetGroupArn;
use crate::ledger;
use crate::notification::Condition;
use crate::record::{Cutover, CutoverOutcome, CutoverPhase, Route, Setting};
use crate::text::UntrustedText;
use crate::waiting::{TrafficChange, Waiting};

/// A describe of groups can trail this long behind what was written; it does so by seconds. A color that was attached a
/// moment ago may still look as if it were not, and must not be let go on that.
const DESCRIBES_TRAIL: SignedDuration = SignedDuration::from_secs(15);

/// Undoes what has had no traffic.
pub(crate) fn abort(
    draft: &mut Draft<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    outcome: CutoverOutcome,
    why: &UntrustedText,
) -> Step {
    let stay = CutoverPhase::Aborting { outcome, why: why.clone() };
    if let Some(change) = has_traffic_already(sight, cutover) {
        draft.is_in(Condition::TrafficChanged, change.to_string());
        return Step::Wait(stay, Waiting::TrafficChangedByOthers { change });
    }
    match let_go(draft, sight, cutover) {
        LettingGo::Done => Step::End(outcome, why.to_string()),
        LettingGo::UnderWay => Step::Stay(stay),
        LettingGo::Waits(waiting) => Step::Wait(stay, waiting),
    }
}

/// Traffic that another hand gave to the new color: emptying it would drop requests.
fn has_traffic_already(sight: &Sight<'_>, cutover: &Cutover) -> Option<TrafficChange> {
    match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            let live = weights.forward(sight)?;
            (live.weights.get(new).is_some_and(|weight| *weight > 0))
                .then(|| TrafficChange::Given { group: sight.new.name.clone(), place: live.place.clone() })
        }
        Route::Shared { target_group, .. } => {
            let is_attached = sight.new.target_groups.contains(target_group);
            is_attached.then(|| TrafficChange::Attached { group: sight.new.name.clone() })
        }
        Route::None | Route::Rolling => None,
    }
}

/// How far the new color has gone.
enum LettingGo {
    UnderWay,
    Waits(Waiting),
    Done,
}

/// Empties the new color and puts everything back.
fn let_go(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> LettingGo {
    if cutover.route == Route::Rolling {
        return LettingGo::Done;
    }
    let left = serving(sight.seen, sight.new);
    if left > 0 && sight.old.desired > 0 && serving(sight.seen, sight.old) == 0 {
        return LettingGo::Waits(keep_the_last(draft, sight, cutover, left));
    }
    let without_traffic = match &cutover.route {
        Route::Weighted { new, .. } => Some(new.clone()),
        Route::Shared { .. } | Route::None | Route::Rolling => None,
    };
    let maximum = ledger::maximum_before(draft, sight.new);
    let is_empty = empty(draft, sight.new, maximum, without_traffic, Direction::Back);
    let is_restored = ledger::restore(draft, sight.old);
    if is_empty && ledger::restore(draft, sight.new) && is_restored {
        return LettingGo::Done;
    }
    if sight.now >= cutover.deadline() {
        let left = sight.new.members.len();
        let detail = format!("{left} instances of {} still exist, or a setting is not restored", sight.new.name);
        draft.is_in(Condition::RestoreOverdue, detail);
    }
    LettingGo::UnderWay
}

/// While nobody of the old color serves, those of the new one are all that a person could turn to, whatever is held
/// against them. The old color grows, and on-call is told.
fn keep_the_last(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, left: u32) -> Waiting {
    ledger::hold_minimum(draft, sight.old, cutover.size);
    let detail = format!("{} has no healthy targets; {} keeps its {left} until it has", sight.old.name, sight.new.name);
    draft.is_in(Condition::OldColorDown, detail);
    Waiting::OldColorDown { left }
}

/// Takes traffic back to the old color, then undoes the rest.
pub(crate) fn roll_back(
    draft: &mut Draft<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    why: &UntrustedText,
    back_since: Option<Timestamp>,
) -> Step {
    let stay = |back_since| CutoverPhase::RollingBack { why: why.clone(), back_since };
    let back = match &cutover.route {
        Route::Weighted { place, old, new } => weighted(draft, sight, cutover, &Weights { place, old, new }),
        Route::Shared { target_group, api } => shared(draft, sight, cutover, target_group, *api),
        Route::None => Back::There,
        Route::Rolling => match rolling::go_back(draft, sight, cutover) {
            rolling::GoingBack::UnderWay => Back::NotYet,
            rolling::GoingBack::There => Back::There,
            rolling::GoingBack::Lost(why) => {
                return Step::To(CutoverPhase::NeedsOperator { why: why.as_str().into() }, why);
            }
        },
    };
    match back {
        Back::NotYet => {
            page_when_overdue(draft, sight, cutover);
            Step::Stay(stay(None))
        }
        Back::Waits(waiting) => {
            page_when_overdue(draft, sight, cutover);
            Step::Wait(stay(None), waiting)
        }
        Back::There => {
            draft.traffic_is_back(cutover.old, &cutover.rollback_to);
            let since = back_since.unwrap_or(sight.now);
            if matches!(cutover.route, Route::Shared { .. }) && sight.now < since + DESCRIBES_TRAIL {
                draft.requeue(since + DESCRIBES_TRAIL);
                return Step::Stay(stay(Some(since)));
            }
            match let_go(draft, sight, cutover) {
                LettingGo::Done => Step::End(CutoverOutcome::RolledBack, why.to_string()),
                LettingGo::UnderWay => Step::Stay(stay(Some(since))),
                LettingGo::Waits(waiting) => Step::Wait(stay(Some(since)), waiting),
            }
        }
    }
}

fn page_when_overdue(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) {
    if sight.now >= cutover.deadline() {
        let detail = format!("{} still has traffic after {:#}", sight.new.name, super::ROLLBACK_DEADLINE);
        draft.is_in(Condition::RollbackOverdue, detail);
    }
}

/// How far the traffic is back.
enum Back {
    NotYet,
    Waits(Waiting),
    There,
}

/// What the old color can take, by the health of both.
enum Gate {
    All {
        /// So many must be healthy right before the write.
        healthy: u32,
    },
    /// Its share by healthy capacity: this much stays with the new color.
    Part { stays_percent: u32 },
    /// Nothing: none of it is healthy.
    None,
}

/// Back at once if the old color has at least one healthy target and more than the new one. Below that, in proportion to
/// healthy capacity.
fn gate(sight: &Sight<'_>, cutover: &Cutover) -> Gate {
    let (old, new) = (serving(sight.seen, sight.old), serving(sight.seen, sight.new));
    if old >= floor(cutover) {
        Gate::All { healthy: floor(cutover) }
    } else if old > new {
        Gate::All { healthy: new + 1 }
    } else if old > 0 {
        let stays = u64::from(new) * 100 / (u64::from(new) + u64::from(old));
        Gate::Part { stays_percent: u32::try_from(stays).unwrap_or(100) }
    } else {
        Gate::None
    }
}

/// Fewer than the floor are healthy in the color that is to take the traffic back: it grows, and on-call is told.
fn strengthen(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Waiting {
    let (serving, floor) = (serving(sight.seen, sight.old), floor(cutover));
    // The fleet may have scaled out since, and further than the old color may.
    ledger::hold_maximum(draft, sight.old, cutover.size);
    ledger::hold_minimum(draft, sight.old, cutover.size);
    let detail = format!("{} has {serving} of {} healthy instances, {floor} needed", sight.old.name, cutover.size);
    draft.is_in(Condition::RollbackBelowFloor, detail);
    Waiting::RollbackBelowFloor { serving, floor }
}

fn weighted(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, weights: &Weights<'_>) -> Back {
    let Some(live) = weights.forward(sight) else {
        let change = TrafficChange::ForwardGone;
        draft.is_in(Condition::TrafficChanged, change.to_string());
        return Back::Waits(Waiting::TrafficChangedByOthers { change });
    };
    if weights.give(&live.weights, 0) {
        return Back::There;
    }
    let (percent, healthy) = match gate(sight, cutover) {
        Gate::All { healthy } => (0, healthy),
        Gate::Part { stays_percent } => (stays_percent, 1),
        Gate::None => return Back::Waits(strengthen(draft, sight, cutover)),
    };
    let waiting = (serving(sight.seen, sight.old) < floor(cutover)).then(|| strengthen(draft, sight, cutover));
    let of_new = live.weights.get(weights.new).copied().unwrap_or(0);
    let all: u32 = live.weights.values().sum();
    let is_less = u64::from(percent) * u64::from(all) < u64::from(of_new) * 100;
    if is_less {
        if let Some(had) = live.stickiness {
            let setting = Setting::Stickiness { place: live.place.clone(), had };
            ledger::note(draft, &sight.old.name, setting);
        }
        draft.act(Action::SetWeights {
            group: sight.old.name.clone(),
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

/// One target group for both: the old color comes back in before the new one goes out.
fn shared(
    draft: &mut Draft<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    target_group: &TargetGroupArn,
    api: crate::balancer::AttachmentApi,
) -> Back {
    let is_attached = |group: &crate::observation::Group| group.target_groups.contains(target_group);
    if !is_attached(sight.old) {
        draft.act(Action::Attach {
            group: sight.old.name.clone(),
            target_group: target_group.clone(),
            api,
            // It comes in beside the new color, and takes nothing from it.
            in_service: 0,
            direction: Direction::Back,
        });
        return Back::NotYet;
    }
    if !is_attached(sight.new) {
        return Back::There;
    }
    let healthy = match gate(sight, cutover) {
        Gate::All { healthy } => healthy,
        Gate::Part { .. } | Gate::None => return Back::Waits(strengthen(draft, sight, cutover)),
    };
    draft.act(Action::Detach {
        group: sight.new.name.clone(),
        target_group: target_group.clone(),
        api,
        others_healthy: healthy,
        direction: Direction::Back,
    });
    Back::NotYet
}
