//! What stops a replacement before it has begun: the mode, the list of rules, a freeze, the breaker, an invalid policy.

use std::time::Duration;

use driftless_planner::fact::Verdict;
use driftless_planner::observation::FreezeScope;
use driftless_tests::events::Event;
use driftless_tests::fleet::FleetView;
use driftless_tests::proxy::{Fault, Strike};

use crate::stage::{A_WHILE, LAUNCH, Left, RULE, Stage, TERMINATE, fleet_of_three};
use crate::switch::{freeze, switch};

#[tokio::test]
async fn observe_says_once_what_it_would_do_and_changes_nothing() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("mode", "observe")])).await?;
    let drifted = stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert!(letter.subject.contains(&format!("would replace {drifted}")), "{}", letter.subject);
    assert_eq!(letter.json().unwrap()["news"]["condition"]["condition"], "would-replace");
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.stack.put(&Event::compliance(&drifted, RULE, Verdict::NonCompliant)?).await?;
    let would = format!("would-replace:{drifted}");
    let left = Left { drifted: &[(&drifted, "blocked")], conditions: &[&would], ..Left::default() };
    stage.assert_at_rest(&left).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted", "entered"]);
    Ok(())
}

#[tokio::test]
async fn a_rule_that_is_not_on_the_list_is_shown_and_changes_nothing() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let id = stage.instance(0)?.to_owned();
    stage.stack.find_non_compliant(&id, "somebody-elses-rule", "not ours").await?;
    stage.letter("adopted").await?;
    stage.assert_at_rest(&Left::default()).await?;
    stage.assert_untouched().await?;
    let record = stage.record().await?;
    assert!(record["shown"][&id]["somebody-elses-rule"].is_object(), "{record:#}");
    assert_eq!(stage.kinds().await?, ["adopted"]);
    Ok(())
}

#[tokio::test]
async fn a_frozen_fleet_is_left_alone_until_it_is_thawed() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let switch = switch(&stage.stack)?;
    let scope = FreezeScope::Fleet("app".parse()?);
    switch.set_freeze(&freeze(scope.clone())).await?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "blocked").await?;
    stage.assert_at_rest(&Left { drifted: &[(&drifted, "blocked")], ..Left::default() }).await?;
    stage.assert_untouched().await?;

    switch.lift_freeze(&scope).await?;
    stage.stack.wake("app").await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_freeze_between_the_commit_and_the_launch_stops_the_launch() -> anyhow::Result<()> {
    let mut stage = Stage::unhurried(&fleet_of_three(&[])).await?;
    let switch = switch(&stage.stack)?;
    // The commit is held up, so that the next read of freezes is the one right before the launch; that one is held up too,
    // until the freeze is there.
    let mark = stage.stack.recording().mark();
    let commit = Fault::at("dynamodb:TransactWriteItems", Strike::Delay(Duration::from_secs(1)));
    stage.stack.inject(commit.of("reconcile").containing("\"launching\""));
    let drifted = stage.drift().await?;
    stage.held_up(mark, "dynamodb:TransactWriteItems").await?;
    let read = Fault::at("dynamodb:BatchGetItem", Strike::Delay(Duration::from_secs(2))).of("reconcile");
    stage.stack.inject(read);
    stage.held_up(mark, "dynamodb:BatchGetItem").await?;
    switch.set_freeze(&freeze(FreezeScope::Account)).await?;

    stage.letter("replacement-started").await?;
    // The surge is in the record, and waits.
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.wait_for_phase(&drifted, "launching").await?;
    stage.stack.wake("app").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.assert_untouched().await?;
    let log = stage.stack.log_of("reconcile").await?;
    assert!(log.contains("Frozen"), "the launch was not stopped by the read before it:\n{log}");

    switch.lift_freeze(&FreezeScope::Account).await?;
    stage.stack.wake("app").await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_freeze_while_a_successor_is_proving_keeps_the_drifted_instance() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let switch = switch(&stage.stack)?;
    let drifted = stage.drift().await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    switch.set_freeze(&freeze(FreezeScope::Account)).await?;
    let both = |view: &FleetView| (view.serving() == 4).then_some(());
    stage.fleet.wait_for("the successor serves beside it", A_WHILE, both).await?;
    stage.stack.wake("app").await?;
    stage.stack.wait_until_idle(A_WHILE).await?;
    stage.wait_for_phase(&drifted, "proving").await?;
    assert_eq!(stage.calls(TERMINATE).len(), 0);

    switch.lift_freeze(&FreezeScope::Account).await?;
    stage.stack.wake("app").await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn too_many_at_once_open_the_breaker_which_closes_by_itself() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let ids = [stage.instance(0)?.to_owned(), stage.instance(1)?.to_owned()];
    report_all(&stage, &ids, Verdict::NonCompliant).await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.attributes["severity"], "page");
    assert_eq!(letter.json().unwrap()["news"]["condition"]["condition"], "breaker-open");
    assert!(letter.text.contains(RULE), "{}", letter.text);
    let blocked = [(ids[0].as_str(), "blocked"), (ids[1].as_str(), "blocked")];
    stage.assert_at_rest(&Left { drifted: &blocked, conditions: &["breaker-open"], ..Left::default() }).await?;

    report_all(&stage, &ids, Verdict::Compliant).await?;
    stage.letter("ended").await?;
    stage.assert_at_rest(&Left::default()).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted", "entered", "ended"]);
    Ok(())
}

#[tokio::test]
async fn an_unknown_policy_key_pages_and_nothing_is_changed() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[("foo", "bar")])).await?;
    stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.attributes["severity"], "page");
    assert!(letter.text.contains("driftless:foo is not a policy key"), "{}", letter.text);
    stage.assert_at_rest(&Left { conditions: &["policy-invalid"], ..Left::default() }).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted", "entered"]);
    Ok(())
}

/// Config says the same of several instances, before the first report of it is read.
async fn report_all(stage: &Stage, ids: &[String], verdict: Verdict) -> anyhow::Result<()> {
    let mut events = Vec::new();
    for id in ids {
        stage.stack.control().set_compliance(id, RULE, verdict, None).await?;
        events.push(Event::compliance(id, RULE, verdict)?);
    }
    stage.stack.put_all(&events).await
}
