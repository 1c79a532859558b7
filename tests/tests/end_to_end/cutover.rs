//! A published image takes the traffic, or gives it back.

use driftless_planner::fact::Command;
use driftless_tests::control::Targets;
use driftless_tests::events::Event;

use crate::rollout::{Rollout, UNWATCHED};
use crate::stage::A_WHILE;

#[tokio::test]
async fn a_published_image_takes_the_traffic_step_by_step_and_the_old_color_goes() -> anyhow::Result<()> {
    let mut rollout = Rollout::set().await?;
    let watch = rollout.stage.fleet.watch();
    let image = rollout.publish("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    assert_eq!(rollout.steps(), [10, 50, 100]);
    assert!(watch.finish().await?.fewest_serving() >= 3);
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn an_alarm_at_half_the_traffic_gives_it_back_and_marks_the_image() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("traffic", "50,100"), ("step", "5m")]).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_weight("app-green", 50).await?;
    rollout.stage.stack.ring(&rollout.alarm).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), [50, 0]);
    assert!(rollout.is_vetoed(&image).await?);
    rollout.stage.stack.quiet(&rollout.alarm).await?;

    // Whoever publishes it once more is told why it stays where it is.
    rollout.stage.stack.put(&Event::image_available(&image)?).await?;
    rollout.stage.stack.put(&Event::image_published("app", &image)?).await?;
    let why = rollout.refused(&image).await?;
    assert!(why.starts_with("vetoed by "), "{why}");
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!((rollout.phase().await?, rollout.steps()), (None, vec![50, 0]));
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn an_alarm_that_rings_before_the_start_holds_everything_until_it_is_quiet() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("approval", "manual")]).await?;
    rollout.stage.stack.ring(&rollout.alarm).await?;
    rollout.publish("2").await?;
    rollout.wait_for_cutover("preflight").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    rollout.stage.assert_untouched().await?;
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.say(Command::Abort).await?;
    assert_eq!(rollout.ended().await?, "aborted");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), Vec::<i32>::new());
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn alarms_of_both_colors_hold_the_traffic_where_it_is_and_veto_nothing() -> anyhow::Result<()> {
    let policy = [("alarms", "app-green-5xx;app-blue-5xx"), ("traffic", "50,100"), ("step", "5m")];
    let mut rollout = Rollout::with(&policy).await?;
    let blue = rollout.stage.fleet.target_group_of("app-blue").unwrap_or_default().to_owned();
    let of_blue = rollout.stage.stack.create_alarm("app-blue-5xx", &blue).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_weight("app-green", 50).await?;
    // The old color's first: were green's alone, the traffic would be back before the other one is seen.
    rollout.stage.stack.ring(&of_blue).await?;
    rollout.stage.stack.ring(&rollout.alarm).await?;
    rollout.stage.letter("entered").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.steps(), [50]);
    assert!(!rollout.is_vetoed(&image).await?);
    // A person decides.
    rollout.say(Command::Rollback).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    rollout.stage.stack.quiet(&of_blue).await?;
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_cutover_waits_for_its_approval_and_goes_on() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&UNWATCHED).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.steps(), Vec::<i32>::new());
    rollout.say(Command::Approve).await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn servers_that_are_never_healthy_get_no_traffic_and_mark_their_image() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("approval", "manual"), ("alarms", "none"), ("launch-deadline", "15s")]).await?;
    let green = rollout.stage.fleet.target_group_of("app-green").unwrap_or_default().to_owned();
    rollout.stage.stack.control().fail_health_checks(Targets::Group(&green)).await?;
    let image = rollout.publish("2").await?;
    assert_eq!(rollout.ended().await?, "aborted");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), Vec::<i32>::new());
    assert!(rollout.is_vetoed(&image).await?);
    rollout.assert_at_rest().await
}
