//! Fleets of other shapes, and a region that offers less.

use driftless_tests::control::{LaunchInstances, Settings};
use driftless_tests::fleet::{FleetSpec, FleetView};

use crate::stage::{A_WHILE, LAUNCH, Left, Stage, TERMINATE, acting, fleet_of_three};

const SET_ASIDE: &str = "autoscaling:EnterStandby";

pub(crate) async fn offer(stage: &Stage, launches: LaunchInstances) -> anyhow::Result<()> {
    stage.stack.control().set(&Settings { launch_instances: Some(launches), ..Settings::default() }).await
}

#[tokio::test]
async fn an_instance_of_a_single_group_is_replaced() -> anyhow::Result<()> {
    let mut stage = Stage::with(&FleetSpec::single("app").instances(2).policy(&acting(&[]))).await?;
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn an_instance_of_a_pair_without_a_load_balancer_is_replaced_after_its_warm_up() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).unbalanced().warmup_seconds(2)).await?;
    let watch = stage.fleet.watch();
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    assert_eq!(watch.finish().await?.fewest_serving(), 3);
    let (launch, terminate) = (&stage.calls(LAUNCH)[0], &stage.calls(TERMINATE)[0]);
    assert!(terminate.at.duration_since(launch.at).as_secs() >= 2, "{launch}, {terminate}");
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_group_on_the_latest_version_is_refused_with_a_reason() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).template_version("$Latest")).await?;
    let drifted = stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.json().unwrap()["news"]["condition"]["condition"], "not-adoptable");
    assert!(letter.text.contains("$Latest"), "{}", letter.text);
    let left = Left { drifted: &[(&drifted, "blocked")], conditions: &["not-adoptable"], ..Left::default() };
    stage.assert_at_rest(&left).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["entered"]);
    Ok(())
}

#[tokio::test]
async fn without_launch_instances_desired_capacity_is_raised_and_put_back() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    offer(&stage, LaunchInstances::Absent).await?;
    let watch = stage.fleet.watch();
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    let seen = watch.finish().await?;
    assert_eq!((seen.fewest_serving(), seen.highest_desired), (3, 4));
    let raised = stage.calls("autoscaling:SetDesiredCapacity");
    assert_eq!(raised.iter().filter_map(|call| call.text("DesiredCapacity")).collect::<Vec<_>>(), ["4"]);
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    Ok(())
}

#[tokio::test]
async fn without_capacity_the_fleet_backs_off_and_no_attempt_counts() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    offer(&stage, LaunchInstances::NoCapacity).await?;
    let drifted = stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.attributes["severity"], "page");
    assert!(letter.text.contains("sufficient t4g.small capacity"), "{}", letter.text);
    stage.wait_for_phase(&drifted, "blocked").await?;
    let replacement = stage.record().await?["replacements"][&drifted].clone();
    assert_eq!(replacement["phase"]["blocked"]["guard"], "capacity-short");
    assert_eq!(replacement["failures"], serde_json::json!([]), "a shortage is no fault of the instance");
    stage.assert_as_before().await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 0));
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "entered"]);
    let left = Left { drifted: &[(&drifted, "blocked")], conditions: &["capacity-short"], ..Left::default() };
    stage.assert_at_rest(&left).await
}

#[tokio::test]
async fn a_drifted_instance_is_set_aside_for_forensics_once_its_successor_serves() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("replace", "quarantine")])).await?;
    let watch = stage.fleet.watch();
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    let is_aside = |view: &FleetView| {
        let is_standby = view.instance(&drifted)?.lifecycle == "Standby";
        (is_standby && view.group("blue").ok()?.serving() == 3).then(|| view.clone())
    };
    let after = stage.fleet.wait_for("it stands by", A_WHILE, is_aside).await?;
    let (is, was) = (after.group("blue")?, stage.before.group("blue")?);
    assert_eq!((is.min, is.max, is.desired), (was.min, was.max, was.desired), "{after}");
    assert!(watch.finish().await?.fewest_serving() >= 3);
    assert_eq!((stage.calls(SET_ASIDE).len(), stage.calls(TERMINATE).len()), (1, 0));
    stage.assert_at_rest(&Left { quarantined: &[&drifted], ..Left::default() }).await
}
