//! The golden files of the status crate, read as the function would have them, and fleets that somebody has tampered with.

use driftless_planner::fact::Command;
use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_status::summary::Unread;
use driftless_testkit::golden::read;
use driftless_widget::{Frame, Overview};
use serde_json::json;

/// Worlds that look different from one another.
pub(crate) const WORLDS: [&str; 16] = [
    "steady",
    "unadopted",
    "single-group",
    "misconfigured",
    "policy-invalid",
    "frozen",
    "breaker-open",
    "blocked",
    "stopped",
    "quarantined",
    "awaiting-approval",
    "half-way",
    "paused",
    "rolling-back",
    "rolled-back",
    "needs-operator",
];

/// What a stranger writes where a stranger can.
pub(crate) const HOSTILE: [&str; 4] = [
    "<img src=x onerror=\"window.owned=1\">",
    "</cwdb-action></div><script>window.owned=2</script>",
    "\"' onclick='window.owned=3' x=\"&lt;b&gt;",
    "\u{202e}gnp.exe $(reboot); `id`",
];

/// A world, as a fleet of its name.
pub(crate) fn world(name: &str) -> FleetStatus {
    let mut status: FleetStatus = read(name);
    status.fleet = name.parse().unwrap();
    status
}

/// What has been in a world.
pub(crate) fn history(name: &str) -> History {
    read(&format!("history-{name}"))
}

/// Where it is drawn.
pub(crate) fn frame(theme: &str) -> Frame {
    frame_of_width(theme, 1_100)
}

/// The same, as wide.
pub(crate) fn frame_of_width(theme: &str, width: u32) -> Frame {
    let of = |name: &str| format!("arn:aws:lambda:eu-central-1:123456789012:function:driftless-{name}");
    Frame::of(&json!({"theme": theme, "width": width}), &of("status"), Some(&of("operator")))
}

/// All worlds side by side.
pub(crate) fn all() -> Overview {
    let fleets: Vec<FleetStatus> = WORLDS.map(world).into();
    let at = fleets[0].at;
    let unread = vec![Unread { fleet: "dark".parse().unwrap(), why: "throttled: Rate exceeded".into() }];
    let misnamed = vec!["web-asg: \"Web Shop\" is not a fleet name: 1 to 40 of a-z, 0-9 and -".into()];
    let histories = vec![history("rolled-back"), history("replaced")];
    let mut known = Overview { at, fleets, unread, misnamed, histories };
    known.sort();
    known
}

/// A fleet of the longest name with everything foreign hostile.
pub(crate) fn hostile() -> (FleetStatus, History) {
    let mut status = world("hostile");
    status.fleet = "a-fleet-whose-name-is-as-long-as-it-gets".parse().unwrap();
    status.says = HOSTILE[2].into();
    for (freeze, text) in status.freezes.iter_mut().zip(HOSTILE) {
        freeze.owner = text.into();
        freeze.reason = HOSTILE.join(" ").as_str().into();
    }
    for work in &mut status.drifted {
        work.reasons = HOSTILE.map(Into::into).into();
        for finding in &mut work.findings {
            finding.annotation = Some(HOSTILE.join(" ").as_str().into());
        }
    }
    status.orders = vec![driftless_status::orders::OpenOrder { command: Command::Retry, answer: HOSTILE[1].into() }];
    let mut history = history("replaced");
    history.fleet = status.fleet.clone();
    for (line, text) in history.lines.iter_mut().zip(HOSTILE.into_iter().cycle()) {
        line.why = text.into();
        line.actor = text.into();
        line.to = text.into();
    }
    (status, history)
}

/// The page of all fleets where tags and texts are hostile.
pub(crate) fn hostile_overview() -> Overview {
    let (status, history) = hostile();
    let at = status.at;
    let misnamed = HOSTILE.map(|text| format!("web-asg: {text} is not a fleet name").as_str().into()).into();
    Overview { at, fleets: vec![status], unread: Vec::new(), misnamed, histories: vec![history] }
}
