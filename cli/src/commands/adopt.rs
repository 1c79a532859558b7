//! `driftless adopt`: shows what keeps Driftless from managing a fleet, and pins launch templates.

use clap::{ArgGroup, Args};
use driftless_planner::fact::Command;
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Mode;
use driftless_planner::text::shell_quoted;
use driftless_status::FleetStatus;
use driftless_status::model::LayoutStatus;
use driftless_status::request::RequestedAction;
use serde::Serialize;

use crate::commands::order::{Note, send};
use crate::console::{Console, Failure, printable};
use crate::exit::Exit;

/// What `driftless adopt` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["check", "pin"]))]
pub struct Arguments {
    /// Name of the fleet
    fleet: FleetName,
    /// List what keeps Driftless from managing the fleet; nothing is changed
    #[arg(long)]
    check: bool,
    /// Set groups that launch `$Latest` or `$Default` to the version number that runs now
    #[arg(long)]
    pin: bool,
    #[command(flatten)]
    note: Note,
}

/// The JSON document with the result of the check.
#[derive(Debug, Serialize)]
struct Found<'a> {
    fleet: &'a FleetName,
    is_adopted: bool,
    mode: Option<Mode>,
    obstacles: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let status = console.fleet(&arguments.fleet)?;
    if arguments.pin { pin(arguments, &status, console) } else { check(&status, console) }
}

fn check(status: &FleetStatus, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let found = Found {
        fleet: &status.fleet,
        is_adopted: status.release.is_some(),
        mode: status.mode,
        obstacles: obstacles(status),
    };
    console.answer(&found, |_| drawn(status, &found))?;
    Ok(if found.obstacles.is_empty() { Exit::Done } else { Exit::NotDone })
}

/// The obstacles of a fleet, each only once: in a misconfigured fleet, the obstacle repeats the problem of the layout.
fn obstacles(status: &FleetStatus) -> Vec<String> {
    let layout = match &status.layout {
        LayoutStatus::Misconfigured { problem } => Some(problem),
        LayoutStatus::Pair | LayoutStatus::Single => None,
    };
    let mut found: Vec<String> = Vec::new();
    for text in [layout, status.obstacle.as_ref(), status.policy.problem.as_ref()].into_iter().flatten() {
        if !found.iter().any(|known| known.contains(text.as_str())) {
            found.push(text.to_string());
        }
    }
    found
}

fn drawn(status: &FleetStatus, found: &Found<'_>) -> String {
    let fleet = &status.fleet;
    let adopted = match &status.release {
        Some(release) => format!("adopted, last good release {}", crate::draw::fleet::release(release)),
        None => "not adopted yet".to_owned(),
    };
    let mode = match status.mode {
        Some(Mode::Observe) => {
            "observe: Driftless changes nothing until every group of the fleet is tagged driftless:mode=act"
        }
        Some(Mode::Act) => "act",
        None => "unknown, because the policy is invalid",
    };
    let mut lines = vec![format!("{fleet}: {adopted}"), format!("  mode: {mode}")];
    if found.obstacles.is_empty() {
        lines.push("  no obstacles".to_owned());
    }
    lines.extend(found.obstacles.iter().map(|obstacle| format!("  obstacle: {}", printable(obstacle))));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Sends the command `pin` to the control loop, which alone may change a group. If the loop refuses, prints the AWS
/// commands to type instead.
fn pin(arguments: &Arguments, status: &FleetStatus, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fleet = &arguments.fleet;
    let open: Vec<String> = status
        .colors
        .iter()
        .filter(|group| group.template.is_none())
        .map(|group| shell_quoted(&printable(&group.group)))
        .collect();
    let action = RequestedAction::Command { fleet: fleet.clone(), command: Command::Pin };
    let order = arguments.note.order(action, console);
    let exit = send(console, &order, &format!("{fleet}: pin"), Some(fleet))?;
    if exit == Exit::NotDone && !console.is_json {
        by_hand(&open, console)?;
    }
    Ok(exit)
}

/// Prints the AWS commands that pin a group, for the case that only an operator can tell the right version.
fn by_hand(open: &[String], console: &mut Console<'_>) -> Result<(), Failure> {
    for group in open {
        console.line(&format!(
            "  aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {group} --query \
             'AutoScalingGroups[0].[LaunchTemplate,MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification]'"
        ))?;
        console.line(
            "  aws ec2 describe-launch-template-versions --launch-template-id TEMPLATE --versions '$Latest' --query \
             'LaunchTemplateVersions[0].VersionNumber'",
        )?;
        console.line(&format!(
            "  aws autoscaling update-auto-scaling-group --auto-scaling-group-name {group} --launch-template \
             LaunchTemplateId=TEMPLATE,Version=NUMBER"
        ))?;
    }
    Ok(())
}
