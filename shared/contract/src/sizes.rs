//! Contracts about the size of a group (minimum, maximum, desired capacity), and about the errors for a group that does
//! not exist.

use anyhow::{Context as _, ensure};
use driftless_planner::action::{Bounds, CapacityChange, Protection};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::GroupName;
use driftless_planner::observation::Group;
use driftless_planner::template::TemplateReference;
use driftless_reconciler::ports::{CallError, CallErrorKind, Groups as _, Members, Ports};

use crate::support::{eventually, fleet};
use crate::world::spec;
use crate::{Fleet, World};

/// The current description of a group.
pub(crate) async fn group(ports: &impl Ports, name: &GroupName) -> anyhow::Result<Group> {
    ports.group(name).await?.with_context(|| format!("{name} is gone"))
}

/// The current minimum, maximum and desired capacity of a group.
pub(crate) async fn bounds(ports: &impl Ports, name: &GroupName) -> anyhow::Result<Bounds> {
    let group = group(ports, name).await?;
    Ok(Bounds { min: group.min, max: group.max, desired: group.desired })
}

/// Waits until the group has `size` instances in service and no other instances.
pub(crate) async fn stable<W: World>(world: &W, name: &GroupName, size: usize) -> anyhow::Result<Group> {
    let awaited = format!("{name} has {size} instances in service");
    eventually(world, &awaited, async || {
        let group = group(world.ports(), name).await?;
        let serving =
            group.members.iter().all(|member| member.lifecycle == driftless_planner::observation::Lifecycle::InService);
        Ok((serving && group.members.len() == size).then_some(group))
    })
    .await
}

/// The kind of the error of a call that must fail.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> anyhow::Result<CallErrorKind> {
    match answer {
        Ok(answer) => anyhow::bail!("it was accepted: {answer:?}"),
        Err(error) => Ok(error.kind),
    }
}

pub(crate) async fn a_group_is_described_as_it_was_made<W: World>(world: &W) -> anyhow::Result<()> {
    let ports = world.ports();
    let mut wanted = spec("described", Bounds { min: 1, max: 4, desired: 2 })?;
    wanted.tags.insert("driftless:mode".to_owned(), "observe".to_owned());
    let Fleet { name, blue, green, .. } = world.fleet(&wanted).await?;
    let found = stable(world, &blue.group, 2).await?;
    ensure!((found.min, found.max, found.desired) == (1, 4, 2), "{found:?}");
    ensure!(found.template == TemplateReference::Numbered(blue.template.clone()), "{:?}", found.template);
    ensure!(found.target_groups == [blue.target_group.clone()], "{:?}", found.target_groups);
    ensure!(found.attachment_api == AttachmentApi::TargetGroups);
    ensure!(found.tags.get(FLEET_TAG).map(String::as_str) == Some(name.as_str()), "{:?}", found.tags);
    ensure!(found.tags.get("driftless:mode").map(String::as_str) == Some("observe"), "{:?}", found.tags);
    ensure!(found.suspended.is_empty() && found.unsupported.is_empty() && !found.deleting, "{found:?}");
    for member in &found.members {
        ensure!(member.healthy && !member.protected, "{member:?}");
        ensure!(member.template.as_ref() == Some(&blue.template) && member.image_override.is_none(), "{member:?}");
    }
    let zones: std::collections::BTreeSet<_> = found.members.iter().map(|member| &member.zone).collect();
    ensure!(zones.len() == 2, "spread over zones: {zones:?}");
    // Read alone, with its fleet, and with all groups.
    let mut of_fleet = ports.groups_of(&name).await?;
    of_fleet.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = of_fleet.iter().map(|group| &group.name).collect();
    ensure!(names == [&blue.group, &green.group], "{names:?}");
    ensure!(of_fleet.first() == Some(&found), "{of_fleet:?}");
    ensure!(ports.all_groups().await?.contains(&found));
    let known = ports.fleets_of_groups(&[blue.group.clone()].into()).await?;
    let ids: std::collections::BTreeSet<_> = found.members.iter().map(|member| member.id.clone()).collect();
    let members = Members { fleet: name, instances: ids.clone() };
    ensure!(known == [(blue.group.clone(), members)].into(), "{known:?}");
    let owners = ports.groups_of_instances(&ids).await?;
    ensure!(owners.len() == 2 && owners.values().all(|owner| *owner == blue.group), "{owners:?}");
    ensure!(ports.refresh(&blue.group).await?.is_none());
    ensure!(ports.launch_failure(&blue.group).await?.is_none());
    ensure!(ports.hook_timeout(&blue.group).await?.is_zero());
    Ok(())
}

pub(crate) async fn groups_that_are_not_there_are_absent_from_every_answer<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, name) = (world.ports(), "no-such-group".parse::<GroupName>()?);
    ensure!(ports.group(&name).await?.is_none());
    ensure!(ports.groups_of(&fleet("no-such-fleet")?).await?.is_empty());
    ensure!(ports.fleets_of_groups(&[name.clone()].into()).await?.is_empty());
    ensure!(ports.groups_of_instances(&["i-0123456789abcdef9".parse()?].into()).await?.is_empty());
    Ok(())
}

pub(crate) async fn whatever_is_written_to_a_group_that_is_not_there_it_is_gone<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let (ports, name) = (world.ports(), "no-such-group".parse::<GroupName>()?);
    let instance = "i-0123456789abcdef9".parse()?;
    let answers = [
        ("set_minimum", refusal(ports.set_minimum(&name, 1).await)?),
        ("set_maximum", refusal(ports.set_maximum(&name, 1).await)?),
        ("set_desired", refusal(ports.set_desired(&name, 1).await)?),
        ("launch", refusal(ports.launch(&name, &"us-east-1a".parse()?, "contract-none").await)?),
        ("protect", refusal(ports.protect(&name, &instance, Protection::On).await)?),
        ("empty", refusal(ports.empty(&name, 1).await)?),
        ("set_aside", refusal(ports.enter_standby(&name, &instance, CapacityChange::Keep).await)?),
    ];
    let other: Vec<_> = answers.iter().filter(|(_, kind)| *kind != CallErrorKind::Gone).collect();
    ensure!(other.is_empty(), "{other:?}");
    Ok(())
}

pub(crate) async fn a_group_that_is_not_there_is_gone_to_attachments_too<W: World>(world: &W) -> anyhow::Result<()> {
    let (ports, name) = (world.ports(), "no-such-group".parse::<GroupName>()?);
    let target_group =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/73e2d6bc24d8a067".parse()?;
    let kinds = [
        refusal(ports.attach(&name, &target_group, AttachmentApi::TargetGroups).await)?,
        refusal(ports.detach(&name, &target_group, AttachmentApi::TargetGroups).await)?,
    ];
    ensure!(kinds == [CallErrorKind::Gone, CallErrorKind::Gone], "{kinds:?}");
    Ok(())
}

pub(crate) async fn a_minimum_above_the_size_raises_it_and_one_above_the_maximum_is_refused<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("minimum", Bounds { min: 1, max: 4, desired: 2 })?).await?;
    for (minimum, desired) in [(2, 2), (0, 2), (3, 3), (4, 4)] {
        // A repeated write has no further effect.
        for _ in 0..2 {
            ports.set_minimum(&blue.group, minimum).await?;
            let found = bounds(ports, &blue.group).await?;
            ensure!(found == Bounds { min: minimum, max: 4, desired }, "{found:?} for {minimum}");
        }
    }
    let kind = refusal(ports.set_minimum(&blue.group, 5).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(bounds(ports, &blue.group).await? == Bounds { min: 4, max: 4, desired: 4 });
    stable(world, &blue.group, 4).await.map(drop)
}

pub(crate) async fn a_maximum_below_the_size_lowers_it_and_one_below_the_minimum_is_refused<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("maximum", Bounds { min: 1, max: 4, desired: 2 })?).await?;
    for (maximum, desired) in [(2, 2), (9, 2), (1, 1)] {
        for _ in 0..2 {
            ports.set_maximum(&blue.group, maximum).await?;
            let found = bounds(ports, &blue.group).await?;
            ensure!(found == Bounds { min: 1, max: maximum, desired }, "{found:?} for {maximum}");
        }
    }
    let kind = refusal(ports.set_maximum(&blue.group, 0).await)?;
    ensure!(kind == CallErrorKind::Refused, "{kind}");
    ensure!(bounds(ports, &blue.group).await? == Bounds { min: 1, max: 1, desired: 1 });
    stable(world, &blue.group, 1).await.map(drop)
}

pub(crate) async fn a_desired_capacity_is_taken_at_the_bounds_and_refused_beyond_them<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("desired", Bounds { min: 1, max: 3, desired: 2 })?).await?;
    for desired in [1, 3, 3] {
        ports.set_desired(&blue.group, desired).await?;
        ensure!(bounds(ports, &blue.group).await? == Bounds { min: 1, max: 3, desired }, "{desired}");
    }
    for beyond in [0, 4] {
        let kind = refusal(ports.set_desired(&blue.group, beyond).await)?;
        ensure!(kind == CallErrorKind::Refused, "{kind} for {beyond}");
        ensure!(bounds(ports, &blue.group).await?.desired == 3, "nothing was written");
    }
    stable(world, &blue.group, 3).await.map(drop)
}

pub(crate) async fn a_group_that_is_emptied_keeps_its_maximum_and_none_of_its_instances<W: World>(
    world: &W,
) -> anyhow::Result<()> {
    let ports = world.ports();
    let Fleet { blue, .. } = world.fleet(&spec("emptied", Bounds { min: 2, max: 4, desired: 3 })?).await?;
    for _ in 0..2 {
        ports.empty(&blue.group, 5).await?;
        let found = bounds(ports, &blue.group).await?;
        ensure!(found == Bounds { min: 0, max: 5, desired: 0 }, "{found:?}");
    }
    stable(world, &blue.group, 0).await.map(drop)
}
