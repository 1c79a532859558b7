//! The golden files of the status crate as the function reads them, and fleets with hostile texts.

use driftless_planner::fact::Command;
use driftless_status::FleetStatus;
use driftless_status::history::History;
use driftless_status::summary::Unread;
use driftless_testkit::golden::read;
use driftless_widget::{Frame, Overview};
use serde_json::json;

/// Worlds whose pages differ.
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

/// Hostile text that an outsider may write into a tag or an image.
pub(crate) const HOSTILE: [&str; 4] = [
    "<img src=x onerror=\"window.owned=1\">",
    "</cwdb-action></div><script>window.owned=2</script>",
    "\"' onclick='window.owned=3' x=\"&lt;b&gt;",
    "\u{202e}gnp.exe $(reboot); `id`",
];

/// A world, as a fleet of that name.
pub(crate) fn world(name: &str) -> FleetStatus {
    let mut status: FleetStatus = read(name);
    status.fleet = name.parse().unwrap();
    status
}

/// The history of a world.
pub(crate) fn history(name: &str) -> History {
    read(&format!("history-{name}"))
}

/// The frame of a page.
pub(crate) fn frame(theme: &str) -> Frame {
    frame_of_width(theme, 1_100)
}

/// The frame of a page with this width.
pub(crate) fn frame_of_width(theme: &str, width: u32) -> Frame {
    let of = |name: &str| format!("arn:aws:lambda:eu-central-1:123456789012:function:driftless-{name}");
    Frame::of(&json!({"theme": theme, "width": width}), &of("status"), Some(&of("operator")))
}

/// All worlds on one page.
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

/// A fleet with the longest name and hostile untrusted texts.
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

/// The page of all fleets with hostile tags and texts.
pub(crate) fn hostile_overview() -> Overview {
    let (status, history) = hostile();
    let at = status.at;
    let misnamed = HOSTILE.map(|text| format!("web-asg: {text} is not a fleet name").as_str().into()).into();
    Overview { at, fleets: vec![status], unread: Vec::new(), misnamed, histories: vec![history] }
}
