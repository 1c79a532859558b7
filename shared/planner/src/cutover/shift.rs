//! Traffic moves to the new color, step by step, and is watched.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::action::{Action, Direction, WeightChange};
use crate::adopt::Standing;
use crate::balancer::{Forward, ForwardPlace};
use crate::cutover::grow::{below_floor, breaks_rules, keep_sizes};
use crate::cutover::{Sight, Step, alarms, condemn, floor, remember_good, roll_back, serving, share, start};
use crate::draft::Draft;
use crate::ids::TargetGroupArn;
use crate::notification::Condition;
use crate::record::{Cutover, CutoverPhase, Route, Shifting};
use crate::waiting::{TrafficChange, Waiting};

/// How long weights of another hand are waited out before a person must say which ones are right.
const DISTURBED_MAX: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

/// Waits for a person or a pipeline.
pub(crate) fn await_approval(
    draft: &mut Draft<'_>,
    standing: &Standing<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
) -> Step {
    if let Some(step) = start::superseded(draft, standing, sight, cutover) {
        return step;
    }
    if let Some(step) = breaks_rules(draft, sight, cutover) {
        return step;
    }
    keep_sizes(draft, sight, cutover, sight.old.desired);
    if let Some(actor) = &cutover.approved {
        let why = format!("approved by {actor}");
        return Step::To(CutoverPhase::Shifting(Shifting::first(cutover.first_step())), why);
    }
    let image = &cutover.candidate.image;
    let detail = match cutover.route {
        Route::Weighted { .. } | Route::Shared { .. } | Route::None => format!("{image} is launched and healthy"),
        // A roll has no color that comes up beside the live one.
        Route::Rolling => format!("{image} is ready for an instance refresh"),
    };
    draft.is_in(Condition::AwaitingApproval, detail);
    Step::Wait(CutoverPhase::AwaitingApproval, Waiting::AwaitingApproval { until: cutover.deadline() })
}

/// One look at a step.
pub(crate) fn shift(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, mut shifting: Shifting) -> Step {
    if let Some(step) = suffering(draft, sight, cutover).or_else(|| breaks_rules(draft, sight, cutover)) {
        return step;
    }
    let cutover = &keep_sizes(draft, sight, cutover, sight.old.desired);
    let moved = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            weighted(draft, sight, cutover, &mut shifting, &weights)
        }
        Route::Shared { target_group, api } => {
            let (target_group, api) = (target_group.clone(), *api);
            shared(draft, sight, cutover, &mut shifting, &target_group, api)
        }
        Route::None | Route::Rolling => Moved::There,
    };
    match moved {
        Moved::NotYet => Step::Stay(CutoverPhase::Shifting(shifting)),
        Moved::Waits(waiting) => {
            shifting.effective_since = None;
            Step::Wait(CutoverPhase::Shifting(shifting), waiting)
        }
        Moved::Lost(why) => Step::To(CutoverPhase::NeedsOperator { why: why.as_str().into() }, why),
        Moved::There => {
            let since = *shifting.effective_since.get_or_insert(sight.now);
            watch(draft, sight, cutover, shifting, since)
        }
    }
}

/// The step's traffic is where it should be: its clock counts.
fn watch(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, shifting: Shifting, since: Timestamp) -> Step {
    let share = share(cutover, shifting.step);
    if share.get() == 100 {
        // At all of the traffic the watch is the bake, and the new color is the live one.
        draft.traffic_has_moved(cutover.new_color());
        let bake = alarms::step_time(sight, cutover).max(cutover.policy.cutover.bake);
        let until = if cutover.is_expedited { sight.now } else { sight.now + bake };
        return Step::To(CutoverPhase::Baking { until }, "the new color has all traffic".to_owned());
    }
    let until = alarms::step_ends_at(sight, cutover, since);
    if sight.now < until && !cutover.is_expedited {
        draft.requeue(until);
        return Step::Stay(CutoverPhase::Shifting(shifting));
    }
    let next = if cutover.is_expedited { cutover.last_step() } else { shifting.step + 1 };
    Step::To(CutoverPhase::Shifting(Shifting::next(next)), format!("healthy at {share}"))
}

/// What came of moving the traffic of one step.
enum Moved {
    /// It is on its way.
    NotYet,
    /// This must change first.
    Waits(Waiting),
    /// Only a person can tell how it goes on.
    Lost(String),
    /// It is read back.
    There,
}

/// The forward action of a cutover and the target groups of its colors.
pub(crate) struct Weights<'c> {
    pub(crate) place: &'c ForwardPlace,
    pub(crate) old: &'c TargetGroupArn,
    pub(crate) new: &'c TargetGroupArn,
}

impl Weights<'_> {
    /// The action as it is now.
    pub(crate) fn forward<'s>(&self, sight: &Sight<'s>) -> Option<&'s Forward> {
        sight.seen.forwards.iter().find(|forward| forward.place == *self.place)
    }

    /// The weights that give the new color so many of a hundred.
    pub(crate) fn at(&self, percent: u32) -> BTreeMap<TargetGroupArn, u32> {
        BTreeMap::from([(self.old.clone(), 100 - percent.min(100)), (self.new.clone(), percent.min(100))])
    }

    /// Whether weights give the new color exactly so many of a hundred.
    pub(crate) fn give(&self, weights: &BTreeMap<TargetGroupArn, u32>, percent: u32) -> bool {
        let of_new = weights.get(self.new).copied().unwrap_or(0);
        let all: u32 = weights.values().sum();
        // Two actions of the same share need not have the same numbers.
        all > 0 && u64::from(of_new) * 100 == u64::from(percent) * u64::from(all)
    }
}

fn weighted(
    draft: &mut Draft<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    shifting: &mut Shifting,
    weights: &Weights<'_>,
) -> Moved {
    let Some(live) = weights.forward(sight) else {
        return disturbed(draft, sight, shifting, TrafficChange::ForwardGone);
    };
    let percent = u32::from(share(cutover, shifting.step).get());
    let is_there = weights.give(&live.weights, percent);
    let before = shifting.before.get_or_insert_with(|| live.weights.clone());
    if !is_there && live.weights != *before {
        let change = TrafficChange::WeightsWritten { place: live.place.clone() };
        return disturbed(draft, sight, shifting, change);
    }
    if shifting.is_first && !is_there && !weights.give(&live.weights, 0) {
        let change = TrafficChange::TooEarly { place: live.place.clone() };
        shifting.before = None;
        return disturbed(draft, sight, shifting, change);
    }
    shifting.disturbed_since = None;
    if let Some(waiting) = below_floor(sight, cutover) {
        return Moved::Waits(waiting);
    }
    if is_there {
        return Moved::There;
    }
    draft.act(Action::SetWeights {
        group: sight.new.name.clone(),
        change: WeightChange {
            place: live.place.clone(),
            expected: live.weights.clone(),
            weights: weights.at(percent),
            expected_stickiness: live.stickiness,
            stickiness: live.stickiness,
        },
        gate: BTreeMap::from([(weights.new.clone(), floor(cutover))]),
        direction: Direction::Forward,
    });
    Moved::NotYet
}

/// What another hand wrote is theirs: traffic stays, on-call is told, and in the end a person says how it goes on.
fn disturbed(draft: &mut Draft<'_>, sight: &Sight<'_>, shifting: &mut Shifting, change: TrafficChange) -> Moved {
    let since = *shifting.disturbed_since.get_or_insert(sight.now);
    if sight.now >= since + DISTURBED_MAX {
        return Moved::Lost(format!("{change}, and the change was not reverted within {DISTURBED_MAX:#}"));
    }
    draft.requeue(since + DISTURBED_MAX);
    draft.is_in(Condition::TrafficChanged, change.to_string());
    Moved::Waits(Waiting::TrafficChangedByOthers { change })
}

/// One target group for both: the new color comes in, proves itself there, and the old one goes out.
fn shared(
    draft: &mut Draft<'_>,
    sight: &Sight<'_>,
    cutover: &Cutover,
    shifting: &mut Shifting,
    target_group: &TargetGroupArn,
    api: crate::balancer::AttachmentApi,
) -> Moved {
    let is_attached = |group: &crate::observation::Group| group.target_groups.contains(target_group);
    if let Some(waiting) = below_floor(sight, cutover) {
        return Moved::Waits(waiting);
    }
    let serving = serving(sight.seen, sight.new);
    if !is_attached(sight.new) {
        draft.act(Action::Attach {
            group: sight.new.name.clone(),
            target_group: target_group.clone(),
            api,
            in_service: floor(cutover),
            direction: Direction::Forward,
        });
        return Moved::NotYet;
    }
    if !is_attached(sight.old) {
        return Moved::There;
    }
    if serving < cutover.size {
        return Moved::Waits(Waiting::ColorBelowFloor { serving, floor: cutover.size });
    }
    let since = *shifting.effective_since.get_or_insert(sight.now);
    if sight.now < since + sight.new.warm_up {
        draft.requeue(since + sight.new.warm_up);
        return Moved::NotYet;
    }
    draft.act(Action::Detach {
        group: sight.old.name.clone(),
        target_group: target_group.clone(),
        api,
        others_healthy: floor(cutover),
        direction: Direction::Forward,
    });
    Moved::NotYet
}

/// Fewer than half of the new color serve while it has traffic: it is going down, and nothing is waited for.
pub(crate) fn suffering(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<Step> {
    let has_some = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            weights.forward(sight).is_some_and(|live| !weights.give(&live.weights, 0))
        }
        Route::Shared { target_group, .. } => sight.new.target_groups.contains(target_group),
        Route::None | Route::Rolling => false,
    };
    let serving = serving(sight.seen, sight.new);
    // Freshly attached targets are still being judged; their deadline is the step's.
    let is_shared = matches!(cutover.route, Route::Shared { .. });
    let is_judged = !is_shared
        || matches!(cutover.phase(), CutoverPhase::Baking { .. } | CutoverPhase::Warm { .. } | CutoverPhase::Retiring);
    if !has_some || !is_judged || u64::from(serving) * 2 >= u64::from(cutover.size) {
        return None;
    }
    let why = format!("only {serving} of its {} instances are healthy", cutover.size);
    condemn(draft, cutover, &why.as_str().into());
    draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
    Some(roll_back(why))
}

/// Watched at all of the traffic.
pub(crate) fn bake(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, until: Timestamp) -> Step {
    if let Some(step) = suffering(draft, sight, cutover).or_else(|| breaks_rules(draft, sight, cutover)) {
        return step;
    }
    let cutover = &keep_sizes(draft, sight, cutover, sight.new.desired);
    let until = if cutover.is_expedited { sight.now } else { until };
    if let Some(waiting) = taken(draft, sight, cutover).or_else(|| below_floor(sight, cutover)) {
        return Step::Wait(CutoverPhase::Baking { until }, waiting);
    }
    if sight.now < until {
        draft.requeue(until);
        return Step::Stay(CutoverPhase::Baking { until });
    }
    if let Some(release) = cutover.release(sight.now) {
        remember_good(draft, cutover.rollback_to.clone());
        remember_good(draft, release.clone());
        draft.release_is_proven(release);
    }
    let warm = cutover.policy.cutover.keep_warm;
    let until = if cutover.is_expedited { sight.now } else { sight.now + warm };
    Step::To(CutoverPhase::Warm { until }, "the bake time is over".to_owned())
}

/// The old color rests at full size.
pub(crate) fn keep_warm(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover, until: Timestamp) -> Step {
    if let Some(step) = suffering(draft, sight, cutover) {
        return step;
    }
    // The surplus of a surge goes again: it is no growth of the fleet.
    let surges = u32::try_from(draft.record().slots_used(&sight.new.name)).unwrap_or(u32::MAX);
    keep_sizes(draft, sight, cutover, sight.new.desired.saturating_sub(surges));
    let until = if cutover.is_expedited { sight.now } else { until };
    if let Some(waiting) = taken(draft, sight, cutover) {
        return Step::Wait(CutoverPhase::Warm { until }, waiting);
    }
    if sight.now < until {
        draft.requeue(until);
        return Step::Stay(CutoverPhase::Warm { until });
    }
    Step::To(CutoverPhase::Retiring, "the keep-warm time is over".to_owned())
}

/// Whether another hand gave traffic back to the old color: then nothing is watched, and it is not let go.
pub(crate) fn taken(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<Waiting> {
    let change = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            match weights.forward(sight) {
                None => TrafficChange::ForwardGone,
                Some(live) if weights.give(&live.weights, 100) => return None,
                Some(live) => TrafficChange::WeightsWritten { place: live.place.clone() },
            }
        }
        Route::Shared { target_group, .. } if sight.old.target_groups.contains(target_group) => {
            TrafficChange::AttachedAgain { group: sight.old.name.clone() }
        }
        Route::Shared { target_group, .. } if !sight.new.target_groups.contains(target_group) => {
            TrafficChange::Detached { group: sight.new.name.clone() }
        }
        Route::Shared { .. } | Route::None | Route::Rolling => return None,
    };
    draft.is_in(Condition::TrafficChanged, change.to_string());
    Some(Waiting::TrafficChangedByOthers { change })
}
