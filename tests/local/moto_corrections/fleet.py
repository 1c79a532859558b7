"""How a group's instances come and go over real time.

Nothing here runs in a thread. A launch and a termination only write down until when they take; every read compares that
with the clock, so two reads of one moment agree and a test never waits for a timer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup, InstanceState

from .settings import current as settings

ACTIVE = ("Pending", "InService")


@dataclass(frozen=True)
class Place:
    """Where an instance is launched; the subnet is absent in a group that names zones only."""

    zone: str
    subnet: str | None


@dataclass
class Activity:
    """One line of a group's scaling history. It succeeds by itself when its time has come."""

    group: FakeAutoScalingGroup
    description: str
    cause: str
    running_status: str
    ends_at: float
    place: Place
    started_at: float = field(default_factory=time.time)
    activity_id: str = field(default_factory=lambda: str(uuid4()))

    def as_response(self) -> dict[str, Any]:
        """The activity in the words of the API; an end is shown only once it has happened."""
        ended = time.time() >= self.ends_at
        answer = {
            "ActivityId": self.activity_id,
            "AutoScalingGroupName": self.group.name,
            "AutoScalingGroupARN": self.group.arn,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": _utc(self.started_at),
            "StatusCode": "Successful" if ended else self.running_status,
            "Progress": 100 if ended else 50,
            "Details": f'{{"Availability Zone":"{self.place.zone}"}}',
        }
        return answer | {"EndTime": _utc(self.ends_at)} if ended else answer


def activities(group: FakeAutoScalingGroup) -> list[Activity]:
    """The group's history, oldest first."""
    return group.__dict__.setdefault("fleet_activities", [])


def suspended(group: FakeAutoScalingGroup, process: str) -> bool:
    """Whether this process of the group is suspended."""
    return any(entry["ProcessName"] == process for entry in group.suspended_processes)


def active(group: FakeAutoScalingGroup) -> list[InstanceState]:
    """The instances that count towards the desired capacity."""
    return [state for state in group.instance_states if state.lifecycle_state in ACTIVE]


def places(group: FakeAutoScalingGroup) -> list[Place]:
    """Every zone of the group, with its subnet, in the order the group names them."""
    if not group.vpc_zone_identifier:
        return [Place(zone, None) for zone in group.availability_zones]
    subnets = group.ec2_backend.describe_subnets(subnet_ids=group.vpc_zone_identifier.split(","))
    return [Place(subnet.availability_zone, subnet.id) for subnet in subnets]


def least_used_place(group: FakeAutoScalingGroup) -> Place:
    """The place with the fewest active instances, as Auto Scaling balances zones."""
    used = Counter((state.availability_zone, state.instance.subnet_id) for state in active(group))
    by_zone = Counter(state.availability_zone for state in active(group))
    return min(places(group), key=lambda place: (by_zone[place.zone], used[(place.zone, place.subnet)]))


def roll_to(group: FakeAutoScalingGroup, template_id: str, version: str) -> None:
    """From now on the group launches this version, though it is not its own yet."""
    group.__dict__["rolled_to"] = (template_id, version)


def roll_to_own(group: FakeAutoScalingGroup) -> None:
    """The group launches its own template again."""
    group.__dict__.pop("rolled_to", None)


@contextmanager
def rolled(group: FakeAutoScalingGroup) -> Iterator[None]:
    """The group with the template that it launches now."""
    own = (group.ec2_launch_template, group.launch_template_version)
    if "rolled_to" in group.__dict__:
        template_id, version = group.__dict__["rolled_to"]
        group.ec2_launch_template = group.ec2_backend.get_launch_template(template_id)
        group.launch_template_version = version
    try:
        yield
    finally:
        group.ec2_launch_template, group.launch_template_version = own


def launch(group: FakeAutoScalingGroup, place: Place, cause: str) -> InstanceState:
    """Launches one instance from the template as it resolves at this moment."""
    with rolled(group):
        return _launch(group, place, cause)


def _launch(group: FakeAutoScalingGroup, place: Place, cause: str) -> InstanceState:
    instance = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=group.instance_type,
        tags={"instance": {**group.instance_tags, **group.get_propagated_tags(), ASG_NAME_TAG: group.name}},
        placement=place.zone,
        launch_config=group.launch_config,
        launch_template=_resolved_template(group),
        is_instance_type_default=False,
        associate_public_ip=group.launch_config.associate_public_ip_address if group.launch_config else None,
        subnet_id=place.subnet,
    ).instances[0]
    instance.autoscaling_group = group
    state = InstanceState(instance, protected_from_scale_in=group.new_instances_protected_from_scale_in)
    group.instance_states.append(state)
    register_with_target_groups(group, [state])
    activities(group).append(
        Activity(
            group,
            f"Launching a new EC2 instance: {instance.id}",
            cause,
            "PreInService",
            state.in_service_at,
            place,
        )
    )
    return state


def retire(group: FakeAutoScalingGroup, state: InstanceState, cause: str) -> Activity:
    """Terminates one instance of the group: out of its target groups and out of EC2, visible until it has drained."""
    state.gone_at = time.time() + settings.drain_seconds
    if state.instance.state not in ("shutting-down", "terminated"):
        state.instance.terminate()
    leave_target_groups(group, [state.instance_id])
    activity = Activity(
        group,
        f"Terminating EC2 instance: {state.instance_id}",
        cause,
        "WaitingForELBConnectionDraining" if group.target_group_arns else "InProgress",
        state.gone_at,
        Place(state.availability_zone, state.instance.subnet_id),
    )
    activities(group).append(activity)
    return activity


def settle(group: FakeAutoScalingGroup) -> None:
    """Brings the number of active instances to the desired capacity, as far as suspended processes allow."""
    extra = len(active(group)) - (group.desired_capacity or 0)
    if extra < 0 and not suspended(group, "Launch"):
        for _ in range(-extra):
            launch(group, least_used_place(group), _cause("the group has less than its desired capacity"))
    if extra > 0 and not suspended(group, "Terminate"):
        for _ in range(extra):
            _scale_in_by_one(group)


def register_with_target_groups(group: FakeAutoScalingGroup, states: list[InstanceState]) -> None:
    """Registers each instance once with each of the group's target groups.

    Only once: Auto Scaling never takes an instance back into a target group from which someone has taken it.
    """
    if suspended(group, "AddToLoadBalancer"):
        return
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
        unattributed = [state for state in states if arn not in state.registered_with]
        if target_group is None or not unattributed:
            continue
        target_group.register([{"Id": state.instance_id, "Port": target_group.port} for state in unattributed])
        for state in unattributed:
            state.registered_with.add(arn)


def leave_target_groups(group: FakeAutoScalingGroup, instance_ids: list[str]) -> None:
    """Starts draining these instances in every target group of the group."""
    for arn in group.target_group_arns:
        target_group = group.autoscaling_backend.elbv2_backend.target_groups.get(arn)
        if target_group is not None:
            target_group.deregister_terminated_instances(instance_ids)


def _scale_in_by_one(group: FakeAutoScalingGroup) -> None:
    """Takes the oldest template version in the fullest zone, never a protected instance."""
    candidates = [state for state in active(group) if not state.protected_from_scale_in]
    if not candidates:
        return
    by_zone = Counter(state.availability_zone for state in candidates)
    victim = min(
        candidates,
        key=lambda state: (-by_zone[state.availability_zone], _version_of(state), state.in_service_at),
    )
    retire(group, victim, _cause("the group has more than its desired capacity"))


def _version_of(state: InstanceState) -> int:
    return int(state.launch_template["Version"]) if state.launch_template else 0


def _resolved_template(group: FakeAutoScalingGroup) -> dict[str, str] | None:
    if group.ec2_launch_template is None:
        return None
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    return {"LaunchTemplateId": group.ec2_launch_template.id, "Version": str(version.number)}


def _cause(why: str) -> str:
    return f"At {_utc(time.time()).strftime('%Y-%m-%dT%H:%M:%SZ')} {why}."


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)


def user_request(instance_id: str) -> str:
    """The cause that AWS writes when a caller asked for it."""
    return _cause(f"instance {instance_id} was taken out of service in response to a user request")


def launch_request() -> str:
    """The cause of a launch that a caller asked for by LaunchInstances."""
    return _cause("a user request launched an instance")
