//! The timeline: a line for each change, with the fleet at that time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use driftless_tests::fleet::{Fleet, FleetView};
use driftless_tests::inbox::{Inbox, Letter};
use driftless_tests::load::{ErrorAlarm, Load};
use driftless_tests::stack::LocalStack;
use serde_json::Value;

use crate::picture::{self, FleetPicture};
use crate::screen::Screen;
use crate::words;

/// The poll interval of the fleet.
const POLL_EVERY: Duration = Duration::from_millis(150);
/// The timeout of a scene, with a margin for a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// The column where the text begins, below its heading.
const INDENT: usize = 47;

/// Shows changes as they happen.
pub(crate) struct Timeline<'a> {
    pub(crate) stack: &'a LocalStack,
    pub(crate) fleet: &'a Fleet,
    pub(crate) load: &'a Load,
    pub(crate) screen: Screen,
    inbox: Inbox,
    alarms: Vec<ErrorAlarm>,
    started: Instant,
    history: Vec<Value>,
    letters_shown: usize,
    drifted: BTreeSet<String>,
    last: FleetPicture,
    fewest_serving: usize,
}

impl<'a> Timeline<'a> {
    pub(crate) async fn new(
        stack: &'a LocalStack,
        fleet: &'a Fleet,
        load: &'a Load,
        screen: Screen,
        mut inbox: Inbox,
        alarms: Vec<ErrorAlarm>,
    ) -> anyhow::Result<Self> {
        let last = view(fleet, BTreeSet::new()).await?;
        let (history, letters_shown) = (stack.table().history(fleet.name()).await?, inbox.read().await?.len());
        let fewest_serving = last.view.serving();
        let (started, drifted) = (Instant::now(), BTreeSet::new());
        Ok(Self {
            stack,
            fleet,
            load,
            screen,
            inbox,
            alarms,
            started,
            history,
            letters_shown,
            drifted,
            last,
            fewest_serving,
        })
    }

    /// The fleet as last shown.
    pub(crate) const fn view(&self) -> &FleetView {
        &self.last.view
    }

    /// The history so far.
    pub(crate) fn history(&self) -> &[Value] {
        &self.history
    }

    /// The messages to on-call so far.
    pub(crate) fn letters(&self) -> &[Letter] {
        self.inbox.letters()
    }

    /// The share of each color, in percent.
    pub(crate) const fn shares(&self) -> [i32; 2] {
        self.last.shares
    }

    /// The fewest healthy servers at any poll.
    pub(crate) const fn fewest_serving(&self) -> usize {
        self.fewest_serving
    }

    /// Begins a scene: prints its heading and its subject.
    pub(crate) fn begin(&self, heading: &str, about: &[&str]) {
        self.screen.line(&format!("\n{}\n", self.screen.bold(heading)));
        for line in about {
            self.screen.line(&format!("  {line}"));
        }
        self.screen.line(&format!("\n{}", self.screen.dim(&picture::heading())));
    }

    /// Marks an instance as drifted from now on.
    pub(crate) fn mark_drifted(&mut self, instance: &str) {
        self.drifted.insert(instance.to_owned());
    }

    /// Writes a line: the time, both colors now, and the text.
    pub(crate) async fn show(&mut self, what: &str) -> anyhow::Result<()> {
        self.last = view(self.fleet, self.bad()).await?;
        self.write(what)
    }

    /// Writes a line with the fleet of the last poll. A later change gets its own line.
    fn write(&mut self, what: &str) -> anyhow::Result<()> {
        self.fewest_serving = self.fewest_serving.min(self.last.view.serving());
        let elapsed = self.started.elapsed().as_secs_f64();
        let picture = picture::of(&self.last, self.screen)?;
        self.screen.wrapped(&format!("  {elapsed:5.1} s  {picture}  "), INDENT, what);
        Ok(())
    }

    /// Shows decisions, messages and changes of the fleet until a condition is true, which is checked between two
    /// polls.
    pub(crate) async fn follow(
        &mut self,
        awaited: &str,
        is_over: impl Fn(&Self, &Value) -> bool,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            // The record is read before the history, so that the history already has the end of the work.
            let record = self.record().await?;
            self.show_decisions().await?;
            self.show_letters().await?;
            self.show_alarms().await?;
            self.show_changes().await?;
            if is_over(self, &record) {
                return Ok(());
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
        bail!("{awaited} did not happen within {PATIENCE:?}; the logs are in {}", self.stack.logs().display())
    }

    /// Whether an alarm is in ALARM.
    pub(crate) fn is_alarmed(&self) -> bool {
        self.alarms.iter().any(ErrorAlarm::is_in_alarm)
    }

    async fn record(&self) -> anyhow::Result<Value> {
        let state = self.stack.table().fleet(self.fleet.name()).await?.state;
        state
            .and_then(|mut item| item.get_mut("record").map(Value::take))
            .context("Driftless has no record of the fleet")
    }

    async fn show_decisions(&mut self) -> anyhow::Result<()> {
        let history = self.stack.table().history(self.fleet.name()).await?;
        for entry in history.iter().skip(self.history.len()) {
            if let Some(what) = words::told(entry) {
                self.write(&what)?;
            }
        }
        self.history = history;
        Ok(())
    }

    async fn show_letters(&mut self) -> anyhow::Result<()> {
        let letters = self.inbox.read().await?;
        let subjects: Vec<String> =
            letters.iter().skip(self.letters_shown).map(|letter| letter.subject.clone()).collect();
        self.letters_shown = letters.len();
        for subject in subjects {
            let what = self.screen.yellow(&format!("to on-call: {subject}"));
            self.write(&what)?;
        }
        Ok(())
    }

    async fn show_alarms(&mut self) -> anyhow::Result<()> {
        let mut changed = Vec::new();
        for alarm in &mut self.alarms {
            if let Some(reason) = alarm.poll(self.stack, self.load).await? {
                let state = if alarm.is_in_alarm() { "is in ALARM" } else { "is OK again" };
                changed.push((alarm.is_in_alarm(), format!("the alarm {} {state}: {reason}", alarm.name())));
            }
        }
        for (is_in_alarm, what) in changed {
            let what = if is_in_alarm { self.screen.red(&what) } else { what };
            self.write(&what)?;
        }
        Ok(())
    }

    async fn show_changes(&mut self) -> anyhow::Result<()> {
        let now = view(self.fleet, self.bad()).await?;
        let what = words::seen_between(&self.last, &now)?;
        self.last = now;
        if what.is_empty() { Ok(()) } else { self.write(&self.screen.dim(&what.join("; "))) }
    }

    /// Drifted instances, and those of a bad image.
    fn bad(&self) -> BTreeSet<String> {
        let tally = self.load.tally();
        let answer_errors = tally.answers.iter().filter(|(_, answers)| answers.errors > 0);
        answer_errors.map(|(server, _)| server.instance.clone()).chain(self.drifted.iter().cloned()).collect()
    }
}

async fn view(fleet: &Fleet, bad: BTreeSet<String>) -> anyhow::Result<FleetPicture> {
    let weights = fleet.weights().await?;
    let all: i32 = weights.values().sum();
    let share = |color: &str| {
        let weight = weights.iter().find(|(group, _)| group.ends_with(color)).map_or(0, |(_, weight)| *weight);
        (weight * 100).checked_div(all).unwrap_or(0)
    };
    Ok(FleetPicture { view: fleet.view().await?, shares: [share("blue"), share("green")], bad })
}
