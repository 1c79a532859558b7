//! The three scenes, and the expected end of each.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use driftless_tests::alarm;
use driftless_tests::events::Event;
use driftless_tests::fleet::GroupView;
use driftless_tests::load::Tally;
use serde_json::Value;

use crate::requests;
use crate::stage::{FLEET, PATIENCE, RULE};
use crate::timeline::Timeline;
use crate::words;

/// A bad image returns an error for every tenth request: at 10 % of the traffic too few for the alarm.
pub(crate) const FAILS_EVERY: u64 = 10;

/// Scene 1: an instance drifts, and is replaced.
pub(crate) async fn drift(timeline: &mut Timeline<'_>) -> anyhow::Result<()> {
    let before = timeline.view().group("blue")?.clone();
    let drifted = before.instances.first().context("the fleet has no instance")?.id.clone();
    timeline.begin(
        "Scene 1: an instance drifts",
        &["AWS Config finds that an instance breaks a rule. Driftless launches a replacement, and then terminates the instance."],
    );
    let (earlier, is_over) = (timeline.load.tally(), ended(timeline, "replaced"));
    timeline.mark_drifted(&drifted);
    timeline.show(&format!("AWS Config finds that {drifted} breaks {RULE}")).await?;
    let remark = "image ami-0bad is not on the list of approved images";
    timeline.stack.find_non_compliant(&drifted, RULE, remark).await?;
    timeline.follow("the replacement", is_over).await?;

    let view = timeline.fleet.wait_until_idle(PATIENCE).await?;
    let now = view.group("blue")?;
    ensure!(view.instance(&drifted).is_none(), "{drifted} is still there:\n{view}");
    ensure!(sizes(now) == sizes(&before), "the fleet has not its size again:\n{view}");
    ensure!(now.instances.iter().all(|instance| !instance.is_protected), "a protection was left behind:\n{view}");
    let fewest = timeline.fewest_serving();
    ensure!(fewest >= before.serving(), "at one moment only {fewest} served");
    conclude(
        timeline,
        &earlier,
        None,
        &format!(
            "{drifted} is terminated, its replacement is healthy, and at least {fewest} instances were healthy all the time."
        ),
    )
}

/// Scene 2: an image is published, and takes the traffic.
pub(crate) async fn cutover(timeline: &mut Timeline<'_>) -> anyhow::Result<()> {
    let before = timeline.view().group("blue")?.clone();
    timeline.begin(
        "Scene 2: a new image is published",
        &[
            "Green launches instances of it, first two and then the rest. They get 10, 50 and 100 % of the traffic. After each step the",
            "alarms are watched. At the end blue is scaled to zero, and green takes over the bounds of the fleet.",
        ],
    );
    let (earlier, is_over) = (timeline.load.tally(), ended(timeline, "done"));
    let image = timeline.stack.register_build(FLEET, "2").await?;
    timeline.show(&format!("the pipeline publishes {image}, build 2")).await?;
    timeline.stack.put(&Event::image_available(&image)?).await?;
    timeline.follow("the cutover", is_over).await?;

    let view = timeline.fleet.wait_until_idle(PATIENCE).await?;
    let (blue, green) = (view.group("blue")?, view.group("green")?);
    ensure!(timeline.shares() == [0, 100], "green has not all of the traffic: {:?}", timeline.shares());
    ensure!(sizes(green) == sizes(&before), "green has not the size that blue had:\n{view}");
    ensure!(sizes(blue) == (0, 0, 0, 0), "blue is not scaled to zero:\n{view}");
    ensure!(runs_only(green, &image), "green does not run {image}:\n{view}");
    conclude(
        timeline,
        &earlier,
        None,
        &format!("green runs {image} with all traffic and has the bounds of the fleet: {}.", words::sizes(&view)?),
    )
}

/// Scene 3: the next image is bad, and its errors cause a rollback. Returns the image.
pub(crate) async fn rollback(timeline: &mut Timeline<'_>) -> anyhow::Result<String> {
    let before = timeline.view().clone();
    timeline.begin(
        "Scene 3: the next image is bad",
        &[
            "Its instances answer every tenth request with an error. At 10 % of the traffic the alarm does not notice these few errors.",
            &format!("At 50 % they put the alarm of its color into ALARM: {}.", alarm::condition()),
        ],
    );
    let (earlier, is_back) = (timeline.load.tally(), ended(timeline, "rolled-back"));
    let image = timeline.stack.register_build(FLEET, "3").await?;
    timeline.load.make_bad(&image, FAILS_EVERY);
    timeline.show(&format!("the pipeline publishes {image}, build 3")).await?;
    timeline.stack.put(&Event::image_available(&image)?).await?;
    timeline.follow("the alarm", |timeline, _| timeline.is_alarmed()).await?;
    let (alarmed_at, decided) = (Instant::now(), timeline.history().len());
    ensure!(timeline.shares() == [50, 50], "the alarm went into ALARM while the shares were {:?}", timeline.shares());
    timeline.follow("the rollback", |timeline, _| timeline.shares() == [0, 100]).await?;
    let back_after = alarmed_at.elapsed().as_secs_f64();
    let next = timeline.history().get(decided).context("the traffic went back without a decision")?;
    ensure!(next.get("to").and_then(Value::as_str) == Some("vetoed"), "the next decision was another one: {next}");
    timeline.follow("the rollback", |timeline, record| is_back(timeline, record) && !timeline.is_alarmed()).await?;

    let view = timeline.fleet.wait_until_idle(PATIENCE).await?;
    ensure!(view == before, "the fleet is not what it was before the image:\n{view}\nbut was\n{before}");
    let evidence = veto(timeline, &image).await?;
    show_page(timeline)?;
    conclude(
        timeline,
        &earlier,
        Some(&image),
        &format!(
            "{back_after:.1} s after the alarm, by the next decision, all traffic was back on green. The fleet is what it \
             was. {image} is vetoed, with this evidence: {evidence}"
        ),
    )?;
    Ok(image)
}

/// Whether from now on this state is reached, on-call has its message, and no work is in progress.
fn ended(timeline: &Timeline<'_>, state: &'static str) -> impl Fn(&Timeline<'_>, &Value) -> bool + use<> {
    let (history, letters) = (timeline.history().len(), timeline.letters().len());
    let kind = if state == "replaced" { "replaced" } else { "cutover-ended" };
    move |timeline, record| {
        let mut decided = timeline.history().iter().skip(history);
        let mut told = timeline.letters().iter().skip(letters);
        decided.any(|entry| entry.get("to").and_then(Value::as_str) == Some(state))
            && told.any(|letter| letter.kind() == Some(kind))
            && ["replacements", "cutover", "borrowed_settings"].iter().all(|name| is_empty(record.get(*name)))
    }
}

fn is_empty(field: Option<&Value>) -> bool {
    match field {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    }
}

/// The stored reason of an image's veto.
async fn veto(timeline: &Timeline<'_>, image: &str) -> anyhow::Result<String> {
    let state = timeline.stack.table().fleet(FLEET).await?.state.context("there is no record")?;
    let veto =
        state.pointer(&format!("/record/memory/vetoes/{image}")).with_context(|| format!("{image} is not vetoed"))?;
    let evidence = veto.get("evidence").and_then(Value::as_array).context("the veto has no evidence")?;
    let words: Vec<&str> = evidence.iter().filter_map(Value::as_str).collect();
    ensure!(!words.is_empty(), "the veto has no evidence");
    Ok(words.join("; "))
}

/// Prints the page that on-call received.
fn show_page(timeline: &Timeline<'_>) -> anyhow::Result<()> {
    let is_page = |letter: &&driftless_tests::inbox::Letter| letter.kind() == Some("rolling-back");
    let letter = timeline.letters().iter().find(is_page).context("on-call was not paged")?;
    timeline.screen.line(&timeline.screen.bold("\n  The page that on-call got\n"));
    timeline.screen.line(&format!("    {}", timeline.screen.bold(&letter.subject)));
    for line in letter.text.trim_end().lines() {
        timeline.screen.line(format!("    {line}").trim_end());
    }
    Ok(())
}

fn conclude(timeline: &Timeline<'_>, earlier: &Tally, bad_image: Option<&str>, how: &str) -> anyhow::Result<()> {
    let tally = timeline.load.tally().since(earlier);
    let ended = timeline.screen.green("It ended as it should:");
    timeline.screen.wrapped("\n  ", 2, &format!("{ended} {how}"));
    timeline.screen.line(&format!("  {}", requests::sentence(&tally, bad_image)));
    requests::check(&tally, bad_image)
}

fn sizes(group: &GroupView) -> (i32, i32, i32, usize) {
    (group.min, group.max, group.desired, group.serving())
}

fn runs_only(group: &GroupView, image: &str) -> bool {
    group.instances.iter().all(|instance| instance.image.as_deref() == Some(image))
}
