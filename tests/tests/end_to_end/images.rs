//! Which image is cut over to, and which is not.

use driftless_planner::fact::Command;
use driftless_tests::events::Event;
use driftless_tests::proxy::Call;

use crate::rollout::{AT_ONCE, Rollout};
use crate::stage::A_WHILE;

#[tokio::test]
async fn a_newer_image_before_the_traffic_takes_the_place_of_the_first() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    rollout.publish("2").await?;
    rollout.wait_for_cutover("awaiting-approval").await?;
    let newest = rollout.publish("10").await?;
    assert_eq!(rollout.outcomes(1).await?, ["superseded"]);
    rollout.approve().await?;
    assert_eq!(rollout.outcomes(2).await?, ["superseded", "done"]);
    rollout.assert_live("green", &newest).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_newer_image_after_the_first_traffic_has_its_turn_afterwards() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("alarms", "none"), ("approval", "manual"), ("step", "5s")]).await?;
    rollout.publish_and_approve("2").await?;
    rollout.wait_for_weight("app-green", 10).await?;
    let newest = rollout.publish("3").await?;
    assert_eq!(rollout.outcomes(1).await?, ["done"]);
    rollout.approve().await?;
    assert_eq!(rollout.outcomes(2).await?, ["done", "done"]);
    rollout.assert_live("blue", &newest).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn an_image_that_is_the_same_older_untagged_anothers_vetoed_or_a_backup_changes_nothing() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    let stack = &rollout.stage.stack;
    let ours = ("driftless:image-for", "app");
    let older = stack.register_image("older", &[ours, ("driftless:build", "0")]).await?;
    let untagged = stack.register_image("untagged", &[]).await?;
    let anothers =
        stack.register_image("anothers", &[("driftless:image-for", "web"), ("driftless:build", "7")]).await?;
    let backup = [ours, ("driftless:build", "9"), ("aws:backup:source-resource", "arn:aws:ec2:eu:1:instance/i-1")];
    let backup = stack.register_image("backup", &backup).await?;
    let vetoed = stack.register_image("vetoed", &[ours, ("driftless:build", "8")]).await?;
    rollout.say(Command::Veto { image: vetoed.parse()? }).await?;
    rollout.stage.letter("vetoed").await?;
    let same = rollout.stage.fleet.image();
    let stack = &rollout.stage.stack;
    for image in [same, &older, &untagged, &anothers, &backup, &vetoed] {
        stack.put(&Event::image_available(image)?).await?;
    }
    for image in [same, &vetoed] {
        stack.put(&Event::image_published("app", image)?).await?;
    }
    stack.wait_until_idle(A_WHILE).await?;
    stack.sweep().await?;
    stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.phase().await?, None);
    assert_eq!(rollout.refused(&vetoed).await?, "vetoed by ana");
    assert!(rollout.refused(&backup).await?.starts_with("it is a backup"));
    rollout.stage.assert_untouched().await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn tags_that_come_after_the_event_of_their_image_are_found_by_the_sweep() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&AT_ONCE).await?;
    let stack = &rollout.stage.stack;
    let image = stack.register_image("late", &[]).await?;
    let mark = stack.recording().mark();
    stack.put(&Event::image_available(&image)?).await?;
    // Whose it is, is asked again in a minute.
    let is_asked_again = |call: &Call| call.contains(&image) && call.contains(r#""DelaySeconds":60"#);
    let asked_again = |calls: &[Call]| calls.iter().any(is_asked_again).then_some(());
    stack.recording().wait_for(mark, "it is asked again", A_WHILE, asked_again).await?;

    stack.tag_image(&image, &[("driftless:image-for", "app")]).await?;
    stack.sweep().await?;
    assert!(rollout.refused(&image).await?.starts_with("it has no tag driftless:build"));
    rollout.stage.assert_untouched().await?;

    stack.tag_image(&image, &[("driftless:build", "2")]).await?;
    stack.sweep().await?;
    rollout.approve().await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn an_image_that_the_pipeline_alone_may_name_is_cut_over_when_it_does() -> anyhow::Result<()> {
    let policy = [("alarms", "none"), ("approval", "manual"), ("image-source", "event")];
    let mut rollout = Rollout::with(&policy).await?;
    let image = rollout.publish("1843").await?;
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.phase().await?, None, "a tag alone proposes");
    rollout.stage.stack.put(&Event::image_published("app", &image)?).await?;
    rollout.approve().await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    rollout.assert_at_rest().await
}
