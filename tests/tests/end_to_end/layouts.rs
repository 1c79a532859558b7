//! Fleets with other layouts.

use driftless_planner::fact::Command;
use driftless_tests::fleet::{FleetSpec, FleetView};

use crate::operator_api::watch;
use crate::rollout::{CUTOVER, Rollout, UNWATCHED, WEIGHTS, WEIGHTS_OF_RULE, pair_of_three};
use crate::stage::{LAUNCH, TERMINATE, acting};

const ATTACH: &str = "autoscaling:AttachLoadBalancerTargetGroups";
const DETACH: &str = "autoscaling:DetachLoadBalancerTargetGroups";

#[tokio::test]
async fn colors_that_share_a_target_group_are_swapped_as_a_whole() -> anyhow::Result<()> {
    let spec = pair_of_three(&[("alarms", "none"), ("approval", "manual"), ("weights", "100")]);
    let mut rollout = Rollout::of(&spec.sharing_a_target_group()).await?;
    let watch = rollout.stage.fleet.watch();
    let image = rollout.publish_and_approve("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    let after = rollout.assert_sizes("green", &image, 3).await?;
    assert!(after.group("green")?.instances.iter().all(|instance| instance.target.as_deref() == Some("healthy")));
    assert!(watch.finish().await?.fewest_serving() >= 3);
    let of = |name: &str| rollout.stage.calls(name).iter().map(|call| call.at).collect::<Vec<_>>();
    let (attached, detached) = (of(ATTACH), of(DETACH));
    assert_eq!((attached.len(), detached.len()), (1, 1));
    assert!(attached < detached, "the new color serves before the old one stops");
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_rule_shares_the_traffic_out_and_nothing_else_of_the_listener_changes() -> anyhow::Result<()> {
    let mut rollout = Rollout::of(&pair_of_three(&UNWATCHED).behind_a_rule()).await?;
    let before = rollout.stage.fleet.rules_but_weights().await?;
    let image = rollout.publish_and_approve("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_live("green", &image).await?;
    assert_eq!(rollout.steps(), [10, 50, 100]);
    assert_eq!(rollout.stage.fleet.rules_but_weights().await?, before);
    let written = rollout.stage.calls(WEIGHTS_OF_RULE);
    assert!(written.iter().all(|call| call.text("RuleArn") == rollout.stage.fleet.rule()), "{written:#?}");
    assert_eq!(rollout.stage.calls(WEIGHTS).len(), 0);
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_pair_without_a_load_balancer_is_replaced_after_its_warm_up_and_cut_over() -> anyhow::Result<()> {
    let mut rollout = Rollout::of(&pair_of_three(&UNWATCHED).no_load_balancer().warmup_seconds(2)).await?;
    let eyes = rollout.stage.fleet.watch();
    let drifted = rollout.stage.drift().await?;
    rollout.stage.letter("replaced").await?;
    rollout.stage.assert_replaced(&drifted).await?;
    assert_eq!(eyes.finish().await?.fewest_serving(), 3);
    let (launch, terminate) = (&rollout.stage.calls(LAUNCH)[0], &rollout.stage.calls(TERMINATE)[0]);
    assert!(terminate.at.duration_since(launch.at).as_secs() >= 2, "{launch}, {terminate}");

    let image = rollout.publish_and_approve("2").await?;
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_sizes("green", &image, 3).await?;
    rollout.assert_at_rest().await
}

/// A single group of three that an instance refresh rolls, with this bake time.
fn single_group(bake: &'static str) -> FleetSpec {
    FleetSpec::single("app").instances(3).policy(&acting(&[("bake", bake), ("keep-warm", "1s")]))
}

#[tokio::test]
async fn a_single_group_has_a_server_replaced_and_is_rolled_by_an_instance_refresh() -> anyhow::Result<()> {
    let mut rollout = Rollout::of(&single_group("0s")).await?;
    let drifted = rollout.stage.drift().await?;
    rollout.stage.letter("replaced").await?;
    rollout.stage.assert_replaced(&drifted).await?;

    let eyes = rollout.stage.fleet.watch();
    let image = rollout.publish_and_approve("2").await?;
    let seen = watch(&rollout.stage.stack).await?;
    assert!(seen.contains("shifting"), "{seen:?}");
    assert_eq!(rollout.ended().await?, "done");
    rollout.assert_rolled(&image).await?;
    assert!(eyes.finish().await?.fewest_serving() >= 2, "one at a time");
    assert_eq!(rollout.stage.calls("autoscaling:StartInstanceRefresh").len(), 1);
    rollout.assert_at_rest().await
}

#[tokio::test]
async fn a_single_group_goes_back_when_a_person_says_so() -> anyhow::Result<()> {
    let mut rollout = Rollout::of(&single_group("10m")).await?;
    rollout.publish_and_approve("2").await?;
    let unattributed = |view: &FleetView| {
        let group = view.group("").ok()?;
        let newer = group.instances.iter().filter(|instance| instance.template_version.as_deref() == Some("2"));
        (newer.count() > 0).then_some(())
    };
    rollout.stage.fleet.wait_for("one is replaced", CUTOVER, unattributed).await?;
    rollout.say(Command::Rollback).await?;
    assert_eq!(rollout.ended().await?, "rolled-back");
    let good = rollout.stage.fleet.image().to_owned();
    rollout.assert_rolled(&good).await?;
    rollout.assert_at_rest().await
}
