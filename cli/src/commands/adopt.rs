//! `driftless adopt`: what stands in the way of working on a fleet.

use clap::{ArgGroup, Args};
use driftless_planner::ids::FleetName;
use driftless_planner::policy::Mode;
use driftless_planner::text::shell_quoted;
use driftless_status::FleetStatus;
use driftless_status::model::LayoutStatus;
use serde::Serialize;

use crate::console::{Console, Failure, printable};
use crate::exit::Exit;

/// What `driftless adopt` takes.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["check", "pin"]))]
pub struct Arguments {
    /// The fleet
    fleet: FleetName,
    /// List what stands in the way; nothing is changed
    #[arg(long)]
    check: bool,
    /// Show what to type for the groups that follow `$Latest` or `$Default`: a fleet that is not adopted is not changed
    #[arg(long)]
    pin: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Found<'a> {
    fleet: &'a FleetName,
    is_adopted: bool,
    mode: Option<Mode>,
    in_the_way: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let status = console.fleet(&arguments.fleet)?;
    if arguments.pin { pin(&status, console) } else { check(&status, console) }
}

fn check(status: &FleetStatus, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let found = Found {
        fleet: &status.fleet,
        is_adopted: status.release.is_some(),
        mode: status.mode,
        in_the_way: in_the_way(status),
    };
    console.answer(&found, |_| drawn(status, &found))?;
    Ok(if found.in_the_way.is_empty() { Exit::Done } else { Exit::NotDone })
}

/// Each once: the obstacle of a misconfigured fleet is its problem.
fn in_the_way(status: &FleetStatus) -> Vec<String> {
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
        Some(release) => format!("adopted, with {}", crate::draw::fleet::release(release)),
        None => "not adopted yet".to_owned(),
    };
    let mode = match status.mode {
        Some(Mode::Observe) => "observe: tag both groups with driftless:mode=act to let it work",
        Some(Mode::Act) => "act",
        None => "unknown, since the policy is invalid",
    };
    let mut lines = vec![format!("{fleet}: {adopted}"), format!("  mode: {mode}")];
    if found.in_the_way.is_empty() {
        lines.push("  nothing stands in the way".to_owned());
    }
    lines.extend(found.in_the_way.iter().map(|obstacle| format!("  in the way: {}", printable(obstacle))));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What must be typed: where a group follows whatever is written next, only AWS knows the number that it runs now.
fn pin(status: &FleetStatus, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let open: Vec<String> = status
        .colors
        .iter()
        .filter(|group| group.template.is_none())
        .map(|group| shell_quoted(&printable(&group.group)))
        .collect();
    if console.is_json {
        console.answer(&serde_json::json!({ "fleet": status.fleet, "not-pinned": open }), |_| String::new())?;
    } else if open.is_empty() {
        console.line(&format!("{}: every group launches a numbered version", status.fleet))?;
    } else {
        console.line(&format!(
            "{}: Driftless changes nothing in a fleet that is not adopted. For each group, look up the template, the \
             number that it means now, and write that; no instance is touched:",
            status.fleet
        ))?;
        for group in &open {
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
    }
    Ok(if open.is_empty() { Exit::Done } else { Exit::NotDone })
}
