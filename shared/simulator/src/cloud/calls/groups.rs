//! The writes to Auto Scaling groups.

use driftless_planner::action::{CapacityChange, Protection};
use driftless_planner::balancer::AttachmentApi;
use driftless_planner::ids::{GroupName, InstanceId, RefreshId, TargetGroupArn, Zone};
use driftless_planner::refresh::{Refresh, RefreshPlan, RefreshStatus};
use driftless_planner::template::{TemplateReference, TemplateVersion};
use driftless_planner::text::UntrustedText;
use driftless_reconciler::ports::{CallErrorKind, CallResult, Launched};
use jiff::Timestamp;

use super::refused::{busy, error, gone, refused};
use crate::cloud::agenda::Due;
use crate::cloud::state::{Actor, GroupState, Instance, Life, RefreshState};
use crate::cloud::{Attribution, Cloud};

const UPDATE: &str = "autoscaling:UpdateAutoScalingGroup";
const DESIRED: &str = "autoscaling:SetDesiredCapacity";
const LAUNCH: &str = "autoscaling:LaunchInstances";
const PROTECT: &str = "autoscaling:SetInstanceProtection";
const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
const STANDBY: &str = "autoscaling:EnterStandby";
const ATTACH: &str = "autoscaling:AttachLoadBalancerTargetGroups";
const DETACH: &str = "autoscaling:DetachLoadBalancerTargetGroups";
const START: &str = "autoscaling:StartInstanceRefresh";
const ROLL_BACK: &str = "autoscaling:RollbackInstanceRefresh";

impl GroupState {
    /// Sets the desired capacity by a call of Driftless. If that lowers it, Driftless is the actor of the terminations
    /// that follow.
    const fn sized(&mut self, desired: u32, now: Timestamp) {
        if desired < self.desired {
            self.shrunk_at = now;
            self.shrunk_by = Actor::Driftless;
        }
        self.desired = desired;
    }
}

impl Cloud {
    fn known(&mut self, operation: &'static str, group: &GroupName) -> CallResult<&mut GroupState> {
        self.groups.get_mut(group).ok_or_else(|| gone(operation))
    }

    /// Writes minimum, maximum and possibly desired capacity in one call. Without `desired`, a minimum above the
    /// desired capacity raises it, and a maximum below the desired capacity lowers it (3.2).
    fn bound(&mut self, name: &GroupName, min: u32, max: u32, desired: Option<u32>) -> CallResult<()> {
        let now = self.now;
        let group = self.known(UPDATE, name)?;
        if min > max {
            return Err(refused(
                UPDATE,
                format!("Max bound, {max}, must be greater than or equal to min bound, {min}"),
            ));
        }
        if desired.is_some_and(|desired| desired < min || desired > max) {
            return Err(refused(UPDATE, "Desired capacity must be between the specified min size and max size"));
        }
        (group.min, group.max) = (min, max);
        group.sized(desired.unwrap_or(group.desired).clamp(min, max), now);
        self.balances_soon(name);
        self.touch(name);
        Ok(())
    }

    /// Writes `MinSize`.
    pub fn set_minimum(&mut self, group: &GroupName, minimum: u32) -> CallResult<()> {
        let max = self.known(UPDATE, group)?.max;
        self.bound(group, minimum, max, None)
    }

    /// Writes `MaxSize`.
    pub fn set_maximum(&mut self, group: &GroupName, maximum: u32) -> CallResult<()> {
        let min = self.known(UPDATE, group)?.min;
        self.bound(group, min, maximum, None)
    }

    /// Writes the desired capacity.
    pub fn set_desired(&mut self, group: &GroupName, desired: u32) -> CallResult<()> {
        let now = self.now;
        let known = self.known(DESIRED, group)?;
        if desired < known.min || desired > known.max {
            let text = format!("New SetDesiredCapacity value {desired} is outside of {} and {}", known.min, known.max);
            return Err(refused(DESIRED, text));
        }
        known.sized(desired, now);
        self.balances_soon(group);
        self.touch(group);
        Ok(())
    }

    /// Launches one instance synchronously. A repeated call with the same token returns the same instance. AWS
    /// remembers a token for eight hours, longer than a run uses it (3.4).
    pub fn launch(&mut self, group: &GroupName, zone: &Zone, token: &str) -> CallResult<Launched> {
        if let Some(known) = self.launch_tokens.get(token) {
            let is_same = |instance: &Instance| instance.group == *group && instance.zone == *zone;
            if !self.instances.get(known).is_some_and(is_same) {
                return Err(refused(LAUNCH, "IdempotentParameterMismatch: the token was used for another launch"));
            }
            return Ok(Launched::Instance(known.clone()));
        }
        let known = self.known(LAUNCH, group)?;
        if !known.offers_launch {
            return Err(error(LAUNCH, CallErrorKind::Unsupported, "InvalidAction: LaunchInstances"));
        }
        if known.refresh.as_ref().is_some_and(|refresh| refresh.told.status.is_under_way()) {
            return Err(busy(LAUNCH, "InstanceRefreshInProgress: an instance refresh is under way"));
        }
        if known.desired >= known.max {
            return Err(refused(LAUNCH, "the requested capacity exceeds the maximum size of the group"));
        }
        if let Some(message) = self.launch_fault(group, Some(zone)) {
            return Ok(Launched::Failed(UntrustedText::from(message.as_str())));
        }
        let Some(id) = self.spawn(group, zone) else { return Err(refused(LAUNCH, "the launch template is invalid")) };
        if let Some(known) = self.groups.get_mut(group) {
            known.desired += 1;
        }
        self.launch_tokens.insert(token.to_owned(), id.clone());
        self.touch(group);
        Ok(Launched::Instance(id))
    }

    /// Sets scale-in protection. AWS accepts the call only for instances in service (3.1).
    pub fn protect(&mut self, group: &GroupName, instance: &InstanceId, protection: Protection) -> CallResult<()> {
        self.known(PROTECT, group)?;
        let is_member = |known: &&mut Instance| known.life != Life::Gone && known.group == *group;
        let Some(known) = self.instances.get_mut(instance).filter(is_member) else {
            let text = format!("ValidationError: The instance {instance} is not part of Auto Scaling group {group}.");
            return Err(error(PROTECT, CallErrorKind::Gone, text));
        };
        if known.life != Life::InService {
            return Err(refused(PROTECT, format!("the instance {instance} is not in InService")));
        }
        known.protected = protection == Protection::On;
        self.touch(group);
        // A scale-in that found all instances protected may continue now.
        self.balances_soon(group);
        Ok(())
    }

    /// Terminates an instance, protected or not.
    pub fn terminate(&mut self, instance: &InstanceId, capacity: CapacityChange) -> CallResult<()> {
        let none =
            || error(TERMINATE, CallErrorKind::Gone, "ValidationError: no managed instance found for instance ID");
        let known = self.instances.get(instance).ok_or_else(none)?;
        if matches!(known.life, Life::Terminating | Life::Gone) {
            return if known.life == Life::Gone { Err(none()) } else { Ok(()) };
        }
        let (name, is_counted) = (known.group.clone(), known.life != Life::Standby);
        if capacity == CapacityChange::Decrement && is_counted {
            let now = self.now;
            let group = self.known(TERMINATE, &name)?;
            if group.desired <= group.min {
                return Err(refused(
                    TERMINATE,
                    "currently, desiredSize equals minSize. Terminating instance without \
                                               replacement will violate group's min size constraint",
                ));
            }
            group.sized(group.desired - 1, now);
        }
        self.end(instance, Actor::Driftless, self.now);
        self.balances_soon(&name);
        Ok(())
    }

    /// Scales a group to zero and writes its maximum.
    pub fn empty(&mut self, group: &GroupName, maximum: u32) -> CallResult<()> {
        self.known(UPDATE, group)?;
        self.bound(group, 0, maximum, Some(0))
    }

    /// Moves an instance to Standby.
    pub fn enter_standby(
        &mut self,
        group: &GroupName,
        instance: &InstanceId,
        capacity: CapacityChange,
    ) -> CallResult<()> {
        let life = self.instances.get(instance).map(|known| known.life);
        match life {
            Some(Life::InService) => {}
            Some(Life::Standby) => return Ok(()),
            Some(Life::Pending | Life::Terminating) => {
                return Err(refused(STANDBY, format!("the instance {instance} is not in InService")));
            }
            Some(Life::Gone) | None => {
                return Err(error(STANDBY, CallErrorKind::Gone, "ValidationError: instance id not found"));
            }
        }
        let now = self.now;
        let known = self.known(STANDBY, group)?;
        if capacity == CapacityChange::Decrement {
            if known.desired <= known.min {
                return Err(refused(STANDBY, "the group's size would be below its minimum"));
            }
            known.sized(known.desired - 1, now);
        }
        let answered = self.answered();
        let drained_at = self.now + self.deregister_everywhere(instance);
        self.agenda.plan(drained_at, Due::Drained(instance.clone()));
        if let Some(known) = self.instances.get_mut(instance) {
            known.life = Life::Standby;
        }
        self.note_silence(answered, Attribution::Driftless, self.now);
        self.balances_soon(group);
        self.touch(group);
        Ok(())
    }

    /// Sets the launch template version of a group.
    pub fn set_template(&mut self, group: &GroupName, template: &TemplateVersion) -> CallResult<()> {
        if !self.templates.contains_key(template) {
            return Err(refused(UPDATE, "You must use a valid fully-formed launch template."));
        }
        self.known(UPDATE, group)?.template = TemplateReference::Numbered(template.clone());
        self.touch(group);
        Ok(())
    }

    /// Attaches a target group to a group. The instances in service are registered.
    pub fn attach(&mut self, group: &GroupName, target_group: &TargetGroupArn, _: AttachmentApi) -> CallResult<()> {
        let known = self.known(ATTACH, group)?;
        if !known.target_groups.contains(target_group) {
            known.target_groups.push(target_group.clone());
            self.attach_members(group, target_group);
        }
        self.touch(group);
        Ok(())
    }

    /// Detaches a target group from a group. The instances are deregistered, and keep running.
    pub fn detach(&mut self, group: &GroupName, target_group: &TargetGroupArn, api: AttachmentApi) -> CallResult<()> {
        let known = self.known(DETACH, group)?;
        if known.attachment_api != api {
            return Err(refused(DETACH, "the target group was attached as a traffic source, or the other way round"));
        }
        known.target_groups.retain(|arn| arn != target_group);
        let answered = self.answered();
        self.detach_members(group, target_group);
        self.note_silence(answered, Attribution::Driftless, self.now);
        self.touch(group);
        Ok(())
    }

    /// Starts an instance refresh of a group.
    pub fn start_refresh(&mut self, group: &GroupName, plan: &RefreshPlan) -> CallResult<RefreshId> {
        let (now, number) = (self.now, self.launched);
        let known = self.known(START, group)?;
        if known.refresh.as_ref().is_some_and(|refresh| refresh.told.status.is_under_way()) {
            return Err(busy(START, "InstanceRefreshInProgress: an instance refresh is under way"));
        }
        let text = format!("08b91cf7-8fa6-48af-b6a6-{:012x}", number + now.as_second().unsigned_abs());
        let id: RefreshId = text.parse().map_err(|_never| refused(START, "no id"))?;
        let told = Refresh {
            id: id.clone(),
            status: RefreshStatus::Running,
            template: Some(plan.template.clone()),
            percentage: 0,
            started_at: now,
            reason: None,
        };
        known.refresh =
            Some(RefreshState { told, alarms: plan.alarms.clone(), bake: plan.bake, all_since: None, done: (0, now) });
        self.begin_refresh(group);
        Ok(id)
    }

    /// Rolls the instance refresh of a group back.
    pub fn roll_back_refresh(&mut self, group: &GroupName) -> CallResult<()> {
        let known = self.known(ROLL_BACK, group)?;
        let is_under_way = known.refresh.as_ref().is_some_and(|refresh| refresh.told.status.is_under_way());
        if !is_under_way {
            return Err(error(ROLL_BACK, CallErrorKind::Gone, "ActiveInstanceRefreshNotFound"));
        }
        self.send_back(group);
        Ok(())
    }
}
