"""The examples, applied to a local AWS: Terraform and Driftless each change what is theirs, and never fight.

`make test` applies one, `make soak` (ALL_EXAMPLES=1) all of them. Each has an account of its own, and all are applied at once: making a load balancer takes the provider a minute.
"""

from __future__ import annotations

import os
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

import found
from account import Account

EVERY_EXAMPLE = ("simple", "complete", "shared-target-group", "rolling")
# A plan takes the provider seconds of a processor, so that only `make soak` applies all of them.
EXAMPLES = EVERY_EXAMPLE if os.environ.get("ALL_EXAMPLES") else EVERY_EXAMPLE[:1]
accounts: dict[str, Account] = {}


def setUpModule() -> None:
    found.required()
    with ThreadPoolExecutor(len(EXAMPLES)) as threads:
        for example, making in [(example, threads.submit(Account, example)) for example in EXAMPLES]:
            unittest.addModuleCleanup(lambda making=making: making.exception() or making.result().close())
            accounts[example] = making
    for example, making in list(accounts.items()):
        accounts[example] = making.result()


class ExampleTest(unittest.TestCase):
    """What the tests of all examples need."""

    example: str

    def setUp(self) -> None:
        self.account = accounts[self.example]
        self.workspace = self.account.workspace

    def nothing_to_change(self) -> None:
        plan = self.workspace.plan()
        self.assertEqual(plan.code, 0, plan.output)

    def something_to_change(self, *words: str) -> None:
        plan = self.workspace.plan()
        self.assertEqual(plan.code, 2, plan.output)
        for word in words:
            self.assertIn(word, plan.output)

    def cut_over(self, old: str, new: str, image: str, token: str) -> None:
        """Everything that a cutover changes, as it is when the old color has gone. What moves the traffic is the
        layout's."""
        base = int(self.account.groups()[old]["LaunchTemplate"]["Version"])
        if old != new:
            base = self.newest_equal(old, base, new)
        version = self.account.write_version(new, base, image, token)
        self.account.use_version(new, version)
        bounds = self.bounds(old)
        if old != new:
            self.account.update(new, MinSize=bounds[0], MaxSize=bounds[2], DesiredCapacity=bounds[1])
            self.move_traffic(old, new)
            self.account.update(old, MinSize=0, MaxSize=0, DesiredCapacity=0)

    def newest_equal(self, old: str, base: int, new: str) -> int:
        """The newest version of the new color that says what the old one's base says, apart from the image."""
        wanted = next(settings(v) for v in self.account.versions(old) if v["VersionNumber"] == base)
        return max(v["VersionNumber"] for v in self.account.versions(new) if settings(v) == wanted)

    def bounds(self, color: str) -> tuple[int, int, int]:
        group = self.account.groups()[color]
        return group["MinSize"], group["DesiredCapacity"], group["MaxSize"]

    def move_traffic(self, old: str, new: str) -> None:
        raise NotImplementedError


def settings(version: dict[str, Any]) -> Any:
    """What a version says apart from its image; the order of tags says nothing."""
    data = {name: value for name, value in version["LaunchTemplateData"].items() if name != "ImageId"}
    specifications = data.get("TagSpecifications", [])
    data["TagSpecifications"] = sorted(
        (s["ResourceType"], sorted((t["Key"], t["Value"]) for t in s["Tags"])) for s in specifications
    )
    return data


class Weighted(ExampleTest):
    """Two target groups in one forward action."""

    example = "simple"

    def move_traffic(self, old: str, new: str) -> None:
        self.account.weigh(**{old: 0, new: 100})

    def test_1_an_apply_leaves_nothing_to_change(self) -> None:
        self.nothing_to_change()
        self.assertEqual(self.bounds("blue"), (2, 2, 6))
        self.assertEqual(self.bounds("green"), (0, 0, 0))
        self.assertEqual(self.account.weights(), {"blue": 100, "green": 0})

    def test_2_a_half_done_cutover_is_no_change(self) -> None:
        image = self.account.register_image("half")
        self.account.use_version("green", self.account.write_version("green", 1, image, "half"))
        self.account.update("green", MinSize=2, MaxSize=6)
        self.account.weigh(blue=90, green=10)
        self.nothing_to_change()
        self.account.weigh(blue=100, green=0)
        self.account.update("green", MinSize=0, MaxSize=0, DesiredCapacity=0)
        self.account.use_version("green", 1)

    def test_3_a_finished_cutover_is_no_change_and_an_apply_keeps_it(self) -> None:
        self.cut_over("blue", "green", self.account.register_image("second"), "second")
        self.nothing_to_change()
        self.workspace.apply()
        self.assertEqual(self.account.weights(), {"blue": 0, "green": 100})
        self.assertEqual(self.bounds("green"), (2, 2, 6))
        self.assertEqual(self.bounds("blue"), (0, 0, 0))

    def test_4_a_replacement_under_way_is_no_change(self) -> None:
        name = self.account.fleet()["group_names"]["green"]
        self.account.update("green", MaxSize=7)
        self.account.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=3)
        self.nothing_to_change()
        self.account.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)
        self.account.update("green", MaxSize=6)

    def test_5_what_is_not_driftless_s_is_a_change(self) -> None:
        fleet, green = self.account.fleet(), self.account.groups()["green"]
        name, listener, arns = green["AutoScalingGroupName"], fleet["forward_arn"], green["TargetGroupARNs"]
        tag = {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": "driftless:mode", "PropagateAtLaunch": False}
        asg, elb = self.account.asg, self.account.elb

        self.account.settle("green")
        self.account.update("green", HealthCheckGracePeriod=7)
        asg.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=arns)
        asg.create_or_update_tags(Tags=[tag | {"Value": "observe"}])
        elb.modify_listener(ListenerArn=listener, Port=81)
        self.account.ec2.create_launch_template_version(
            LaunchTemplateId=fleet["launch_template_ids"]["green"],
            SourceVersion="1",
            LaunchTemplateData={"InstanceType": "t4g.large"},
        )
        self.something_to_change(
            "~ health_check_grace_period", "~ target_group_arns", '"observe" -> null', "~ port", '"t4g.large" -> "t4g.small"'
        )

        self.account.update("green", HealthCheckGracePeriod=120)
        asg.attach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=arns)
        asg.create_or_update_tags(Tags=[tag | {"Value": "act"}])
        elb.modify_listener(ListenerArn=listener, Port=80)
        self.account.write_version("green", 1, self.account.image, "as-it-was")
        self.nothing_to_change()

    def test_6_user_data_reaches_both_templates_and_no_group_and_no_image_comes_back_with_it(self) -> None:
        self.cut_over("green", "blue", vetoed := self.account.register_image("vetoed"), "bad")
        self.cut_over("blue", "green", good := self.account.image, "back")
        before = {color: group["LaunchTemplate"]["Version"] for color, group in self.account.groups().items()}
        self.workspace.write_variables(**self.workspace.variables | {"user_data": "#!/bin/sh\necho two\n"})
        self.workspace.apply()
        after = {color: group["LaunchTemplate"]["Version"] for color, group in self.account.groups().items()}
        self.assertEqual(before, after, "a group uses what Driftless gave it")
        newest = {color: self.account.versions(color)[-1] for color in ("blue", "green")}
        self.assertEqual(settings(newest["blue"]), settings(newest["green"]))
        self.assertTrue(newest["blue"]["LaunchTemplateData"]["UserData"])
        # Terraform repeats the newest image that it sees, vetoed or not, and the description with it.
        self.assertEqual(newest["blue"]["LaunchTemplateData"]["ImageId"], vetoed)
        self.assertTrue(newest["blue"]["VersionDescription"].startswith("driftless bad"))
        # Driftless takes the settings from there, and the image from what the fleet runs.
        version = self.account.write_version("blue", newest["blue"]["VersionNumber"], good, "user-data")
        self.account.use_version("blue", version)
        self.nothing_to_change()


class Shared(ExampleTest):
    """One target group, to which only the live color is attached."""

    example = "shared-target-group"

    def move_traffic(self, old: str, new: str) -> None:
        fleet = self.account.fleet()
        names, arns = fleet["group_names"], [fleet["target_group_arns"]["shared"]]
        self.account.asg.attach_load_balancer_target_groups(AutoScalingGroupName=names[new], TargetGroupARNs=arns)
        if old == "blue":
            self.nothing_to_change()
        self.account.settle(old)
        self.account.asg.detach_load_balancer_target_groups(AutoScalingGroupName=names[old], TargetGroupARNs=arns)

    def test_1_an_apply_leaves_nothing_to_change(self) -> None:
        self.nothing_to_change()
        attached = {color: len(group["TargetGroupARNs"]) for color, group in self.account.groups().items()}
        self.assertEqual(attached, {"blue": 1, "green": 0})

    def test_2_a_cutover_and_one_back_are_no_change(self) -> None:
        self.cut_over("blue", "green", self.account.register_image("second"), "second")
        self.nothing_to_change()
        self.cut_over("green", "blue", self.account.register_image("third"), "third")
        self.nothing_to_change()

    def test_3_other_settings_of_a_group_are_a_change(self) -> None:
        self.account.update("blue", DefaultInstanceWarmup=7)
        self.something_to_change("~ default_instance_warmup")
        self.account.update("blue", DefaultInstanceWarmup=60)

    def test_4_the_rule_of_the_reference_document_is_shown_and_is_no_drift(self) -> None:
        tags = {tag["Key"]: tag["Value"] for tag in self.account.groups()["blue"]["Tags"]}
        rules = {
            rule["ConfigRuleName"]: rule["Source"]["SourceIdentifier"]
            for rule in self.account.moto.client("config").describe_config_rules()["ConfigRules"]
        }
        self.assertEqual(rules["shared-inventory-blocked"], "EC2_MANAGEDINSTANCE_INVENTORY_BLACKLISTED")
        self.assertEqual(set(tags["driftless:rules"].split(";")), set(rules) - {"shared-inventory-blocked"})


class Rolling(ExampleTest):
    """A single group."""

    example = "rolling"

    def test_1_an_apply_leaves_nothing_to_change(self) -> None:
        self.nothing_to_change()
        self.assertEqual(self.bounds("single"), (3, 3, 6))

    def test_2_an_instance_refresh_is_no_change(self) -> None:
        self.cut_over("single", "single", self.account.register_image("second"), "second")
        self.nothing_to_change()

    def test_3_its_attachment_is_terraform_s(self) -> None:
        fleet = self.account.fleet()
        name, arns = fleet["group_names"]["single"], list(fleet["target_group_arns"].values())
        self.account.settle("single")
        self.account.asg.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=arns)
        self.something_to_change("~ target_group_arns")


class Complete(ExampleTest):
    """Everything at once."""

    example = "complete"

    def move_traffic(self, old: str, new: str) -> None:
        self.account.weigh(**{old: 0, new: 100})

    def test_1_an_apply_leaves_nothing_to_change(self) -> None:
        self.nothing_to_change()

    def test_2_a_cutover_is_no_change(self) -> None:
        self.cut_over("blue", "green", self.account.register_image("second"), "second")
        self.nothing_to_change()

    def test_3_the_idle_color_stays_empty_whatever_its_policies_want(self) -> None:
        names = self.account.fleet()["group_names"]
        policies = self.account.asg.describe_policies()["ScalingPolicies"]
        for name in names.values():
            own = {policy["PolicyName"] for policy in policies if policy["AutoScalingGroupName"] == name}
            self.assertEqual(own, {f"{name}-cpu", f"{name}-requests"})
        idle = next(group for group in self.account.groups().values() if group["MaxSize"] == 0)
        with self.assertRaisesRegex(ClientError, "above max value"):
            self.account.asg.set_desired_capacity(
                AutoScalingGroupName=idle["AutoScalingGroupName"], DesiredCapacity=1
            )


def load_tests(loader: unittest.TestLoader, *_: object) -> unittest.TestSuite:
    """The tests of the examples that are applied."""
    chosen = [test for test in (Weighted, Shared, Rolling, Complete) if test.example in EXAMPLES]
    return unittest.TestSuite(loader.loadTestsFromTestCase(test) for test in chosen)


if __name__ == "__main__":
    unittest.main()
