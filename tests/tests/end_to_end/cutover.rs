//! A published image takes the traffic, or gives it back.

use crate::rollout::Rollout;

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
    let mut rollout = Rollout::with(&[("step", "20s")]).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_weight("app-green", 10).await?;
    rollout.stage.stack.ring(&rollout.alarm).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), [10, 0]);
    assert!(rollout.is_vetoed(&image).await?);
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    rollout.assert_at_rest().await
}
