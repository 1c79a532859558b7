//! The story: what goes in, what Driftless does, and whether it ends as it should.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use driftless_tests::control::Settings;
use driftless_tests::fleet::{Fleet, FleetSpec, FleetView, GroupView};
use driftless_tests::inbox::{Inbox, Letter};
use driftless_tests::stack::LocalStack;
use serde_json::Value;

use crate::picture;
use crate::screen::Screen;

const FLEET: &str = "app";
const RULE: &str = "approved-amis";
const REMARK: &str = "image ami-0bad is not on the list of approved images";
const INSTANCES: i32 = 3;
const DEBOUNCE: &str = "3s";
const PATIENCE: Duration = Duration::from_secs(90);

/// Real fleets take minutes for each of these; the order of things is the same.
const POLICY: [(&str, &str); 6] = [
    ("mode", "act"),
    ("rules", RULE),
    ("alarms", "none"),
    ("approval", "manual"),
    ("debounce", DEBOUNCE),
    ("launch-deadline", "1m"),
];
const COMING: Duration = Duration::from_secs(3);
const CHECKING: Duration = Duration::from_secs(3);
const LEAVING: Duration = Duration::from_secs(3);
const WARM_UP_SECONDS: i32 = 4;

/// Plays it and checks its end.
pub(crate) async fn tell(stack: &LocalStack, screen: Screen) -> anyhow::Result<()> {
    let mut inbox = stack.inbox("on-call").await?;
    let (fleet, before) = set_the_stage(stack, screen).await?;
    let drifted = before.group("blue")?.instances.first().context("the fleet has no instance")?.id.clone();

    screen.line(&screen.bold("\nWhat happens\n"));
    screen.line(&format!("  {}\n", picture::legend(screen)));
    let mut timeline = Timeline::new(stack, &fleet, screen, &drifted, &before)?;
    timeline.show(&format!("AWS Config finds that {drifted} breaks {RULE}")).await?;
    let watch = fleet.watch();
    stack.find_non_compliant(&drifted, RULE, REMARK).await?;
    timeline.follow_until_replaced().await?;
    let after = fleet.wait_until_settled(PATIENCE).await?;
    let seen = watch.finish().await?;
    stack.wait_until_idle(PATIENCE).await?;

    show_letters(&mut inbox, screen).await?;
    screen.line(&screen.bold("\nThe fleet now\n"));
    for line in after.to_string().lines() {
        screen.line(&format!("  {line}"));
    }
    check_the_end(&before, &after, &drifted, seen.fewest_serving())?;
    stack.check_permissions().await?;
    let calls = stack.recording().all();
    let writes = calls.iter().filter(|call| call.changes_fleets()).count();
    screen.line(&format!(
        "\n{} {drifted} is gone, its successor serves, and at each of {} looks at least {} served.\n\
         The functions made {} calls, {writes} of them changed the fleet, and each was allowed by its function's policy.",
        screen.green("It ended as it should:"),
        seen.looks,
        seen.fewest_serving(),
        calls.len(),
    ));
    Ok(())
}

async fn set_the_stage(stack: &LocalStack, screen: Screen) -> anyhow::Result<(Fleet, FleetView)> {
    let at_once = Some(Duration::ZERO);
    stack.control().set(&Settings { launch: at_once, healthy: at_once, ..Settings::default() }).await?;
    let spec = FleetSpec::pair(FLEET).instances(INSTANCES).max(INSTANCES).warmup_seconds(WARM_UP_SECONDS);
    let fleet = spec.policy(&POLICY).create(stack).await?;
    let before = fleet.wait_until_settled(PATIENCE).await?;
    let times = Settings { launch: Some(COMING), healthy: Some(CHECKING), drain: Some(LEAVING), ..Settings::default() };
    stack.control().set(&times).await?;
    screen.line(&screen.bold("The fleet\n"));
    for line in before.to_string().lines() {
        screen.line(&format!("  {line}"));
    }
    let policy: Vec<String> = POLICY.iter().map(|(key, value)| format!("{key}={value}")).collect();
    screen.line(&format!("\n  policy {}", policy.join(" ")));
    screen.line("  The group is at its maximum: room for a successor must be made, and taken back.");
    Ok((fleet, before))
}

/// What is shown as it happens.
struct Timeline<'a> {
    stack: &'a LocalStack,
    fleet: &'a Fleet,
    screen: Screen,
    drifted: &'a str,
    known: Vec<String>,
    started: Instant,
    journal_shown: usize,
    group: GroupView,
}

impl<'a> Timeline<'a> {
    fn new(
        stack: &'a LocalStack,
        fleet: &'a Fleet,
        screen: Screen,
        drifted: &'a str,
        before: &FleetView,
    ) -> anyhow::Result<Self> {
        let known = before.group("blue")?.instances.iter().map(|instance| instance.id.clone()).collect();
        let (started, group) = (Instant::now(), before.group("blue")?.clone());
        Ok(Self { stack, fleet, screen, drifted, known, started, journal_shown: 0, group })
    }

    /// A line: when, the group, what.
    async fn show(&mut self, what: &str) -> anyhow::Result<()> {
        self.group = self.look().await?;
        let elapsed = self.started.elapsed().as_secs_f64();
        let picture = picture::of(&self.group, self.drifted, &self.known, self.screen);
        self.screen.line(&format!("  {elapsed:5.1} s  {picture}   {what}"));
        Ok(())
    }

    async fn look(&self) -> anyhow::Result<GroupView> {
        Ok(self.fleet.view().await?.group("blue")?.clone())
    }

    /// Shows every transition of the journal, and the group whenever it has changed, until the end of the replacement.
    async fn follow_until_replaced(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            // Asked before the journal is read: what ended it has been written by then.
            let is_over = self.is_over().await?;
            let journal = self.stack.table().journal(FLEET).await?;
            for entry in journal.iter().skip(self.journal_shown) {
                self.show(&told(entry)).await?;
            }
            self.journal_shown = journal.len();
            if is_over {
                return Ok(());
            }
            let now = self.look().await?;
            let is_other = |one: &GroupView, other: &GroupView| {
                picture::of(one, self.drifted, &self.known, self.screen)
                    != picture::of(other, self.drifted, &self.known, self.screen)
            };
            if is_other(&now, &self.group) {
                let what = self.screen.dim(seen_between(&self.group, &now));
                self.show(&what).await?;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the replacement did not end within {PATIENCE:?}; the logs are in {}", self.stack.logs().display())
    }

    /// Nothing is left to do: no replacement, and nothing to put back.
    async fn is_over(&self) -> anyhow::Result<bool> {
        let state = self.stack.table().fleet(FLEET).await?.state;
        let Some(record) = state.as_ref().and_then(|item| item.get("record")) else { return Ok(false) };
        let is_empty = |name: &str| match record.get(name) {
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            _ => false,
        };
        let has_begun = self.journal_shown > 1;
        Ok(has_begun && is_empty("replacements") && is_empty("ledger"))
    }
}

/// An entry of the journal, as a person tells it.
fn told(entry: &Value) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let (from, to, why) = (text("from"), text("to"), text("why"));
    match to {
        "debouncing" if from.is_empty() => format!("drift: {why}; it must last {DEBOUNCE}"),
        "launching" => format!("{why}: a successor is launched"),
        "proving" => format!("{why}, which must prove itself"),
        "evidence" => "the evidence is written down before the host is gone".to_owned(),
        "retiring" => format!("{why}: the drifted one goes"),
        "replaced" => format!("replaced: {}", why.split(" (").next().unwrap_or(why)),
        "settled" => format!("{why}: {}", from.trim_start_matches("ledger: ")),
        _ if to.starts_with("lt-") => format!("adopted: the release is {to}"),
        _ => format!("{from} → {to}: {why}"),
    }
}

/// What Auto Scaling and the load balancer did between two pictures, in words.
fn seen_between(before: &GroupView, now: &GroupView) -> &'static str {
    let count = |group: &GroupView, state: &str| {
        group.instances.iter().filter(|instance| instance.lifecycle.starts_with(state)).count()
    };
    if now.instances.len() < before.instances.len() {
        "it has drained, and is gone"
    } else if count(now, "Terminating") > count(before, "Terminating") {
        "it drains"
    } else if now.serving() > before.serving() {
        "its target is healthy: it serves"
    } else if count(now, "InService") > count(before, "InService") {
        "it is in service; the load balancer checks its target"
    } else {
        "it is coming"
    }
}

async fn show_letters(inbox: &mut Inbox, screen: Screen) -> anyhow::Result<()> {
    inbox.wait_for_kind(FLEET, "replaced", PATIENCE).await?;
    screen.line(&screen.bold("\nWhat on-call was told"));
    for letter in inbox.letters() {
        show_letter(letter, screen)?;
    }
    Ok(())
}

fn show_letter(letter: &Letter, screen: Screen) -> anyhow::Result<()> {
    let body = letter.json().with_context(|| format!("the message {:?} is no JSON", letter.subject))?;
    screen.line(&format!("\n  {}", screen.bold(&letter.subject)));
    for (name, key) in [("WHY ", "why"), ("NEXT", "next"), ("STOP", "stopCommand")] {
        if let Some(text) = body.get(key).and_then(Value::as_str) {
            screen.line(&format!("    {name}  {text}"));
        }
    }
    Ok(())
}

fn check_the_end(before: &FleetView, after: &FleetView, drifted: &str, fewest_serving: usize) -> anyhow::Result<()> {
    let (blue, green) = (after.group("blue")?, after.group("green")?);
    let size = usize::try_from(INSTANCES)?;
    ensure!(after.instance(drifted).is_none(), "{drifted} is still there:\n{after}");
    ensure!(blue.serving() == size && blue.instances.len() == size, "the fleet has not its size again:\n{after}");
    let was = before.group("blue")?;
    ensure!(
        (blue.min, blue.max, blue.desired) == (was.min, was.max, was.desired),
        "the bounds are not what they were:\n{after}"
    );
    ensure!(blue.instances.iter().all(|instance| !instance.is_protected), "a protection was left behind:\n{after}");
    ensure!(green.instances.is_empty(), "the idle group is not empty:\n{after}");
    ensure!(fewest_serving >= size, "at one moment only {fewest_serving} served");
    Ok(())
}
