//! Descriptions of events for a reader who does not know the code.

use driftless_tests::fleet::{FleetView, GroupView};
use serde_json::Value;

use crate::picture::FleetPicture;

/// A history entry as a sentence. None: another entry already says it.
pub(crate) fn told(entry: &Value) -> Option<String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let (from, to, why) = (text("from"), text("to"), text("why"));
    Some(match to {
        // A replacement.
        "debouncing" if from.is_empty() => format!("drift found: {why}; it must last for the debounce time"),
        "launching" => format!("{why}: a replacement instance is launched"),
        "verifying" if from == "launching" => format!("{why}, which must pass its health checks"),
        "evidence" => "the evidence is stored before the drifted instance is terminated".to_owned(),
        "retiring" if from == "verifying" => format!("{why}: the drifted instance is terminated"),
        "replaced" => format!("replaced: {}", why.split(" (").next().unwrap_or(why)),
        // A cutover.
        "queued" => format!("a cutover is queued: {why}"),
        "preflight" => return None,
        "preparing" => format!("{why}: the cutover starts"),
        "scaling" => format!("{why}, without traffic"),
        "verifying" => format!("{why}, still without traffic"),
        "shifting" if from == "verifying" => format!("{why}: the first step of traffic"),
        "shifting" => format!("{why}: the next step of traffic"),
        "baking" => format!("{why}; alarms and health are still watched"),
        "warm" => format!("{why}: the old color stays at full size, so that a rollback is one write"),
        "retiring" => format!("{why}: the old color is scaled to zero"),
        "done" => format!("done: {why}"),
        "vetoed" => format!("{from} is vetoed, with the evidence: it gets no traffic again"),
        "rolling-back" => format!("{}: traffic moves back first, everything else follows", beginning(why)),
        "rolled-back" => "rolled back: the good color has all traffic again".to_owned(),
        "refused" => format!("{from} is refused: {why}"),
        // Borrowed settings that are restored.
        "released" if why == "restored" => format!("restored: {}", borrowed(from)),
        "released" => format!("{} stays: {why}", borrowed(from)),
        _ if to.starts_with("lt-") => format!("the fleet is adopted: the release is {to}"),
        _ => format!("{from} → {to}: {why}"),
    })
}

/// A reason without its details.
fn beginning(why: &str) -> &str {
    why.split(": ").next().unwrap_or(why)
}

/// The name of a borrowed setting, without its value.
fn borrowed(from: &str) -> &str {
    from.split(" (").next().unwrap_or(from)
}

/// The changes of Auto Scaling and the load balancer between two polls, as far as the picture shows them.
pub(crate) fn seen_between(before: &FleetPicture, now: &FleetPicture) -> anyhow::Result<Vec<String>> {
    let mut seen = Vec::new();
    if before.shares != now.shares {
        let [blue, green] = now.shares;
        seen.push(format!("the load balancer gives {blue} % to blue and {green} % to green"));
    }
    for color in ["blue", "green"] {
        let what = group_changed(before.view.group(color)?, now.view.group(color)?);
        seen.extend(what.map(|what| format!("{color}: {what}")));
    }
    seen.extend(now.bad.difference(&before.bad).map(|instance| format!("{instance} returns errors")));
    Ok(seen)
}

fn group_changed(before: &GroupView, now: &GroupView) -> Option<String> {
    let count = |group: &GroupView, state: &str| {
        group.instances.iter().filter(|instance| instance.lifecycle.starts_with(state)).count()
    };
    let more = |state: &str| count(now, state).saturating_sub(count(before, state));
    let gone = before.instances.iter().filter(|one| now.instances.iter().all(|other| other.id != one.id)).count();
    let serving = now.serving().saturating_sub(before.serving());
    Some(if gone > 0 {
        format!("{gone} drained and terminated")
    } else if more("Terminating") > 0 {
        format!("{} draining: no new requests", more("Terminating"))
    } else if serving > 0 {
        format!("{serving} healthy")
    } else if more("InService") > 0 {
        format!("{} in service; the load balancer checks health", more("InService"))
    } else if more("Pending") > 0 {
        format!("{} launching", more("Pending"))
    } else {
        return None;
    })
}

/// The sizes and bounds of both groups, in one line.
pub(crate) fn sizes(view: &FleetView) -> anyhow::Result<String> {
    let of = |color: &str| {
        let group = view.group(color)?;
        let (min, max, count) = (group.min, group.max, group.instances.len());
        anyhow::Ok(format!("{color} {count} instances (min {min}, max {max})"))
    };
    Ok(format!("{}, {}", of("blue")?, of("green")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(from: &str, to: &str, why: &str) -> Value {
        serde_json::json!({"from": from, "to": to, "why": why})
    }

    #[test]
    fn a_rollback_is_described_without_the_numbers_of_the_alarm() {
        let why = "alarm app-blue-errors is in ALARM: Threshold Crossed: 1 datapoint [9.0]";
        let told = told(&entry("shifting", "rolling-back", why)).unwrap();
        assert_eq!(told, "alarm app-blue-errors is in ALARM: traffic moves back first, everything else follows");
    }

    #[test]
    fn a_borrowed_setting_is_described_by_its_name() {
        let from = "MaxSize of app-blue (was 3)";
        assert_eq!(told(&entry(from, "released", "restored")).unwrap(), "restored: MaxSize of app-blue");
        let stays =
            told(&entry(from, "released", "the bounds of the fleet moved to this group with the traffic")).unwrap();
        assert_eq!(stays, "MaxSize of app-blue stays: the bounds of the fleet moved to this group with the traffic");
    }

    #[test]
    fn an_entry_without_a_description_is_printed_unchanged() {
        assert_eq!(told(&entry("a", "b", "c")).unwrap(), "a → b: c");
    }
}
