//! The simulated AWS without faults, set up for the contracts.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use driftless_contract::{Color, Fleet, FleetSpec, Launches, World};
use driftless_planner::action::Bounds;
use driftless_planner::alarm::{AlarmState, AlarmSubject};
use driftless_planner::balancer::{ForwardPlace, TargetGroupSettings};
use driftless_planner::fact::ComplianceType;
use driftless_planner::fleet::FLEET_TAG;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn, Zone};
use driftless_planner::image::Image;
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::template::{TemplateContent, TemplateVersion};
use driftless_simulator::cloud::{Build, Cloud};
use driftless_simulator::faults::Rates;
use driftless_simulator::function::Function;
use driftless_simulator::rng::Rng;
use driftless_simulator::world::{Happening, Shared, World as Simulation};
use jiff::{SignedDuration, Timestamp};

const MOMENT: SignedDuration = SignedDuration::from_secs(10);
/// One hour in moments: longer than any contract takes.
const PATIENCE: usize = 360;

/// Known differences between the simulator and AWS.
const DIFFERENCES: [(&str, &str); 1] = [(
    "what_a_person_writes_to_one_color_alone_is_no_base_for_the_other",
    "its Terraform writes to the template of one color, and that is taken for both; ours writes to both",
)];

/// A simulated account.
pub(crate) struct Simulated {
    shared: Shared,
    function: Function,
}

impl Simulated {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-11-20T12:00:00.25Z".parse().unwrap();
        let mut rng = Rng::new(11);
        let cloud = Cloud::new(rng.split(), start);
        let shared = Shared::new(Simulation::new(start, cloud, rng, Rates::none()));
        let function = Function::new(shared.clone(), 1, SignedDuration::ZERO);
        Self { shared, function }
    }

    /// Runs the simulation until the future is ready.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let bell = Arc::new(Bell(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            if bell.0.swap(false, Ordering::Relaxed)
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            let mut world = self.shared.lock();
            let next = world.next_at().into_iter().chain(world.cloud.next_at()).min().expect("something is awaited");
            world.now = world.now.max(next);
            world.advance_cloud();
            match world.take_due() {
                Some(Happening::Wake(waker)) => waker.wake(),
                Some(Happening::Change(change)) => change(&mut world),
                Some(Happening::Kill(_) | Happening::Resync | Happening::Poll) | None => {}
            }
        }
    }
}

/// Wakes the executor when the future can go on.
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Ends at a time.
struct Until<'w> {
    shared: &'w Shared,
    at: Timestamp,
    is_planned: bool,
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.shared.lock();
        if world.now >= self.at {
            return Poll::Ready(());
        }
        if !self.is_planned {
            world.at(self.at, Happening::Wake(context.waker().clone()));
            drop(world);
            self.is_planned = true;
        }
        Poll::Pending
    }
}

/// How long the load balancer takes to determine the health of a target.
const JUDGING: SignedDuration = SignedDuration::from_secs(10);

/// The default settings of a target group.
const fn settings() -> TargetGroupSettings {
    TargetGroupSettings {
        stickiness: None,
        deregistration_delay: SignedDuration::from_mins(5),
        slow_start: SignedDuration::ZERO,
    }
}

fn zones() -> Vec<Zone> {
    ["us-east-1a", "us-east-1b"].map(|zone| zone.parse().unwrap()).into()
}

fn image(number: u128) -> Image {
    Image {
        id: format!("ami-{number:017x}").parse().unwrap(),
        image_for: None,
        build: None,
        created_at: Timestamp::UNIX_EPOCH,
        architecture: "arm64".into(),
        ..driftless_testkit::image(1)
    }
}

/// A number that distinguishes the resources of one name from all others.
fn number_of(name: &str) -> u128 {
    name.bytes().fold(7_u128, |number, byte| (number * 31 + u128::from(byte)) % (1 << 60))
}

fn color(spec: &FleetSpec, name: &str, letter: u8) -> Color {
    let group: GroupName = format!("{}-{name}", spec.name).parse().unwrap();
    let number = number_of(group.as_str());
    let template = TemplateVersion { template: format!("lt-{number:017x}").parse().unwrap(), version: 1 };
    let arn =
        format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{}-{letter}/{number:016x}", spec.name);
    Color { group, template, target_group: arn.parse().unwrap() }
}

impl Simulated {
    fn make(&self, spec: &FleetSpec) -> Fleet {
        let (blue, green) = (color(spec, "blue", 1), color(spec, "green", 2));
        let of_image = image(number_of(spec.name.as_str()));
        let id: ImageId = of_image.id.clone();
        self.shared.lock().cloud.add_image(of_image, Build::Good);
        let place = format!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/{}/50dc6c495c0c9188/f2f7dc8efc522ab2",
            spec.name
        );
        let place = ForwardPlace::Listener(place.parse().unwrap());
        let mut world = self.shared.lock();
        let weights: BTreeMap<TargetGroupArn, u32> =
            [(blue.target_group.clone(), 100), (green.target_group.clone(), 0)].into();
        for (color, bounds) in [(&blue, spec.blue), (&green, spec.green)] {
            let settings_of_template = [("instance type".to_owned(), "t4g.small".into())].into();
            let content =
                TemplateContent { image: Some(id.clone()), written_for: None, settings: settings_of_template };
            world.cloud.add_template(&color.template, content);
            world.cloud.add_target_group(&color.target_group, settings(), JUDGING);
            let mut tags = spec.tags.clone();
            tags.insert(FLEET_TAG.to_owned(), spec.name.to_string());
            world.cloud.add_group(&color.group, tags, color.template.clone(), zones());
            let Bounds { min, max, desired } = bounds;
            world.cloud.edit_group(&color.group, |group| {
                (group.min, group.max, group.desired) = (min, max, desired);
                group.target_groups = vec![color.target_group.clone()];
            });
        }
        world.cloud.add_forward(&place, weights, 0);
        Fleet { name: spec.name.clone(), image: id, blue, green, place }
    }

    fn is_up(&self, spec: &FleetSpec, fleet: &Fleet) -> bool {
        let world = self.shared.lock();
        world.cloud.serving_in(&fleet.blue.group) == spec.blue.desired
            && world.cloud.serving_in(&fleet.green.group) == spec.green.desired
    }
}

impl World for Simulated {
    type Ports = Function;

    fn ports(&self) -> &Function {
        &self.function
    }

    fn differs(&self, contract: &str) -> Option<&'static str> {
        DIFFERENCES.iter().find(|(name, _)| *name == contract).map(|(_, why)| *why)
    }

    async fn moment(&self) {
        let at = self.shared.lock().now + MOMENT;
        Until { shared: &self.shared, at, is_planned: false }.await;
    }

    fn patience(&self) -> usize {
        PATIENCE
    }

    async fn fleet(&self, spec: &FleetSpec) -> anyhow::Result<Fleet> {
        let fleet = self.make(spec);
        for _ in 0..PATIENCE {
            if self.is_up(spec, &fleet) {
                return Ok(fleet);
            }
            self.moment().await;
        }
        anyhow::bail!("{} does not come up", spec.name)
    }

    async fn launches(&self, launches: Launches) -> anyhow::Result<()> {
        let mut world = self.shared.lock();
        for zone in zones() {
            world.cloud.set_short(&zone, launches == Launches::FindNoRoom);
        }
        let groups: Vec<GroupName> = world.cloud.groups().keys().cloned().collect();
        for group in groups {
            world.cloud.edit_group(&group, |group| group.offers_launch = launches != Launches::AreNotOffered);
        }
        Ok(())
    }

    async fn suspend(&self, group: &GroupName, process: &str, is_suspended: bool) -> anyhow::Result<()> {
        self.shared.lock().cloud.edit_group(group, |group| {
            if is_suspended {
                group.suspended.insert(process.to_owned());
            } else {
                group.suspended.remove(process);
            }
        });
        Ok(())
    }

    async fn kill(&self, instance: &InstanceId) -> anyhow::Result<()> {
        self.shared.lock().cloud.kill(instance);
        Ok(())
    }

    async fn protect(&self, instance: &InstanceId, reason: &str) -> anyhow::Result<()> {
        self.shared.lock().cloud.tag_protected(instance, Some(reason));
        Ok(())
    }

    async fn health(&self, instance: &InstanceId, passes: bool) -> anyhow::Result<()> {
        // Auto Scaling replaces the failed instance, and the replacement instance is healthy.
        if !passes {
            self.shared.lock().cloud.break_instance(instance, false);
        }
        Ok(())
    }

    async fn report_compliance(
        &self,
        instance: &InstanceId,
        rule: &RuleName,
        verdict: ComplianceType,
    ) -> anyhow::Result<()> {
        let mut world = self.shared.lock();
        world.cloud.add_rule(rule, SignedDuration::from_mins(1));
        world.cloud.report_compliance(rule, instance, verdict);
        Ok(())
    }

    async fn alarm(&self, name: &AlarmName, target_group: &TargetGroupArn, state: AlarmState) -> anyhow::Result<()> {
        let target_groups = vec![target_group.dimension().to_owned()];
        let subject = AlarmSubject { target_groups, ..AlarmSubject::default() };
        let mut world = self.shared.lock();
        world.cloud.add_alarm(name, subject, SignedDuration::from_mins(3));
        world.cloud.force_alarm(name, Some(state));
        Ok(())
    }

    async fn image(&self, fleet: Option<&FleetName>, build: Option<&str>) -> anyhow::Result<ImageId> {
        let name = format!("{fleet:?}{build:?}{}", self.shared.lock().now);
        let image = Image {
            image_for: fleet.map(|fleet| fleet.as_str().into()),
            build: build.map(Into::into),
            ..image(number_of(&name))
        };
        let id = image.id.clone();
        self.shared.lock().cloud.add_image(image, Build::Good);
        Ok(id)
    }

    async fn template(&self, base: &TemplateVersion) -> anyhow::Result<TemplateVersion> {
        let mut world = self.shared.lock();
        let mut content = world.cloud.templates()[base].clone();
        content.settings.insert("instance type".to_owned(), "t4g.medium".into());
        let version = TemplateVersion { version: base.version + 1, ..base.clone() };
        world.cloud.add_template(&version, content);
        Ok(version)
    }

    async fn rule(&self, fleet: &Fleet) -> anyhow::Result<ForwardPlace> {
        let arn = format!(
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/{}/50dc6c495c0c9188/f2f7dc8efc522ab2/1",
            fleet.name
        );
        let place = ForwardPlace::Rule(arn.parse()?);
        self.shared.lock().cloud.add_forward(&place, [(fleet.blue.target_group.clone(), 1)].into(), 0);
        Ok(place)
    }

    async fn target_group(&self, name: &str) -> anyhow::Result<TargetGroupArn> {
        let arn = format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{name}/73e2d6bc24d8a067");
        let arn = arn.parse()?;
        self.shared.lock().cloud.add_target_group(&arn, settings(), JUDGING);
        Ok(arn)
    }

    async fn freeze(&self, freeze: &Freeze) -> anyhow::Result<()> {
        self.shared.lock().table.freeze(freeze.clone());
        Ok(())
    }

    async fn thaw(&self, scope: &FreezeScope) -> anyhow::Result<()> {
        self.shared.lock().table.lift(scope);
        Ok(())
    }
}
