//! Contracts about the instances of a group: launch, protection, Standby and termination.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};
use driftless_planner::action::{Bounds, CapacityChange, Protection};
use driftless_planner::ids::{GroupName, InstanceId};
use driftless_planner::observation::{Group, Lifecycle, Member};
use driftless_reconciler::ports::{
    CallErrorKind, Clock as _, Ec2Instances as _, Groups as _, Launched, LoadBalancers as _, Ports,
};

use crate::sizes::{bounds, group, refusal, stable};
use crate::support::eventually;
use crate::world::spec;
use crate::{Fleet, Launches, World};

fn first(group: &Group) -> anyhow::Result<&Member> {
    group.members.first().context("the group is empty")
}

fn ids(group: &Group) -> BTreeSet<InstanceId> {
    group.members.iter().map(|member| member.id.clone()).collect()
}

async fn launched(ports: &impl Ports, group: &GroupName, member: &Member, token: &str) -> anyhow::Result<InstanceId> {
    match ports.launch(group, &member.zone, token).await? {
        Launched::Instance(instance) => Ok(instance),
        Launched::Failed(message) => bail!("{token}: {message}"),
    }
}

pub(crate) async fn a_launch_adds_one_instance_where_it_was_asked_for_and_once_for_a_token<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("launch", Bounds { min: 1, max: 6, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let member = before.members.last().context("the group is empty")?;
    let successor = launched(ports, &blue.group, member, "contract-launch-1").await?;
    ensure!(!ids(&before).contains(&successor));
    // The group shows the instance as soon as the call has returned.
    let found = group(ports, &blue.group).await?;
    ensure!(found.desired == 3, "desired is {}", found.desired);
    let own = found.member(&successor).context("it is not of the group")?;
    ensure!(own.zone == member.zone && matches!(own.lifecycle, Lifecycle::Pending | Lifecycle::InService), "{own:?}");
    let again = launched(ports, &blue.group, member, "contract-launch-1").await?;
    ensure!(again == successor, "{again} is another one than {successor}");
    ensure!(bounds(ports, &blue.group).await?.desired == 3, "the second answer launched nothing");
    let other = launched(ports, &blue.group, member, "contract-launch-2").await?;
    ensure!(other != successor && bounds(ports, &blue.group).await?.desired == 4);
    let grown = stable(world, &blue.group, 4).await?;
    ensure!(grown.members.iter().all(|member| member.template.as_ref() == Some(&blue.template)), "{grown:?}");
    Ok(())
}

pub(crate) async fn a_launch_beyond_the_maximum_is_refused_and_launches_nothing<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("launch-max", Bounds { min: 1, max: 2, desired: 1 })?).await?;
    let before = stable(world, &blue.group, 1).await?;
    launched(ports, &blue.group, first(&before)?, "contract-max-1").await?;
    let kind = refusal(ports.launch(&blue.group, &first(&before)?.zone, "contract-max-2").await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(bounds(ports, &blue.group).await?.desired == 2);
    stable(world, &blue.group, 2).await.map(drop)
}

pub(crate) async fn a_launch_without_room_fails_with_the_reason_and_leaves_the_size<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("launch-room", Bounds { min: 1, max: 4, desired: 1 })?).await?;
    let before = stable(world, &blue.group, 1).await?;
    world.launches(Launches::FindNoRoom).await?;
    let answer = ports.launch(&blue.group, &first(&before)?.zone, "contract-room-1").await;
    world.launches(Launches::Succeed).await?;
    let Launched::Failed(message) = answer? else { bail!("there was room") };
    ensure!(message.as_str().to_lowercase().contains("capacity"), "{message}");
    ensure!(bounds(ports, &blue.group).await?.desired == 1);
    // A launch that failed is retried with another token.
    launched(ports, &blue.group, first(&before)?, "contract-room-2").await?;
    stable(world, &blue.group, 2).await.map(drop)
}

pub(crate) async fn a_launch_that_the_endpoint_does_not_offer_is_unsupported<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("launch-absent", Bounds { min: 1, max: 4, desired: 1 })?).await?;
    let before = stable(world, &blue.group, 1).await?;
    world.launches(Launches::AreNotOffered).await?;
    let answer = ports.launch(&blue.group, &first(&before)?.zone, "contract-absent-1").await;
    world.launches(Launches::Succeed).await?;
    let kind = refusal(answer)?;
    ensure!(kind == CallErrorKind::Unsupported, "{kind}");
    ensure!(bounds(ports, &blue.group).await?.desired == 1);
    Ok(())
}

pub(crate) async fn a_token_of_a_launch_is_good_for_no_other_launch<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("launch-token", Bounds { min: 1, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let [one, other] = &before.members[..] else { bail!("{before:?}") };
    ensure!(one.zone != other.zone, "in two zones");
    launched(ports, &blue.group, one, "contract-token-1").await?;
    let kind = refusal(ports.launch(&blue.group, &other.zone, "contract-token-1").await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(bounds(ports, &blue.group).await?.desired == 3);
    Ok(())
}

pub(crate) async fn while_launches_are_suspended_the_size_is_not_reached<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("suspended", Bounds { min: 0, max: 4, desired: 1 })?).await?;
    stable(world, &blue.group, 1).await?;
    world.suspend(&blue.group, "Launch", true).await?;
    let found = group(ports, &blue.group).await?;
    ensure!(found.suspended == ["Launch".to_owned()].into(), "{:?}", found.suspended);
    ports.set_desired(&blue.group, 2).await?;
    for _ in 0..5 {
        world.moment().await;
        let found = group(ports, &blue.group).await?;
        ensure!(found.desired == 2 && found.members.len() == 1, "{found:?}");
    }
    world.suspend(&blue.group, "Launch", false).await?;
    let found = stable(world, &blue.group, 2).await?;
    ensure!(found.suspended.is_empty(), "{:?}", found.suspended);
    Ok(())
}

pub(crate) async fn what_a_person_terminates_is_made_up_for<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("killed", Bounds { min: 0, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let lost = &first(&before)?.id;
    world.kill(lost).await?;
    eventually(world, "another one takes its place", async || {
        let found = group(ports, &blue.group).await?;
        let is_idle = found.members.iter().all(|member| member.lifecycle == Lifecycle::InService);
        Ok((is_idle && found.member(lost).is_none() && found.members.len() == 2).then_some(()))
    })
    .await?;
    ensure!(bounds(ports, &blue.group).await?.desired == 2);
    let kind = refusal(ports.terminate(lost, CapacityChange::Keep).await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind}");
    Ok(())
}

pub(crate) async fn a_termination_lowers_the_size_or_is_made_up_for<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("terminate", Bounds { min: 1, max: 4, desired: 3 })?).await?;
    let before = stable(world, &blue.group, 3).await?;
    let lost = &first(&before)?.id;
    ports.terminate(lost, CapacityChange::Decrement).await?;
    ensure!(bounds(ports, &blue.group).await?.desired == 2, "at once");
    let leaving = group(ports, &blue.group).await?;
    let state = leaving.member(lost).map(|member| &member.lifecycle);
    ensure!(matches!(state, None | Some(Lifecycle::Terminating)), "{state:?}");
    let smaller = stable(world, &blue.group, 2).await?;
    ensure!(ids(&smaller).is_subset(&ids(&before)) && smaller.member(lost).is_none(), "{smaller:?}");

    let lost = &first(&smaller)?.id;
    ports.terminate(lost, CapacityChange::Keep).await?;
    ensure!(bounds(ports, &blue.group).await?.desired == 2);
    let made_up = eventually(world, "another one takes its place", async || {
        let found = group(ports, &blue.group).await?;
        let is_idle = found.members.iter().all(|member| member.lifecycle == Lifecycle::InService);
        Ok((is_idle && found.member(lost).is_none() && found.members.len() == 2).then_some(found))
    })
    .await?;
    ensure!(!ids(&made_up).is_subset(&ids(&smaller)));
    Ok(())
}

pub(crate) async fn a_termination_that_would_go_below_the_minimum_is_refused<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("terminate-min", Bounds { min: 2, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let kind = refusal(ports.terminate(&first(&before)?.id, CapacityChange::Decrement).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    let after = stable(world, &blue.group, 2).await?;
    ensure!(ids(&after) == ids(&before), "nothing was terminated");
    // Terminates the instance without a decrement.
    ports.terminate(&first(&before)?.id, CapacityChange::Keep).await?;
    Ok(())
}

pub(crate) async fn a_termination_is_done_once_and_what_is_gone_is_gone<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("terminate-twice", Bounds { min: 0, max: 4, desired: 3 })?).await?;
    let before = stable(world, &blue.group, 3).await?;
    let lost = &first(&before)?.id;
    ports.terminate(lost, CapacityChange::Decrement).await?;
    // Which of these AWS returns for a terminating instance is not known. None of them is a second termination.
    match ports.terminate(lost, CapacityChange::Decrement).await.map_err(|error| error.kind) {
        Ok(()) | Err(CallErrorKind::Busy | CallErrorKind::Gone) => {}
        Err(other) => bail!("on its way out: {other}"),
    }
    ensure!(bounds(ports, &blue.group).await?.desired == 2, "lowered once");
    stable(world, &blue.group, 2).await?;
    for capacity in [CapacityChange::Decrement, CapacityChange::Keep] {
        let kind = refusal(ports.terminate(lost, capacity).await)?;
        ensure!(kind == CallErrorKind::Gone, "{kind}");
    }
    let unknown = "i-0123456789abcdef9".parse()?;
    let kind = refusal(ports.terminate(&unknown, CapacityChange::Keep).await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} for one that never was");
    ensure!(ports.groups_of_instances(&[lost.clone()].into()).await?.is_empty(), "it belongs to no group any more");
    ensure!(bounds(ports, &blue.group).await?.desired == 2);
    Ok(())
}

pub(crate) async fn protection_is_switched_and_does_not_keep_from_a_termination_by_id<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("protect", Bounds { min: 0, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let one = &first(&before)?.id;
    for protection in [Protection::On, Protection::On, Protection::Off, Protection::Off, Protection::On] {
        ports.protect(&blue.group, one, protection).await?;
        let found = group(ports, &blue.group).await?;
        let protected: Vec<_> =
            found.members.iter().filter(|member| member.protected).map(|member| &member.id).collect();
        let expected: &[&InstanceId] = if protection == Protection::On { &[one] } else { &[] };
        ensure!(protected == expected, "{protected:?}");
    }
    // Scale-in terminates an unprotected instance.
    ports.set_desired(&blue.group, 1).await?;
    let left = stable(world, &blue.group, 1).await?;
    ensure!(left.member(one).is_some(), "{left:?}");
    ports.terminate(one, CapacityChange::Decrement).await?;
    stable(world, &blue.group, 0).await.map(drop)
}

pub(crate) async fn only_what_is_in_service_and_of_the_group_is_protected<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let bounds = Bounds { min: 0, max: 4, desired: 1 };
    let Fleet { blue, green, .. } = world.fleet(&spec("protect-not", bounds)?).await?;
    let before = stable(world, &blue.group, 1).await?;
    let kind = refusal(ports.protect(&green.group, &first(&before)?.id, Protection::On).await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} for one of another group");
    let unknown = "i-0123456789abcdef9".parse()?;
    let kind = refusal(ports.protect(&blue.group, &unknown, Protection::On).await)?;
    ensure!(kind == CallErrorKind::Gone, "{kind} for one that never was");
    let pending = launched(ports, &blue.group, first(&before)?, "contract-pending-1").await?;
    let kind = refusal(ports.protect(&blue.group, &pending, Protection::On).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind} for one that is pending");
    let after = stable(world, &blue.group, 2).await?;
    ensure!(after.members.iter().all(|member| !member.protected), "{after:?}");
    Ok(())
}

pub(crate) async fn what_is_set_aside_leaves_its_target_group_and_the_size_and_can_be_terminated<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("aside", Bounds { min: 1, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let aside = &first(&before)?.id;
    ports.enter_standby(&blue.group, aside, CapacityChange::Decrement).await?;
    ensure!(bounds(ports, &blue.group).await?.desired == 1);
    let found = eventually(world, "it is in standby", async || {
        let found = group(ports, &blue.group).await?;
        let is_aside = found.member(aside).is_some_and(|member| member.lifecycle == Lifecycle::Standby);
        Ok(is_aside.then_some(found))
    })
    .await?;
    ensure!(found.members.len() == 2 && found.active().count() == 1, "nothing was launched for it: {found:?}");
    eventually(world, "it has left its target group", async || {
        Ok((!ports.target_health(&blue.target_group).await?.contains_key(aside)).then_some(()))
    })
    .await?;
    // An instance in Standby does not count towards desired capacity, so its termination lowers nothing.
    ports.terminate(aside, CapacityChange::Keep).await?;
    stable(world, &blue.group, 1).await?;
    ensure!(bounds(ports, &blue.group).await?.desired == 1);
    Ok(())
}

pub(crate) async fn what_is_set_aside_and_kept_in_the_size_is_made_up_for<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("aside-keep", Bounds { min: 1, max: 4, desired: 1 })?).await?;
    let before = stable(world, &blue.group, 1).await?;
    ports.enter_standby(&blue.group, &first(&before)?.id, CapacityChange::Keep).await?;
    eventually(world, "another one takes its place", async || {
        let found = group(ports, &blue.group).await?;
        let in_service = found.members.iter().filter(|member| member.lifecycle == Lifecycle::InService).count();
        Ok((found.members.len() == 2 && in_service == 1 && found.desired == 1).then_some(()))
    })
    .await
}

pub(crate) async fn nothing_is_set_aside_that_would_leave_less_than_the_minimum<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("aside-min", Bounds { min: 1, max: 4, desired: 1 })?).await?;
    let before = stable(world, &blue.group, 1).await?;
    let kind = refusal(ports.enter_standby(&blue.group, &first(&before)?.id, CapacityChange::Decrement).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(ids(&stable(world, &blue.group, 1).await?) == ids(&before));
    Ok(())
}

pub(crate) async fn ec2_knows_an_instance_by_its_image_template_and_launch_and_for_a_while_after_its_end<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let started = ports.now();
    let bounds = Bounds { min: 0, max: 4, desired: 1 };
    let Fleet { blue, image, .. } = world.fleet(&spec("machines", bounds)?).await?;
    let before = stable(world, &blue.group, 1).await?;
    let id = &first(&before)?.id;
    let asked: BTreeSet<InstanceId> = [id.clone(), "i-0123456789abcdef9".parse()?].into();
    let machines = ports.machines(&asked).await?;
    ensure!(machines.len() == 1, "what EC2 does not know is absent: {machines:?}");
    let machine = machines.get(id).context("EC2 does not know it")?;
    ensure!(machine.image == image && machine.template.as_ref() == Some(&blue.template), "{machine:?}");
    ensure!(machine.protect.is_none(), "{machine:?}");
    ensure!(machine.launched_at.subsec_nanosecond() == 0, "EC2 tells whole seconds: {}", machine.launched_at);
    let age = machine.launched_at.duration_since(started);
    ensure!(age.as_secs() >= -1 && machine.launched_at <= ports.now(), "{} after {started}", machine.launched_at);
    ports.terminate(id, CapacityChange::Decrement).await?;
    stable(world, &blue.group, 0).await?;
    let after = ports.machines(&asked).await?;
    ensure!(after.get(id).is_some_and(|gone| gone.image == image && gone.launched_at == machine.launched_at));
    Ok(())
}

pub(crate) async fn a_person_protects_an_instance_by_its_tag<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("tagged", Bounds { min: 0, max: 4, desired: 2 })?).await?;
    let before = stable(world, &blue.group, 2).await?;
    let id = &first(&before)?.id;
    world.protect(id, "forensics, until Friday").await?;
    let machines = ports.machines(&ids(&before)).await?;
    let protected: Vec<_> =
        machines.iter().filter_map(|(id, known)| Some((id, known.protect.as_ref()?.as_str()))).collect();
    ensure!(protected == [(id, "forensics, until Friday")], "{machines:?}");
    Ok(())
}
