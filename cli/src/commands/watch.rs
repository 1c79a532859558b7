//! `driftless watch`: follows one fleet live. [`Watching`] turns responses into lines; [`run`] sleeps between two
//! queries.

use clap::Args;
use driftless_planner::ids::FleetName;
use driftless_status::FleetStatus;
use driftless_status::cutover::Progress;
use driftless_status::model::{DriftedStatus, Traffic};
use jiff::{SignedDuration, Timestamp};

use crate::console::{Console, Failure, is_idle, printable};
use crate::draw::page::{Page, blocked, clean, lasting};
use crate::draw::style::Tone;
use crate::draw::{Style, cutover, drift, groups, summary};
use crate::exit::Exit;
use crate::values;

/// The most changes that stay on the screen.
const CHANGES_SHOWN: usize = 10;
/// The control characters that move the cursor home and clear the screen below, so that it is redrawn without a
/// flicker.
const REDRAW: &str = "\u{1b}[H\u{1b}[J";
/// The control characters that clear the whole screen, once at the start.
const CLEAR: &str = "\u{1b}[2J";

/// What `driftless watch` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the fleet
    fleet: FleetName,
    /// End when no work is in progress (old name: --until-settled)
    #[arg(long, alias = "until-settled")] // an old name
    until_idle: bool,
    /// How long to wait between two queries
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = values::duration)]
    every: SignedDuration,
}

/// The last response, and the changes that the responses so far have shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watching {
    last: Option<FleetStatus>,
    changes: Vec<String>,
}

impl Watching {
    /// Takes a response. Returns a line for each change; for the first response, returns lines with the state of the
    /// fleet.
    pub fn take(&mut self, status: FleetStatus) -> Vec<String> {
        let told = changes(self.last.as_ref(), &status);
        let time = status.at.strftime("%H:%M:%SZ").to_string();
        let lines: Vec<String> = told.iter().map(|change| format!("{time}  {}", printable(change))).collect();
        self.changes.extend(lines.iter().cloned());
        let older = self.changes.len().saturating_sub(CHANGES_SHOWN);
        self.changes.drain(..older);
        self.last = Some(status);
        lines
    }

    /// Whether the fleet was idle in the last response.
    pub fn is_idle(&self) -> bool {
        self.last.as_ref().is_some_and(is_idle)
    }

    /// The screen after the last response. `trouble` is the reason why no response has come since then.
    pub fn screen(&self, trouble: Option<&str>, style: Style) -> String {
        let Some(status) = &self.last else { return format!("{}\n", trouble.unwrap_or_default()) };
        let mut page = Page::new(style, status.at);
        let name = format!("{}  ", status.fleet);
        let at = format!("  {}", status.at.strftime("%Y-%m-%d %H:%M:%SZ"));
        let state = summary::state(status.state).to_uppercase();
        page.line(&[(Tone::Strong, &name), (summary::tone(status.state), &state), (Tone::Faint, &at)]);
        page.labeled("", 2, Tone::Plain, &clean(&status.says));
        page.gap();
        groups::groups(&mut page, &status.colors);
        if let Some(under_way) = &status.cutover {
            cutover::cutover(&mut page, under_way);
        }
        drift::drifted(&mut page, &status.drifted);
        page.gap();
        let way = if status.rollback_path.is_open { Tone::Good } else { Tone::Plain };
        page.labeled("rollback", 13, way, &clean(&status.rollback_path.says));
        for command in status.rollback_path.command.iter().chain(&status.go_on) {
            page.labeled("", 13, Tone::Strong, &format!("$ {command}"));
        }
        page.heading("CHANGES SINCE WATCH STARTED");
        for change in &self.changes {
            page.labeled("", 2, Tone::Plain, change);
        }
        if let Some(trouble) = trouble {
            page.labeled("", 2, Tone::Bad, &clean(trouble));
        }
        page.finish()
    }
}

/// The changes between two responses, as lines. Without an earlier response, the lines show the state.
fn changes(before: Option<&FleetStatus>, now: &FleetStatus) -> Vec<String> {
    let mut told = Vec::new();
    let mut say = |was: Option<String>, is: String| {
        if was.as_ref() != Some(&is) && !(was.is_none() && is.is_empty()) {
            told.push(is);
        }
    };
    let (was, is) = (before.map(state), state(now));
    if was.as_ref() != Some(&is) {
        // The remaining time changes with every response, and is no change of its own.
        say(was, format!("{is}{}", left(now)));
    }
    say(before.map(weights), weights(now));
    say(before.map(waits), waits(now));
    let was: Vec<String> = before.iter().flat_map(|status| work(status)).collect();
    let is = work(now);
    told.extend(is.iter().filter(|line| !was.contains(line)).cloned());
    let gone = before.iter().flat_map(|status| &status.drifted);
    let gone = gone.filter(|work| !now.drifted.iter().any(|left| left.instance == work.instance));
    told.extend(gone.map(|work| format!("{} is no longer drifted, or has been replaced", work.instance)));
    told.retain(|line| !line.is_empty());
    told
}

fn state(status: &FleetStatus) -> String {
    let way = status.cutover.as_ref().map(|cutover| {
        let done = cutover.steps.iter().filter(|step| step.progress == Progress::Done).count();
        format!(" (step {} of {})", (done + 1).min(cutover.steps.len()), cutover.steps.len())
    });
    format!("{}: {}{}", summary::state(status.state), status.says, way.unwrap_or_default())
}

fn left(status: &FleetStatus) -> String {
    let seconds = status.cutover.as_ref().and_then(|cutover| cutover.phase_left_seconds);
    seconds.map(|left| format!(", {} left in this phase", lasting(SignedDuration::from_secs(left)))).unwrap_or_default()
}

fn weights(status: &FleetStatus) -> String {
    let weights: Vec<String> = status
        .colors
        .iter()
        .filter_map(|group| match &group.traffic {
            Traffic::Weighted { percent: Some(percent), .. } => Some(format!("{} {percent} %", group.group)),
            Traffic::Weighted { percent: None, .. } | Traffic::NotForwarded | Traffic::NoLoadBalancer => None,
            Traffic::Attached => Some(format!("{} attached", group.group)),
            Traffic::Detached => Some(format!("{} detached", group.group)),
        })
        .collect();
    if weights.is_empty() { String::new() } else { format!("traffic: {}", weights.join(", ")) }
}

fn waits(status: &FleetStatus) -> String {
    let waits = status.cutover.as_ref().and_then(|cutover| cutover.waits.as_ref());
    waits.map(blocked).unwrap_or_default()
}

fn work(status: &FleetStatus) -> Vec<String> {
    let one = |work: &DriftedStatus| {
        let successor = work.successor.as_ref().map(|id| format!(", replacement instance {id}")).unwrap_or_default();
        let held = work.held_by.as_ref().map(|held| format!(", {}", blocked(held))).unwrap_or_default();
        format!("{} is {}{successor}{held}", work.instance, work.phase)
    };
    status.drifted.iter().map(one).collect()
}

/// Queries that failed one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outage {
    since: Timestamp,
    attempts: u32,
}

impl Outage {
    fn report(self, failure: &str) -> String {
        let since = self.since.strftime("%H:%M:%SZ");
        match self.attempts {
            1 => format!("{since}  {failure}; retrying"),
            attempts => format!("{attempts} queries failed since {since}, retrying: {failure}"),
        }
    }

    /// Whether this failure is printed. Outside a terminal a line cannot be redrawn, so only the 1st, 10th, 100th
    /// failure in a row and so on are printed.
    fn is_printed(&self) -> bool {
        self.attempts.checked_ilog10().is_some_and(|digits| 10_u32.pow(digits) == self.attempts)
    }

    fn recovered(self) -> String {
        let (attempts, since) = (self.attempts, self.since.strftime("%H:%M:%SZ"));
        let noun = if attempts == 1 { "query" } else { "queries" };
        format!("connected again, after {attempts} failed {noun} since {since}")
    }
}

/// Cuts the screen to the lines of the terminal, without the last line, which the cursor needs: a screen that scrolls
/// cannot be redrawn. The middle of the screen is cut, so that the newest changes at its end stay.
fn fitting(screen: &str, rows: usize) -> String {
    let lines: Vec<&str> = screen.lines().collect();
    let room = rows.saturating_sub(1).max(2);
    let (head, tail) = if lines.len() <= room { (lines.len(), 0) } else { (room - 1 - room / 4, room / 4) };
    let mark = if lines.len() <= room { None } else { Some("  ...") };
    let kept = lines.iter().take(head).copied().chain(mark);
    let kept = kept.chain(lines.iter().skip(lines.len() - tail).copied());
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

/// Queries the fleet again and again, until it is idle or the operator presses Ctrl-C.
pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let mut watching = Watching::default();
    let mut outage: Option<Outage> = None;
    let rows = console.rows.filter(|_| !console.is_json);
    if rows.is_some() {
        console.out.write_all(CLEAR.as_bytes())?;
    }
    loop {
        let trouble = match console.fleet(&arguments.fleet) {
            Ok(status) => {
                let recovered = outage.take();
                if console.is_json {
                    console.json_line(&status)?;
                }
                let lines = watching.take(status);
                if rows.is_none() && !console.is_json {
                    lines.iter().try_for_each(|line| console.line(line))?;
                }
                if let Some(recovered) = recovered.filter(|_| rows.is_none()) {
                    console.aside(&recovered.recovered())?;
                }
                None
            }
            Err(failure) if failure.is_passing() => {
                let now = console.world.now();
                let known = outage.get_or_insert(Outage { since: now, attempts: 0 });
                known.attempts += 1;
                Some(known.report(&printable(&failure)))
            }
            Err(failure) => return Err(failure),
        };
        if let Some(rows) = rows {
            let screen = fitting(&watching.screen(trouble.as_deref(), console.style), rows);
            console.out.write_all(format!("{REDRAW}{screen}").as_bytes())?;
        } else if let Some(trouble) = trouble.as_ref().filter(|_| outage.as_ref().is_some_and(Outage::is_printed)) {
            console.aside(trouble)?;
        }
        console.out.flush()?;
        if arguments.until_idle && trouble.is_none() && watching.is_idle() {
            return Ok(Exit::Done);
        }
        console.world.sleep(arguments.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_leaves_the_last_line_to_the_cursor_and_is_cut_only_where_it_must_be() {
        let screen: String = "1\n2\n3\n4\n5\n6\n7\n8\n9\n".to_owned();
        for rows in [10, 11] {
            assert_eq!(fitting(&screen, rows), screen, "{rows}");
        }
        assert_eq!(fitting(&screen, 9), "1\n2\n3\n4\n5\n  ...\n8\n9\n");
        assert_eq!(fitting(&screen, 0).lines().count(), 2);
    }
}
