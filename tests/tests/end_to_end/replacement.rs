//! Replacement of drifted instances, from the event on the bus to the restored fleet.

use std::collections::BTreeSet;

use anyhow::Context as _;
use driftless_planner::fact::ComplianceType;
use driftless_tests::control::{LaunchInstances, Settings};
use driftless_tests::events::Event;
use driftless_tests::fleet::{FleetSpec, FleetView};
use driftless_tests::load::Load;
use driftless_tests::proxy::Call;
use serde_json::Value;

use crate::heard::{assert_all_came, everything, patterns, text};
use crate::served::{assert_served, wait_until_served};
use crate::stage::{A_WHILE, LAUNCH, Left, RULE, Stage, TERMINATE, acting, fleet_of_three};

const ENTER_STANDBY: &str = "autoscaling:EnterStandby";

#[tokio::test]
async fn a_drifted_instance_is_replaced_while_requests_are_served_and_nobody_else_is_touched() -> anyhow::Result<()> {
    // The group is at its maximum: Driftless borrows one instance of maximum and restores it.
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    // Another fleet under the same rule, with compliant instances.
    let other = FleetSpec::single("other").instances(2).policy(&acting(&[])).create(&stage.stack).await?;
    let of_others = other.wait_until_idle(A_WHILE).await?;
    stage.stack.request("other").await?;
    stage.inbox.wait_for_kind("other", "adopted", A_WHILE).await?;
    let mut all = stage.stack.listen("all", &everything()).await?;
    let mut ends = stage.stack.listen("ends", &patterns()?[0]).await?;
    let mut load = Load::start(&stage.stack, &stage.fleet).await?;
    let watch = stage.fleet.watch();

    // The event arrives three times, and once more afterwards.
    let drifted = stage.drift().await?;
    let event = || Event::compliance(&drifted, RULE, ComplianceType::NonCompliant);
    stage.stack.put_all(&[event()?, event()?]).await?;
    let started = stage.letter("replacement-started").await?;
    let replaced = stage.letter("replaced").await?;
    let successor = stage.assert_replaced(&drifted).await?;
    let seen = watch.finish().await?;
    wait_until_served(&load, |server| server.instance == successor.id).await?;
    let tally = load.pause().await?;
    stage.stack.put(&event()?).await?;
    stage.assert_at_rest(&Left::default()).await?;

    assert!(started.subject.contains(&drifted), "{}", started.subject);
    assert!(started.text.contains("image ami-0 is not approved"), "{}", started.text);
    assert!(replaced.subject.contains(&drifted) && replaced.text.contains(&successor.id), "{}", replaced.text);
    let was = stage.before.instance(&drifted).cloned().unwrap();
    assert_eq!((&successor.zone, &successor.image), (&was.zone, &was.image));
    assert_eq!(seen.fewest_serving(), 3, "{}", seen.worst.unwrap());
    assert!(seen.highest_desired <= 4);
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    let written = stage.calls("autoscaling:UpdateAutoScalingGroup");
    assert_eq!(written.iter().filter_map(|call| call.text("MaxSize")).collect::<Vec<_>>(), ["4", "3"]);
    assert_eq!(other.view().await?, of_others);
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    assert_served(&tally, None);
    // The replacement instance served requests too, and only members of the group did.
    let expected: BTreeSet<&String> =
        stage.before.group("blue")?.instances.iter().map(|instance| &instance.id).chain([&successor.id]).collect();
    assert_eq!(tally.answers.keys().map(|server| &server.instance).collect::<BTreeSet<_>>(), expected);
    assert_evidence(&stage, &drifted, &successor.id).await?;
    assert_all_came(&stage.stack, &mut all).await?;
    let ends = ends.read().await?;
    assert_eq!(ends.iter().map(|end| text(end, "/subject")).collect::<Vec<_>>(), [drifted]);
    Ok(())
}

/// The history had the reason for the termination before the call.
async fn assert_evidence(stage: &Stage, drifted: &str, successor: &str) -> anyhow::Result<()> {
    let history = stage.stack.table().history("app").await?;
    let about: Vec<&Value> = history.iter().filter(|entry| text(entry, "/instance") == drifted).collect();
    let states: Vec<String> = about.iter().map(|entry| text(entry, "/to")).collect();
    assert_eq!(states, ["debouncing", "launching", "verifying", "evidence", "retiring", "replaced"]);
    let evidence = about.get(3).context("there is no evidence")?;
    assert_eq!(text(evidence, "/evidence/group"), "app-blue");
    assert_eq!(text(evidence, &format!("/evidence/findings/{RULE}/annotation")), "image ami-0 is not approved");
    assert_eq!(text(evidence, "/evidence/machine/image"), stage.fleet.image());
    assert_eq!(text(evidence, "/evidence/successor"), successor);

    let commits = stage.calls("dynamodb:TransactWriteItems");
    let written = commits.iter().find(|call| call.contains("recorded before the instance is terminated"));
    let written = written.filter(|call| call.succeeded()).context("no commit has the evidence")?;
    let is_later = |call: &Call| written.took.is_some_and(|took| written.at + took <= call.at);
    assert!(stage.calls(TERMINATE).iter().all(is_later), "{written}");
    Ok(())
}

#[tokio::test]
async fn without_launch_instances_desired_capacity_is_raised_and_restored() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    let absent = Settings { launch_instances: Some(LaunchInstances::Absent), ..Settings::default() };
    stage.stack.control().set(&absent).await?;
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
async fn a_drifted_instance_is_set_aside_for_forensics_once_its_successor_serves() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("strategy", "quarantine")])).await?;
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
    assert_eq!((stage.calls(ENTER_STANDBY).len(), stage.calls(TERMINATE).len()), (1, 0));
    stage.assert_at_rest(&Left { quarantined: &[&drifted], ..Left::default() }).await
}
