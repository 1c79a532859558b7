//! Requests are served throughout: what fails is what a bad image answered itself.

use driftless_tests::events::Event;
use driftless_tests::load::{ErrorAlarm, Load, Tally};
use driftless_tests::patience::{Look, wait_until};

use crate::rollout::{CUTOVER, Rollout};
use crate::stage::{Left, Stage, fleet_of_three};

/// No request was lost, and none was answered with an error, but by the servers of a bad image.
fn assert_served(tally: &Tally, bad_image: Option<&str>) {
    assert_eq!(tally.lost, [].into(), "{tally:#?}");
    let of_good_ones = tally.answers_of(|server| Some(server.image.as_str()) != bad_image);
    assert_eq!(of_good_ones.errors, 0, "{tally:#?}");
    assert!(of_good_ones.served > 0, "{tally:#?}");
}

#[tokio::test]
async fn no_request_fails_while_a_drifted_instance_is_replaced() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    let mut load = Load::start(&stage.stack, &stage.fleet).await?;
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    let successor = stage.assert_replaced(&drifted).await?;
    let replaced = load.tally();
    wait_until("the successor serves", CUTOVER, async || {
        let later = load.tally().since(&replaced).answers_of(|server| server.instance == successor.id);
        Ok(if later.served > 0 { Look::Is(()) } else { Look::NotYet(format!("{later:?}")) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_served(&tally, None);
    // Both have served, and nobody has who never was in the group.
    let before = stage.before.group("blue")?.instances.iter().map(|instance| &instance.id);
    let expected: std::collections::BTreeSet<&String> = before.chain([&successor.id]).collect();
    assert_eq!(
        tally.answers.keys().map(|server| &server.instance).collect::<std::collections::BTreeSet<_>>(),
        expected
    );
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn no_request_fails_while_an_image_takes_the_traffic() -> anyhow::Result<()> {
    let mut rollout = Rollout::set().await?;
    let mut load = Load::start(&rollout.stage.stack, &rollout.stage.fleet).await?;
    let image = rollout.publish("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    let done = load.tally();
    wait_until("the new color serves", CUTOVER, async || {
        let later = load.tally().since(&done).answers_of(|server| server.image == image);
        Ok(if later.served > 0 { Look::Is(()) } else { Look::NotYet(format!("{later:?}")) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_served(&tally, None);
    let shares = ["app-blue", "app-green"].map(|group| tally.answers_of(|server| server.group == group).served);
    assert!(shares.iter().all(|served| *served > 0), "{tally:#?}");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn only_requests_that_the_bad_image_answered_fail_until_its_alarm_gives_the_traffic_back() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("traffic", "50,100"), ("step", "5m")]).await?;
    let mut load = Load::start(&rollout.stage.stack, &rollout.stage.fleet).await?;
    let mut alarm = ErrorAlarm::new(rollout.alarm.clone(), "app-green");
    let image = rollout.stage.stack.register_build("app", "2").await?;
    load.make_bad(&image, 3);
    rollout.stage.stack.put(&Event::image_available(&image)?).await?;
    rollout.wait_for_weight("app-green", 50).await?;
    wait_until("the alarm rings", CUTOVER, async || {
        alarm.look(&rollout.stage.stack, &load).await?;
        Ok(if alarm.is_ringing() { Look::Is(()) } else { Look::NotYet(format!("{:?}", load.tally())) })
    })
    .await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert!(rollout.is_vetoed(&image).await?);
    wait_until("the alarm is quiet", CUTOVER, async || {
        alarm.look(&rollout.stage.stack, &load).await?;
        Ok(if alarm.is_ringing() { Look::NotYet(format!("{:?}", load.tally())) } else { Look::Is(()) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_served(&tally, Some(&image));
    let of_bad_one = tally.answers_of(|server| server.image == image);
    assert!(of_bad_one.errors > 0 && of_bad_one.served > 0, "{tally:#?}");
    rollout.assert_at_rest().await
}
