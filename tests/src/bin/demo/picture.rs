//! A group as a row of symbols, one for each instance.

use std::collections::BTreeSet;

use driftless_tests::fleet::{FleetView, GroupView, InstanceView};

use crate::screen::Screen;

/// The column is wide enough for five symbols.
const SIGNS: usize = 5;

/// The state of a fleet that the picture shows.
#[derive(Debug, Clone)]
pub(crate) struct FleetPicture {
    pub(crate) view: FleetView,
    /// The traffic of blue and of green, in percent.
    pub(crate) shares: [i32; 2],
    /// Instances in service that have drifted or return errors.
    pub(crate) bad: BTreeSet<String>,
}

/// The legend of the symbols.
pub(crate) fn legend(screen: Screen) -> String {
    format!(
        "{} healthy   {} healthy, but drifted or returning errors   {} launching   {} running, not healthy yet   {} terminating",
        screen.green("●"),
        screen.red("◆"),
        screen.yellow("·"),
        screen.yellow("○"),
        screen.dim("×"),
    )
}

/// The heading of the columns.
pub(crate) fn heading() -> String {
    format!("  {:>7}  {:<16}  {:<16}  what happens", "", "blue", "green")
}

/// Both groups with their shares of the traffic, in a fixed width.
pub(crate) fn of(view: &FleetPicture, screen: Screen) -> anyhow::Result<String> {
    let [blue, green] = view.shares;
    let column = |color: &str, share: i32| {
        anyhow::Ok(format!("{} {}", shown(share, screen), signs(view.view.group(color)?, &view.bad, screen)))
    };
    Ok(format!("{}  {}", column("blue", blue)?, column("green", green)?))
}

/// A share of the traffic.
fn shown(share: i32, screen: Screen) -> String {
    let text = format!("{share:>3} %");
    if share == 0 { screen.dim(&text) } else { screen.bold(&text) }
}

/// One symbol for each instance: healthy ones first, launching and terminating ones last.
fn signs(group: &GroupView, bad: &BTreeSet<String>, screen: Screen) -> String {
    let mut instances: Vec<(u8, String)> =
        group.instances.iter().map(|instance| sign(instance, bad.contains(&instance.id), screen)).collect();
    instances.sort_by_key(|(rank, _)| *rank);
    let padding = " ".repeat(SIGNS.saturating_sub(instances.len().max(1)) * 2);
    let signs: Vec<String> = instances.into_iter().map(|(_, sign)| sign).collect();
    let signs = if signs.is_empty() { "-".to_owned() } else { signs.join(" ") };
    format!("{signs} {padding}")
}

fn sign(instance: &InstanceView, is_bad: bool, screen: Screen) -> (u8, String) {
    match instance.lifecycle.as_str() {
        // The load balancer shows the deregistration a moment before Auto Scaling shows the termination.
        "InService" if instance.target.as_deref() == Some("draining") => (4, screen.dim("×")),
        "InService" if instance.serves() && is_bad => (0, screen.red("◆")),
        "InService" if instance.serves() => (1, screen.green("●")),
        "InService" => (2, screen.yellow("○")),
        lifecycle if lifecycle.starts_with("Pending") => (3, screen.yellow("·")),
        _ => (4, screen.dim("×")),
    }
}
