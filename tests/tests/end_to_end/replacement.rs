//! Replacement of drifted instances, end to end: an event goes in at the bus, and the fleet is what it was before.

use std::time::Duration;

use driftless_tests::fleet::{Fleet, FleetSpec};
use driftless_tests::proxy::{Call, listed};
use driftless_tests::stack::LocalStack;

const RULE: &str = "approved-amis";
const A_WHILE: Duration = Duration::from_secs(10);
/// From the event to the end of a replacement, with room for a busy machine.
const REPLACEMENT: Duration = Duration::from_secs(40);

/// A blue/green pair that is acted on: drift under one rule, without a debounce.
async fn fleet_of_three(stack: &LocalStack) -> anyhow::Result<Fleet> {
    let policy = [
        ("mode", "act"),
        ("rules", RULE),
        ("alarms", "none"),
        ("approval", "manual"),
        ("debounce", "0s"),
        ("launch-deadline", "2m"),
        ("drain-deadline", "2m"),
    ];
    let fleet = FleetSpec::pair("app").instances(3).policy(&policy).create(stack).await?;
    fleet.wait_until_settled(A_WHILE).await?;
    Ok(fleet)
}

#[tokio::test]
async fn a_drifted_instance_is_replaced() -> anyhow::Result<()> {
    let stack = LocalStack::start().await?;
    let mut inbox = stack.inbox("on-call").await?;
    let fleet = fleet_of_three(&stack).await?;
    let before = fleet.view().await?;
    let drifted = before.group("blue")?.instances[0].clone();
    let watch = fleet.watch();

    stack.find_non_compliant(&drifted.id, RULE, "image ami-0 is not approved").await?;

    let started = inbox.wait_for_kind("app", "replacement-started", REPLACEMENT).await?;
    assert!(started.subject.contains(&drifted.id), "{}", started.subject);
    let replaced = inbox.wait_for_kind("app", "replaced", REPLACEMENT).await?;
    assert!(replaced.subject.contains(&drifted.id), "{}", replaced.subject);
    let after = fleet.wait_until_settled(A_WHILE).await?;
    let seen = watch.finish().await?;

    let blue = after.group("blue")?;
    assert_eq!((blue.min, blue.max, blue.desired, blue.serving()), (3, 10, 3, 3), "{after}");
    assert!(after.instance(&drifted.id).is_none(), "{after}");
    assert!(blue.instances.iter().all(|instance| !instance.is_protected), "{after}");
    let successors: Vec<_> = blue.instances.iter().filter(|instance| before.instance(&instance.id).is_none()).collect();
    assert_eq!(successors.len(), 1, "{after}");
    assert_eq!(successors[0].zone, drifted.zone);
    assert_eq!(after.group("green")?.desired, 0);
    assert_eq!(seen.fewest_serving(), 3, "{}", seen.worst.unwrap());
    assert!(seen.highest_desired <= 4);

    stack.check_permissions().await?;
    assert_nothing_more_is_done(&stack, &fleet).await
}

/// The fixed point: looking again, at one fleet and at all, changes nothing and tells nobody.
async fn assert_nothing_more_is_done(stack: &LocalStack, fleet: &Fleet) -> anyhow::Result<()> {
    stack.wait_until_idle(A_WHILE).await?;
    let mark = stack.recording().mark();
    stack.sweep().await?;
    stack.wait_until_idle(A_WHILE).await?;
    let woken = stack.recording().mark();
    stack.wake(fleet.name()).await?;
    // Only a look at one fleet reads the health of targets.
    let looks = |call: &Call| call.name() == "elasticloadbalancing:DescribeTargetHealth";
    let looked = |calls: &[Call]| calls.iter().any(looks).then_some(());
    stack.recording().wait_for(woken, "reconcile looks at the fleet", A_WHILE, looked).await?;
    stack.wait_until_idle(A_WHILE).await?;
    let changes: Vec<Call> = stack.recording().since(mark).into_iter().filter(Call::changes_fleets).collect();
    assert!(changes.is_empty(), "{}", listed(&changes));
    let told: Vec<Call> =
        stack.recording().since(mark).into_iter().filter(|call| call.name() == "sns:Publish").collect();
    assert!(told.is_empty(), "{}", listed(&told));
    Ok(())
}
