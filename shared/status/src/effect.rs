//! The effect that a command would have on the fleet as it is now. It is shown before an operator confirms the command.

use driftless_planner::fact::Command;
use driftless_planner::fleet::Color;
use driftless_planner::ids::{FleetName, ImageId, InstanceId};
use driftless_planner::text::UntrustedText;

use crate::cutover::{CutoverStatus, Progress};
use crate::model::{FleetStatus, ReleaseStatus};

/// The words that name a command in the question for a confirmation. None: the command needs no confirmation, because
/// it is easily undone.
pub fn destructive(command: &Command, fleet: &FleetName) -> Option<String> {
    let words = match command {
        Command::Reject => format!("reject {fleet}"),
        Command::Promote => format!("promote {fleet}"),
        Command::Abort => format!("abort {fleet}"),
        Command::Rollback => format!("rollback {fleet}"),
        Command::Replace { instance } => format!("replace {instance} of {fleet}"),
        Command::Redeploy => format!("redeploy {fleet}"),
        Command::Veto { image } => format!("veto {image} in {fleet}"),
        Command::AcceptLive { color } => format!("accept-live {fleet} {}", name(*color)),
        Command::Pause
        | Command::Resume
        | Command::Approve
        | Command::Retry
        | Command::Unveto { .. }
        | Command::Pin => return None,
    };
    Some(words)
}

const fn name(color: Color) -> &'static str {
    match color {
        Color::Blue => "blue",
        Color::Green => "green",
    }
}

/// The effect of a command, in lines of text: first what the fleet does now, then what changes.
pub fn of(status: &FleetStatus, command: &Command) -> Vec<String> {
    let mut lines = vec![format!("now: {}", status.says)];
    match command {
        Command::Rollback => lines.extend(rollback_path(status)),
        Command::Abort => lines.extend(with_cutover(status, ends)),
        Command::Reject => {
            lines.extend(with_cutover(status, ends));
            lines.extend(status.cutover.iter().map(|cutover| format!("{} is vetoed", named(cutover))));
        }
        Command::Promote => lines.extend(with_cutover(status, |_, cutover| vec![skips(cutover)])),
        Command::Redeploy => lines.push(redeploys(status)),
        Command::Replace { instance } => lines.extend(replaces(status, instance)),
        Command::Veto { image } => lines.extend(vetoes(status, image)),
        Command::AcceptLive { color } => {
            let color = name(*color);
            lines.push(format!(
                "{color} becomes the live color: cutovers move traffic away from it, and rollbacks return traffic to it"
            ));
            let roles = status.colors.iter().filter_map(|group| {
                let color = name(group.color?);
                Some(format!("{color} ({}) has {} of {} instances healthy", group.group, group.serving, group.desired))
            });
            lines.extend(roles);
        }
        Command::Pause
        | Command::Resume
        | Command::Approve
        | Command::Retry
        | Command::Unveto { .. }
        | Command::Pin => {}
    }
    lines
}

/// A release as one line of text.
fn release(release: &ReleaseStatus) -> String {
    let build = release.build.as_ref().map(|build| format!("build {build}, ")).unwrap_or_default();
    format!("{} ({build}{})", release.image, release.template)
}

fn named(cutover: &CutoverStatus) -> String {
    let build = cutover.build.as_ref().map(|build| format!(", build {build}")).unwrap_or_default();
    format!("{}{build}", cutover.image)
}

fn rollback_path(status: &FleetStatus) -> Vec<String> {
    let way = &status.rollback_path;
    let mut lines: Vec<String> = way.to.iter().map(|to| format!("traffic returns to {}", release(to))).collect();
    let is_closed = if way.is_open { "" } else { "no rollback is possible now: " };
    lines.push(format!("{is_closed}{}", way.says));
    lines.extend(way.waits.iter().map(|waits| format!("the rollback would wait: {}", waits.why)));
    lines
}

fn with_cutover(status: &FleetStatus, says: impl Fn(&FleetStatus, &CutoverStatus) -> Vec<String>) -> Vec<String> {
    match &status.cutover {
        Some(cutover) => says(status, cutover),
        None => vec!["no cutover is in progress: nothing will change".to_owned()],
    }
}

fn ends(status: &FleetStatus, cutover: &CutoverStatus) -> Vec<String> {
    let mut lines = vec![format!("the cutover to {} is ended", named(cutover))];
    lines.extend(rollback_path(status));
    lines
}

fn skips(cutover: &CutoverStatus) -> String {
    let left = cutover.steps.iter().filter(|step| step.progress != Progress::Done);
    let left: Vec<String> =
        left.map(|step| step.percent.map_or_else(|| step.phase.clone(), |percent| format!("{percent} %"))).collect();
    format!(
        "the cutover to {} skips the waits of: {}; failed health checks and alarms still stop it",
        named(cutover),
        left.join(", ")
    )
}

fn redeploys(status: &FleetStatus) -> String {
    match (&status.cutover, &status.release) {
        (Some(cutover), _) => format!("a cutover to {} is in progress: nothing will change", named(cutover)),
        (None, None) => "the fleet is not adopted yet: nothing will change".to_owned(),
        (None, Some(runs)) => {
            format!("a cutover replaces every instance with a new one of {}; all guards apply", release(runs))
        }
    }
}

fn replaces(status: &FleetStatus, instance: &InstanceId) -> Vec<String> {
    let Some(work) = status.drifted.iter().find(|work| work.instance == *instance) else {
        let way = status.policy.words.iter().find(|words| words.key == "strategy");
        let way = way.map(|words| format!(" ({})", words.means)).unwrap_or_default();
        return vec![format!("{instance} is replaced{way} once every guard passes")];
    };
    let reasons: Vec<&str> = work.reasons.iter().map(UntrustedText::as_str).collect();
    let mut lines = vec![format!(
        "{instance} in {} is drifted already ({}); its replacement is {}",
        work.zone,
        reasons.join(", "),
        work.phase
    )];
    lines.extend(work.held_by.iter().map(|held| format!("blocked: {}", held.why)));
    lines
}

fn vetoes(status: &FleetStatus, image: &ImageId) -> Vec<String> {
    let mut lines = vec![format!("{image} takes no new traffic until the veto ends")];
    if let Some(cutover) = status.cutover.as_ref().filter(|cutover| cutover.image == *image) {
        lines.extend(ends(status, cutover));
    }
    if status.release.as_ref().is_some_and(|runs| runs.image == *image) {
        lines.push("the fleet runs this image already and keeps it: `driftless rollback` replaces it".to_owned());
    }
    lines
}
