//! A cutover in which functions die, replies are lost, people write, and everything is frozen.

use driftless_planner::fact::Command;
use driftless_planner::observation::FreezeScope;
use driftless_tests::fleet::FleetView;
use driftless_tests::proxy::{Fault, Strike};
use jiff::{SignedDuration, Timestamp};

use crate::rollout::{AT_ONCE, CUTOVER, Rollout, UNWATCHED, WEIGHTS};
use crate::stage::A_WHILE;
use crate::switch::{freeze, switch};

/// A little more than the lease of a function that lives for 6 s.
const VISIBILITY_SECONDS: u32 = 10;

const COMMIT: &str = "dynamodb:TransactWriteItems";

/// A cutover that these faults meet ends as one without: each step once, nothing left behind.
async fn assert_ends_the_same(faults: Vec<Fault>) -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&UNWATCHED).await?;
    rollout.stage.set_visibility("WakeQueueUrl", VISIBILITY_SECONDS).await?;
    for fault in faults {
        rollout.stage.stack.inject(fault.of("reconcile"));
    }
    let image = rollout.publish_and_approve("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    let mut steps = rollout.steps();
    steps.dedup();
    assert_eq!(steps, [10, 50, 100]);
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_function_killed_after_the_commit_that_begins_a_phase_is_continued() -> anyhow::Result<()> {
    let phases = ["\"preparing\"", "\"scaling\"", "\"shifting\"", "\"retiring-old\""];
    assert_ends_the_same(phases.map(|phase| Fault::at(COMMIT, Strike::KillAfterwards).containing(phase)).into()).await
}

#[tokio::test]
async fn a_function_killed_before_the_commit_that_begins_a_phase_is_continued() -> anyhow::Result<()> {
    let phases = ["\"queued\"", "\"verifying\"", "\"baking\"", "\"warm\""];
    assert_ends_the_same(phases.map(|phase| Fault::at(COMMIT, Strike::Kill).containing(phase)).into()).await
}

#[tokio::test]
async fn a_function_killed_around_a_write_of_weights_is_continued() -> anyhow::Result<()> {
    // The second one never arrives, and is asked for again: it is the third.
    let strikes = [(1, Strike::KillAfterwards), (2, Strike::Kill), (4, Strike::DropReply)];
    assert_ends_the_same(strikes.map(|(nth, strike)| Fault::at(WEIGHTS, strike).nth(nth)).into()).await
}

#[tokio::test]
async fn a_template_whose_answer_is_lost_is_written_once() -> anyhow::Result<()> {
    assert_ends_the_same(vec![
        Fault::at("ec2:CreateLaunchTemplateVersion", Strike::DropReply),
        Fault::at("autoscaling:UpdateAutoScalingGroup", Strike::DropReply),
    ])
    .await
}

#[tokio::test]
async fn the_new_color_follows_a_person_who_scales_out_midway() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.stage.fleet.write_desired("app-blue", 4).await?;
    rollout.approve().await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_sizes("green", &image, 4).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn bounds_that_a_person_writes_midway_are_theirs_at_the_end_of_a_cutover() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.stage.fleet.write_bounds("app-green", 2, 12).await?;
    rollout.approve().await?;
    assert_eq!(rollout.ended().await?, "done");
    let after = rollout.stage.fleet.wait_until_settled(CUTOVER).await?;
    let (green, blue) = (after.group("green")?, after.group("blue")?);
    assert_eq!((green.max, green.desired, green.serving()), (12, 3, 3), "{after}");
    assert_eq!((blue.min, blue.max, blue.desired), (0, 0, 0), "{after}");
    assert!(green.instances.iter().all(|instance| instance.image.as_deref() == Some(&image)), "{after}");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn bounds_that_a_person_writes_midway_are_theirs_when_a_cutover_is_aborted() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.stage.fleet.write_bounds("app-blue", 2, 12).await?;
    // Held at the size that serves for as long as the cutover lasts, and then what the person wrote.
    let is_held = |view: &FleetView| (view.group("blue").ok()?.min == 3).then_some(());
    rollout.stage.stack.wake("app").await?;
    rollout.stage.fleet.wait_for("its minimum is held", A_WHILE, is_held).await?;
    rollout.say(Command::Abort).await?;
    assert_eq!(rollout.ended().await?, "aborted");
    let after = rollout.stage.fleet.wait_until_settled(CUTOVER).await?;
    let (blue, green) = (after.group("blue")?, after.group("green")?);
    assert_eq!((blue.min, blue.max, blue.desired, blue.serving()), (2, 12, 3, 3), "{after}");
    let was = rollout.stage.before.group("green")?;
    assert_eq!((green.min, green.max, green.desired), (was.min, was.max, was.desired), "{after}");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn weights_of_another_hand_are_left_alone_until_they_are_put_back() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("alarms", "none"), ("approval", "manual"), ("step", "5s")]).await?;
    let image = rollout.publish_and_approve("2").await?;
    rollout.wait_for_weight("app-green", 10).await?;
    rollout.stage.fleet.write_weights(&[("app-blue", 70), ("app-green", 30)]).await?;
    rollout.stage.letter("entered").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.stage.fleet.weights().await?.get("app-green"), Some(&30));
    rollout.stage.fleet.write_weights(&[("app-blue", 90), ("app-green", 10)]).await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    assert_eq!(rollout.steps(), [10, 50, 100]);
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_freeze_at_half_the_traffic_holds_and_still_gives_it_back() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("traffic", "50,100")]).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_weight("app-green", 50).await?;
    let switch = switch(&rollout.stage.stack)?;
    let scope = FreezeScope::Fleet("app".parse()?);
    switch.set_freeze(&freeze(scope.clone())).await?;
    rollout.stage.stack.wake("app").await?;
    // Longer than the step is watched without it.
    let until = Timestamp::now() + SignedDuration::from_secs(15);
    while Timestamp::now() < until {
        rollout.stage.stack.wait_until_idle(A_WHILE).await?;
        rollout.stage.stack.wake("app").await?;
    }
    assert_eq!(rollout.steps(), [50]);
    rollout.stage.stack.ring(&rollout.alarm).await?;
    rollout.wait_for_weight("app-green", 0).await?;
    switch.lift_freeze(&scope).await?;
    rollout.stage.stack.wake("app").await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert!(rollout.is_vetoed(&image).await?);
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    rollout.assert_at_rest().await
}
