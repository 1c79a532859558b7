"""Corrections of moto's EC2."""

from __future__ import annotations

import time
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance
from moto.ec2.models.instances import InstanceState as Ec2State
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import convert_tag_spec, parse_user_data

from .settings import current as settings

SHUTTING_DOWN, TERMINATED = ("shutting-down", 32), ("terminated", 48)


def termination_takes_time() -> None:
    """AWS: a terminated instance is `shutting-down` first. moto: `terminated` at once. So the instance notes when its
    shutdown ends, and its state is read through that."""
    terminate = Instance.terminate

    def slow_terminate(self: Instance) -> Ec2State:
        if self.state in (SHUTTING_DOWN[0], TERMINATED[0]):
            return Ec2State(self.state, self.state_code)
        previous = terminate(self)
        self.terminated_at = time.time() + settings.drain_seconds
        self._state.name, self._state.code = SHUTTING_DOWN
        return previous

    def read_state(self: Instance) -> Ec2State:
        state = self.__dict__["_state"]
        if state.name == SHUTTING_DOWN[0] and time.time() >= self.terminated_at:
            state.name, state.code = TERMINATED
        return state

    def write_state(self: Instance, state: Ec2State) -> None:
        self.__dict__["_state"] = state

    Instance.terminate = slow_terminate
    Instance._state = property(read_state, write_state)


def template_versions_inherit_from_their_source() -> None:
    """AWS: CreateLaunchTemplateVersion with SourceVersion takes over whatever the new data does not name, and one client
    token makes one version. moto: drops the source, makes one more, and cannot launch a version that has user data of its
    own. So the data is merged by top-level parameter, user data is given moto's type for it, and the versions made under
    a token are remembered on the template."""
    create_version = LaunchTemplates.create_launch_template_version

    def create_launch_template_version(self: LaunchTemplates) -> ActionResult:
        template = _template_of(self)
        asked = (self._get_param("SourceVersion"), self._get_param("LaunchTemplateData", {}))
        token = self._get_param("ClientToken")
        made = template.__dict__.setdefault("versions_by_token", {})
        if token in made:
            return _version_made_before(made[token], asked)
        data = {**(template.get_version(asked[0]).data if asked[0] else {}), **asked[1]}
        if isinstance(data.get("UserData"), str):
            data["UserData"] = parse_user_data(data["UserData"])
        self.params["LaunchTemplateData"] = data
        result = create_version(self)
        if token:
            made[token] = (asked, result)
        return result

    LaunchTemplates.create_launch_template_version = create_launch_template_version


def registered_images_keep_what_they_are() -> None:
    """AWS: RegisterImage keeps architecture, root device, virtualization and tags. moto: only name and description. So the
    rest is set on the image that moto made."""
    register = AmisResponse.register_image

    def register_image(self: AmisResponse) -> ActionResult:
        result = register(self)
        image = self.ec2_backend.amis[result.result["ImageId"]]
        image.architecture = self._get_param("Architecture", "x86_64")
        image.root_device_name = self._get_param("RootDeviceName", image.root_device_name)
        image.virtualization_type = self._get_param("VirtualizationType", "hvm")
        image.add_tags(convert_tag_spec(self._get_param("TagSpecifications", [])).get("image", {}))
        return result

    AmisResponse.register_image = register_image


def tags_of_a_template_are_its_own() -> None:
    """AWS: the tags that a launch template is made with are the template's. moto: they are also among those that its
    first version gives to what it launches. So they are taken out of the version again."""
    create = EC2Backend.create_launch_template

    def create_launch_template(
        self: EC2Backend, name: str, description: str, template_data: dict[str, Any], tag_spec: dict[str, Any]
    ) -> LaunchTemplate:
        of_instances = [
            entry for entry in template_data.pop("TagSpecifications", []) if entry["ResourceType"] != "launch-template"
        ]
        own = {"TagSpecifications": of_instances} if of_instances else {}
        return create(self, name, description, template_data | own, tag_spec)

    EC2Backend.create_launch_template = create_launch_template


def rules_between_groups_keep_their_description() -> None:
    """AWS: every rule of a security group keeps its description. moto: only one with an address range answers it."""

    def description(self: SecurityGroupRule) -> str | None:
        return self.ip_range.get("Description") or self.source_group.get("Description")

    SecurityGroupRule.description = property(description)


def _template_of(request: LaunchTemplates) -> LaunchTemplate:
    name = request._get_param("LaunchTemplateName")
    if name:
        return request.ec2_backend.get_launch_template_by_name(name)
    return request.ec2_backend.get_launch_template(request._get_param("LaunchTemplateId"))


def _version_made_before(made: tuple[Any, ActionResult], asked: Any) -> ActionResult:
    if made[0] != asked:
        raise EC2ClientError("IdempotentParameterMismatch", "Client token already used with different parameters")
    return made[1]


CORRECTIONS = (
    termination_takes_time,
    template_versions_inherit_from_their_source,
    registered_images_keep_what_they_are,
    tags_of_a_template_are_its_own,
    rules_between_groups_keep_their_description,
)
