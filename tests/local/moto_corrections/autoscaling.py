"""Corrections of moto's Auto Scaling: instances take time to launch, the size limits apply, and a client token launches once."""

from __future__ import annotations

import time
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, FakeScalingPolicy, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from . import fleet, refresh
from .fleet import Place
from .settings import current as settings

PROTECTABLE = ("InService", "EnteringStandby", "Standby")
KEPT_GROUP_SETTINGS = {
    "DefaultInstanceWarmup": "default_instance_warmup",
    "InstanceMaintenancePolicy": "instance_maintenance_policy",
    "MaxInstanceLifetime": "max_instance_lifetime",
}


def instances_take_time() -> None:
    """AWS: an instance is `Pending` before it is `InService`, and `Terminating` before it is gone. moto: `InService` at
    once, gone at once. So each instance notes its times and its lifecycle state is computed when it is read."""
    initialise = InstanceState.__init__

    def timed_initialise(self: InstanceState, *args: Any, **kwargs: Any) -> None:
        self.in_service_at = time.time() + settings.launch_seconds
        self.gone_at: float | None = None
        self.registered_with: set[str] = set()
        initialise(self, *args, **kwargs)
        self.instance.fleet_state = self

    def read_lifecycle(self: InstanceState) -> str:
        if self.gone_at is not None:
            return "Terminating"
        if self.resting_state == "InService" and time.time() < self.in_service_at:
            return "Pending"
        return self.resting_state

    def write_lifecycle(self: InstanceState, state: str) -> None:
        self.resting_state = state

    InstanceState.__init__ = timed_initialise
    InstanceState.lifecycle_state = property(read_lifecycle, write_lifecycle)


def groups_forget_instances_that_are_gone() -> None:
    """AWS: a terminated instance leaves its group after it has drained, and a pending one counts towards the desired
    capacity. moto: leaves at once, counts only `InService`. So the group's list drops what is gone when it is read."""

    def read_states(self: FakeAutoScalingGroup) -> list[InstanceState]:
        now = time.time()
        self.current_states = [s for s in self.current_states if s.gone_at is None or now < s.gone_at]
        return self.current_states

    def write_states(self: FakeAutoScalingGroup, states: list[InstanceState]) -> None:
        self.current_states = states

    FakeAutoScalingGroup.instance_states = property(read_states, write_states)
    FakeAutoScalingGroup.active_instances = fleet.active


def instances_show_the_template_they_were_launched_with() -> None:
    """AWS: an instance shows the template version that launched it. moto: the group's template with its default version.
    So the version is read from the tag that EC2 puts on the instance."""

    def launch_template(self: InstanceState) -> dict[str, str] | None:
        tags = {tag["key"]: tag["value"] for tag in self.instance.get_tags()}
        template = self.instance.ec2_backend.launch_templates.get(tags.get("aws:ec2launchtemplate:id"))
        if template is None:
            return None
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": tags["aws:ec2launchtemplate:version"],
        }

    InstanceState.launch_template = property(launch_template)


def desired_capacity_is_reached_zone_by_zone() -> None:
    """AWS: launches into the emptiest zone, launches nothing while Launch is suspended, and catches up after resuming.
    moto: launches all into the first subnet, suspended or not. So a group settles at every change and at every read."""

    def set_desired_capacity(self: FakeAutoScalingGroup, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        fleet.settle(self)
        if self.name in self.autoscaling_backend.autoscaling_groups:
            self.autoscaling_backend.update_attached_elbs(self.name)

    def update_attached_target_groups(self: AutoScalingBackend, group_name: str) -> None:
        group = self.autoscaling_groups[group_name]
        fleet.register_with_target_groups(group, fleet.active(group))

    describe = AutoScalingBackend.describe_auto_scaling_groups

    def describe_stable(self: AutoScalingBackend, *args: Any, **kwargs: Any) -> list[FakeAutoScalingGroup]:
        _settle_all(self)
        return describe(self, *args, **kwargs)

    FakeAutoScalingGroup.set_desired_capacity = set_desired_capacity
    AutoScalingBackend.update_attached_target_groups = update_attached_target_groups
    AutoScalingBackend.describe_auto_scaling_groups = describe_stable


def instances_are_described_in_pages_and_capitals() -> None:
    """AWS: DescribeAutoScalingInstances pages by 50 and says `HEALTHY`. moto: everything at once, `Healthy`. So the
    response is built here."""

    def describe_auto_scaling_instances(self: AutoScalingResponse) -> ActionResult:
        backend = self.autoscaling_backend
        _settle_all(backend)
        states = backend.describe_auto_scaling_instances(self._get_param("InstanceIds", []))
        page, next_token = _page(self, states, 50)
        return ActionResult({"AutoScalingInstances": [_instance_details(s) for s in page], "NextToken": next_token})

    AutoScalingResponse.describe_auto_scaling_instances = describe_auto_scaling_instances


def instances_terminated_in_ec2_are_replaced() -> None:
    """AWS: a group notices that an instance was terminated behind its back, or was called unhealthy, and replaces it.
    moto: replaces the one without `Terminating`, ignores the other. So both go the way of any termination."""

    def notify_terminate_instances(self: AutoScalingBackend, instance_ids: list[str]) -> None:
        for group in self.autoscaling_groups.values():
            for state in [s for s in group.instance_states if s.instance_id in instance_ids and s.gone_at is None]:
                _replace_unhealthy(group, state)

    def set_instance_health(self: AutoScalingBackend, instance_id: str, health_status: str) -> None:
        group, state = _managed(self, instance_id)
        state.health_status = health_status
        blocked = any(fleet.suspended(group, name) for name in ("HealthCheck", "ReplaceUnhealthy", "Terminate"))
        if health_status == "Unhealthy" and state.gone_at is None and not blocked:
            _replace_unhealthy(group, state)

    AutoScalingBackend.notify_terminate_instances = notify_terminate_instances
    AutoScalingBackend.set_instance_health = set_instance_health


def detached_and_standby_instances_leave_their_target_groups() -> None:
    """AWS: detaching, and standby, take an instance out of its target groups; leaving standby takes it back. moto: it
    stays `healthy` there. So the target groups follow."""
    detach, enter, leave = (
        AutoScalingBackend.detach_instances,
        AutoScalingBackend.enter_standby_instances,
        AutoScalingBackend.exit_standby_instances,
    )

    def detach_instances(self: AutoScalingBackend, group_name: str, instance_ids: list[str], decrement: bool) -> Any:
        fleet.leave_target_groups(_group(self, group_name), instance_ids)
        return detach(self, group_name, instance_ids, decrement)

    def enter_standby(self: AutoScalingBackend, group_name: str, instance_ids: list[str], decrement: bool) -> Any:
        fleet.leave_target_groups(_group(self, group_name), instance_ids)
        return enter(self, group_name, instance_ids, decrement)

    def exit_standby(self: AutoScalingBackend, group_name: str, instance_ids: list[str]) -> Any:
        group = _group(self, group_name)
        returning = [s for s in group.instance_states if s.instance_id in instance_ids]
        for state in returning:
            state.in_service_at = time.time() + settings.launch_seconds
            state.registered_with.clear()
        activities = leave(self, group_name, instance_ids)
        fleet.register_with_target_groups(group, returning)
        return activities

    AutoScalingBackend.detach_instances = detach_instances
    AutoScalingBackend.enter_standby_instances = enter_standby
    AutoScalingBackend.exit_standby_instances = exit_standby


def termination_by_id_answers_like_aws() -> None:
    """AWS: TerminateInstanceInAutoScalingGroup refuses an unknown id, an instance that is already going (assumed:
    ScalingActivityInProgress; which code AWS uses was not established) and a decrement below the minimum. moto: 500, 500,
    and goes below. So the checks are made first, and the instance goes the way of any termination."""

    def terminate_instance_in_auto_scaling_group(self: AutoScalingResponse) -> ActionResult:
        group, state = _managed(self.autoscaling_backend, self._get_param("InstanceId"))
        decrement = self._get_bool_param("ShouldDecrementDesiredCapacity", False)
        if state.gone_at is not None:
            raise AutoscalingClientError(
                "ScalingActivityInProgress", f"Instance {state.instance_id} is already being terminated."
            )
        if decrement:
            _refuse_below_minimum(group)
            group.desired_capacity -= 1
        activity = fleet.retire(group, state, fleet.user_request(state.instance_id))
        fleet.settle(group)
        return ActionResult({"Activity": activity.as_response()})

    AutoScalingResponse.terminate_instance_in_auto_scaling_group = terminate_instance_in_auto_scaling_group


def bounds_are_enforced() -> None:
    """AWS: a desired capacity outside of minimum and maximum is a ValidationError, and new bounds take the desired
    capacity along. moto: accepts any, and answers 500 for an unknown group. So requests are checked before moto acts."""
    create, update = AutoScalingResponse.create_auto_scaling_group, AutoScalingResponse.update_auto_scaling_group

    def create_auto_scaling_group(self: AutoScalingResponse) -> ActionResult:
        low, high = self._get_int_param("MinSize"), self._get_int_param("MaxSize")
        _refuse_crossed_bounds(low, high)
        _refuse_outside(self._get_int_param("DesiredCapacity", low), low, high)
        return create(self)

    def update_auto_scaling_group(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        low = self._get_int_param("MinSize", group.min_size)
        high = self._get_int_param("MaxSize", group.max_size)
        _refuse_crossed_bounds(low, high)
        desired = self._get_int_param("DesiredCapacity")
        if desired is None:
            desired = min(max(group.desired_capacity, low), high)
        _refuse_outside(desired, low, high)
        self.params["DesiredCapacity"] = desired
        return update(self)

    def set_desired_capacity(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        desired = self._get_int_param("DesiredCapacity")
        _refuse_desired(group, desired)
        self.autoscaling_backend.set_desired_capacity(group.name, desired)
        return EmptyResult()

    AutoScalingResponse.create_auto_scaling_group = create_auto_scaling_group
    AutoScalingResponse.update_auto_scaling_group = update_auto_scaling_group
    AutoScalingResponse.set_desired_capacity = set_desired_capacity


def only_stable_instances_can_be_protected() -> None:
    """AWS: SetInstanceProtection refuses an instance that is pending, terminating or of another group. moto: protects or
    ignores it. So each id is checked first."""
    protect = AutoScalingResponse.set_instance_protection

    def set_instance_protection(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        states = {state.instance_id: state for state in group.instance_states}
        for instance_id in self._get_param("InstanceIds", []):
            if instance_id not in states:
                raise _validation(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
            if states[instance_id].lifecycle_state not in PROTECTABLE:
                raise _validation(f"The instance {instance_id} is not in InService or EnteringStandby or Standby.")
        return protect(self)

    AutoScalingResponse.set_instance_protection = set_instance_protection


def processes_of_unknown_groups_cannot_be_suspended() -> None:
    """AWS: ValidationError for an unknown group; a resumed group catches up. moto: 500; nothing. So the group is looked up
    first, and stable after resuming."""
    suspend, resume = AutoScalingResponse.suspend_processes, AutoScalingResponse.resume_processes

    def suspend_processes(self: AutoScalingResponse) -> ActionResult:
        _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        return suspend(self)

    def resume_processes(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        result = resume(self)
        fleet.register_with_target_groups(group, fleet.active(group))
        fleet.settle(group)
        return result

    AutoScalingResponse.suspend_processes = suspend_processes
    AutoScalingResponse.resume_processes = resume_processes


def group_settings_round_trip() -> None:
    """AWS: returns DefaultInstanceWarmup, InstanceMaintenancePolicy and MaxInstanceLifetime. moto: drops them. So they are
    kept on the group, where moto's serializer finds them."""
    create, update = AutoScalingResponse.create_auto_scaling_group, AutoScalingResponse.update_auto_scaling_group

    def keeping(act: Any) -> Any:
        def request(self: AutoScalingResponse) -> ActionResult:
            result = act(self)
            group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
            for parameter, attribute in KEPT_GROUP_SETTINGS.items():
                value = self._get_param(parameter)
                if value is not None:
                    setattr(group, attribute, value)
            return result

        return request

    AutoScalingResponse.create_auto_scaling_group = keeping(create)
    AutoScalingResponse.update_auto_scaling_group = keeping(update)


def histories_can_be_read() -> None:
    """AWS: answers the scaling activities of a group. moto: always none. So those that really happened are answered,
    newest first."""

    def describe_scaling_activities(self: AutoScalingResponse) -> ActionResult:
        name, wanted = self._get_param("AutoScalingGroupName"), self._get_param("ActivityIds", [])
        backend = self.autoscaling_backend
        groups = [_group(backend, name)] if name else list(backend.autoscaling_groups.values())
        found = [a for group in groups for a in fleet.activities(group) if not wanted or a.activity_id in wanted]
        newest_first = sorted(found, key=lambda activity: activity.started_at, reverse=True)
        page, next_token = _page(self, newest_first, 100)
        return ActionResult({"Activities": [activity.as_response() for activity in page], "NextToken": next_token})

    AutoScalingResponse.describe_scaling_activities = describe_scaling_activities


def instance_refreshes_roll_a_group() -> None:
    """AWS: StartInstanceRefresh rolls a group to another template version, and back when it is told to. moto: 500 for all
    of it. So it is built in `refresh`. Alarms live elsewhere, and send nothing back by themselves."""

    def start_instance_refresh(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        wanted, preferences = self._get_param("DesiredConfiguration"), self._get_param("Preferences", {})
        started = refresh.start(group, wanted, preferences)
        return ActionResult({"InstanceRefreshId": started.refresh_id})

    def rollback_instance_refresh(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        return ActionResult({"InstanceRefreshId": refresh.roll_back(group).refresh_id})

    def describe_instance_refreshes(self: AutoScalingResponse) -> ActionResult:
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        _settle_all(self.autoscaling_backend)
        page, next_token = _page(self, list(reversed(refresh.history(group))), 100)
        return ActionResult({"InstanceRefreshes": [one.as_response() for one in page], "NextToken": next_token})

    AutoScalingResponse.start_instance_refresh = start_instance_refresh
    AutoScalingResponse.rollback_instance_refresh = rollback_instance_refresh
    AutoScalingResponse.describe_instance_refreshes = describe_instance_refreshes


def launch_instances_is_offered() -> None:
    """AWS: LaunchInstances launches at once, once per client token, and raises the desired capacity. moto: does not know
    it. So it is built here; settings make it absent, as in an endpoint that does not offer it, or out of capacity."""

    def launch_instances(self: AutoScalingResponse) -> ActionResult:
        if settings.launch_instances == "absent":
            raise AutoscalingClientError("InvalidAction", "Could not find operation LaunchInstances")
        group = _group(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        count, token = self._get_int_param("RequestedCapacity"), self._get_param("ClientToken")
        asked = (group.name, count, *(tuple(self._get_param(name, [])) for name in ("AvailabilityZones", "SubnetIds")))
        answered = self.autoscaling_backend.__dict__.setdefault("launches_by_token", {})
        if token not in answered:
            place = _asked_place(group, *asked[2:])
            _refuse_launch(group, count)
            if settings.launch_instances == "no-capacity":
                return ActionResult(_no_capacity(group, token, place))
            answered[token] = (asked, _launched(group, token, count, place))
        if answered[token][0] != asked:
            raise AutoscalingClientError(
                "IdempotentParameterMismatch", "The client token was used with other parameters before."
            )
        return ActionResult(answered[token][1])

    AutoScalingResponse.launch_instances = launch_instances


def _launched(group: FakeAutoScalingGroup, token: str, count: int, place: Place) -> dict[str, Any]:
    group.desired_capacity += count
    states = [fleet.launch(group, place, fleet.launch_request()) for _ in range(count)]
    collection = {**_pool(group, place), "InstanceIds": [state.instance_id for state in states]}
    return {"AutoScalingGroupName": group.name, "ClientToken": token, "Instances": [collection], "Errors": []}


def _no_capacity(group: FakeAutoScalingGroup, token: str, place: Place) -> dict[str, Any]:
    """Nothing is remembered under the token: a retry may find capacity."""
    error = {
        **_pool(group, place),
        "ErrorCode": "InsufficientInstanceCapacity",
        "ErrorMessage": f"We currently do not have sufficient {group.instance_type} capacity in {place.zone}.",
    }
    return {"AutoScalingGroupName": group.name, "ClientToken": token, "Instances": [], "Errors": [error]}


def _pool(group: FakeAutoScalingGroup, place: Place) -> dict[str, Any]:
    pool = {"InstanceType": group.instance_type, "MarketType": "on-demand", "AvailabilityZone": place.zone}
    return {**pool, "SubnetId": place.subnet} if place.subnet else pool


def _asked_place(group: FakeAutoScalingGroup, zones: tuple[str, ...], subnets: tuple[str, ...]) -> Place:
    """AWS wants one zone or subnet by name as soon as a group has several zones."""
    possible = fleet.places(group)
    if not zones and not subnets and len({place.zone for place in possible}) > 1:
        raise _validation("AvailabilityZones, AvailabilityZoneIds or SubnetIds is required for a group in several zones.")
    for place in possible:
        if (not zones or place.zone in zones) and (not subnets or place.subnet in subnets):
            return place
    raise _validation("The zone or subnet is not one of the Auto Scaling group.")


def _refuse_launch(group: FakeAutoScalingGroup, count: int) -> None:
    if count < 1:
        raise _validation("RequestedCapacity must be at least 1.")
    if fleet.suspended(group, "Launch"):
        raise _validation(f"The Launch process of the Auto Scaling group {group.name} is suspended.")
    _refuse_desired(group, group.desired_capacity + count)


def _refuse_desired(group: FakeAutoScalingGroup, desired: int) -> None:
    text = f"New SetDesiredCapacity value {desired} is"
    if desired > group.max_size:
        raise _validation(f"{text} above max value {group.max_size} for the AutoScalingGroup.")
    if desired < group.min_size:
        raise _validation(f"{text} below min value {group.min_size} for the AutoScalingGroup.")


def _refuse_crossed_bounds(low: int, high: int) -> None:
    if low > high:
        raise _validation(f"Max bound, {high}, must be greater than or equal to min bound, {low}")


def _refuse_outside(desired: int, low: int, high: int) -> None:
    if not low <= desired <= high:
        raise _validation(
            f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}"
        )


def _refuse_below_minimum(group: FakeAutoScalingGroup) -> None:
    if group.desired_capacity <= group.min_size:
        raise _validation(
            f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement will "
            "violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower "
            "group's min size."
        )


def _replace_unhealthy(group: FakeAutoScalingGroup, state: InstanceState) -> None:
    state.health_status = "Unhealthy"
    fleet.retire(group, state, f"instance {state.instance_id} was taken out of service in response to a health check")
    fleet.settle(group)


def _settle_all(backend: AutoScalingBackend) -> None:
    for group in list(backend.autoscaling_groups.values()):
        refresh.go_on(group)
        fleet.settle(group)


def _group(backend: AutoScalingBackend, name: str) -> FakeAutoScalingGroup:
    group = backend.autoscaling_groups.get(name)
    if group is None:
        raise _validation(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def _managed(backend: AutoScalingBackend, instance_id: str) -> tuple[FakeAutoScalingGroup, InstanceState]:
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance_id == instance_id:
                return group, state
    raise _validation(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def _instance_details(state: InstanceState) -> dict[str, Any]:
    return {
        "InstanceId": state.instance_id,
        "InstanceType": state.instance_type,
        "AutoScalingGroupName": state.auto_scaling_group_name,
        "AvailabilityZone": state.availability_zone,
        "LifecycleState": state.lifecycle_state,
        "HealthStatus": state.health_status.upper(),
        "LaunchTemplate": state.launch_template,
        "ProtectedFromScaleIn": state.protected_from_scale_in,
    }


def _page(request: AutoScalingResponse, rows: list[Any], most: int) -> tuple[list[Any], str | None]:
    start = int(request._get_param("NextToken", "0"))
    end = start + min(request._get_int_param("MaxRecords", most), most)
    return rows[start:end], str(end) if end < len(rows) else None


def _validation(message: str) -> AutoscalingClientError:
    return AutoscalingClientError("ValidationError", message)


def scaling_policies_are_enabled() -> None:
    """AWS: a scaling policy says that it is enabled, and only a predictive one has such a configuration. moto: says
    neither, and an empty configuration for all."""
    initialise = FakeScalingPolicy.__init__

    def initialise_enabled(self: FakeScalingPolicy, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        self.enabled = True
        self.predictive_scaling_configuration = self.predictive_scaling_configuration or None

    FakeScalingPolicy.__init__ = initialise_enabled


CORRECTIONS = (
    instances_take_time,
    groups_forget_instances_that_are_gone,
    instances_show_the_template_they_were_launched_with,
    desired_capacity_is_reached_zone_by_zone,
    instances_are_described_in_pages_and_capitals,
    instances_terminated_in_ec2_are_replaced,
    detached_and_standby_instances_leave_their_target_groups,
    termination_by_id_answers_like_aws,
    bounds_are_enforced,
    only_stable_instances_can_be_protected,
    processes_of_unknown_groups_cannot_be_suspended,
    group_settings_round_trip,
    scaling_policies_are_enabled,
    histories_can_be_read,
    instance_refreshes_roll_a_group,
    launch_instances_is_offered,
)
