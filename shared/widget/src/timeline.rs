//! Draws the last transitions. Time goes to the right, and each instance, each fleet or the cutovers have their own
//! lane.

use driftless_planner::history::{Change, ChangeKind};
use driftless_planner::record::{CutoverOutcome, CutoverPhaseKind, PhaseKind};
use driftless_planner::transitions::{CutoverStep, ReplacementStep, Step};
use driftless_status::history::{History, HistoryLine};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::words::{Tone, cut};

/// The longest time span that is drawn before the newest transition.
const WINDOW: SignedDuration = SignedDuration::from_hours(3);
/// The longest time span that is drawn after the newest transition.
const AFTER: SignedDuration = SignedDuration::from_mins(30);
const LANES_MAX: usize = 8;
/// Lengths in pixels: the left end of the lanes (`LEFT`), the height of a lane, the height of a bar in it, the margin
/// of the drawing, and the height of the time axis.
const LEFT: u32 = 150;
const LANE: u32 = 24;
const BAR: u32 = 14;
const MARGIN: u32 = 36;
const AXIS: u32 = 18;
/// The approximate width of one character of a label, in pixels.
const CHARACTER: u32 = 7;
const LABEL_MAX: usize = 20;
const TICKS_MAX: i32 = 4;

/// One row of the drawing: the transitions of one instance, one fleet or the cutovers.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    label: String,
    lines: Vec<&'a HistoryLine>,
}

impl<'a> Lane<'a> {
    /// The lanes of one fleet, from its history, whose newest entry comes first: one lane for its cutovers, one for its
    /// commands and conditions, and one for each instance.
    pub(crate) fn of_fleet(history: &'a [HistoryLine]) -> Vec<Self> {
        let mut lanes: Vec<Self> = vec![
            Self { label: "cutover".to_owned(), lines: Vec::new() },
            Self { label: "commands, states".to_owned(), lines: Vec::new() },
        ];
        for line in history {
            let label = match &line.instance {
                Some(instance) => instance.to_string(),
                None if is_of_cutover(line) => "cutover".to_owned(),
                None => "commands, states".to_owned(),
            };
            match lanes.iter_mut().find(|lane| lane.label == label) {
                Some(lane) => lane.lines.insert(0, line),
                None => lanes.push(Self { label, lines: vec![line] }),
            }
        }
        lanes.retain(|lane| !lane.lines.is_empty());
        lanes
    }

    /// Creates one lane for each fleet.
    pub(crate) fn of_fleets(histories: &'a [History]) -> Vec<Self> {
        let known = histories.iter().filter(|history| !history.lines.is_empty());
        let lane = |history: &'a History| Self {
            label: history.fleet.to_string(),
            lines: history.lines.iter().rev().collect(),
        };
        known.map(lane).collect()
    }
}

fn is_of_cutover(line: &HistoryLine) -> bool {
    line.kind == ChangeKind::Cutover
}

/// Whether the entry starts a phase, which lasts until the next entry.
fn lasts(line: &HistoryLine) -> bool {
    matches!(
        line.change(),
        Some(Change::Replacement { to: Step::Enters(_), .. } | Change::Cutover { to: Step::Enters(_), .. })
    )
}

/// The change that an entry records, as text: the state before and the state after.
pub(crate) fn step(line: &HistoryLine) -> String {
    if line.from.as_str().is_empty() { line.to.to_string() } else { format!("{} → {}", line.from, line.to) }
}

/// The tone of the change that an entry records.
pub(crate) fn tone(line: &HistoryLine) -> Tone {
    match line.change() {
        Some(Change::Replacement { to, .. }) => of_replacement(to),
        Some(Change::Cutover { to, .. }) => of_cutover(to),
        Some(
            Change::Condition { is_over: true, .. }
            | Change::RuleBreaker { is_open: false }
            | Change::Command { is_done: true, .. },
        ) => Tone::Good,
        Some(Change::Condition { is_over: false, .. } | Change::RuleBreaker { is_open: true }) => Tone::Warning,
        Some(Change::Command { is_done: false, .. }) => Tone::Bad,
        Some(
            Change::Evidence { .. }
            | Change::ExtraInstanceKept { .. }
            | Change::Quarantine { .. }
            | Change::Finding { .. }
            | Change::CutoverWaits { .. }
            | Change::Setting { .. }
            | Change::Image { .. }
            | Change::Adoption { .. },
        )
        | None => Tone::Busy,
    }
}

const fn of_replacement(to: ReplacementStep) -> Tone {
    match to {
        Step::Ends(_) => Tone::Good,
        Step::Enters(PhaseKind::Stopped) => Tone::Bad,
        Step::Enters(PhaseKind::Blocked | PhaseKind::Debouncing | PhaseKind::Cancelling) => Tone::Warning,
        Step::Enters(
            PhaseKind::Launching
            | PhaseKind::Verifying
            | PhaseKind::Retiring
            | PhaseKind::Terminating
            | PhaseKind::LaunchingAfter,
        ) => Tone::Busy,
    }
}

const fn of_cutover(to: CutoverStep) -> Tone {
    match to {
        Step::Ends(CutoverOutcome::Done) => Tone::Good,
        Step::Ends(CutoverOutcome::RolledBack | CutoverOutcome::Aborted)
        | Step::Enters(CutoverPhaseKind::RollingBack | CutoverPhaseKind::Aborting | CutoverPhaseKind::NeedsOperator) => {
            Tone::Bad
        }
        Step::Ends(CutoverOutcome::Superseded) | Step::Enters(CutoverPhaseKind::AwaitingApproval) => Tone::Warning,
        Step::Enters(
            CutoverPhaseKind::Queued
            | CutoverPhaseKind::Preflight
            | CutoverPhaseKind::Preparing
            | CutoverPhaseKind::Scaling
            | CutoverPhaseKind::Verifying
            | CutoverPhaseKind::Shifting
            | CutoverPhaseKind::Baking
            | CutoverPhaseKind::Warm
            | CutoverPhaseKind::Retiring,
        ) => Tone::Busy,
    }
}

/// Maps times to positions in the drawing.
struct Scale {
    from: Timestamp,
    to: Timestamp,
    width: u32,
}

impl Scale {
    fn x(&self, at: Timestamp) -> u32 {
        let whole = self.to.duration_since(self.from).as_secs().max(1);
        let part = at.duration_since(self.from).as_secs().clamp(0, whole);
        let x = i64::from(self.width) * part / whole;
        LEFT + u32::try_from(x).unwrap_or(0)
    }
}

/// Draws the lanes in the width of the widget.
pub(crate) fn draw(lanes: &[Lane<'_>], now: Timestamp, width: u32) -> Markup {
    let all = || lanes.iter().flat_map(|lane| lane.lines.iter().map(|line| line.at));
    let (Some(oldest), Some(newest)) = (all().min(), all().max()) else { return html! {} };
    let room = width.saturating_sub(MARGIN + LEFT).max(60);
    let to = newest.saturating_add(AFTER).unwrap_or(newest).min(now).max(newest);
    let from = newest.saturating_sub(WINDOW).unwrap_or(oldest).max(oldest);
    let scale = Scale { from, to, width: room };
    let in_window = |lane: &&Lane<'_>| lane.lines.iter().any(|line| line.at >= from);
    let shown: Vec<&Lane<'_>> = lanes.iter().filter(in_window).take(LANES_MAX).collect();
    let more = lanes.iter().filter(in_window).count().saturating_sub(LANES_MAX);
    let lanes_high = LANE * u32::try_from(shown.len()).unwrap_or(0);
    let (whole, high) = (LEFT + room + 8, lanes_high + AXIS + 4);
    html! {
        svg viewBox={ "0 0 " (whole) " " (high) } role="img" aria-label="the last transitions, in time" {
            (axis(&scale, lanes_high))
            @for (top, lane) in (0..).step_by(LANE as usize).zip(shown) { (draw_lane(lane, &scale, top)) }
        }
        @if more > 0 { p class="soft" { "and " (more) " more instances or fleets" } }
    }
}

/// Draws the times below the lanes, as many as fit. The first label begins at its tick and the second one is centered
/// on its tick, so the two ticks need a distance of one and a half labels.
fn axis(scale: &Scale, lanes_high: u32) -> Markup {
    let span = scale.to.duration_since(scale.from);
    let (format, characters) = if span < SignedDuration::from_mins(10) { ("%H:%M:%SZ", 9) } else { ("%H:%MZ", 6) };
    let label = (characters + 1) * CHARACTER;
    let ticks = i32::try_from(scale.width * 2 / (label * 3)).unwrap_or(TICKS_MAX).clamp(1, TICKS_MAX);
    html! {
        @for tick in 0..=ticks {
            @let at = scale.from.saturating_add(span * tick / ticks).unwrap_or(scale.to);
            @let x = LEFT + scale.width * tick.unsigned_abs() / ticks.unsigned_abs();
            line class="line" x1=(x) y1="0" x2=(x) y2=(lanes_high) {}
            text x=(x) y=(lanes_high + AXIS - 3) text-anchor=(anchor(tick, ticks)) { (at.strftime(format)) }
        }
    }
}

/// The text anchor of a tick's label, chosen so that the labels at both ends stay within the drawing.
const fn anchor(tick: i32, ticks: i32) -> &'static str {
    match tick {
        0 => "start",
        _ if tick == ticks => "end",
        _ => "middle",
    }
}

fn draw_lane(lane: &Lane<'_>, scale: &Scale, top: u32) -> Markup {
    let (upper, middle) = (top + (LANE - BAR) / 2, top + LANE / 2);
    let ends = lane.lines.iter().skip(1).map(|line| line.at).chain([scale.to]);
    let spans: Vec<(&&HistoryLine, Timestamp)> =
        lane.lines.iter().zip(ends).filter(|(line, end)| *end >= scale.from && line.at <= scale.to).collect();
    html! {
        text x="0" y=(middle + 4) { (cut(&lane.label, LABEL_MAX)) title { (lane.label) } }
        @for (line, end) in &spans { @if lasts(line) { (bar(line, *end, scale, upper)) } }
        @for (line, _) in &spans { @if !lasts(line) && line.at >= scale.from { (dot(line, scale.x(line.at), middle)) } }
    }
}

/// Draws a phase as a bar from its start to the next entry of its lane, with the name of the phase if it fits.
fn bar(line: &HistoryLine, end: Timestamp, scale: &Scale, top: u32) -> Markup {
    let (left, right) = (scale.x(line.at), scale.x(end));
    let width = right.saturating_sub(left).max(3) - 1;
    let name = line.to.as_str();
    let is_roomy = u32::try_from(name.chars().count()).is_ok_and(|length| length * CHARACTER + 8 <= width);
    html! {
        rect class={ "bar " (tone(line).of_fill()) } x=(left) y=(top) width=(width) height=(BAR) rx="2" { (hint(line)) }
        @if is_roomy { text class="on" x=(left + 5) y=(top + 11) { (name) } }
    }
}

fn dot(line: &HistoryLine, x: u32, middle: u32) -> Markup {
    html! { circle class=(tone(line).of_fill()) cx=(x) cy=(middle) r="5" { (hint(line)) } }
}

/// Draws the tooltip of a phase.
fn hint(line: &HistoryLine) -> Markup {
    html! { title { (line.at.strftime("%Y-%m-%d %H:%M:%SZ")) " " (step(line)) ": " (line.why) } }
}

#[cfg(test)]
mod tests {
    use driftless_planner::history::{HistoryEntry, ImageChange};
    use driftless_planner::transitions::ReplacementEnd;

    use super::*;

    /// The entry of the history document for a change.
    fn line(change: Change) -> HistoryLine {
        let entry = HistoryEntry { at: Timestamp::UNIX_EPOCH, actor: "driftless".to_owned(), change, why: "".into() };
        let history = driftless_status::history::history("app".parse().unwrap(), [entry], 1);
        history.lines.into_iter().next().unwrap()
    }

    #[test]
    fn the_start_of_a_condition_warns_and_its_end_is_good() {
        let condition = |is_over| tone(&line(Change::Condition { key: "backlog".to_owned(), is_over }));
        assert_eq!((condition(false), condition(true)), (Tone::Warning, Tone::Good));
        let breaker = |is_open| tone(&line(Change::RuleBreaker { is_open }));
        assert_eq!((breaker(true), breaker(false)), (Tone::Warning, Tone::Good));
        let command = |is_done| tone(&line(Change::Command { command: "abort".to_owned(), is_done }));
        assert_eq!((command(true), command(false)), (Tone::Good, Tone::Bad));
    }

    #[test]
    fn the_end_of_a_condition_that_is_named_like_a_phase_is_in_the_lane_of_states() {
        let history = [line(Change::Condition { key: "awaiting-approval".to_owned(), is_over: true })];
        assert_eq!(Lane::of_fleet(&history)[0].label, "commands, states");
        let step = Change::Cutover { from: Some(CutoverPhaseKind::Warm), to: Step::Enters(CutoverPhaseKind::Retiring) };
        let history = [line(step)];
        assert_eq!(Lane::of_fleet(&history)[0].label, "cutover");
        assert!(lasts(&history[0]));
    }

    #[test]
    fn a_step_has_the_tone_of_the_state_that_it_leads_to() {
        let instance = || "i-00000000000000001".parse().unwrap();
        let replacement = |to| tone(&line(Change::Replacement { instance: instance(), from: None, to }));
        assert_eq!(replacement(Step::Ends(ReplacementEnd::Replaced)), Tone::Good);
        assert_eq!(replacement(Step::Enters(PhaseKind::Stopped)), Tone::Bad);
        assert_eq!(replacement(Step::Enters(PhaseKind::Blocked)), Tone::Warning);
        assert_eq!(replacement(Step::Enters(PhaseKind::Launching)), Tone::Busy);
        let image = Change::Image { image: "ami-00000000000000001".parse().unwrap(), change: ImageChange::Vetoed };
        assert_eq!(tone(&line(image)), Tone::Busy);
    }

    /// The number of time labels on the axis of a drawing with this width in pixels and this span in minutes.
    fn times(width: u32, minutes: i64) -> usize {
        let from = Timestamp::UNIX_EPOCH;
        let scale = Scale { from, to: from + SignedDuration::from_mins(minutes), width };
        axis(&scale, 24).into_string().matches("<text").count()
    }

    #[test]
    fn the_axis_has_as_many_times_as_have_room_two_at_least_and_five_at_most() {
        // With seconds a label takes 70 pixels, and a label and a half 105.
        assert_eq!([60, 209, 210, 314, 315, 419, 420, 900].map(|width| times(width, 9)), [2, 2, 3, 3, 4, 4, 5, 5]);
        // Without, 49 and 73.5.
        assert_eq!([60, 147, 293, 294, 900].map(|width| times(width, 10)), [2, 3, 4, 5, 5]);
    }
}
