//! Applies the events of a scenario to the simulated account.

use std::collections::BTreeMap;

use driftless_planner::fact::{
    Command, ComplianceFact, ComplianceType, Fact, ImageChange, ImageFact, ImageReference, ImageSource,
};
use driftless_planner::ids::{FleetName, GroupName, ImageId, InstanceId, RuleName};
use driftless_planner::observation::FreezeScope;
use driftless_planner::request::{FleetRequest, ReconcileRequest};
use jiff::SignedDuration;

use super::model::{
    Announced, CommandSpec, Event, FaultEvent, Hand, ImageNumber, ImageSpec, NewBounds, Scenario, Whom,
};
use super::stage::{Cast, build_of, image, image_id};
use crate::cloud::Life;
use crate::fault_plan::{MessageFault, Which};
use crate::fleet::zones;
use crate::people;
use crate::world::World;

/// The lag of describe calls while reads are stale.
const TRAIL: SignedDuration = SignedDuration::from_secs(20);
/// The error message of EC2 for a launch in a zone without capacity.
const NO_ROOM: &str = "We currently do not have sufficient t4g.small capacity in the Availability Zone you requested. \
                       Launching EC2 instance failed.";

/// Applies an event.
///
/// # Errors
/// The event names something that does not exist yet. The error says what.
pub(super) fn happen(world: &mut World, scenario: &Scenario, cast: &Cast, event: &Event) -> Result<(), String> {
    match event {
        Event::Publish { image, fleet, announced } => {
            publish(world, *image, fleet, *announced, scenario.images.get(image))
        }
        Event::Tag { image, fleet } => {
            let id = known_image(world, *image)?;
            world.cloud.edit_image(&id, |image| image.image_for = Some(fleet.as_str().into()));
            Ok(())
        }
        Event::Deregister { image } => {
            let id = known_image(world, *image)?;
            world.cloud.remove_image(&id);
            report_image(world, &id, ImageChange::Deregistered, ImageSource::Ec2, None);
            Ok(())
        }
        Event::Drift { whom, rule } => report_compliance(world, cast, whom, rule, ComplianceType::NonCompliant),
        Event::Clear { whom, rule } => report_compliance(world, cast, whom, rule, ComplianceType::Compliant),
        Event::Alarm { alarm, state } => {
            if !world.cloud.alarms_now().contains_key(alarm) {
                return Err(format!("there is no alarm {alarm}"));
            }
            world.cloud.force_alarm(alarm, Some(*state));
            Ok(())
        }
        Event::Freeze { fleet, reason, length } => {
            let end = length.map(|length| world.now + length);
            people::freeze(world, scope(fleet.as_ref()), reason, end);
            Ok(())
        }
        Event::Thaw { fleet } => {
            world.table.lift(&scope(fleet.as_ref()));
            Ok(())
        }
        Event::Command { fleet, command } => {
            command_of(world, cast, command).map(|said| people::tell(world, fleet, said))
        }
        Event::Before { call, event } => {
            let (scenario, cast, event) = (scenario.clone(), cast.clone(), event.clone());
            world.fault_plan.before(Which::Next(call.clone()), move |world| {
                if let Err(problem) = happen(world, &scenario, &cast, &event) {
                    world.fault_plan.came.push((world.now, problem));
                }
            });
            Ok(())
        }
        Event::Hand(hand) => hands(world, cast, hand),
        Event::FaultEvent(fault_event) => {
            goes_wrong(world, cast, fault_event);
            Ok(())
        }
    }
}

fn scope(fleet: Option<&FleetName>) -> FreezeScope {
    fleet.map_or(FreezeScope::Account, |fleet| FreezeScope::Fleet(fleet.clone()))
}

fn known_image(world: &World, number: ImageNumber) -> Result<ImageId, String> {
    let id = image_id(number).map_err(|error| error.to_string())?;
    let is_known = world.cloud.image_ids().any(|known| *known == id);
    if is_known { Ok(id) } else { Err(format!("there is no ami-{number} yet")) }
}

/// A pipeline publishes an image. If the image exists already, its event is only sent once more.
fn publish(
    world: &mut World,
    number: ImageNumber,
    fleet: &FleetName,
    announced: Announced,
    spec: Option<&ImageSpec>,
) -> Result<(), String> {
    let id = image_id(number).map_err(|error| error.to_string())?;
    let spec = spec.cloned().unwrap_or_default();
    if announced == Announced::Silently {
        world.fault_plan.messages(MessageFault::Lose, 1);
    }
    if known_image(world, number).is_err() {
        let named = match announced {
            Announced::Tagged | Announced::Silently => Some(fleet),
            Announced::Untagged | Announced::OwnBus => None,
        };
        world.cloud.add_image(image(id.clone(), named, &spec, world.now), build_of(&spec));
    } else if announced != Announced::OwnBus {
        report_image(world, &id, ImageChange::Available, ImageSource::Ec2, None);
    }
    if announced == Announced::OwnBus {
        report_image(world, &id, ImageChange::Available, ImageSource::Published, Some((fleet, &spec)));
    }
    Ok(())
}

fn report_image(
    world: &mut World,
    id: &ImageId,
    change: ImageChange,
    source: ImageSource,
    said: Option<(&FleetName, &ImageSpec)>,
) {
    let fact = Fact::Image(ImageFact {
        image: ImageReference::Ami(id.clone()),
        change,
        source,
        at: world.now,
        fleet: said.map(|(fleet, _)| fleet.clone()),
        commit: None,
        build: said.and_then(|(_, spec)| spec.build.as_deref().map(Into::into)),
        url: None,
    });
    world.report(&fact);
}

/// The instances that an event names.
fn meant(world: &World, cast: &Cast, whom: &Whom) -> Result<Vec<InstanceId>, String> {
    match whom {
        Whom::These(these) => {
            let found = these.iter().map(|instance| {
                let known = cast.instance(&world.cloud, instance).cloned();
                known.ok_or_else(|| format!("there is no {}/{} yet", instance.group.name(), instance.ordinal))
            });
            found.collect()
        }
        Whom::Share(percent, group) => {
            let members = cast.group(group).into_iter().flat_map(|group| world.cloud.members(group));
            let members: Vec<InstanceId> =
                members.filter(|known| known.life == Life::InService).map(|known| known.id.clone()).collect();
            let count = (members.len() * usize::from(*percent)).div_ceil(100);
            Ok(members.into_iter().take(count).collect())
        }
    }
}

fn report_compliance(
    world: &mut World,
    cast: &Cast,
    whom: &Whom,
    rule: &RuleName,
    verdict: ComplianceType,
) -> Result<(), String> {
    for instance in meant(world, cast, whom)? {
        let found = world.cloud.instances().get(&instance).and_then(|known| known.breaks.get(rule)).cloned();
        match found {
            // The instance is non-compliant already: EventBridge delivers the same report again.
            Some(finding) if verdict == ComplianceType::NonCompliant => {
                world.report(&Fact::Compliance(ComplianceFact {
                    instance,
                    rule: rule.clone(),
                    verdict,
                    observed_at: finding.recorded_at,
                    annotation: finding.annotation,
                }));
            }
            Some(_) | None => world.cloud.report_compliance(rule, &instance, verdict),
        }
    }
    Ok(())
}

fn command_of(world: &World, cast: &Cast, command: &CommandSpec) -> Result<Command, String> {
    let image = |number: &ImageNumber| image_id(*number).map_err(|error| error.to_string());
    Ok(match command {
        CommandSpec::Pause => Command::Pause,
        CommandSpec::Resume => Command::Resume,
        CommandSpec::Approve => Command::Approve,
        CommandSpec::Reject => Command::Reject,
        CommandSpec::Promote => Command::Promote,
        CommandSpec::Abort => Command::Abort,
        CommandSpec::Rollback => Command::Rollback,
        CommandSpec::Retry => Command::Retry,
        CommandSpec::Redeploy => Command::Redeploy,
        CommandSpec::Replace(instance) => {
            let whom = Whom::These(vec![instance.clone()]);
            let instance = meant(world, cast, &whom)?.pop().ok_or("there is no such instance")?;
            Command::Replace { instance }
        }
        CommandSpec::Veto(number) => Command::Veto { image: image(number)? },
        CommandSpec::Unveto(number) => Command::Unveto { image: image(number)? },
        CommandSpec::Pin => Command::Pin,
        CommandSpec::AcceptLive(color) => Command::AcceptLive { color: *color },
    })
}

/// Applies a change by an operator or Terraform to a resource that Driftless manages.
fn hands(world: &mut World, cast: &Cast, hand: &Hand) -> Result<(), String> {
    match hand {
        Hand::Resize { group, bounds } => {
            if let Some(group) = cast.group(group) {
                resize(world, group, *bounds);
            }
        }
        Hand::SetWeights { fleet, blue, green } => {
            let Some(names) = cast.fleet(fleet) else { return Ok(()) };
            let weight = |color| match color {
                Some(driftless_planner::fleet::Color::Green) => *green,
                Some(driftless_planner::fleet::Color::Blue) | None => *blue,
            };
            let colors = names.colors.iter();
            let weights: BTreeMap<_, _> =
                colors.filter_map(|color| Some((color.target_group.clone()?, weight(color.color)))).collect();
            people::write_weights(world, &names.place, weights);
        }
        Hand::WriteTemplate { group } => {
            if let Some(group) = cast.group(group) {
                people::write_template(world, group);
            }
        }
        Hand::SetPolicy { fleet, key, value } => {
            let groups = cast.fleet(fleet).into_iter().flat_map(|names| &names.colors);
            for color in groups {
                world.cloud.edit_group(&color.group, |group| {
                    let key = format!("driftless:{key}");
                    match value {
                        Some(value) => group.tags.insert(key, value.clone()),
                        None => group.tags.remove(&key),
                    };
                });
            }
        }
        Hand::Protect { instance, is_on } => {
            let instance = meant(world, cast, &Whom::These(vec![instance.clone()]))?;
            for id in instance {
                world
                    .cloud
                    .edit_instance(&id, |known| known.protect = is_on.then(|| "forensics, by an operator".to_owned()));
            }
        }
        Hand::Kill { instance } => {
            for id in meant(world, cast, &Whom::These(vec![instance.clone()]))? {
                world.cloud.kill(&id);
            }
        }
        Hand::Suspend { group, process, is_on } => {
            if let Some(group) = cast.group(group) {
                world.cloud.edit_group(group, |group| {
                    if *is_on {
                        group.suspended.insert(process.clone())
                    } else {
                        group.suspended.remove(process)
                    };
                });
            }
        }
    }
    Ok(())
}

fn resize(world: &mut World, group: &GroupName, bounds: NewBounds) {
    world.cloud.edit_group(group, |group| {
        group.min = bounds.min.unwrap_or(group.min);
        group.max = bounds.max.unwrap_or(group.max);
        group.desired = bounds.desired.unwrap_or(group.desired);
    });
}

/// Applies a fault of AWS, the network or Lambda.
fn goes_wrong(world: &mut World, cast: &Cast, fault_event: &FaultEvent) {
    match fault_event {
        FaultEvent::Shortage { zone, fleet, length } => shortage(world, cast, *zone, fleet.as_ref(), *length),
        FaultEvent::LaunchesFail { fleet, message, length } => refuse(world, cast, fleet, message, *length),
        FaultEvent::Messages { what, count } => world.fault_plan.messages(*what, *count),
        FaultEvent::Crash { call, side } => world.fault_plan.fault(Which::Next(call.clone()), side.fault()),
        FaultEvent::StaleReads { length } => {
            world.cloud.lag = TRAIL;
            let end = world.now + *length;
            world.change_at(end, |world| world.cloud.lag = SignedDuration::ZERO);
        }
        FaultEvent::EmptyReads { length } => {
            world.cloud.is_blind = true;
            let end = world.now + *length;
            world.change_at(end, |world| world.cloud.is_blind = false);
        }
        FaultEvent::Throttle { length } => {
            let end = world.now + *length;
            world.fault_plan.throttle(end);
        }
        FaultEvent::HoldLease { length } => world.fault_plan.sleep(*length),
        FaultEvent::Overlap { count } => {
            for fleet in &cast.fleets {
                for place in 0..i64::from(*count) {
                    let at = world.now + SignedDuration::from_millis(place);
                    world.send(ReconcileRequest::Reconcile(FleetRequest { fleet: fleet.fleet.clone(), due: None }), at);
                }
            }
        }
        FaultEvent::Rebalance { group } => {
            if let Some(group) = cast.group(group) {
                world.cloud.rebalance(group);
            }
        }
        FaultEvent::IgnoredWeights { count } => world.fault_plan.ignore_weights(*count),
        FaultEvent::Upgrade => {
            for fleet in &cast.fleets {
                world.table.remember(&fleet.fleet, "as another version of Driftless saw it");
            }
        }
    }
}

/// EC2 has no capacity: in a zone, in all zones, or for the launches of one fleet.
fn shortage(world: &mut World, cast: &Cast, zone: Option<char>, fleet: Option<&FleetName>, length: SignedDuration) {
    if let Some(fleet) = fleet {
        refuse(world, cast, fleet, NO_ROOM, length);
        return;
    }
    let is_meant = |name: &str| zone.is_none_or(|zone| name.ends_with(zone));
    let end = world.now + length;
    for zone in zones().into_iter().filter(|zone| is_meant(zone.as_str())) {
        world.cloud.set_short(&zone, true);
        world.change_at(end, move |world| world.cloud.set_short(&zone, false));
    }
}

/// EC2 refuses the launches of a fleet with this error message, for this long.
fn refuse(world: &mut World, cast: &Cast, fleet: &FleetName, message: &str, length: SignedDuration) {
    let end = world.now + length;
    let groups = cast.fleet(fleet).into_iter().flat_map(|names| &names.colors).map(|color| color.group.clone());
    for group in groups {
        world.cloud.set_refused(&group, Some(message));
        world.change_at(end, move |world| world.cloud.set_refused(&group, None));
    }
}
