//! Replacement of drifted instances, end to end: an event goes in at the bus, and the fleet is what it was before.

use driftless_tests::events::Event;
use driftless_tests::fleet::FleetSpec;
use driftless_tests::proxy::Call;
use serde_json::Value;

use driftless_planner::fact::Verdict;

use crate::stage::{A_WHILE, LAUNCH, Left, RULE, Stage, TERMINATE, acting, fleet_of_three};

#[tokio::test]
async fn a_drifted_instance_is_replaced_and_nobody_else_is_touched() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    // Another fleet under the same rule, whose instances keep it.
    let other = FleetSpec::single("other").instances(2).policy(&acting(&[])).create(&stage.stack).await?;
    let of_others = other.wait_until_settled(A_WHILE).await?;
    stage.stack.wake("other").await?;
    stage.inbox.wait_for_kind("other", "adopted", A_WHILE).await?;
    let watch = stage.fleet.watch();

    let drifted = stage.drift().await?;
    let started = stage.letter("replacement-started").await?;
    let replaced = stage.letter("replaced").await?;
    let successor = stage.assert_replaced(&drifted).await?;
    let seen = watch.finish().await?;

    assert!(started.subject.contains(&drifted), "{}", started.subject);
    assert!(started.text.contains("image ami-0 is not approved"), "{}", started.text);
    assert!(replaced.subject.contains(&drifted) && replaced.text.contains(&successor.id), "{}", replaced.text);
    let was = stage.before.instance(&drifted).cloned().unwrap();
    assert_eq!((successor.zone, successor.image), (was.zone, was.image));
    assert_eq!(seen.fewest_serving(), 3, "{}", seen.worst.unwrap());
    assert!(seen.highest_desired <= 4);
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(other.view().await?, of_others);
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    Ok(())
}

#[tokio::test]
async fn a_fleet_at_its_maximum_gets_room_for_a_successor_and_its_maximum_back() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;
    let written = stage.calls("autoscaling:UpdateAutoScalingGroup");
    let maxima: Vec<_> = written.iter().filter_map(|call| call.text("MaxSize")).collect();
    assert_eq!(maxima, ["4", "3"]);
    Ok(())
}

#[tokio::test]
async fn the_evidence_is_in_the_journal_before_the_instance_is_terminated() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    let successor = stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;

    let journal = stage.stack.table().journal("app").await?;
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let about: Vec<&Value> = journal.iter().filter(|entry| text(entry, "instance") == drifted).collect();
    let states: Vec<String> = about.iter().map(|entry| text(entry, "to")).collect();
    assert_eq!(states, ["debouncing", "launching", "proving", "evidence", "retiring", "replaced"]);
    let evidence = &about[3]["evidence"];
    assert_eq!(evidence["group"], "app-blue");
    assert_eq!(evidence["findings"][RULE]["annotation"], "image ami-0 is not approved");
    assert_eq!(evidence["machine"]["image"], stage.fleet.image());
    assert_eq!(evidence["successor"], successor.id);

    let end = |call: &Call| call.at + call.took.unwrap();
    let commits = stage.calls("dynamodb:TransactWriteItems");
    let written = commits.iter().find(|call| call.contains("kept before the instance goes")).unwrap();
    assert!(written.succeeded() && end(written) <= stage.calls(TERMINATE)[0].at, "{written}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_comes_three_times_and_again_afterwards_has_one_effect() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let drifted = stage.drift().await?;
    let event = || Event::compliance(&drifted, RULE, Verdict::NonCompliant);
    stage.stack.put_all(&[event()?, event()?]).await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;

    for _ in 0..3 {
        stage.stack.put(&event()?).await?;
    }
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    Ok(())
}
