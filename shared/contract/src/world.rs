//! What a world must offer so that contracts can be checked in it: ports, the setup of resources, and time.

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

/// A world in which contracts can be checked.
pub trait World: Sync {
    /// The type of the ports.
    type Ports: Ports;

    /// The ports of the world.
    fn ports(&self) -> &Self::Ports;

    /// Why a contract does not hold in this world although it holds on AWS. None: the contract must hold.
    fn differs(&self, contract: &str) -> Option<&'static str>;

    /// Waits a moment, in which pending changes proceed.
    fn moment(&self) -> impl Future<Output = ()>;

    /// The largest number of moments that a pending change may take.
    fn patience(&self) -> usize;

    /// Creates a fleet: a pair behind one load balancer with the weights blue 100 and green 0, in service and healthy.
    fn fleet(&self, spec: &FleetSpec) -> impl Future<Output = anyhow::Result<Fleet>>;

    /// Sets the outcome of `LaunchInstances` from now on.
    fn launches(&self, launches: Launches) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator suspends a process of a group, or resumes it.
    fn suspend(&self, group: &GroupName, process: &str, is_suspended: bool)
    -> impl Future<Output = anyhow::Result<()>>;

    /// An operator terminates an instance in EC2, without Auto Scaling.
    fn kill(&self, instance: &InstanceId) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator protects an instance by the tag `driftless:protect` with this reason.
    fn protect(&self, instance: &InstanceId, reason: &str) -> impl Future<Output = anyhow::Result<()>>;

    /// Makes the health checks of an instance pass or fail from now on.
    fn health(&self, instance: &InstanceId, passes: bool) -> impl Future<Output = anyhow::Result<()>>;

    /// Sets the compliance of an instance, and creates the Config rule if necessary.
    fn report_compliance(
        &self,
        instance: &InstanceId,
        rule: &RuleName,
        verdict: ComplianceType,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Creates an alarm that is in this state and names a target group.
    fn alarm(
        &self,
        name: &AlarmName,
        target_group: &TargetGroupArn,
        state: AlarmState,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Registers an image of this account. `fleet` and `build` are the tags of the image, if they are given.
    fn image(&self, fleet: Option<&FleetName>, build: Option<&str>) -> impl Future<Output = anyhow::Result<ImageId>>;

    /// An operator writes a launch template version that differs from `base` only in its instance type.
    fn template(&self, base: &TemplateVersion) -> impl Future<Output = anyhow::Result<TemplateVersion>>;

    /// An operator adds a rule to the fleet's load balancer that forwards all requests to blue.
    fn rule(&self, fleet: &Fleet) -> impl Future<Output = anyhow::Result<ForwardPlace>>;

    /// Creates a target group that no load balancer uses.
    fn target_group(&self, name: &str) -> impl Future<Output = anyhow::Result<TargetGroupArn>>;

    /// An operator freezes a scope.
    fn freeze(&self, freeze: &Freeze) -> impl Future<Output = anyhow::Result<()>>;

    /// An operator lifts a freeze.
    fn thaw(&self, scope: &FreezeScope) -> impl Future<Output = anyhow::Result<()>>;
}

/// The outcome of the calls to `LaunchInstances`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launches {
    Succeed,
    /// EC2 has no capacity in any zone.
    FindNoRoom,
    /// The endpoint does not know the call `LaunchInstances`.
    AreNotOffered,
}

/// A fleet that a contract wants to be created.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    pub name: FleetName,
    pub blue: Bounds,
    pub green: Bounds,
    /// Further tags of the groups, with their full keys.
    pub tags: BTreeMap<String, String>,
}

/// A fleet that was created for a contract.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub name: FleetName,
    /// The image of both colors.
    pub image: ImageId,
    /// The color with all traffic.
    pub blue: Color,
    pub green: Color,
    /// The forward action that has the weights of both colors.
    pub place: ForwardPlace,
}

/// The names of one color of a fleet.
#[derive(Debug, Clone)]
pub struct Color {
    pub group: GroupName,
    /// The launch template version of the group.
    pub template: TemplateVersion,
    pub target_group: TargetGroupArn,
}

/// The specification of a fleet whose green group has no instances.
pub(crate) fn spec(name: &str, blue: Bounds) -> anyhow::Result<FleetSpec> {
    let green = Bounds { min: 0, max: blue.max, desired: 0 };
    Ok(FleetSpec { name: name.parse()?, blue, green, tags: BTreeMap::new() })
}
