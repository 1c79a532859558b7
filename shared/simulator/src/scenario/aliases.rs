//! Earlier names of what a scenario file says. The parser reads both names and keeps the documented one, so that a file in
//! earlier names and a file in documented names are the same scenario.

use super::words::Line;

/// Where a name stands. The same word can mean two things: `verifying` is a phase of a cutover and a phase of a
/// replacement, and only the phase of the replacement was called `proving`. (old name)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The kind of an event: the first word after the time.
    Event,
    /// The state of an alarm.
    AlarmState,
    /// The behavior of the instances of an image.
    Image,
    /// The name of an expectation: the part before the `=`, or the whole word.
    Expectation,
    /// A call that changes something in AWS or in the table.
    Call,
    /// The phase of a cutover, after `cutover=`.
    CutoverPhase,
    /// The phase of a replacement, as after `replacement blue/1=`.
    ReplacementPhase,
    /// The name of a condition, after `condition=`.
    Condition,
    /// The name of a guard, as after `blocked blue/1=`.
    Guard,
    /// A part of the subject of a message, in `page "…"` and `message "…"`.
    Subject,
}

/// Each alias: the place, the earlier name and the documented name.
pub(crate) const ALIASES: &[(Place, &str, &str)] = &[
    (Place::Event, "person", "operator"),
    (Place::AlarmState, "rings", "in-alarm"),
    (Place::AlarmState, "stops", "ok"),
    (Place::AlarmState, "lacks data", "insufficient-data"),
    (Place::Image, "born drifted", "never compliant"),
    (Place::Expectation, "serving", "healthy"),
    (Place::Expectation, "waiting", "blocked"),
    (Place::Expectation, "ledger", "borrowed-settings"),
    (Place::Expectation, "settled", "idle"),
    (Place::Call, "empty", "scale-to-zero"),
    (Place::Call, "set-aside", "enter-standby"),
    (Place::CutoverPhase, "retiring-old", "retiring"),
    (Place::ReplacementPhase, "proving", "verifying"),
    (Place::ReplacementPhase, "withdrawing", "cancelling"),
    (Place::ReplacementPhase, "vacating", "terminating"),
    (Place::ReplacementPhase, "refilling", "launching-after"),
    (Place::Condition, "rollback-below-floor", "rollback-below-minimum"),
    (Place::Condition, "cutover-waits", "cutover-blocked"),
    (Place::Condition, "nothing-can-go-first", "terminate-first-blocked"),
    (Place::Condition, "old-color-down", "old-color-unhealthy"),
    (Place::Guard, "floor", "min-healthy"),
    (Place::Guard, "successor", "launch-pending"),
    (Place::Guard, "turn", "slot"),
    (Place::Guard, "lineage", "repeat-drift"),
    (Place::Guard, "color-floor", "color-min-healthy"),
    (Place::Guard, "rollback-floor", "rollback-min-healthy"),
    (Place::Subject, "another hand", "outside Driftless"),
];

/// The aliases of a place, each as the earlier name and the documented name.
fn rows(place: Place) -> impl Iterator<Item = (&'static str, &'static str)> {
    ALIASES.iter().filter(move |(of, ..)| *of == place).map(|(_, earlier, documented)| (*earlier, *documented))
}

/// The documented name for a name.
pub(crate) fn documented(place: Place, name: &str) -> &str {
    rows(place).find(|(earlier, _)| *earlier == name).map_or(name, |(_, documented)| documented)
}

/// The subject of a message, or a part of one, in the documented words.
pub(crate) fn documented_subject(text: &str) -> String {
    rows(Place::Subject).fold(text.to_owned(), |text, (earlier, documented)| text.replace(earlier, documented))
}

/// All names with the same meaning as this one, the documented name first.
pub(crate) fn names_of(place: Place, name: &str) -> impl Iterator<Item = &str> {
    let name = documented(place, name);
    let earlier = rows(place).filter(move |(_, documented)| *documented == name).map(|(earlier, _)| earlier);
    std::iter::once(name).chain(earlier)
}

/// Takes the next words of a line if they are this name or another one with the same meaning.
pub(crate) fn takes(line: &mut Line<'_>, place: Place, name: &str) -> bool {
    names_of(place, name).any(|name| line.takes_all(&name.split(' ').collect::<Vec<_>>()))
}
