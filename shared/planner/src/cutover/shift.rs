//! Traffic moves to the new color step by step, and Driftless watches alarms and health.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::action::{Action, Direction, WeightChange};
use crate::adopt::FleetState;
use crate::balancer::{Forward, ForwardPlace};
use crate::cutover::grow::{below_minimum, breaks_rules, keep_sizes};
use crate::cutover::{
    CutoverContext, Transition, alarms, minimum_healthy, remember_good, roll_back, serving, share, start,
    veto_and_defer,
};
use crate::draft::Draft;
use crate::ids::TargetGroupArn;
use crate::notification::Condition;
use crate::record::{Cutover, CutoverPhase, Route, Shifting};
use crate::waiting::{TrafficChange, Waiting};

/// How long weights that an external change wrote may stay before an operator must decide which weights are right.
const CHANGED_OUTSIDE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

/// Waits until an operator or a pipeline approves the cutover.
pub(crate) fn await_approval(
    draft: &mut Draft<'_>,
    standing: &FleetState<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Transition {
    if let Some(step) = start::superseded(draft, standing, context, cutover) {
        return step;
    }
    if let Some(step) = breaks_rules(draft, context, cutover) {
        return step;
    }
    keep_sizes(draft, context, cutover, context.old.desired);
    if let Some(actor) = &cutover.approved {
        let why = format!("approved by {actor}");
        return Transition::To(CutoverPhase::Shifting(Shifting::first(cutover.first_step())), why);
    }
    let image = &cutover.candidate.image;
    let detail = match cutover.route {
        Route::Weighted { .. } | Route::Shared { .. } | Route::None => format!("{image} is launched and healthy"),
        // An instance refresh has no second color that scales up.
        Route::Rolling => format!("{image} is ready for an instance refresh"),
    };
    draft.is_in(Condition::AwaitingApproval, detail);
    Transition::Wait(CutoverPhase::AwaitingApproval, Waiting::AwaitingApproval { until: cutover.deadline() })
}

/// Advances the current traffic step by one pass.
pub(crate) fn shift(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    mut shifting: Shifting,
) -> Transition {
    if let Some(step) = mostly_unhealthy(draft, context, cutover).or_else(|| breaks_rules(draft, context, cutover)) {
        return step;
    }
    let cutover = &keep_sizes(draft, context, cutover, context.old.desired);
    let moved = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            weighted(draft, context, cutover, &mut shifting, &weights)
        }
        Route::Shared { target_group, api } => {
            let (target_group, api) = (target_group.clone(), *api);
            shared(draft, context, cutover, &mut shifting, &target_group, api)
        }
        Route::None | Route::Rolling => Moved::There,
    };
    match moved {
        Moved::NotYet => Transition::Stay(CutoverPhase::Shifting(shifting)),
        Moved::Waits(waiting) => {
            shifting.effective_since = None;
            Transition::Wait(CutoverPhase::Shifting(shifting), waiting)
        }
        Moved::Lost(why) => Transition::To(CutoverPhase::NeedsOperator { why: why.as_str().into() }, why),
        Moved::There => {
            let since = *shifting.effective_since.get_or_insert(context.now);
            watch(draft, context, cutover, shifting, since)
        }
    }
}

/// Watches a traffic step, whose traffic is in effect, until its watch time is over. Then the next step follows, or the
/// bake after the step of 100 %.
fn watch(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    shifting: Shifting,
    since: Timestamp,
) -> Transition {
    let share = share(cutover, shifting.step);
    if share.get() == 100 {
        // At 100 % the watch is the bake, and the new color becomes the live one.
        draft.traffic_has_moved(cutover.new_color());
        let bake = alarms::step_time(context, cutover).max(cutover.policy.cutover.bake);
        let until = if cutover.is_expedited { context.now } else { context.now + bake };
        return Transition::To(CutoverPhase::Baking { until }, "the new color has all traffic".to_owned());
    }
    let until = alarms::step_ends_at(context, cutover, since);
    if context.now < until && !cutover.is_expedited {
        draft.requeue(until);
        return Transition::Stay(CutoverPhase::Shifting(shifting));
    }
    let next = if cutover.is_expedited { cutover.last_step() } else { shifting.step + 1 };
    Transition::To(CutoverPhase::Shifting(Shifting::next(next)), format!("healthy at {share}"))
}

/// The progress of giving the new color the traffic of one step.
enum Moved {
    /// A write has been decided but not read back yet, or the warm-up of the new color is not over.
    NotYet,
    /// The step waits until this reason ends.
    Waits(Waiting),
    /// Driftless cannot continue, and an operator must decide. Contains the reason.
    Lost(String),
    /// The traffic of the step is in effect according to this pass's read, or the route has no traffic to move.
    There,
}

/// The forward action of a cutover, with the target groups of both colors.
pub(crate) struct Weights<'c> {
    pub(crate) place: &'c ForwardPlace,
    pub(crate) old: &'c TargetGroupArn,
    pub(crate) new: &'c TargetGroupArn,
}

impl Weights<'_> {
    /// The forward action as this pass has read it. None: it was not read or does not exist.
    pub(crate) fn forward<'s>(&self, context: &CutoverContext<'s>) -> Option<&'s Forward> {
        context.seen.forwards.iter().find(|forward| forward.place == *self.place)
    }

    /// The weights that give this percentage of the traffic to the new color.
    pub(crate) fn at(&self, percent: u32) -> BTreeMap<TargetGroupArn, u32> {
        BTreeMap::from([(self.old.clone(), 100 - percent.min(100)), (self.new.clone(), percent.min(100))])
    }

    /// Whether the weights give exactly this percentage of the traffic to the new color.
    pub(crate) fn give(&self, weights: &BTreeMap<TargetGroupArn, u32>, percent: u32) -> bool {
        let of_new = weights.get(self.new).copied().unwrap_or(0);
        let all: u32 = weights.values().sum();
        // Two sets of weights with the same share need not have the same numbers.
        all > 0 && u64::from(of_new) * 100 == u64::from(percent) * u64::from(all)
    }
}

fn weighted(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    shifting: &mut Shifting,
    weights: &Weights<'_>,
) -> Moved {
    let Some(live) = weights.forward(context) else {
        return changed_outside(draft, context, shifting, TrafficChange::ForwardGone);
    };
    let percent = u32::from(share(cutover, shifting.step).get());
    let is_there = weights.give(&live.weights, percent);
    let before = shifting.before.get_or_insert_with(|| live.weights.clone());
    if !is_there && live.weights != *before {
        let change = TrafficChange::WeightsWritten { place: live.place.clone() };
        return changed_outside(draft, context, shifting, change);
    }
    if shifting.is_first && !is_there && !weights.give(&live.weights, 0) {
        let change = TrafficChange::TooEarly { place: live.place.clone() };
        shifting.before = None;
        return changed_outside(draft, context, shifting, change);
    }
    shifting.changed_outside_since = None;
    if let Some(waiting) = below_minimum(context, cutover) {
        return Moved::Waits(waiting);
    }
    if is_there {
        return Moved::There;
    }
    draft.act(Action::SetWeights {
        group: context.new.name.clone(),
        change: WeightChange {
            place: live.place.clone(),
            expected: live.weights.clone(),
            weights: weights.at(percent),
            expected_stickiness: live.stickiness,
            stickiness: live.stickiness,
        },
        gate: BTreeMap::from([(weights.new.clone(), minimum_healthy(cutover))]),
        direction: Direction::Forward,
    });
    Moved::NotYet
}

/// Handles an external change of the traffic: leaves the traffic as it is, notifies on-call, and demands a decision of
/// an operator after [`CHANGED_OUTSIDE_MAX`].
fn changed_outside(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    shifting: &mut Shifting,
    change: TrafficChange,
) -> Moved {
    let since = *shifting.changed_outside_since.get_or_insert(context.now);
    if context.now >= since + CHANGED_OUTSIDE_MAX {
        return Moved::Lost(format!("{change}, and the change was not reverted within {CHANGED_OUTSIDE_MAX:#}"));
    }
    draft.requeue(since + CHANGED_OUTSIDE_MAX);
    draft.is_in(Condition::TrafficChanged, change.to_string());
    Moved::Waits(Waiting::TrafficChangedByOthers { change })
}

/// Moves traffic on the route on which both colors share one target group: attaches the new color, waits until it has
/// been healthy for its warm-up, and then detaches the old color.
fn shared(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    shifting: &mut Shifting,
    target_group: &TargetGroupArn,
    api: crate::balancer::AttachmentApi,
) -> Moved {
    let is_attached = |group: &crate::observation::Group| group.target_groups.contains(target_group);
    if let Some(waiting) = below_minimum(context, cutover) {
        return Moved::Waits(waiting);
    }
    let serving = serving(context.seen, context.new);
    if !is_attached(context.new) {
        draft.act(Action::Attach {
            group: context.new.name.clone(),
            target_group: target_group.clone(),
            api,
            in_service: minimum_healthy(cutover),
            direction: Direction::Forward,
        });
        return Moved::NotYet;
    }
    if !is_attached(context.old) {
        return Moved::There;
    }
    if serving < cutover.size {
        return Moved::Waits(Waiting::ColorBelowMinimum { serving, minimum_healthy: cutover.size });
    }
    let since = *shifting.effective_since.get_or_insert(context.now);
    if context.now < since + context.new.warm_up {
        draft.requeue(since + context.new.warm_up);
        return Moved::NotYet;
    }
    draft.act(Action::Detach {
        group: context.old.name.clone(),
        target_group: target_group.clone(),
        api,
        others_healthy: minimum_healthy(cutover),
        direction: Direction::Forward,
    });
    Moved::NotYet
}

/// Rolls back at once if fewer than half of the instances of the new color are healthy while it has traffic. With a
/// shared target group this applies only from the bake on. None: no rollback.
pub(crate) fn mostly_unhealthy(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Option<Transition> {
    let has_some = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            weights.forward(context).is_some_and(|live| !weights.give(&live.weights, 0))
        }
        Route::Shared { target_group, .. } => context.new.target_groups.contains(target_group),
        Route::None | Route::Rolling => false,
    };
    let serving = serving(context.seen, context.new);
    // Newly attached targets have no health result yet; the deadline of the step covers them.
    let is_shared = matches!(cutover.route, Route::Shared { .. });
    let is_checked = !is_shared
        || matches!(cutover.phase(), CutoverPhase::Baking { .. } | CutoverPhase::Warm { .. } | CutoverPhase::Retiring);
    if !has_some || !is_checked || u64::from(serving) * 2 >= u64::from(cutover.size) {
        return None;
    }
    let why = format!("only {serving} of its {} instances are healthy", cutover.size);
    veto_and_defer(draft, cutover, &why.as_str().into());
    draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
    Some(roll_back(why))
}

/// Advances the bake by one pass: watches the new color, which has all traffic.
pub(crate) fn bake(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    until: Timestamp,
) -> Transition {
    if let Some(step) = mostly_unhealthy(draft, context, cutover).or_else(|| breaks_rules(draft, context, cutover)) {
        return step;
    }
    let cutover = &keep_sizes(draft, context, cutover, context.new.desired);
    let until = if cutover.is_expedited { context.now } else { until };
    if let Some(waiting) = externally_changed(draft, context, cutover).or_else(|| below_minimum(context, cutover)) {
        return Transition::Wait(CutoverPhase::Baking { until }, waiting);
    }
    if context.now < until {
        draft.requeue(until);
        return Transition::Stay(CutoverPhase::Baking { until });
    }
    if let Some(release) = cutover.release(context.now) {
        remember_good(draft, cutover.rollback_to.clone());
        remember_good(draft, release.clone());
        draft.release_is_proven(release);
    }
    let warm = cutover.policy.cutover.keep_warm;
    let until = if cutover.is_expedited { context.now } else { context.now + warm };
    Transition::To(CutoverPhase::Warm { until }, "the bake time is over".to_owned())
}

/// Advances the phase `Warm` by one pass: keeps the old color at full size, so that a rollback is fast.
pub(crate) fn keep_warm(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
    until: Timestamp,
) -> Transition {
    if let Some(step) = mostly_unhealthy(draft, context, cutover) {
        return step;
    }
    // The extra instance of a surge is temporary: it does not make the fleet larger.
    let surges = u32::try_from(draft.record().slots_used(&context.new.name)).unwrap_or(u32::MAX);
    keep_sizes(draft, context, cutover, context.new.desired.saturating_sub(surges));
    let until = if cutover.is_expedited { context.now } else { until };
    if let Some(waiting) = externally_changed(draft, context, cutover) {
        return Transition::Wait(CutoverPhase::Warm { until }, waiting);
    }
    if context.now < until {
        draft.requeue(until);
        return Transition::Stay(CutoverPhase::Warm { until });
    }
    Transition::To(CutoverPhase::Retiring, "the keep-warm time is over".to_owned())
}

/// What the cutover waits for if an external change took traffic from the new color or removed the forward action.
/// While it waits, the phase does not end, and the old color is not scaled to zero. None: no such change.
pub(crate) fn externally_changed(
    draft: &mut Draft<'_>,
    context: &CutoverContext<'_>,
    cutover: &Cutover,
) -> Option<Waiting> {
    let change = match &cutover.route {
        Route::Weighted { place, old, new } => {
            let weights = Weights { place, old, new };
            match weights.forward(context) {
                None => TrafficChange::ForwardGone,
                Some(live) if weights.give(&live.weights, 100) => return None,
                Some(live) => TrafficChange::WeightsWritten { place: live.place.clone() },
            }
        }
        Route::Shared { target_group, .. } if context.old.target_groups.contains(target_group) => {
            TrafficChange::AttachedAgain { group: context.old.name.clone() }
        }
        Route::Shared { target_group, .. } if !context.new.target_groups.contains(target_group) => {
            TrafficChange::Detached { group: context.new.name.clone() }
        }
        Route::Shared { .. } | Route::None | Route::Rolling => return None,
    };
    draft.is_in(Condition::TrafficChanged, change.to_string());
    Some(Waiting::TrafficChangedByOthers { change })
}
