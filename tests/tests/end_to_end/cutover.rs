//! A published image takes the traffic, or is rolled back, while requests are served.

use driftless_status::request::{Answer, Question};
use driftless_status::why::Subject;
use driftless_tests::events::Event;
use driftless_tests::load::{ErrorAlarm, Load};
use driftless_tests::patience::{Poll, wait_until};

use crate::operator_api::{ask, watch};
use crate::rollout::{CUTOVER, Rollout};
use crate::served::{assert_served, wait_until_served};
use crate::stage::A_WHILE;

#[tokio::test]
async fn a_published_image_takes_the_traffic_step_by_step_while_requests_are_served() -> anyhow::Result<()> {
    let mut rollout = Rollout::set().await?;
    let mut load = Load::start(&rollout.stage.stack, &rollout.stage.fleet).await?;
    let eyes = rollout.stage.fleet.watch();
    // An alarm in ALARM blocks the cutover before it changes anything, and `why` says so.
    rollout.stage.stack.go_into_alarm(&rollout.alarm).await?;
    let image = rollout.publish("2").await?;
    rollout.wait_for_cutover("preflight").await?;
    let subject = Subject::Fleet("app".parse()?);
    let Answer::Why(why) = ask(&rollout.stage.stack, &Question::Why { subject, fleet: None }).await? else {
        anyhow::bail!("no why")
    };
    assert!(why.waits.as_ref().is_some_and(|waits| waits.why.as_str().contains(rollout.alarm.name())), "{why:?}");
    rollout.stage.stack.quiet(&rollout.alarm).await?;
    let seen = watch(&rollout.stage.stack).await?;
    assert!(seen.contains("shifting"), "{seen:?}");
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    assert_eq!(rollout.steps(), [10, 50, 100]);
    assert!(eyes.finish().await?.fewest_serving() >= 3);
    wait_until_served(&load, |server| server.image == image).await?;
    let tally = load.pause().await?;
    assert_served(&tally, None);
    let shares = ["app-blue", "app-green"].map(|group| tally.answers_of(|server| server.group == group).served);
    assert!(shares.iter().all(|served| *served > 0), "{tally:#?}");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn an_alarm_gives_the_traffic_back_and_only_requests_that_the_bad_image_answered_fail() -> anyhow::Result<()> {
    let mut rollout = Rollout::with(&[("weights", "50,100"), ("step", "5m")]).await?;
    let mut load = Load::start(&rollout.stage.stack, &rollout.stage.fleet).await?;
    let mut alarm = ErrorAlarm::new(rollout.alarm.clone(), "app-green");
    let image = rollout.stage.stack.register_build("app", "2").await?;
    load.make_bad(&image, 3);
    rollout.stage.stack.put(&Event::image_available(&image)?).await?;
    rollout.wait_for_weight("app-green", 50).await?;
    wait_until("the alarm is in ALARM", CUTOVER, async || {
        alarm.poll(&rollout.stage.stack, &load).await?;
        Ok(if alarm.is_in_alarm() { Poll::Is(()) } else { Poll::NotYet(format!("{:?}", load.tally())) })
    })
    .await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_live("blue", &good).await?;
    assert_eq!(rollout.steps(), [50, 0]);
    assert!(rollout.is_vetoed(&image).await?);
    wait_until("the alarm is quiet", CUTOVER, async || {
        alarm.poll(&rollout.stage.stack, &load).await?;
        Ok(if alarm.is_in_alarm() { Poll::NotYet(format!("{:?}", load.tally())) } else { Poll::Is(()) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_served(&tally, Some(&image));
    let of_bad_one = tally.answers_of(|server| server.image == image);
    assert!(of_bad_one.errors > 0 && of_bad_one.served > 0, "{tally:#?}");

    // A repeated publication gets the reason why the image is not released.
    rollout.stage.stack.put(&Event::image_available(&image)?).await?;
    rollout.stage.stack.put(&Event::image_published("app", &image)?).await?;
    let why = rollout.refused(&image).await?;
    assert!(why.starts_with("vetoed by "), "{why}");
    rollout.stage.stack.wait_until_idle(A_WHILE).await?;
    assert_eq!((rollout.phase().await?, rollout.steps()), (None, vec![50, 0]));
    rollout.assert_at_rest().await
}
