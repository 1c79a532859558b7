//! Contracts about load balancers: weights, stickiness, target health and attachments.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use driftless_planner::action::{Bounds, WeightChange};
use driftless_planner::balancer::{AttachmentApi, BalancerKind, Forward, ForwardPlace, TargetGroupSettings};
use driftless_planner::ids::{InstanceId, TargetGroupArn};
use driftless_planner::observation::{Lifecycle, TargetHealth};
use driftless_reconciler::ports::{CallErrorKind, Groups as _, LoadBalancers as _, Ports};
use jiff::SignedDuration;

use crate::sizes::{group, refusal, stable};
use crate::support::eventually;
use crate::world::spec;
use crate::{Fleet, World};

const TWO: Bounds = Bounds { min: 0, max: 4, desired: 2 };

fn weights(fleet: &Fleet, blue: u32, green: u32) -> BTreeMap<TargetGroupArn, u32> {
    [(fleet.blue.target_group.clone(), blue), (fleet.green.target_group.clone(), green)].into()
}

fn change(fleet: &Fleet, from: (u32, u32), to: (u32, u32)) -> WeightChange {
    WeightChange {
        place: fleet.place.clone(),
        expected: weights(fleet, from.0, from.1),
        weights: weights(fleet, to.0, to.1),
        expected_stickiness: None,
        stickiness: None,
    }
}

/// The only forward action that names a target group. It is an error if none or several do.
async fn only(ports: &impl Ports, target_group: &TargetGroupArn) -> anyhow::Result<Forward> {
    let mut found = ports.forwards(&[target_group.clone()].into()).await?;
    let last = found.pop().context("nothing forwards to it")?;
    ensure!(found.is_empty(), "several do: {found:?}");
    Ok(last)
}

pub(crate) async fn weights_are_read_as_they_were_made_and_as_they_were_written<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("weights", TWO)?).await?;
    let both: BTreeSet<TargetGroupArn> = weights(&fleet, 0, 0).into_keys().collect();
    let mut from = (100, 0);
    for to in [(90, 10), (0, 100), (0, 0), (999, 1)] {
        let live = ports.forwards(&both).await?;
        let expected = Forward {
            place: fleet.place.clone(),
            weights: weights(&fleet, from.0, from.1),
            stickiness: None,
            balancer: BalancerKind::Application,
        };
        ensure!(live == [expected], "named once, whatever was asked for: {live:?}");
        ports.set_weights(&change(&fleet, from, to)).await?;
        // Each of its target groups must find the forward action.
        for arn in &both {
            ensure!(only(ports, arn).await?.weights == weights(&fleet, to.0, to.1));
        }
        from = to;
    }
    Ok(())
}

pub(crate) async fn weights_are_written_only_over_those_that_were_decided_on<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("weights-expected", TWO)?).await?;
    let arn = &fleet.green.target_group;
    let mut sticky = change(&fleet, (100, 0), (50, 50));
    sticky.expected_stickiness = Some(SignedDuration::from_mins(10));
    for wrong in [change(&fleet, (90, 10), (50, 50)), sticky] {
        let kind = refusal(ports.set_weights(&wrong).await)?;
        ensure!(kind == CallErrorKind::Refused, "{kind} for {wrong:?}");
        ensure!(only(ports, arn).await?.weights == weights(&fleet, 100, 0), "nothing was written");
    }
    ports.set_weights(&change(&fleet, (100, 0), (50, 50))).await?;
    // The loop repeats a call whose response was lost: a write that finds its own values succeeds.
    ports.set_weights(&change(&fleet, (100, 0), (50, 50))).await?;
    ensure!(only(ports, arn).await?.weights == weights(&fleet, 50, 50));
    let kind = refusal(ports.set_weights(&change(&fleet, (100, 0), (90, 10))).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}: what was decided on is no longer there");
    Ok(())
}

pub(crate) async fn stickiness_is_written_with_the_weights_and_read_back<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("sticky", TWO)?).await?;
    let (hour, day) = (Some(SignedDuration::from_hours(1)), Some(SignedDuration::from_hours(24)));
    let mut live = None;
    for (from, to, wanted) in [((100, 0), (90, 10), hour), ((90, 10), (90, 10), day), ((90, 10), (100, 0), None)] {
        let change = WeightChange { expected_stickiness: live, stickiness: wanted, ..change(&fleet, from, to) };
        ports.set_weights(&change).await?;
        let found = only(ports, &fleet.blue.target_group).await?;
        ensure!(found.stickiness == wanted && found.weights == weights(&fleet, to.0, to.1), "{found:?}");
        live = wanted;
    }
    Ok(())
}

pub(crate) async fn a_rule_that_forwards_to_one_target_group_counts_as_weight_one_and_is_a_place_of_its_own<
    W: World,
>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("forward-rule", TWO)?).await?;
    let rule = world.rule(&fleet).await?;
    ensure!(matches!(rule, ForwardPlace::Rule(_)), "{rule}");
    let found = ports.forwards(&[fleet.blue.target_group.clone()].into()).await?;
    let places: BTreeMap<&ForwardPlace, &BTreeMap<TargetGroupArn, u32>> =
        found.iter().map(|forward| (&forward.place, &forward.weights)).collect();
    let one: BTreeMap<TargetGroupArn, u32> = [(fleet.blue.target_group.clone(), 1)].into();
    let both = weights(&fleet, 100, 0);
    let expected: BTreeMap<_, _> = [(&rule, &one), (&fleet.place, &both)].into();
    ensure!(places == expected, "{places:?}");
    let of_green = only(ports, &fleet.green.target_group).await?;
    ensure!(of_green.place == fleet.place, "the rule does not name green: {of_green:?}");
    Ok(())
}

pub(crate) async fn a_forward_action_that_is_not_there_is_gone<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("forward-none", TWO)?).await?;
    let balancer = "arn:aws:elasticloadbalancing:us-east-1:123456789012";
    for place in [
        ForwardPlace::Listener(format!("{balancer}:listener/app/none/50dc6c495c0c9188/f2f7dc8efc522ab2").parse()?),
        ForwardPlace::Rule(
            format!("{balancer}:listener-rule/app/none/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee").parse()?,
        ),
    ] {
        let change = WeightChange { place: place.clone(), ..change(&fleet, (100, 0), (50, 50)) };
        let kind = refusal(ports.set_weights(&change).await)?;
        ensure!(kind == CallErrorKind::Gone, "{kind} for {place}");
    }
    Ok(())
}

pub(crate) async fn a_target_group_that_is_gone_has_nothing_and_hides_no_other<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("target-group-none", TWO)?).await?;
    let name = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/73e2d6bc24d8a067";
    let (gone, there): (TargetGroupArn, _) = (name.parse()?, fleet.blue.target_group.clone());
    ensure!(ports.target_health(&gone).await?.is_empty());
    for (asked, found) in [(vec![], 0), (vec![gone.clone()], 0), (vec![gone, there], 1)] {
        let asked: BTreeSet<TargetGroupArn> = asked.into_iter().collect();
        let forwards = ports.forwards(&asked).await?;
        let settings = ports.target_group_settings(&asked).await?;
        ensure!((forwards.len(), settings.len()) == (found, found), "{asked:?}: {forwards:?}, {settings:?}");
    }
    Ok(())
}

pub(crate) async fn targets_are_healthy_then_unhealthy_then_gone<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("health", TWO)?).await?;
    let arn = &fleet.blue.target_group;
    let found = stable(world, &fleet.blue.group, 2).await?;
    let all = ports.target_health(arn).await?;
    let members: BTreeSet<&InstanceId> = found.members.iter().map(|member| &member.id).collect();
    ensure!(all.keys().collect::<BTreeSet<_>>() == members, "{all:?}");
    ensure!(all.values().all(|health| *health == TargetHealth::Healthy), "{all:?}");
    ensure!(ports.target_health(&fleet.green.target_group).await?.is_empty(), "green is empty");
    let id = &found.members.first().context("the group is empty")?.id;
    world.health(id, false).await?;
    eventually(world, "it is unhealthy", async || {
        let all = ports.target_health(arn).await?;
        Ok(all.get(id).is_none_or(|health| matches!(health, TargetHealth::Unhealthy(_))).then_some(()))
    })
    .await?;
    world.health(id, true).await?;
    // A new target passes through `initial`. An old one passes through `draining` or disappears at once.
    ports.set_desired(&fleet.blue.group, 3).await?;
    let grown = eventually(world, "three are healthy", async || {
        let all = ports.target_health(arn).await?;
        let known = |health: &TargetHealth| !matches!(health, TargetHealth::Unused | TargetHealth::Unavailable);
        ensure!(all.values().all(known), "{all:?}");
        let healthy = all.values().filter(|health| **health == TargetHealth::Healthy).count();
        Ok((healthy == 3).then_some(all))
    })
    .await?;
    ensure!(grown.len() >= 3);
    ports.empty(&fleet.blue.group, 4).await?;
    eventually(world, "none is left", async || {
        let all = ports.target_health(arn).await?;
        Ok(all.is_empty().then_some(()))
    })
    .await
}

pub(crate) async fn a_target_group_that_nothing_forwards_to_has_no_forward_and_its_targets_are_unused<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("unused", TWO)?).await?;
    let idle = world.target_group("unused-idle").await?;
    ensure!(ports.forwards(&[idle.clone()].into()).await?.is_empty());
    ensure!(ports.target_health(&idle).await?.is_empty());
    ports.attach(&fleet.blue.group, &idle, AttachmentApi::TargetGroups).await?;
    eventually(world, "both are registered and unused", async || {
        let all = ports.target_health(&idle).await?;
        Ok((all.len() == 2 && all.values().all(|health| *health == TargetHealth::Unused)).then_some(()))
    })
    .await
}

pub(crate) async fn what_is_attached_is_registered_and_what_is_detached_keeps_running<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("attach", TWO)?).await?;
    let (own, shared) = (&fleet.blue.target_group, &fleet.green.target_group);
    let before = stable(world, &fleet.blue.group, 2).await?;
    let healthy = async |arn: &TargetGroupArn, count: usize| {
        eventually(world, &format!("{count} are healthy in {arn}"), async || {
            let all = ports.target_health(arn).await?;
            let healthy = all.values().filter(|health| **health == TargetHealth::Healthy).count();
            Ok((healthy == count && all.len() == count).then_some(()))
        })
        .await
    };
    // A repeated attach or detach has no further effect.
    for _ in 0..2 {
        ports.attach(&fleet.blue.group, shared, AttachmentApi::TargetGroups).await?;
        let found = group(ports, &fleet.blue.group).await?.target_groups;
        ensure!(found.iter().collect::<BTreeSet<_>>() == [own, shared].into(), "{found:?}");
        ensure!(found.len() == 2, "{found:?}");
    }
    healthy(shared, 2).await?;
    ports.detach(&fleet.blue.group, shared, AttachmentApi::TargetGroups).await?;
    let found = group(ports, &fleet.blue.group).await?;
    ensure!(found.target_groups == [own.clone()], "{:?}", found.target_groups);
    healthy(shared, 0).await?;
    healthy(own, 2).await?;
    let after = stable(world, &fleet.blue.group, 2).await?;
    let ids = |group: &driftless_planner::observation::Group| {
        group.members.iter().map(|member| member.id.clone()).collect::<BTreeSet<_>>()
    };
    ensure!(ids(&after) == ids(&before), "they keep running: {after:?}");
    ensure!(after.members.iter().all(|member| member.lifecycle == Lifecycle::InService));
    Ok(())
}

pub(crate) async fn a_target_group_has_the_settings_that_aws_gives_it<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let fleet = world.fleet(&spec("settings", TWO)?).await?;
    let asked: BTreeSet<TargetGroupArn> = weights(&fleet, 0, 0).into_keys().collect();
    let found = ports.target_group_settings(&asked).await?;
    let usual = TargetGroupSettings {
        stickiness: None,
        deregistration_delay: SignedDuration::from_mins(5),
        slow_start: SignedDuration::ZERO,
    };
    ensure!(found == asked.into_iter().map(|arn| (arn, usual)).collect(), "{found:?}");
    Ok(())
}
