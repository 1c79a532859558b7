//! An event that cannot be parsed reaches the dead-letter queue and blocks nothing else.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use driftless_planner::fact::ComplianceType;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use driftless_tests::events::Event;
use driftless_tests::patience::{Poll, wait_until};

use crate::stage::{A_WHILE, Left, RULE, Stage};

const OF_EVENTS: &str = "ConfigComplianceDeadLetterQueueUrl";
const OF_REQUESTS: &str = "ReconcileDeadLetterQueueUrl";

#[tokio::test]
async fn what_cannot_be_read_ends_alone_among_the_dead_letters() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    stage.set_visibility("ConfigComplianceQueueUrl", 1).await?;
    stage.set_visibility("ReconcileQueueUrl", 1).await?;

    // An unreadable reconcile request, in one batch with a readable one.
    let good = serde_json::to_string(&ReconcileRequest::Reconcile(FleetRequest { fleet: "app".parse()?, due: None }))?;
    let entry = |id: &str, body: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build();
    let queue = stage.stack.deployment().output("ReconcileQueueUrl")?;
    let request = stage.stack.clients().sqs.send_message_batch().queue_url(queue);
    request.entries(entry("bad", r#"{"reconcile":{"fleet":"APP!"}}"#)?).entries(entry("good", &good)?).send().await?;
    stage.letter("adopted").await?;
    assert_eq!(dead_letters(&stage, OF_REQUESTS).await?, [r#"{"reconcile":{"fleet":"APP!"}}"#]);
    stage.assert_untouched().await?;
    assert_eq!(stage.kinds().await?, ["adopted"]);

    // An event of Config.
    let drifted = stage.instance(0)?.to_owned();
    stage.stack.control().set_compliance(&drifted, RULE, ComplianceType::NonCompliant, None).await?;
    let good = Event::compliance(&drifted, RULE, ComplianceType::NonCompliant)?;
    let bad = Event::compliance("i-zz", RULE, ComplianceType::NonCompliant)?;
    stage.stack.put_all(&[bad, good]).await?;
    stage.letter("replaced").await?;
    let dead = dead_letters(&stage, OF_EVENTS).await?;
    assert!(matches!(dead.as_slice(), [one] if one.contains("i-zz")), "{dead:?}");
    let log = stage.stack.log_of("config-compliance").await?;
    assert!(log.contains("invalid event") && log.contains("detail.resourceId"), "{log}");
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left { dead_letters_in: &[OF_EVENTS, OF_REQUESTS], ..Left::default() }).await
}

/// Waits until a dead-letter queue has messages, and returns them.
async fn dead_letters(stage: &Stage, output: &str) -> anyhow::Result<Vec<String>> {
    wait_until(&format!("{output} holds something"), 2 * A_WHILE, async || {
        let found = stage.messages(output).await?;
        Ok(if found.is_empty() { Poll::NotYet("it is empty".to_owned()) } else { Poll::Is(found) })
    })
    .await
}
