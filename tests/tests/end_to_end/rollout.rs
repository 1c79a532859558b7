//! The setup of a cutover scene: a pair with an alarm, and published images.

use std::time::Duration;

use anyhow::Context as _;
use driftless_planner::fact::Command;
use driftless_tests::alarm::Alarm;
use driftless_tests::events::Event;
use driftless_tests::fleet::{FleetSpec, FleetView};
use driftless_tests::inbox::Letter;
use driftless_tests::patience::{Poll, wait_until};
use driftless_tests::proxy::Call;
use serde_json::Value;

use crate::stage::{Left, Stage, acting};

/// The timeout of a cutover, with a margin for a busy machine.
pub(crate) const CUTOVER: Duration = Duration::from_mins(2);

/// The call that moves traffic. For a listener rule it is [`WEIGHTS_OF_RULE`].
pub(crate) const WEIGHTS: &str = "elasticloadbalancing:ModifyListener";
pub(crate) const WEIGHTS_OF_RULE: &str = "elasticloadbalancing:ModifyRule";

/// The alarm on the policy's list that watches green.
const ALARM: &str = "app-green-5xx";

/// A policy that cuts over in seconds, step by step.
const ROLLING_OUT: [(&str, &str); 8] = [
    ("alarms", ALARM),
    ("approval", "auto"),
    ("image-source", "tag"),
    ("weights", "10,50,100"),
    ("step", "1s"),
    ("bake", "1s"),
    ("keep-warm", "2s"),
    ("metrics-delay", "0s"),
];

/// Settings for a short scene: no alarm whose period a step must wait for, so an operator approves.
pub(crate) const UNWATCHED: [(&str, &str); 2] = [("alarms", "none"), ("approval", "manual")];

/// Settings for a shorter scene: all traffic in one step.
pub(crate) const AT_ONCE: [(&str, &str); 3] = [("alarms", "none"), ("approval", "manual"), ("weights", "100")];

/// The resources of a cutover scene.
pub(crate) struct Rollout {
    pub(crate) stage: Stage,
    pub(crate) alarm: Alarm,
}

impl Rollout {
    /// A pair of three, and its alarm.
    pub(crate) async fn set() -> anyhow::Result<Self> {
        Self::with(&[]).await
    }

    /// The pair of three, with other values for some keys of the policy.
    pub(crate) async fn with(changes: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::of(&pair_of_three(changes)).await
    }

    /// Another fleet.
    pub(crate) async fn of(spec: &FleetSpec) -> anyhow::Result<Self> {
        Self::on(Stage::with(spec).await?).await
    }

    /// A rollout on this stage.
    pub(crate) async fn on(stage: Stage) -> anyhow::Result<Self> {
        let target_group = stage.fleet.target_group_of("app-green").unwrap_or("none:targetgroup/green/0").to_owned();
        let alarm = stage.stack.create_alarm(ALARM, &target_group).await?;
        // After this pass, a newly published image is newer than the release.
        let mut rollout = Self { stage, alarm };
        rollout.stage.stack.resync().await?;
        rollout.stage.letter("adopted").await?;
        rollout.stage.stack.wait_until_idle(CUTOVER).await?;
        Ok(rollout)
    }

    /// Registers an image for the fleet and lets EC2 report it.
    pub(crate) async fn publish(&self, build: &str) -> anyhow::Result<String> {
        let image = self.stage.stack.register_build(self.stage.fleet.name(), build).await?;
        self.stage.stack.put(&Event::image_available(&image)?).await?;
        Ok(image)
    }

    /// Publishes an image and lets an operator approve it once it is up.
    pub(crate) async fn publish_and_approve(&self, build: &str) -> anyhow::Result<String> {
        let image = self.publish(build).await?;
        self.approve().await?;
        Ok(image)
    }

    /// Waits until a cutover asks for approval, and gives it.
    pub(crate) async fn approve(&self) -> anyhow::Result<()> {
        self.wait_for_cutover("awaiting-approval").await?;
        self.say(Command::Approve).await
    }

    /// An operator sends a command.
    pub(crate) async fn say(&self, command: Command) -> anyhow::Result<()> {
        self.stage.stack.say(self.stage.fleet.name(), "ana", command).await
    }

    /// Waits until the cutover is in a phase.
    pub(crate) async fn wait_for_cutover(&self, phase: &str) -> anyhow::Result<()> {
        wait_until(&format!("the cutover is {phase}"), CUTOVER, async || {
            let found = self.phase().await?;
            let is_there = found.as_deref() == Some(phase);
            Ok(if is_there { Poll::Is(()) } else { Poll::NotYet(format!("{found:?}")) })
        })
        .await
    }

    /// Waits until the listener gives a color this weight.
    pub(crate) async fn wait_for_weight(&self, group: &str, weight: i32) -> anyhow::Result<()> {
        wait_until(&format!("{group} has weight {weight}"), CUTOVER, async || {
            let weights = self.stage.fleet.weights().await?;
            let is_there = weights.get(group) == Some(&weight);
            Ok(if is_there { Poll::Is(()) } else { Poll::NotYet(format!("{weights:?}")) })
        })
        .await
    }

    /// The phase of the cutover under way.
    pub(crate) async fn phase(&self) -> anyhow::Result<Option<String>> {
        let record = self.stage.record().await?;
        Ok(match record.pointer("/cutover/phase") {
            Some(Value::String(name)) => Some(name.clone()),
            Some(Value::Object(variant)) => variant.keys().next().cloned(),
            _ => None,
        })
    }

    /// Whether an image must not take traffic any more.
    pub(crate) async fn is_vetoed(&self, image: &str) -> anyhow::Result<bool> {
        let record = self.stage.record().await?;
        Ok(record.pointer(&format!("/memory/vetoes/{image}")).is_some())
    }

    /// Waits until the cutover has ended, and returns its outcome.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<String> {
        Ok(self.outcomes(1).await?.concat())
    }

    /// Waits until `count` cutovers have ended, and returns their outcomes.
    pub(crate) async fn outcomes(&mut self, count: usize) -> anyhow::Result<Vec<String>> {
        let outcome = |letter: &Letter| {
            let body = letter.json().filter(|_| letter.kind() == Some("cutover-ended"))?;
            body.pointer("/details/outcome").and_then(Value::as_str).map(str::to_owned)
        };
        let enough = |letters: &[Letter]| {
            let outcomes: Vec<String> = letters.iter().filter_map(outcome).collect();
            (outcomes.len() >= count).then_some(outcomes)
        };
        self.stage.inbox.wait_for(&format!("{count} cutovers have ended"), CUTOVER, enough).await
    }

    /// The weights of green, write by write.
    pub(crate) fn steps(&self) -> Vec<i32> {
        let green = self.stage.fleet.target_group_of("app-green").unwrap_or_default().to_owned();
        let calls = [WEIGHTS, WEIGHTS_OF_RULE].map(|name| self.stage.calls(name)).concat();
        calls.iter().filter_map(|call| weight_of(call, &green)).collect()
    }

    /// Waits until an image is refused, and returns the reason.
    pub(crate) async fn refused(&self, image: &str) -> anyhow::Result<String> {
        wait_until(&format!("{image} is refused"), CUTOVER, async || {
            let record = self.stage.record().await?;
            let refused = record.pointer("/memory/refused").context("the record has no memory")?;
            let why = refused.get(image).and_then(Value::as_str);
            Ok(why.map_or_else(|| Poll::NotYet(refused.to_string()), |why| Poll::Is(why.to_owned())))
        })
        .await
    }

    /// One color has all the traffic, and three servers of an image; the other one is empty. The bounds are with it.
    pub(crate) async fn assert_live(&self, color: &str, image: &str) -> anyhow::Result<FleetView> {
        let after = self.assert_sizes(color, image, 3).await?;
        let weights = self.stage.fleet.weights().await?;
        let was = |group: &str| if group.ends_with(color) { 100 } else { 0 };
        assert!(weights.iter().all(|(group, weight)| *weight == was(group)), "{weights:?}");
        assert_eq!(weights.len(), 2);
        Ok(after)
    }

    /// One color has so many servers of an image, all of which serve, and the bounds; the other one is empty.
    pub(crate) async fn assert_sizes(&self, color: &str, image: &str, size: i32) -> anyhow::Result<FleetView> {
        let after = self.stage.fleet.wait_until_idle(CUTOVER).await?;
        let other = if color == "green" { "blue" } else { "green" };
        let (live, idle) = (after.group(color)?, after.group(other)?);
        let was = self.stage.before.group("blue")?;
        let serving = i32::try_from(live.serving())?;
        assert_eq!((live.min, live.max, live.desired, serving), (was.min, was.max, size, size), "{after}");
        assert_eq!((idle.min, idle.desired, idle.instances.len()), (0, 0, 0), "{after}");
        assert!(live.instances.iter().all(|instance| instance.image.as_deref() == Some(image)), "{after}");
        Ok(after)
    }

    /// The single group is as large as before, and all of it runs an image.
    pub(crate) async fn assert_rolled(&self, image: &str) -> anyhow::Result<()> {
        let after = self.stage.fleet.wait_until_idle(CUTOVER).await?;
        let (is, was) = (after.group("")?, self.stage.before.group("")?);
        assert_eq!((is.min, is.max, is.desired), (was.min, was.max, was.desired), "{after}");
        assert!(is.instances.iter().all(|instance| instance.image.as_deref() == Some(image)), "{after}");
        Ok(())
    }

    /// The checks at the end of every scene.
    pub(crate) async fn assert_at_rest(&self) -> anyhow::Result<()> {
        self.stage.assert_at_rest(&Left::default()).await
    }
}

/// The pair of three that is cut over, with other values for some keys of its policy.
pub(crate) fn pair_of_three(changes: &[(&str, &str)]) -> FleetSpec {
    let is_changed = |key: &str| changes.iter().any(|(changed, _)| *changed == key);
    let policy: Vec<_> =
        ROLLING_OUT.into_iter().filter(|(key, _)| !is_changed(key)).chain(changes.iter().copied()).collect();
    FleetSpec::pair("app").instances(3).policy(&acting(&policy))
}

fn weight_of(call: &Call, target_group: &str) -> Option<i32> {
    let fields = call.request.as_object()?;
    let name = fields.iter().find(|(name, value)| name.ends_with(".TargetGroupArn") && *value == target_group)?.0;
    call.text(&name.replace(".TargetGroupArn", ".Weight"))?.parse().ok()
}
