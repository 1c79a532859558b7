//! Killed functions, lost responses, throttled calls: the result is the same as without them.

use driftless_tests::proxy::{Call, Fault, Strike};

use crate::heard::{assert_all_came, everything};
use crate::kills::Heir;
use crate::stage::{LAUNCH, Left, Stage, TERMINATE};

/// The visibility timeout, after which the message of a killed function is received again.
const VISIBILITY_SECONDS: u32 = 1;
/// More receives than any message needs: these scenes do not test the dead-letter queue.
const RECEIVES_MAX: u32 = 100;

/// With these faults a drifted server is replaced as without them: one launch under one token, one termination,
/// unchanged capacity, one message to on-call.
async fn assert_ends_the_same(stage: &mut Stage, faults: Vec<Fault>) -> anyhow::Result<()> {
    for fault in faults {
        stage.stack.inject(fault);
    }
    let drifted = stage.drift().await?;
    stage.letter("replaced").await?;
    stage.assert_replaced(&drifted).await?;
    stage.assert_at_rest(&Left::default()).await?;
    assert_eq!(stage.launch_tokens().len(), 1);
    assert_eq!(stage.kinds().await?, ["adopted", "replacement-started", "replaced"]);
    Ok(())
}

#[tokio::test]
async fn a_replacement_whose_functions_are_killed_around_each_write_ends_as_one_without() -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    for queue in ["ConfigComplianceQueueUrl", "ReconcileQueueUrl"] {
        stage.set_visibility(queue, VISIBILITY_SECONDS).await?;
        stage.set_receives_max(queue, RECEIVES_MAX).await?;
    }
    let heir = Heir::of(&stage.stack, "app");
    // Messages to on-call and to the chat are sent in parallel: the chat may get its message before the kill, and again
    // afterwards.
    let to_on_call = |call: &Call| call.text("TopicArn").is_some_and(|topic| topic.ends_with("-alerts"));
    let killed = |name: &str, nth: u32, strike: Strike| Fault::at(name, strike).of("reconcile").nth(nth);
    let faults = vec![
        Fault::at("sqs:SendMessage*", Strike::Kill).of("config-compliance"),
        killed(LAUNCH, 1, Strike::Kill),
        killed(LAUNCH, 2, Strike::KillAfterwards),
        killed(TERMINATE, 1, Strike::Kill),
        killed(TERMINATE, 2, Strike::KillAfterwards),
        killed("sns:Publish", 1, Strike::Kill).containing("replacement-started").when(to_on_call),
    ];
    let kills = faults.len();
    assert_ends_the_same(&mut stage, faults).await?;
    heir.assert_alive();
    let calls = stage.stack.recording().all();
    assert_eq!(calls.iter().filter(|call| call.ended_its_caller()).count(), kills);
    // The first call did not arrive, and the response to the second was lost: the launch is repeated under the same
    // token.
    assert!(stage.calls(LAUNCH).iter().filter(|call| call.succeeded()).count() >= 2);
    assert_eq!(stage.calls(TERMINATE).len(), 2, "what is gone is not terminated again");
    Ok(())
}

#[tokio::test]
async fn a_replacement_whose_replies_are_lost_and_whose_calls_are_throttled_ends_as_one_without() -> anyhow::Result<()>
{
    let mut stage = Stage::set().await?;
    let mut all = stage.stack.listen("all", &everything()).await?;
    let lost = |name: &str| Fault::at(name, Strike::DropReply).of("reconcile");
    let throttled = |name: &str| Fault::at(name, Strike::throttle()).of("reconcile");
    let commit = "dynamodb:TransactWriteItems";
    let faults = vec![
        lost(commit).containing("\"fact\""),
        lost(commit).containing("\"launching\""),
        lost(commit).containing("recorded before the instance is terminated"),
        lost(LAUNCH).nth(2),
        lost(TERMINATE).nth(2),
        lost("events:PutEvents").containing("verifying"),
        throttled("autoscaling:DescribeAutoScalingGroups"),
        throttled(LAUNCH),
        throttled(TERMINATE),
        throttled("events:PutEvents"),
    ];
    assert_ends_the_same(&mut stage, faults).await?;
    // The launch is throttled, then takes effect without a response, then is repeated under the same token; a run
    // without time left adds calls.
    assert!(stage.calls(LAUNCH).len() >= 3);
    assert_all_came(&stage.stack, &mut all).await
}
