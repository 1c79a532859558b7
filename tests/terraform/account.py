"""An emulated account with the module applied in it, and what happens there beside Terraform."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "local"))

from launcher_process import LauncherProcess

from workspace import Workspace

ACCOUNT = "123456789012"
# An instance comes and goes within half a second there.
IDLE_WITHIN_SECONDS = 30
ROLE = f"arn:aws:iam::{ACCOUNT}:role"


def register_image(ec2: Any, name: str) -> str:
    """An image that can be launched."""
    return ec2.register_image(Name=name, Architecture="arm64", RootDeviceName="/dev/xvda")["ImageId"]


def variables_of(example: str, client: Callable[[str], Any], image: str) -> dict[str, Any]:
    """The variables of an example, in an account with only a default network."""
    ec2 = client("ec2")
    network = next(v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if v["IsDefault"])
    filters = [{"Name": "vpc-id", "Values": [network]}]
    subnets = sorted(ec2.describe_subnets(Filters=filters)["Subnets"], key=lambda s: s["AvailabilityZone"])
    chosen: dict[str, Any] = {"vpc_id": network, "subnet_ids": [s["SubnetId"] for s in subnets[:2]], "image_id": image}
    if example in ("complete", "shared-target-group"):
        # moto has no associations of State Manager: the mocked tests have them.
        chosen |= {"bucket_name": "history", "inventory": False}
        store = client("s3")
        location = {} if store.meta.region_name == "us-east-1" else {"LocationConstraint": store.meta.region_name}
        store.create_bucket(Bucket="history", **({"CreateBucketConfiguration": location} if location else {}))
    if example == "complete":
        chosen |= {
            "certificate_arn": client("acm").request_certificate(DomainName="web.example.com")["CertificateArn"],
            "key_arn": client("kms").create_key()["KeyMetadata"]["Arn"],
            "terraform_role_arn": f"{ROLE}/terraform",
            "image_role_arn": f"{ROLE}/images",
            "reconcile_role_arn": f"{ROLE}/driftless-ReconcileRole-*",
        }
    return chosen


class Account:
    """A local AWS of its own, in which one example is applied."""

    def __init__(self, example: str) -> None:
        self.moto = LauncherProcess("moto_launcher.py")
        self.workspace: Workspace | None = None
        try:
            self.ec2, self.asg, self.elb = (self.moto.client(name) for name in ("ec2", "autoscaling", "elbv2"))
            self.image = register_image(self.ec2, "first")
            self.workspace = Workspace(f"examples/{example}", self.moto.endpoint)
            self.workspace.write_variables(**variables_of(example, self.moto.client, self.image))
            self.workspace.init()
            self.workspace.apply()
            self._fleet = self.workspace.outputs()["fleet"]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the emulator and removes the copy of the module."""
        if self.workspace:
            self.workspace.close()
        self.moto.end()

    def register_image(self, name: str) -> str:
        """An image that can be launched."""
        return register_image(self.ec2, name)

    def fleet(self) -> dict[str, Any]:
        """What the module answered. No later apply answers anything else, or plans would not be empty."""
        return self._fleet

    def group(self, name: str) -> dict[str, Any]:
        """A group as Auto Scaling describes it."""
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return found[0]

    def groups(self) -> dict[str, dict[str, Any]]:
        """The groups of the fleet, by `blue` and `green`, or by `single`."""
        return {key: self.group(name) for key, name in self.fleet()["group_names"].items()}

    def settle(self, color: str) -> None:
        """Waits until the group has the instances that it wants, and none that leaves."""
        ends_at = time.monotonic() + IDLE_WITHIN_SECONDS
        while time.monotonic() < ends_at:
            group = self.groups()[color]
            states = [instance["LifecycleState"] for instance in group["Instances"]]
            if states == ["InService"] * group["DesiredCapacity"]:
                return
            time.sleep(0.1)
        raise AssertionError(f"{color} has {states}")

    def versions(self, color: str) -> list[dict[str, Any]]:
        """The versions of a color's launch template, oldest first."""
        template = self.fleet()["launch_template_ids"][color]
        answer = self.ec2.describe_launch_template_versions(LaunchTemplateId=template)
        return sorted(answer["LaunchTemplateVersions"], key=lambda version: version["VersionNumber"])

    def write_version(self, color: str, source: int, image: str, token: str) -> int:
        """A version as Driftless writes it: its base with another image, and in the description what for."""
        answer = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.fleet()["launch_template_ids"][color],
            SourceVersion=str(source),
            LaunchTemplateData={"ImageId": image},
            VersionDescription=f"driftless {token} on {source}",
            ClientToken=token,
        )
        return answer["LaunchTemplateVersion"]["VersionNumber"]

    def update(self, color: str, **changes: Any) -> None:
        """Writes settings of a group."""
        self.asg.update_auto_scaling_group(AutoScalingGroupName=self.fleet()["group_names"][color], **changes)

    def use_version(self, color: str, version: int) -> None:
        """Gives a group a version of its launch template."""
        template = {"LaunchTemplateId": self.fleet()["launch_template_ids"][color], "Version": str(version)}
        self.update(color, LaunchTemplate=template)

    def weigh(self, **weights: int) -> None:
        """Writes the weights of the fleet's forward action, and nothing else in it."""
        fleet = self.fleet()
        tuples = [{"TargetGroupArn": fleet["target_group_arns"][color], "Weight": weight} for color, weight in weights.items()]
        actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]
        if ":listener-rule/" in fleet["forward_arn"]:
            self.elb.modify_rule(RuleArn=fleet["forward_arn"], Actions=actions)
        else:
            self.elb.modify_listener(ListenerArn=fleet["forward_arn"], DefaultActions=actions)

    def weights(self) -> dict[str, int]:
        """The weights of the fleet's listener, by color."""
        fleet = self.fleet()
        listener = self.elb.describe_listeners(ListenerArns=[fleet["forward_arn"]])["Listeners"][0]
        tuples = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        by_arn = {entry["TargetGroupArn"]: entry["Weight"] for entry in tuples}
        return {color: by_arn[arn] for color, arn in fleet["target_group_arns"].items()}
