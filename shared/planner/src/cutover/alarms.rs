//! Whose alarm rings: the new color's or a shared one stops a cutover, both colors' are nobody's fault.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::AlarmState;
use crate::alarm::{Alarm, AlarmPattern};
use crate::cutover::{Sight, Step, condemn, roll_back};
use crate::draft::Draft;
use crate::ids::AlarmName;
use crate::notification::Condition;
use crate::observation::Group;
use crate::record::{Cutover, CutoverPhase};
use crate::waiting::{PreflightProblem, Waiting};

/// Whose alarm it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Old,
    New,
    Shared,
}

/// The alarms that guard a cutover: those of the policy that name no instance. An alarm of one instance is drift.
fn guards<'a>(sight: &Sight<'a>, cutover: &Cutover) -> impl Iterator<Item = (&'a AlarmName, &'a Alarm)> {
    let patterns: Vec<AlarmPattern> = cutover.policy.alarms().cloned().collect();
    sight
        .seen
        .alarms
        .found()
        .filter(move |(name, _)| patterns.iter().any(|pattern| pattern.matches(name)))
        .filter(|(_, alarm)| alarm.subject.instances.is_empty())
}

fn whose(alarm: &Alarm, sight: &Sight<'_>) -> Whose {
    let names = |group: &Group| {
        alarm.subject.groups.contains(&group.name)
            || group
                .target_groups
                .iter()
                .any(|arn| alarm.subject.target_groups.iter().any(|dimension| dimension == arn.dimension()))
    };
    // One group, or one target group for both, tells no color.
    match (sight.old.name != sight.new.name && names(sight.old), names(sight.new)) {
        (true, false) => Whose::Old,
        (false, true) => Whose::New,
        (true, true) | (false, false) => Whose::Shared,
    }
}

/// How long a step is watched.
pub(crate) fn step_time(sight: &Sight<'_>, cutover: &Cutover) -> SignedDuration {
    let slowest = guards(sight, cutover).filter_map(|(_, alarm)| alarm.window).max();
    slowest.map_or(cutover.policy.cutover.step, |slowest| cutover.step_time(slowest))
}

/// When a step that has been effective since then has been watched for long enough.
pub(crate) fn step_ends_at(sight: &Sight<'_>, cutover: &Cutover, effective_since: Timestamp) -> Timestamp {
    effective_since + step_time(sight, cutover)
}

/// An alarm of the policy's that does not exist, by its name.
fn missing(sight: &Sight<'_>, cutover: &Cutover) -> Option<String> {
    cutover
        .policy
        .alarms()
        .find(|pattern| match pattern {
            // What was not asked guards nothing either.
            AlarmPattern::Name(_) => !sight.seen.alarms.of_pattern(pattern).is_found(),
            // Alarms that are made with each instance need not be there.
            AlarmPattern::Prefix(_) => false,
        })
        .map(ToString::to_string)
}

/// What the alarms say before anything is changed.
pub(crate) fn preflight(sight: &Sight<'_>, cutover: &Cutover) -> Option<PreflightProblem> {
    if let Some(name) = missing(sight, cutover) {
        return Some(PreflightProblem::AlarmMissing { alarm: name.into() });
    }
    let ringing = guards(sight, cutover).find(|(_, alarm)| alarm.state == AlarmState::Alarm);
    ringing.map(|(name, alarm)| PreflightProblem::AlarmRings { alarm: name.clone(), reason: alarm.reason.clone() })
}

/// Flipping back comes before everything else.
pub(crate) fn flip_back(draft: &mut Draft<'_>, sight: &Sight<'_>, cutover: &Cutover) -> Option<Step> {
    let is_watched =
        matches!(cutover.phase(), CutoverPhase::Shifting(_) | CutoverPhase::Baking { .. } | CutoverPhase::Warm { .. });
    if !is_watched {
        return None;
    }
    let ringing: Vec<(&AlarmName, &Alarm, Whose)> = guards(sight, cutover)
        .filter(|(_, alarm)| alarm.state == AlarmState::Alarm)
        .map(|(name, alarm)| (name, alarm, whose(alarm, sight)))
        .collect();
    let of_old = ringing.iter().find(|(_, _, whose)| *whose == Whose::Old);
    let of_new = ringing.iter().find(|(_, _, whose)| *whose != Whose::Old);
    match (of_old, of_new) {
        (None, Some((name, alarm, _))) => {
            let why = format!("alarm {name} is in ALARM: {}", alarm.reason);
            condemn(draft, cutover, &why.as_str().into());
            draft.change_cutover(|cutover| cutover.evidence.push(why.as_str().into()));
            Some(roll_back(why))
        }
        (Some((old, ..)), Some((new, ..))) => {
            let detail = format!(
                "alarm {old} of {} and alarm {new} are both in ALARM, which points to a shared dependency",
                sight.old.name
            );
            draft.is_in(Condition::BothColorsAlarm, detail.clone());
            stop_clock(draft, sight);
            Some(Step::Wait(cutover.phase().clone(), Waiting::BothColorsAlarm { detail: detail.into() }))
        }
        (Some(_) | None, None) => {
            let name = missing(sight, cutover)?;
            let detail = format!("guard alarm {name} does not exist any more");
            draft.is_in(Condition::GuardAlarmMissing, detail.clone());
            stop_clock(draft, sight);
            Some(Step::Wait(cutover.phase().clone(), Waiting::GuardAlarmMissing { alarm: name.into() }))
        }
    }
}

/// While nothing can be judged, nothing counts as watched.
fn stop_clock(draft: &mut Draft<'_>, sight: &Sight<'_>) {
    draft.change_cutover(|cutover| cutover.hold(sight.now));
}
