"""Instance refreshes: how Auto Scaling rolls a group, one instance at a time.

As everything here, a refresh has no thread of its own: it goes on whenever the group is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState

from . import fleet

UNDER_WAY = ("InProgress", "Baking", "RollbackInProgress")


@dataclass
class Refresh:
    """One instance refresh of a group."""

    group: FakeAutoScalingGroup
    template_id: str
    version: str
    bake_seconds: float
    status: str = "InProgress"
    started_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    all_since: float | None = None
    refresh_id: str = field(default_factory=lambda: str(uuid4()))

    def as_response(self) -> dict[str, Any]:
        """The refresh in the words of the API."""
        outdated = len(_outdated(self))
        size = max(1, len(fleet.active(self.group)))
        answer = {
            "InstanceRefreshId": self.refresh_id,
            "AutoScalingGroupName": self.group.name,
            "Status": self.status,
            "StartTime": _utc(self.started_at),
            "PercentageComplete": 100 * (size - outdated) // size,
            "InstancesToUpdate": outdated,
            "DesiredConfiguration": {
                "LaunchTemplate": {"LaunchTemplateId": self.template_id, "Version": self.version}
            },
        }
        return answer if self.ended_at is None else answer | {"EndTime": _utc(self.ended_at)}


def history(group: FakeAutoScalingGroup) -> list[Refresh]:
    """The refreshes of a group, oldest first."""
    return group.__dict__.setdefault("instance_refreshes", [])


def under_way(group: FakeAutoScalingGroup) -> Refresh | None:
    """The one that still changes the group: there is never more than one."""
    return next((refresh for refresh in history(group) if refresh.status in UNDER_WAY), None)


def start(group: FakeAutoScalingGroup, wanted: dict[str, Any], preferences: dict[str, Any]) -> Refresh:
    """Begins one. What runs the wanted version already is left alone (SkipMatching)."""
    if under_way(group):
        raise AutoscalingClientError("InstanceRefreshInProgress", "An instance refresh is already in progress.")
    template = wanted["LaunchTemplate"]
    bake = float(preferences.get("BakeTime", 0))
    history(group).append(Refresh(group, template["LaunchTemplateId"], str(template["Version"]), bake))
    fleet.roll_to(group, template["LaunchTemplateId"], str(template["Version"]))
    return history(group)[-1]


def roll_back(group: FakeAutoScalingGroup) -> Refresh:
    """Sends the one in progress back to the group's own template."""
    refresh = under_way(group)
    if refresh is None or refresh.status == "RollbackInProgress":
        raise AutoscalingClientError("ActiveInstanceRefreshNotFound", "There is no active instance refresh to roll back.")
    refresh.status = "RollbackInProgress"
    fleet.roll_to_own(group)
    return refresh


def go_on(group: FakeAutoScalingGroup) -> None:
    """Replaces one more instance, once all are healthy; ends the refresh when all are replaced and it has been watched."""
    refresh = under_way(group)
    if refresh is None or not _is_whole(group):
        return
    outdated = _outdated(refresh)
    if outdated:
        fleet.retire(group, outdated[0], fleet.user_request(outdated[0].instance_id))
        return
    if refresh.status == "RollbackInProgress":
        _end(refresh, "RollbackSuccessful")
        return
    refresh.all_since = refresh.all_since or time.time()
    if time.time() < refresh.all_since + refresh.bake_seconds:
        refresh.status = "Baking"
        return
    # Only now it is the group's own template.
    fleet.roll_to_own(group)
    own = {"LaunchTemplateId": refresh.template_id, "Version": refresh.version}
    group._set_launch_configuration("", own, None)
    _end(refresh, "Successful")


def _outdated(refresh: Refresh) -> list[InstanceState]:
    """The instances that run another version than they should."""
    with fleet.rolled(refresh.group):
        template = refresh.group.ec2_launch_template
        wanted = (template.id, str(template.get_version(refresh.group.launch_template_version).number))
    return [state for state in fleet.active(refresh.group) if _runs(state) != wanted]


def _runs(state: InstanceState) -> tuple[str, str] | None:
    template = state.launch_template
    return (template["LaunchTemplateId"], template["Version"]) if template else None


def _is_whole(group: FakeAutoScalingGroup) -> bool:
    """As many as desired are in service and healthy targets, and none is on its way in or out."""
    states = group.instance_states
    if len(states) != group.desired_capacity or any(state.lifecycle_state != "InService" for state in states):
        return False
    balancers = group.autoscaling_backend.elbv2_backend
    for arn in group.target_group_arns:
        asked = [{"Id": state.instance_id} for state in states]
        if any(health.status != "healthy" for health in balancers.describe_target_health(arn, asked)):
            return False
    return True


def _end(refresh: Refresh, status: str) -> None:
    refresh.status, refresh.ended_at = status, time.time()


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)
