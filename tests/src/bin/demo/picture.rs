//! A group as a row of signs, one an instance.

use driftless_tests::fleet::{GroupView, InstanceView};

use crate::screen::Screen;

/// The signs, explained once.
pub(crate) fn legend(screen: Screen) -> String {
    format!(
        "{} serves   {} serves, and has drifted   {} is coming   {} is in service, not healthy yet   {} is leaving",
        screen.green("●"),
        screen.red("◆"),
        screen.yellow("·"),
        screen.yellow("○"),
        screen.dim("×"),
    )
}

/// The group, in a width that does not change with its signs: the drifted instance first, newcomers last.
pub(crate) fn of(group: &GroupView, drifted: &str, known: &[String], screen: Screen) -> String {
    let mut instances: Vec<&InstanceView> = group.instances.iter().collect();
    instances.sort_by_key(|instance| (instance.id != drifted, !known.contains(&instance.id), instance.id.clone()));
    let signs: Vec<String> = instances.iter().map(|instance| sign(instance, drifted, screen)).collect();
    let padding = " ".repeat(5_usize.saturating_sub(signs.len()) * 2);
    format!("{}{padding} {} serve", signs.join(" "), group.serving())
}

fn sign(instance: &InstanceView, drifted: &str, screen: Screen) -> String {
    if instance.serves() {
        return if instance.id == drifted { screen.red("◆") } else { screen.green("●") };
    }
    match instance.lifecycle.as_str() {
        "InService" => screen.yellow("○"),
        lifecycle if lifecycle.starts_with("Pending") => screen.yellow("·"),
        _ => screen.dim("×"),
    }
}
