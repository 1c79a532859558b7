//! A group as a row of signs, one an instance.

use std::collections::BTreeSet;

use driftless_tests::fleet::{FleetView, GroupView, InstanceView};

use crate::screen::Screen;

/// Wide enough for five signs.
const SIGNS: usize = 5;

/// A fleet at one moment, as far as the picture shows it.
#[derive(Debug, Clone)]
pub(crate) struct FleetView {
    pub(crate) view: FleetView,
    /// What blue gets of a hundred requests, and what green gets.
    pub(crate) shares: [i32; 2],
    /// Instances that serve though something is wrong with them: they have drifted, or answer errors.
    pub(crate) bad: BTreeSet<String>,
}

/// The signs, explained once.
pub(crate) fn legend(screen: Screen) -> String {
    format!(
        "{} serves   {} serves, but has drifted or answers errors   {} is coming   {} runs, not healthy yet   {} is leaving",
        screen.green("●"),
        screen.red("◆"),
        screen.yellow("·"),
        screen.yellow("○"),
        screen.dim("×"),
    )
}

/// What stands above the columns.
pub(crate) fn heading() -> String {
    format!("  {:>7}  {:<16}  {:<16}  what happens", "", "blue", "green")
}

/// Both groups with their shares of the traffic, in a width that does not change.
pub(crate) fn of(view: &FleetView, screen: Screen) -> anyhow::Result<String> {
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

/// One sign an instance: who serves first, unattributed instances and leavers last.
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
        // Out of the load balancer first: Auto Scaling shows it a moment later.
        "InService" if instance.target.as_deref() == Some("draining") => (4, screen.dim("×")),
        "InService" if instance.serves() && is_bad => (0, screen.red("◆")),
        "InService" if instance.serves() => (1, screen.green("●")),
        "InService" => (2, screen.yellow("○")),
        lifecycle if lifecycle.starts_with("Pending") => (3, screen.yellow("·")),
        _ => (4, screen.dim("×")),
    }
}
