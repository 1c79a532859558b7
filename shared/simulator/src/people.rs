//! Changes of operators and their tools outside Driftless, and their commands. Fault-injection runs draw them,
//! scenarios write them.

use std::collections::BTreeMap;

use driftless_planner::balancer::ForwardPlace;
use driftless_planner::fact::{Command, CommandFact, Fact};
use driftless_planner::ids::{FleetName, GroupName, TargetGroupArn};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::request::ReconcileRequest;
use driftless_planner::template::{TemplateContent, TemplateReference, TemplateVersion};
use jiff::{SignedDuration, Timestamp};

use crate::world::World;

/// Puts a command of an operator on the reconcile queue. The simulator never drops it: the operator function has told the
/// operator that the command is accepted.
pub(crate) fn tell(world: &mut World, fleet: &FleetName, command: Command) {
    world.note(|| format!("a person: {command:?}"));
    world.history.commands += 1;
    if let Command::Replace { instance } = &command {
        world.history.drifted.entry(instance.clone()).or_insert(world.now);
    }
    let fact = Fact::Command(CommandFact {
        request: format!("request-{}", world.history.commands),
        fleet: fleet.clone(),
        actor: "ana".into(),
        at: world.now,
        reason: None,
        cutover: None,
        command,
    });
    let at = world.now + SignedDuration::from_millis(300);
    world.send(ReconcileRequest::Fact(Box::new(fact)), at);
}

/// An operator freezes a scope. `expires_at` None: the freeze lasts until an operator lifts it.
pub(crate) fn freeze(world: &mut World, scope: FreezeScope, reason: &str, expires_at: Option<Timestamp>) {
    world.note(|| format!("a person: freeze until {expires_at:?}"));
    let since = world.now;
    world.table.freeze(Freeze { reason: reason.into(), owner: "ana".into(), since, expires_at, scope });
}

/// Writes the desired capacity of a group, as an operator, Terraform or a scaling policy would.
pub(crate) fn write_desired(world: &mut World, group: &GroupName, desired: u32) {
    world.note(|| format!("a person: writes DesiredCapacity of {group}: {desired}"));
    world.cloud.edit_group(group, |group| group.desired = desired);
}

/// An operator writes the weights of a forward action.
pub(crate) fn write_weights(world: &mut World, place: &ForwardPlace, weights: BTreeMap<TargetGroupArn, u32>) {
    world.note(|| format!("a person: weights := {weights:?}"));
    world.cloud.edit_forward(place, |forward| forward.weights = weights);
    world.history.people_weighed_at = Some(world.now);
}

/// Terraform writes a launch template version with other user data.
pub(crate) fn write_template(world: &mut World, group: &GroupName) {
    let Some(group) = world.cloud.groups().get(group) else { return };
    let TemplateReference::Numbered(own) = group.template.clone() else { return };
    let Some(content) = world.cloud.templates().get(&own).cloned() else { return };
    let newest = world.cloud.templates().keys().rfind(|version| version.template == own.template);
    let number = newest.map_or(1, |version| version.version + 1);
    let version = TemplateVersion { template: own.template, version: number };
    let settings = BTreeMap::from([("user_data".to_owned(), format!("sha256:{number}").as_str().into())]);
    let content = TemplateContent { written_for: None, settings, ..content };
    world.note(|| format!("Terraform: writes {version}"));
    world.cloud.add_template(&version, content);
}
