//! What a contract needs of the world besides its ports: someone who sets things up, and time.

use std::collections::BTreeMap;
use std::future::Future;

use driftless_planner::action::Bounds;
use driftless_planner::alarm::AlarmState;
use driftless_planner::balancer::ForwardPlace;
use driftless_planner::fact::ComplianceType;
use driftless_planner::ids::{AlarmName, FleetName, GroupName, ImageId, InstanceId, RuleName, TargetGroupArn};
use driftless_planner::observation::{Freeze, FreezeScope};
use driftless_planner::template::TemplateVersion;
use driftless_reconciler::ports::Ports;

/// A world that can be held to the contracts.
pub trait World: Sync {
    /// What the loop sees of it.
    type Ports: Ports;

    /// What the loop sees of it.
    fn ports(&self) -> &Self::Ports;

    /// Why a contract does not hold in it although it holds on AWS. None: it must hold.
    fn differs(&self, contract: &str) -> Option<&'static str>;

    /// Lets a moment pass: what is under way goes on.
    fn moment(&self) -> impl Future<Output = ()>;

    /// How many moments something may take that is under way.
    fn patience(&self) -> usize;

    /// An operator makes a fleet: a pair behind one load balancer that weighs blue 100 and green 0, up and serving.
    fn fleet(&self, spec: &FleetSpec) -> impl Future<Output = anyhow::Result<Fleet>>;

    /// What becomes of launches by `LaunchInstances` from now on.
    fn launches(&self, launches: Launches) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator suspends a process of a group, or resumes it.
    fn suspend(&self, group: &GroupName, process: &str, is_suspended: bool)
    -> impl Future<Output = anyhow::Result<()>>;

    /// An operator terminates an instance in EC2, past Auto Scaling.
    fn kill(&self, instance: &InstanceId) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator protects an instance by the tag `driftless:protect`.
    fn protect(&self, instance: &InstanceId, reason: &str) -> impl Future<Output = anyhow::Result<()>>;

    /// The health checks of an instance pass, or fail, from now on.
    fn health(&self, instance: &InstanceId, passes: bool) -> impl Future<Output = anyhow::Result<()>>;

    /// AWS Config says this of an instance from now on. It makes the rule known.
    fn judge(
        &self,
        instance: &InstanceId,
        rule: &RuleName,
        verdict: ComplianceType,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator makes an alarm of a target group, and it is in this state.
    fn alarm(
        &self,
        name: &AlarmName,
        target_group: &TargetGroupArn,
        state: AlarmState,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// A build registers an image of this account, for a fleet and with a build where they are given.
    fn image(&self, fleet: Option<&FleetName>, build: Option<&str>) -> impl Future<Output = anyhow::Result<ImageId>>;

    /// An operator writes a launch template version: what this one says, but for the instance type.
    fn template(&self, base: &TemplateVersion) -> impl Future<Output = anyhow::Result<TemplateVersion>>;

    /// An operator adds a rule to the fleet's load balancer that forwards to blue alone.
    fn rule(&self, fleet: &Fleet) -> impl Future<Output = anyhow::Result<ForwardPlace>>;

    /// An operator makes a target group that no load balancer names.
    fn target_group(&self, name: &str) -> impl Future<Output = anyhow::Result<TargetGroupArn>>;

    /// An operator stops a scope.
    fn freeze(&self, freeze: &Freeze) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator lifts a freeze.
    fn thaw(&self, scope: &FreezeScope) -> impl Future<Output = anyhow::Result<()>>;
}

/// What becomes of launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launches {
    Succeed,
    /// EC2 has no room anywhere.
    FindNoRoom,
    /// The endpoint does not know the call.
    AreNotOffered,
}

/// A fleet to be made.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    /// Its name, no other one's.
    pub name: FleetName,
    pub blue: Bounds,
    pub green: Bounds,
    /// More tags of its groups, by their whole keys.
    pub tags: BTreeMap<String, String>,
}

/// A fleet that was made.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub name: FleetName,
    /// The image of both colors.
    pub image: ImageId,
    /// The color with all of the traffic.
    pub blue: Color,
    pub green: Color,
    /// The forward action that weighs them.
    pub place: ForwardPlace,
}

/// One color of a fleet.
#[derive(Debug, Clone)]
pub struct Color {
    pub group: GroupName,
    /// Its launch template version.
    pub template: TemplateVersion,
    pub target_group: TargetGroupArn,
}

/// A fleet whose green color is empty.
pub(crate) fn spec(name: &str, blue: Bounds) -> anyhow::Result<FleetSpec> {
    let green = Bounds { min: 0, max: blue.max, desired: 0 };
    Ok(FleetSpec { name: name.parse()?, blue, green, tags: BTreeMap::new() })
}
