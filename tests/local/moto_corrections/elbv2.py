"""Corrections of moto's load balancers: what DescribeTargetHealth says, and when."""

from __future__ import annotations

import time
from typing import Any

from moto.elbv2.exceptions import TargetGroupNotFoundError
from moto.elbv2.models import ELBv2Backend, FakeAction, FakeHealthStatus, FakeLoadBalancer, FakeTargetGroup

from .settings import current as settings

ANY_INSTANCE = "*"

overrides: dict[str, tuple[str, str]] = {}
"""Instance id, or target group ARN, or `*` → the state and reason that a test wants to see."""


def set_override(subject: str, state: str | None, reason: str | None) -> None:
    """Makes the load balancer find a target unhealthy, or healthy again with no state."""
    if state is None:
        overrides.pop(subject, None)
    else:
        overrides[subject] = (state, reason or "Target.FailedHealthChecks")


def targets_become_healthy_over_time() -> None:
    """AWS: a new target is `initial` until its first health check has passed. moto: `healthy` at once. So registration
    notes from when on the target is healthy: for an instance of a group, some time after it got InService."""
    register = FakeTargetGroup.register

    def timed_register(self: FakeTargetGroup, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            before = self.targets.get(target["Id"])
            register(self, [target])
            _draining(self).pop(target["Id"], None)
            self.targets[target["Id"]]["Since"] = before["Since"] if before else _healthy_since(self, target["Id"])

    FakeTargetGroup.register = timed_register


def deregistered_targets_drain() -> None:
    """AWS: a deregistered or terminated target is `draining` for the deregistration delay and then gone. moto: a
    deregistered one is gone at once, one terminated by its group stays `healthy` for ever. So both leave into a list of
    draining targets, each with its end."""

    def deregister_terminated_instances(self: FakeTargetGroup, instance_ids: list[str]) -> None:
        for instance_id in instance_ids:
            _start_draining(self, instance_id)

    deregister = FakeTargetGroup.deregister

    def draining_deregister(self: FakeTargetGroup, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            registered = self.targets.get(target["Id"])
            deregister(self, [target])
            _note_draining(self, target["Id"], registered["Port"])

    FakeTargetGroup.deregister_terminated_instances = deregister_terminated_instances
    FakeTargetGroup.deregister = draining_deregister


def target_health_tells_the_truth() -> None:
    """AWS: health follows registration, health checks and draining, a target group that no listener names is `unused`,
    and draining targets are listed. moto: `healthy` for every registered target. So the answer is computed from the
    noted times; see also `set_override`."""

    def describe_target_health(
        self: ELBv2Backend, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[FakeHealthStatus]:
        group = self.target_groups.get(target_group_arn)
        if group is None:
            raise TargetGroupNotFoundError()
        asked = targets or [*group.targets.values(), *_draining_targets(group)]
        in_use = bool(_load_balancers_of(self, target_group_arn))
        return [_health(group, target, in_use) for target in asked]

    ELBv2Backend.describe_target_health = describe_target_health


def target_groups_name_their_load_balancer_once() -> None:
    """AWS: LoadBalancerArns is the load balancer whose listeners and rules name the target group now. moto: one entry for
    each time that a listener was written. So it is read from the listeners."""
    describe = ELBv2Backend.describe_target_groups

    def describe_target_groups(self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
        for group in self.target_groups.values():
            group.load_balancer_arns = _load_balancers_of(self, group.arn)
        return describe(self, *args, **kwargs)

    ELBv2Backend.describe_target_groups = describe_target_groups


def a_forward_to_one_target_group_is_shown_in_both_ways() -> None:
    """AWS: shows a forward action to a single target group as TargetGroupArn and as ForwardConfig, however it was written.
    moto: only as it was written. So the other one is added."""
    initialise = FakeAction.__init__

    def initialise_both(self: FakeAction, data: dict[str, Any]) -> None:
        targets = (data.get("ForwardConfig") or {}).get("TargetGroups", [])
        if data.get("Type") == "forward" and data.get("TargetGroupArn") and not targets:
            data["ForwardConfig"] = {"TargetGroups": [{"TargetGroupArn": data["TargetGroupArn"], "Weight": 1}]}
        if data.get("Type") == "forward" and len(targets) == 1:
            data["TargetGroupArn"] = targets[0]["TargetGroupArn"]
        initialise(self, data)

    FakeAction.__init__ = initialise_both


def _healthy_since(group: FakeTargetGroup, instance_id: str) -> dict[str, float]:
    instance = group.ec2_backend.get_instance_by_id(instance_id)
    state = getattr(instance, "fleet_state", None)
    in_service = max(time.time(), state.in_service_at if state else 0.0)
    return {"checked": in_service, "healthy": in_service + settings.healthy_seconds}


def _draining(group: FakeTargetGroup) -> dict[str, dict[str, Any]]:
    return group.__dict__.setdefault("draining_targets", {})


def _draining_targets(group: FakeTargetGroup) -> list[dict[str, Any]]:
    now = time.time()
    return [target for target in _draining(group).values() if target["Until"] > now]


def _start_draining(group: FakeTargetGroup, instance_id: str) -> None:
    target = group.targets.pop(instance_id, None)
    if target is not None:
        _note_draining(group, instance_id, target["Port"])


def _note_draining(group: FakeTargetGroup, instance_id: str, port: Any) -> None:
    _draining(group)[instance_id] = {"Id": instance_id, "Port": port, "Until": time.time() + settings.drain_seconds}


def _load_balancers_of(backend: ELBv2Backend, arn: str) -> list[str]:
    return [balancer.arn for balancer in backend.load_balancers.values() if arn in _targets_of(balancer)]


def _targets_of(balancer: FakeLoadBalancer) -> set[str]:
    listeners = list(balancer.listeners.values())
    actions = [action for listener in listeners for action in listener.default_actions]
    actions += [action for listener in listeners for rule in listener.rules.values() for action in rule.actions]
    return {target for action in actions for target in _forwarded_to(action.data)}


def _forwarded_to(action: dict[str, Any]) -> list[str]:
    """Weight 0 counts: it is what makes the idle color's health checks run."""
    weighted = (action.get("ForwardConfig") or {}).get("TargetGroups", [])
    return [action.get("TargetGroupArn", ""), *(target["TargetGroupArn"] for target in weighted)]


def _health(group: FakeTargetGroup, asked: dict[str, Any], in_use: bool) -> FakeHealthStatus:
    target = group.targets.get(asked["Id"])
    port = (target or asked).get("Port", group.port)
    state, reason, description = _verdict(group, asked["Id"], target, in_use)
    return FakeHealthStatus(asked["Id"], port, group.health_check_port, state, reason, description)


def _verdict(
    group: FakeTargetGroup, instance_id: str, target: dict[str, Any] | None, in_use: bool
) -> tuple[str, str | None, str | None]:
    now = time.time()
    if target is None:
        if _draining(group).get(instance_id, {"Until": 0.0})["Until"] > now:
            return "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
        return "unused", "Target.NotRegistered", "Target is not registered to the target group"
    instance = group.ec2_backend.get_instance_by_id(instance_id)
    if instance is not None and instance.state != "running":
        return "unused", "Target.InvalidState", f"Target is in the {instance.state} state"
    if not in_use:
        return "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
    if now < target["Since"]["checked"]:
        return "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
    if now < target["Since"]["healthy"]:
        return "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
    override = overrides.get(instance_id) or overrides.get(group.arn) or overrides.get(ANY_INSTANCE)
    return (*override, "Health checks failed") if override else ("healthy", None, None)


CORRECTIONS = (
    targets_become_healthy_over_time,
    deregistered_targets_drain,
    target_health_tells_the_truth,
    target_groups_name_their_load_balancer_once,
    a_forward_to_one_target_group_is_shown_in_both_ways,
)
