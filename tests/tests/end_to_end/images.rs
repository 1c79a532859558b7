//! Which image is cut over to, and which is not.

use driftless_tests::events::Event;

use crate::rollout::{Rollout, UNWATCHED};
use crate::stage::A_WHILE;

#[tokio::test]
async fn a_newer_image_before_the_traffic_takes_the_place_of_the_first() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&UNWATCHED).await?;
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
async fn an_image_that_is_the_same_older_untagged_anothers_or_a_backup_changes_nothing() -> anyhow::Result<()> {
    let rollout = Rollout::with(&UNWATCHED).await?;
    let stack = &rollout.stage.stack;
    let ours = ("driftless:image-for", "app");
    let older = stack.register_image("older", &[ours, ("driftless:build", "0")]).await?;
    let untagged = stack.register_image("untagged", &[]).await?;
    let anothers =
        stack.register_image("anothers", &[("driftless:image-for", "web"), ("driftless:build", "7")]).await?;
    let backup = [ours, ("driftless:build", "9"), ("aws:backup:source-resource", "arn:aws:ec2:eu:1:instance/i-1")];
    let backup = stack.register_image("backup", &backup).await?;
    let same = rollout.stage.fleet.image();
    for image in [same, &older, &untagged, &anothers, &backup] {
        stack.put(&Event::image_available(image)?).await?;
    }
    stack.put(&Event::image_published("app", same)?).await?;
    stack.wait_until_idle(A_WHILE).await?;
    stack.sweep().await?;
    stack.wait_until_idle(A_WHILE).await?;
    assert_eq!(rollout.phase().await?, None);
    rollout.stage.assert_untouched().await?;
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
