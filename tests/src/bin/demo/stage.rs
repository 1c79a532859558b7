//! The setup: a fleet of three instances with its policy and its alarms.

use std::time::Duration;

use driftless_planner::fact::ComplianceType;
use driftless_tests::control::Settings;
use driftless_tests::fleet::{Fleet, FleetSpec, FleetView};
use driftless_tests::inbox::Inbox;
use driftless_tests::load::ErrorAlarm;
use driftless_tests::stack::LocalStack;

use crate::screen::Screen;

pub(crate) const FLEET: &str = "app";
pub(crate) const RULE: &str = "approved-amis";
const INSTANCES: i32 = 3;
/// The timeout for a short operation, with a margin for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Short durations. In production each is minutes; the order of events is the same.
const POLICY: [(&str, &str); 11] = [
    ("mode", "act"),
    ("rules", RULE),
    ("debounce", "3s"),
    ("launch-deadline", "1m"),
    ("alarms", "app-blue-errors;app-green-errors"),
    ("metrics-delay", "0s"),
    ("approval", "auto"),
    ("weights", "10,50,100"),
    ("step", "5s"),
    ("bake", "5s"),
    ("keep-warm", "8s"),
];
const COMING: Duration = Duration::from_secs(3);
const CHECKING: Duration = Duration::from_secs(3);
const LEAVING: Duration = Duration::from_secs(3);
const WARM_UP_SECONDS: i32 = 4;

/// The resources of the demo.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    /// The fleet before the first scene.
    pub(crate) before: FleetView,
    pub(crate) inbox: Inbox,
    /// One for each color.
    pub(crate) alarms: Vec<ErrorAlarm>,
}

impl Stage {
    /// Creates the fleet, and reconciles it once.
    pub(crate) async fn set(stack: &LocalStack, screen: Screen) -> anyhow::Result<Self> {
        let mut inbox = stack.inbox("on-call").await?;
        let at_once = Some(Duration::ZERO);
        stack.control().set(&Settings { launch: at_once, healthy: at_once, ..Settings::default() }).await?;
        let spec = FleetSpec::pair(FLEET).instances(INSTANCES).max(INSTANCES).warmup_seconds(WARM_UP_SECONDS);
        let fleet = spec.policy(&POLICY).create(stack).await?;
        let before = fleet.wait_until_idle(PATIENCE).await?;
        let times =
            Settings { launch: Some(COMING), healthy: Some(CHECKING), drain: Some(LEAVING), ..Settings::default() };
        stack.control().set(&times).await?;
        let mut alarms = Vec::new();
        for color in ["blue", "green"] {
            let group = format!("{FLEET}-{color}");
            let target_group = fleet.target_group_of(&group).unwrap_or_default();
            let alarm = stack.create_alarm(&format!("{group}-errors"), target_group).await?;
            alarms.push(ErrorAlarm::new(alarm, &group));
        }
        // Config knows the rule: every server is compliant.
        for instance in &before.group("blue")?.instances {
            stack.control().set_compliance(&instance.id, RULE, ComplianceType::Compliant, None).await?;
        }
        // After this pass, a newly published image is newer than the release.
        stack.resync().await?;
        inbox.wait_for_kind(FLEET, "adopted", PATIENCE).await?;
        stack.wait_until_idle(PATIENCE).await?;
        let stage = Self { fleet, before, inbox, alarms };
        stage.show(screen);
        Ok(stage)
    }

    fn show(&self, screen: Screen) {
        screen.line(&screen.bold("The fleet\n"));
        for line in self.before.to_string().lines() {
            screen.line(&format!("  {line}"));
        }
        let policy: Vec<String> = POLICY.iter().map(|(key, value)| format!("{key}={value}")).collect();
        screen.wrapped("\n  policy  ", 10, &policy.join(" "));
        screen.line(&format!(
            "
  Two colors behind one load balancer. Blue serves with {INSTANCES} servers of image {}; green is empty.
  Both are at their maximum: room for one more must be made, and taken back.
  30 requests a second go to it from now on: to a real process for each instance, through a forwarder of the demo's own
  that obeys the weights and the health which the local AWS reports. Times are short; on AWS they are minutes.",
            self.fleet.image(),
        ));
    }
}
