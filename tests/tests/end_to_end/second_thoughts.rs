//! What changes while a replacement is under way: the drift is over, the successor drifts too, a person scales.

use std::time::Duration;

use driftless_planner::fact::Verdict;
use driftless_tests::control::Settings;

use crate::stage::{A_WHILE, LAUNCH, Left, RULE, Stage, TERMINATE, fleet_of_three};

/// A successor whose target becomes healthy late, so that something can happen before.
async fn prove_slowly(stage: &Stage, seconds: u64) -> anyhow::Result<()> {
    let healthy = Some(Duration::from_secs(seconds));
    stage.stack.control().set(&Settings { healthy, ..Settings::default() }).await
}

#[tokio::test]
async fn a_drift_that_ends_within_its_debounce_has_no_effect() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("debounce", "1h")])).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "debouncing").await?;
    stage.stack.find_compliant(&drifted, RULE).await?;
    stage.assert_at_rest(&Left::default()).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted"]);
    Ok(())
}

#[tokio::test]
async fn a_drift_that_ends_while_the_successor_is_proving_takes_the_successor_back() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    prove_slowly(&stage, 60).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    stage.stack.find_compliant(&drifted, RULE).await?;
    stage.letter("withdrawn").await?;
    stage.assert_as_before().await?;
    stage.assert_at_rest(&Left::default()).await?;

    let terminations = stage.calls(TERMINATE);
    assert_eq!((stage.calls(LAUNCH).len(), terminations.len()), (1, 1));
    assert_ne!(terminations[0].text("InstanceId"), Some(drifted.as_str()));
    assert_eq!(terminations[0].text("ShouldDecrementDesiredCapacity"), Some("true"));
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "withdrawn"]);
    Ok(())
}

#[tokio::test]
async fn a_successor_that_fails_the_same_rule_ends_the_chain_at_its_first_link() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    prove_slowly(&stage, 2).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    let proving = stage.record().await?["replacements"][&drifted]["phase"]["proving"]["successor"].clone();
    let successor = proving.as_str().unwrap();
    stage.stack.find_non_compliant(successor, RULE, "born so").await?;

    let letter = stage.letter("stopped").await?;
    assert_eq!(letter.attributes["severity"], "page");
    assert!(letter.text.contains(&drifted) && letter.text.contains(successor), "{}", letter.text);
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.assert_as_before().await?;
    assert_eq!(stage.terminated(), [successor.to_owned()].into(), "the one that serves stays");
    stage.assert_at_rest(&Left { drifted: &[(&drifted, "stopped")], ..Left::default() }).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "stopped"]);
    Ok(())
}

#[tokio::test]
async fn an_instance_that_a_person_adds_meanwhile_stays() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    prove_slowly(&stage, 3).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    let request = stage.stack.clients().autoscaling.set_desired_capacity().auto_scaling_group_name("app-blue");
    request.desired_capacity(5).send().await?;

    stage.letter("replaced").await?;
    let after = stage.fleet.wait_until_settled(A_WHILE).await?;
    let blue = after.group("blue")?;
    assert_eq!((blue.min, blue.max, blue.desired, blue.serving()), (3, 10, 4, 4), "{after}");
    assert!(after.instance(&drifted).is_none(), "{after}");
    assert_eq!(stage.terminated(), [drifted].into());
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(stage.calls(LAUNCH).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_second_drift_waits_for_the_first_and_is_replaced_after_it() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("breaker", "100%")])).await?;
    let ids = [stage.instance(0)?.to_owned(), stage.instance(1)?.to_owned()];
    for id in &ids {
        stage.stack.control().set_compliance(id, RULE, Verdict::NonCompliant, None).await?;
    }
    stage.drift().await?;
    let watch = stage.fleet.watch();
    stage.letter("replaced").await?;
    stage
        .inbox
        .wait_for("both are replaced", crate::stage::REPLACEMENT, |letters| {
            (letters.iter().filter(|letter| letter.kind() == Some("replaced")).count() == 2).then_some(())
        })
        .await?;
    let after = stage.fleet.wait_until_settled(A_WHILE).await?;
    let seen = watch.finish().await?;
    assert!(ids.iter().all(|id| after.instance(id).is_none()), "{after}");
    assert_eq!((after.group("blue")?.desired, after.group("blue")?.serving()), (3, 3), "{after}");
    // The budget of one: never two at once.
    assert_eq!((seen.fewest_serving(), seen.highest_desired), (3, 4));
    assert_eq!(stage.terminated(), ids.into());
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_successor_that_is_not_healthy_in_time_is_taken_back() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("launch-deadline", "3s")]).max(3)).await?;
    prove_slowly(&stage, 60).await?;
    let drifted = stage.drift().await?;
    let letter = stage.letter("withdrawn").await?;
    assert!(letter.text.contains("was not proven within 3s"), "{}", letter.text);
    assert!(letter.text.contains("The next attempt may start at"), "{}", letter.text);
    stage.assert_as_before().await?;
    stage.assert_at_rest(&Left { drifted: &[(&drifted, "blocked")], ..Left::default() }).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "withdrawn"]);
    Ok(())
}

#[tokio::test]
async fn a_drifted_instance_that_a_person_terminates_meanwhile_leaves_the_group_at_its_size() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    prove_slowly(&stage, 2).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    let request = stage.stack.clients().autoscaling.terminate_instance_in_auto_scaling_group();
    request.instance_id(&drifted).should_decrement_desired_capacity(false).send().await?;

    let letter = stage.letter("withdrawn").await?;
    assert!(letter.text.contains("gone without our doing"), "{}", letter.text);
    let after = stage.fleet.wait_until_settled(A_WHILE).await?;
    let blue = after.group("blue")?;
    assert_eq!((blue.min, blue.max, blue.desired, blue.serving()), (3, 10, 3, 3), "{after}");
    assert!(after.instance(&drifted).is_none(), "{after}");
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_breaker_that_opens_while_a_successor_is_proving_takes_it_back() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    prove_slowly(&stage, 60).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    let second = stage.instance(1)?.to_owned();
    stage.stack.find_non_compliant(&second, RULE, "image ami-0 is not approved").await?;
    stage.letter("withdrawn").await?;
    stage.assert_as_before().await?;
    let blocked = [(drifted.as_str(), "blocked"), (second.as_str(), "blocked")];
    stage.assert_at_rest(&Left { drifted: &blocked, conditions: &["breaker-open"], ..Left::default() }).await?;
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "entered", "withdrawn"]);
    Ok(())
}
