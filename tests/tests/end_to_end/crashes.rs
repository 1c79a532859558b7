//! A function that is killed, a reply that is lost, a call that is refused: the work ends as if nothing had happened.

use driftless_tests::proxy::{Call, Fault, Strike};
use jiff::{SignedDuration, Timestamp};

use crate::stage::{LAUNCH, Left, REPLACEMENT, Stage, TERMINATE, fleet_of_three};

/// A little more than the lease of a function that lives for 6 s: what a killed one had taken comes back when nobody holds
/// the fleet any more.
const VISIBILITY_SECONDS: u32 = 10;

/// A replacement that this fault meets ends as one without: one launched under one token, one terminated, capacity as
/// before, on-call told once.
async fn assert_ends_the_same(faults: Vec<Fault>) -> anyhow::Result<Stage> {
    let mut stage = Stage::set().await?;
    stage.set_visibility("WakeQueueUrl", VISIBILITY_SECONDS).await?;
    for fault in faults {
        stage.stack.inject(fault.of("reconcile"));
    }
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(stage.launch_tokens().len(), 1);
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    Ok(stage)
}

#[tokio::test]
async fn a_function_killed_before_its_launch_arrives_is_continued() -> anyhow::Result<()> {
    let stage = assert_ends_the_same(vec![Fault::at(LAUNCH, Strike::Kill)]).await?;
    assert_eq!(stage.calls(LAUNCH).iter().filter(|call| call.succeeded()).count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_function_killed_after_its_launch_is_continued_with_the_same_successor() -> anyhow::Result<()> {
    let stage = assert_ends_the_same(vec![Fault::at(LAUNCH, Strike::KillAfterwards)]).await?;
    // Asked again, under the same token: the answer that was lost.
    assert_eq!(stage.calls(LAUNCH).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_function_killed_before_its_termination_arrives_is_continued() -> anyhow::Result<()> {
    let stage = assert_ends_the_same(vec![Fault::at(TERMINATE, Strike::Kill)]).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_function_killed_after_its_termination_terminates_nothing_more() -> anyhow::Result<()> {
    let stage = assert_ends_the_same(vec![Fault::at(TERMINATE, Strike::KillAfterwards)]).await?;
    assert_eq!((stage.calls(LAUNCH).len(), stage.calls(TERMINATE).len()), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_function_killed_before_it_tells_on_call_is_made_good_by_the_next() -> anyhow::Result<()> {
    // On-call and the chat are told side by side: the chat may have it when the function is killed, and again afterwards.
    let to_on_call = |call: &Call| call.text("TopicArn").is_some_and(|topic| topic.ends_with("-alerts"));
    let started = Fault::at("sns:Publish", Strike::Kill).containing("replacement-started").when(to_on_call);
    assert_ends_the_same(vec![started]).await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_to_a_launch_launches_nothing_more() -> anyhow::Result<()> {
    let stage = assert_ends_the_same(vec![Fault::at(LAUNCH, Strike::DropReply)]).await?;
    // Asked again under the same token, and more than once where the run had no time left.
    assert!(stage.calls(LAUNCH).len() >= 2);
    Ok(())
}

#[tokio::test]
async fn lost_replies_to_a_filing_and_to_commits_change_nothing() -> anyhow::Result<()> {
    let transaction = |text| Fault::at("dynamodb:TransactWriteItems", Strike::DropReply).containing(text);
    let texts = ["\"fact\"", "\"launching\"", "kept before the instance goes"];
    assert_ends_the_same(texts.into_iter().map(transaction).collect()).await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_to_a_termination_terminates_nothing_more() -> anyhow::Result<()> {
    assert_ends_the_same(vec![Fault::at(TERMINATE, Strike::DropReply)]).await?;
    Ok(())
}

#[tokio::test]
async fn throttled_reads_and_writes_are_asked_again() -> anyhow::Result<()> {
    let throttled = |name| Fault::at(name, Strike::throttle());
    let reads = throttled("autoscaling:DescribeAutoScalingGroups");
    assert_ends_the_same(vec![reads, throttled(LAUNCH), throttled(TERMINATE)]).await?;
    Ok(())
}

#[tokio::test]
async fn a_denied_launch_pages_once_waits_and_works_when_it_is_allowed() -> anyhow::Result<()> {
    let mut stage = Stage::with(&fleet_of_three(&[]).max(3)).await?;
    stage.stack.inject(Fault::at(LAUNCH, Strike::deny()).of("reconcile"));
    let drifted = stage.drift().await?;
    let letter = stage.letter("entered").await?;
    assert_eq!(letter.attributes["severity"], "page");
    assert_eq!(letter.json().unwrap()["news"]["condition"]["condition"], "permission-denied");
    for _ in 0..3 {
        stage.stack.wake("app").await?;
        stage.stack.wait_until_idle(REPLACEMENT).await?;
    }
    stage.stack.sweep().await?;
    stage.stack.wait_until_idle(REPLACEMENT).await?;
    assert_eq!(stage.calls(LAUNCH).len(), 1);
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "entered"]);

    // Five minutes later.
    let then = (Timestamp::now() - SignedDuration::from_mins(6)).to_string();
    let row = stage.stack.clients().dynamodb.update_item().table_name(stage.stack.deployment().output("TableName")?);
    let row = row.key("pk", text("FLEET#app")).key("sk", text("STATE"));
    let row = row
        .update_expression("SET #record.#denied.#launch.#at = :then")
        .expression_attribute_values(":then", text(&then));
    let row = ["record", "denied", "launch", "at"]
        .into_iter()
        .fold(row, |row, name| row.expression_attribute_names(format!("#{name}"), name));
    row.send().await?;
    stage.stack.wake("app").await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "entered", "ended", "replaced"]);
    Ok(())
}

fn text(value: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned())
}
