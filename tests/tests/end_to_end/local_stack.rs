//! The local stack itself, without any decision of Driftless: the behavior on which the scenes rely.

use std::time::Duration;

use driftless_tests::fleet::FleetSpec;
use driftless_tests::load::Load;
use driftless_tests::patience::{Poll, wait_until};
use driftless_tests::stack::LocalStack;

const A_WHILE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_color_without_servers_that_is_given_traffic_loses_it_and_the_load_says_so() -> anyhow::Result<()> {
    let stack = LocalStack::lent().await?;
    let fleet = FleetSpec::pair("app").instances(3).policy(&[("mode", "observe")]).create(&stack).await?;
    fleet.wait_until_idle(A_WHILE).await?;
    let mut load = Load::start(&stack, &fleet).await?;
    fleet.write_weights(&[("app-blue", 50), ("app-green", 50)]).await?;
    wait_until("requests are lost", A_WHILE, async || {
        let tally = load.tally();
        Ok(if tally.lost() > 0 { Poll::Is(()) } else { Poll::NotYet(format!("{tally:?}")) })
    })
    .await?;
    let tally = load.pause().await?;
    assert_eq!(tally.lost.keys().collect::<Vec<_>>(), ["503: the target group is empty"], "{tally:#?}");
    assert!(tally.answers().served > 0, "{tally:#?}");
    // The next scene finds an empty account.
    stack.reset().await?;
    assert_eq!(fleet.view().await?.groups, []);
    assert_eq!(stack.groups_of_instances().await?, [].into());
    stack.leave_evidence().await
}
