//! CloudWatch alarms during a cutover. An alarm of the new color, or one that belongs to no single color, causes a
//! rollback. If an alarm of the old color is in ALARM at the same time, Driftless waits instead.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::AlarmState;
use crate::alarm::{Alarm, AlarmPattern};
use crate::cutover::{CutoverContext, Transition, roll_back, veto_and_defer};
use crate::draft::Draft;
use crate::ids::AlarmName;
use crate::notification::Condition;
use crate::observation::Group;
use crate::record::{Cutover, CutoverPhase};
use crate::waiting::{PreflightProblem, Waiting};

/// The color that an alarm belongs to, by its dimensions. `Shared`: both colors or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Old,
    New,
    Shared,
}

/// The alarms that guard a cutover: the alarms of the policy that name no instance in their dimensions. An alarm that
/// names one instance is a drift reason of that instance instead.
fn guards<'a>(context: &CutoverContext<'a>, cutover: &Cutover) -> impl Iterator<Item = (&'a AlarmName, &'a Alarm)> {
    let patterns: Vec<AlarmPattern> = cutover.policy.alarms().cloned().collect();
    context
        .seen
        .alarms
        .found()
        .filter(move |(name, _)| patterns.iter().any(|pattern| pattern.matches(name)))
        .filter(|(_, alarm)| alarm.subject.instances.is_empty())
}

fn whose(alarm: &Alarm, context: &CutoverContext<'_>) -> Whose {
    let names = |group: &Group| {
        alarm.subject.groups.contains(&group.name)
            || group
                .target_groups
                .iter()
                .any(|arn| alarm.subject.target_groups.iter().any(|dimension| dimension == arn.dimension()))
    };
    // If both colors share the group or the target group, the dimension names no color.
    match (context.old.name != context.new.name && names(context.old), names(context.new)) {
        (true, false) => Whose::Old,
        (false, true) => Whose::New,
        (true, true) | (false, false) => Whose::Shared,
    }
}

/// How long each traffic step of the cutover is watched.
pub(crate) fn step_time(context: &CutoverContext<'_>, cutover: &Cutover) -> SignedDuration {
    let slowest = guards(context, cutover).filter_map(|(_, alarm)| alarm.window).max();
    slowest.map_or(cutover.policy.cutover.step, |slowest| cutover.step_time(slowest))
}

/// When the watch time of a traffic step ends. It began at `effective_since`, when the traffic of the step was in
/// effect.
pub(crate) fn step_ends_at(context: &CutoverContext<'_>, cutover: &Cutover, effective_since: Timestamp) -> Timestamp {
    effective_since + step_time(context, cutover)
}

/// The name of an alarm of the policy that does not exist or was not read. None: every named alarm was found.
fn missing(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<String> {
    cutover
        .policy
        .alarms()
        .find(|pattern| match pattern {
            // An alarm that was not read guards nothing either.
            AlarmPattern::Name(_) => !context.seen.alarms.of_pattern(pattern).is_found(),
            // Alarms that are created with each instance need not exist.
            AlarmPattern::Prefix(_) => false,
        })
        .map(ToString::to_string)
}

/// Why the alarms block the start of a cutover: a named alarm is missing, or a guard alarm is already in ALARM. None:
/// they do not block it.
pub(crate) fn preflight(context: &CutoverContext<'_>, cutover: &Cutover) -> Option<PreflightProblem> {
    if let Some(name) = missing(context, cutover) {
        return Some(PreflightProblem::AlarmMissing { alarm: name.into() });
    }
    let in_alarm = guards(context, cutover).find(|(_, alarm)| alarm.state == AlarmState::Alarm);
    in_alarm.map(|(name, alarm)| PreflightProblem::AlarmInAlarm { alarm: name.clone(), reason: alarm.reason.clone() })
}

/// Rolls back if an alarm of the new color, or one that belongs to no single color, is in ALARM. Waits if an alarm of
/// the old color is in ALARM at the same time. Also waits if a named alarm is missing. Applies in the phases
/// `Shifting`, `Baking` and `Warm`, before all other work of the phase except an operator's command. None: the phase
/// continues.
pub(crate) fn flip_back(draft: &mut Draft<'_>, context: &CutoverContext<'_>, cutover: &Cutover) -> Option<Transition> {
    let is_watched =
        matches!(cutover.phase(), CutoverPhase::Shifting(_) | CutoverPhase::Baking { .. } | CutoverPhase::Warm { .. });
    if !is_watched {
        return None;
    }
    let in_alarm: Vec<(&AlarmName, &Alarm, Whose)> = guards(context, cutover)
        .filter(|(_, alarm)| alarm.state == AlarmState::Alarm)
        .map(|(name, alarm)| (name, alarm, whose(alarm, context)))
        .collect();
    let of_old = in_alarm.iter().find(|(_, _, whose)| *whose == Whose::Old);
    let of_new = in_alarm.iter().find(|(_, _, whose)| *whose != Whose::Old);
    match (of_old, of_new) {
        (None, Some((name, alarm, _))) => {
            let why = format!("alarm {name} is in ALARM: {}", alarm.reason);
            veto_and_defer(draft, cutover, &why.as_str().into());
            draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
            Some(roll_back(why))
        }
        (Some((old, ..)), Some((new, ..))) => {
            let detail = format!(
                "alarm {old} of {} and alarm {new} are both in ALARM, which points to a shared dependency",
                context.old.name
            );
            draft.is_in(Condition::BothColorsAlarm, detail.clone());
            stop_clock(draft, context);
            Some(Transition::Wait(cutover.phase().clone(), Waiting::BothColorsAlarm { detail: detail.into() }))
        }
        (Some(_) | None, None) => {
            let name = missing(context, cutover)?;
            let detail = format!("guard alarm {name} does not exist any more");
            draft.is_in(Condition::GuardAlarmMissing, detail.clone());
            stop_clock(draft, context);
            Some(Transition::Wait(cutover.phase().clone(), Waiting::GuardAlarmMissing { alarm: name.into() }))
        }
    }
}

/// Stops the timers of the cutover: time in which the alarms cannot show whether the new release is good does not
/// count.
fn stop_clock(draft: &mut Draft<'_>, context: &CutoverContext<'_>) {
    draft.change_cutover(|cutover| cutover.stop_clock(context.now));
}
