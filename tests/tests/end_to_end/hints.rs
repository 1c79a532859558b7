//! Events are hints: lost, at the wrong moment, of another kind, or not readable.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use driftless_planner::fact::Verdict;
use driftless_planner::wake::{Wake, WakeMessage};
use driftless_tests::events::Event;
use driftless_tests::patience::{Look, wait_until};
use driftless_tests::proxy::{Fault, Strike};

use crate::stage::{A_WHILE, Left, RULE, Stage, fleet_of_three};

#[tokio::test]
async fn a_lost_event_is_made_good_by_the_sweep() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.stack.sweep().await?;
    stage.letter("adopted").await?;
    stage.assert_at_rest(&Left::default()).await?;

    let drifted = stage.instance(0)?.to_owned();
    stage.stack.control().set_compliance(&drifted, RULE, Verdict::NonCompliant, None).await?;
    stage.stack.sweep().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await
}

#[tokio::test]
async fn a_verdict_that_comes_while_the_lease_is_held_is_looked_at_within_a_minute() -> anyhow::Result<()> {
    let stage = Stage::unhurried(&fleet_of_three(&[("debounce", "1h")])).await?;
    let mark = stage.stack.recording().mark();
    let commit = Fault::at("dynamodb:TransactWriteItems", Strike::Delay(Duration::from_secs(3)));
    stage.stack.inject(commit.of("reconcile").containing("debouncing"));
    let drifted = stage.drift().await?;
    stage.held_up(mark, "dynamodb:TransactWriteItems").await?;
    // What the look has read is no longer so.
    stage.stack.find_compliant(&drifted, RULE).await?;

    // A sweep comes after minutes: it is not waited for. Facts that can wait are gathered for a minute at most.
    wait_until("the drift is cleared", Duration::from_secs(75), async || {
        let journal = stage.stack.table().journal("app").await?;
        let states: Vec<_> = journal.iter().filter_map(|entry| entry["to"].as_str()).map(str::to_owned).collect();
        Ok(if states.iter().any(|state| state == "cleared") {
            Look::Is(())
        } else {
            Look::NotYet(format!("{states:?}"))
        })
    })
    .await?;
    let calls = stage.calls("dynamodb:TransactWriteItems");
    let held = calls.iter().find(|call| call.fault.is_some()).unwrap();
    let filed = calls.iter().find(|call| call.contains("\"compliant\"")).unwrap();
    assert!(filed.at < held.at + held.took.unwrap(), "the fact came after the run: {filed}, {held}");
    stage.assert_at_rest(&Left::default()).await?;
    stage.assert_untouched().await
}

#[tokio::test]
async fn alarms_and_images_are_hints_that_a_look_uses_up_without_a_change() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let alarm = Event::instance_alarm("app-status", stage.instance(0)?, "ALARM")?;
    let of_a_stranger = Event::from_template(include_str!("../../events/alarm-target-group.json"))?;
    let published = Event::image_published("app", "ami-0123456789abcdef0")?;
    for event in [alarm, of_a_stranger, published] {
        stage.stack.put(&event).await?;
    }
    wait_until("the announced image is on record", A_WHILE, async || {
        let record = stage.record().await.unwrap_or_default();
        let published = &record["memory"]["published"];
        let is_known = published["ami-0123456789abcdef0"].is_object();
        Ok(if is_known { Look::Is(()) } else { Look::NotYet(published.to_string()) })
    })
    .await?;
    stage.assert_at_rest(&Left::default()).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted"]);
    Ok(())
}

#[tokio::test]
async fn an_event_that_cannot_be_read_ends_alone_among_the_dead_letters() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.set_visibility("ConfigComplianceQueueUrl", 1).await?;
    let drifted = stage.instance(0)?.to_owned();
    stage.stack.control().set_compliance(&drifted, RULE, Verdict::NonCompliant, None).await?;
    let good = Event::compliance(&drifted, RULE, Verdict::NonCompliant)?;
    let bad = Event::compliance("i-zz", RULE, Verdict::NonCompliant)?;
    stage.stack.put_all(&[bad, good]).await?;

    let dead = dead_letters(&stage, "ConfigComplianceDeadLetterQueueUrl").await?;
    assert!(matches!(dead.as_slice(), [one] if one.contains("i-zz")), "{dead:?}");
    let log = stage.stack.log_of("config-compliance").await?;
    assert!(log.contains("invalid event") && log.contains("detail.resourceId"), "{log}");
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left { dead_letters_in: Some("ConfigComplianceDeadLetterQueueUrl"), ..Left::default() }).await
}

#[tokio::test]
async fn a_wake_that_cannot_be_read_ends_alone_among_the_dead_letters() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.set_visibility("WakeQueueUrl", 1).await?;
    let good = serde_json::to_string(&WakeMessage::Wake(Wake { fleet: "app".parse()?, due: None }))?;
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build();
    let queue = stage.stack.deployment().output("WakeQueueUrl")?;
    let request = stage.stack.clients().sqs.send_message_batch().queue_url(queue);
    request.entries(entry("bad", r#"{"wake":{"fleet":"APP!"}}"#)?).entries(entry("good", &good)?).send().await?;

    stage.letter("adopted").await?;
    let dead = dead_letters(&stage, "WakeDeadLetterQueueUrl").await?;
    assert_eq!(dead, [r#"{"wake":{"fleet":"APP!"}}"#]);
    stage.assert_at_rest(&Left { dead_letters_in: Some("WakeDeadLetterQueueUrl"), ..Left::default() }).await?;
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted"]);
    Ok(())
}

/// Waits until a dead-letter queue holds something, and answers it.
async fn dead_letters(stage: &Stage, output: &str) -> anyhow::Result<Vec<String>> {
    wait_until(&format!("{output} holds something"), 2 * A_WHILE, async || {
        let found = stage.messages(output).await?;
        Ok(if found.is_empty() { Look::NotYet("it is empty".to_owned()) } else { Look::Is(found) })
    })
    .await
}
