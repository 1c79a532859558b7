"""Each correction of moto, as one fact about the emulated account."""

from __future__ import annotations

import time
import unittest
import urllib.error
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from launcher_process import LauncherProcess

RULE = "approved-amis"
QUICK = {"launch_seconds": 0.2, "healthy_seconds": 0.2, "drain_seconds": 0.2}
INSTANT = {"launch_seconds": 0, "healthy_seconds": 0, "drain_seconds": 0}


class FleetTest(unittest.TestCase):
    """An empty account for each test: a template with two versions, two subnets, a target group behind a listener."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = LauncherProcess("moto_launcher.py")
        cls.ec2, cls.asg = cls.moto.client("ec2"), cls.moto.client("autoscaling")
        cls.elb, cls.config = cls.moto.client("elbv2"), cls.moto.client("config")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.moto.end()

    def setUp(self) -> None:
        self.moto.control("reset", {})
        self.moto.control("settings", INSTANT)
        self.subnets = [s["SubnetId"] for s in self.ec2.describe_subnets()["Subnets"][:2]]
        template = self.ec2.create_launch_template(
            LaunchTemplateName="web", LaunchTemplateData={"ImageId": "ami-1", "InstanceType": "t4g.small"}
        )
        self.template = template["LaunchTemplate"]["LaunchTemplateId"]

    def create_group(self, desired: int = 2, low: int = 1, high: int = 4, **more: Any) -> None:
        settings = {
            "AutoScalingGroupName": "web",
            "MinSize": low,
            "MaxSize": high,
            "DesiredCapacity": desired,
            "VPCZoneIdentifier": ",".join(self.subnets),
            "LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "1"},
            "Tags": [{"Key": "driftless:fleet", "Value": "web", "PropagateAtLaunch": True}],
        }
        self.asg.create_auto_scaling_group(**(settings | more))

    def create_target_group(self) -> str:
        return self.elb.create_target_group(
            Name="web", Protocol="HTTP", Port=80, VpcId=self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        )["TargetGroups"][0]["TargetGroupArn"]

    def listen(self, target_group: str, weight: int = 1) -> None:
        balancer = self.elb.create_load_balancer(Name="web", Subnets=self.subnets)["LoadBalancers"][0]
        forward = {"TargetGroups": [{"TargetGroupArn": target_group, "Weight": weight}]}
        self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "ForwardConfig": forward}],
        )

    def group(self) -> dict[str, Any]:
        return self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]

    def states(self) -> list[str]:
        return sorted(instance["LifecycleState"] for instance in self.group()["Instances"])

    def ids(self) -> list[str]:
        return [i["InstanceId"] for i in self.group()["Instances"] if i["LifecycleState"] != "Terminating"]

    def new_version(self) -> str:
        answer = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-2"}
        )
        return str(answer["LaunchTemplateVersion"]["VersionNumber"])

    def refresh(self, version: str, **preferences: Any) -> None:
        wanted = {"LaunchTemplate": {"LaunchTemplateId": self.template, "Version": version}}
        self.asg.start_instance_refresh(
            AutoScalingGroupName="web", DesiredConfiguration=wanted, Preferences={"SkipMatching": True, **preferences}
        )

    def refreshes(self) -> list[dict[str, Any]]:
        return self.asg.describe_instance_refreshes(AutoScalingGroupName="web")["InstanceRefreshes"]

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")

    def health(self, target_group: str) -> list[tuple[str, str | None]]:
        answer = self.elb.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
        return sorted((t["TargetHealth"]["State"], t["TargetHealth"].get("Reason")) for t in answer)

    def ec2_state(self, instance_id: str) -> str:
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return answer["Reservations"][0]["Instances"][0]["State"]["Name"]

    def terminate(self, instance_id: str, decrement: bool) -> dict[str, Any]:
        answer = self.asg.terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=decrement
        )
        return answer["Activity"]

    def launch(self, token: str = "token-1", count: int = 1, subnet: int = 0) -> dict[str, Any]:
        return self.asg.launch_instances(
            AutoScalingGroupName="web",
            RequestedCapacity=count,
            ClientToken=token,
            SubnetIds=[self.subnets[subnet]],
        )

    def refused(self, code: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        with self.assertRaises(ClientError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return caught.exception.response["Error"]["Message"]

    # Instances over time

    def test_an_instance_is_pending_before_it_is_in_service(self) -> None:
        self.moto.control("settings", QUICK)
        self.create_group(desired=1)
        self.assertEqual(self.states(), ["Pending"])
        time.sleep(0.25)
        self.assertEqual(self.states(), ["InService"])

    def test_a_target_is_initial_before_it_is_healthy(self) -> None:
        self.moto.control("settings", QUICK)
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=1, TargetGroupARNs=[target_group])
        self.assertEqual(self.health(target_group), [("initial", "Elb.RegistrationInProgress")])
        time.sleep(0.25)
        self.assertEqual(self.health(target_group), [("initial", "Elb.InitialHealthChecking")])
        time.sleep(0.2)
        self.assertEqual(self.health(target_group), [("healthy", None)])

    def test_a_terminated_instance_drains_and_is_gone(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=2, TargetGroupARNs=[target_group])
        self.moto.control("settings", QUICK)
        leaving = self.ids()[0]
        self.terminate(leaving, decrement=True)
        self.assertEqual(self.states(), ["InService", "Terminating"])
        self.assertEqual(
            self.health(target_group), [("draining", "Target.DeregistrationInProgress"), ("healthy", None)]
        )
        self.assertEqual(self.ec2_state(leaving), "shutting-down")
        time.sleep(0.25)
        self.assertEqual(self.states(), ["InService"])
        self.assertEqual(self.health(target_group), [("healthy", None)])
        self.assertEqual(self.ec2_state(leaving), "terminated")
        answer = self.elb.describe_target_health(TargetGroupArn=target_group, Targets=[{"Id": leaving}])
        self.assertEqual(answer["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"], "Target.NotRegistered")

    def test_a_target_group_without_a_listener_is_unused(self) -> None:
        target_group = self.create_target_group()
        self.create_group(desired=1, TargetGroupARNs=[target_group])
        self.assertEqual(self.health(target_group), [("unused", "Target.NotInUse")])

    def test_weight_zero_counts_as_in_use(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group, weight=0)
        self.create_group(desired=1, TargetGroupARNs=[target_group])
        self.assertEqual(self.health(target_group), [("healthy", None)])

    def test_a_target_group_names_its_load_balancer_once(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listener = self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]
        self.elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=listener["DefaultActions"])
        group = self.elb.describe_target_groups(TargetGroupArns=[target_group])["TargetGroups"][0]
        self.assertEqual(group["LoadBalancerArns"], [balancer])

    def test_a_forward_to_one_target_group_is_shown_in_both_ways(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group, weight=7)
        balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        listener = self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]
        self.assertEqual(listener["DefaultActions"][0]["TargetGroupArn"], target_group)
        plain = [{"Type": "forward", "TargetGroupArn": target_group}]
        self.elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=plain)
        listener = self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]
        targets = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        self.assertEqual(targets, [{"TargetGroupArn": target_group, "Weight": 1}])

    def test_a_target_can_be_made_unhealthy_and_healthy_again(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=1, TargetGroupARNs=[target_group])
        self.moto.control("target-health", {"instanceId": self.ids()[0], "state": "unhealthy"})
        self.assertEqual(self.health(target_group), [("unhealthy", "Target.FailedHealthChecks")])
        self.moto.control("target-health", {"instanceId": self.ids()[0], "state": None})
        self.assertEqual(self.health(target_group), [("healthy", None)])

    def test_all_targets_of_a_group_can_be_made_unhealthy(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=2, TargetGroupARNs=[target_group])
        request = {"targetGroupArn": target_group, "state": "unhealthy", "reason": "Target.Timeout"}
        self.moto.control("target-health", request)
        self.assertEqual(self.health(target_group), [("unhealthy", "Target.Timeout")] * 2)

    def test_a_deregistered_target_drains_and_stays_away(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=1, TargetGroupARNs=[target_group])
        self.moto.control("settings", QUICK)
        self.elb.deregister_targets(TargetGroupArn=target_group, Targets=[{"Id": self.ids()[0]}])
        self.assertEqual(self.health(target_group), [("draining", "Target.DeregistrationInProgress")])
        time.sleep(0.25)
        self.assertEqual(self.states(), ["InService"])
        self.assertEqual(self.health(target_group), [])

    def test_standby_takes_an_instance_out_of_its_target_group_and_back(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=2, TargetGroupARNs=[target_group])
        request = {"InstanceIds": self.ids()[:1], "AutoScalingGroupName": "web"}
        self.asg.enter_standby(**request, ShouldDecrementDesiredCapacity=True)
        self.assertEqual((self.states(), len(self.health(target_group))), (["InService", "Standby"], 1))
        self.asg.exit_standby(**request)
        self.assertEqual((self.states(), len(self.health(target_group))), (["InService"] * 2, 2))

    def test_a_detached_instance_runs_on_outside_of_its_target_group(self) -> None:
        target_group = self.create_target_group()
        self.listen(target_group)
        self.create_group(desired=2, TargetGroupARNs=[target_group])
        leaving = self.ids()[0]
        self.asg.detach_instances(
            InstanceIds=[leaving], AutoScalingGroupName="web", ShouldDecrementDesiredCapacity=True
        )
        self.assertEqual((len(self.ids()), len(self.health(target_group))), (1, 1))
        self.assertEqual(self.ec2_state(leaving), "running")

    def test_instances_spread_over_the_subnets(self) -> None:
        self.create_group(desired=4)
        zones = [instance["AvailabilityZone"] for instance in self.group()["Instances"]]
        self.assertEqual(sorted(zones.count(zone) for zone in set(zones)), [2, 2])

    def test_an_instance_terminated_in_ec2_is_replaced(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", QUICK)
        self.ec2.terminate_instances(InstanceIds=self.ids())
        self.assertEqual(self.states(), ["Pending", "Terminating"])

    def test_an_instance_called_unhealthy_is_replaced(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", QUICK)
        self.asg.set_instance_health(
            InstanceId=self.ids()[0], HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
        self.assertEqual(self.states(), ["Pending", "Terminating"])

    # LaunchInstances

    def test_launch_instances_launches_and_raises_desired(self) -> None:
        self.create_group(desired=1)
        answer = self.launch(subnet=1)
        collection = answer["Instances"][0]
        self.assertEqual((collection["SubnetId"], collection["InstanceType"]), (self.subnets[1], "t4g.small"))
        self.assertIn(collection["InstanceIds"][0], self.ids())
        self.assertEqual((self.group()["DesiredCapacity"], answer["ClientToken"]), (2, "token-1"))

    def test_a_client_token_launches_once(self) -> None:
        self.create_group(desired=1)
        first, second = self.launch(), self.launch()
        self.assertEqual(first["Instances"], second["Instances"])
        self.assertEqual(len(self.ids()), 2)

    def test_a_client_token_with_other_parameters_is_refused(self) -> None:
        self.create_group(desired=1)
        self.launch()
        self.refused("IdempotentParameterMismatch", self.launch, count=2)

    def test_launch_instances_above_the_maximum_is_refused(self) -> None:
        self.create_group(desired=4)
        message = self.refused("ValidationError", self.launch)
        self.assertIn("value 5 is above max value 4", message)

    def test_a_group_in_several_zones_wants_one_named(self) -> None:
        self.create_group(desired=1)
        request = {"AutoScalingGroupName": "web", "RequestedCapacity": 1, "ClientToken": "t"}
        self.refused("ValidationError", self.asg.launch_instances, **request)

    def test_launch_instances_can_be_absent(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", {"launch_instances": "absent"})
        self.assertEqual(
            self.refused("InvalidAction", self.launch), "Could not find operation LaunchInstances"
        )

    def test_launch_instances_can_lack_capacity(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", {"launch_instances": "no-capacity"})
        answer = self.launch()
        self.assertEqual((answer["Instances"], answer["Errors"][0]["ErrorCode"]), ([], "InsufficientInstanceCapacity"))
        self.assertEqual(self.group()["DesiredCapacity"], 1)
        self.moto.control("settings", {"launch_instances": "available"})
        self.assertEqual(len(self.launch()["Instances"]), 1)

    # Termination by id

    def test_termination_without_decrement_launches_a_replacement(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", QUICK)
        activity = self.terminate(self.ids()[0], decrement=False)
        self.assertIn("Terminating EC2 instance: i-", activity["Description"])
        self.assertEqual((self.states(), self.group()["DesiredCapacity"]), (["Pending", "Terminating"], 1))

    def test_termination_with_decrement_lowers_desired(self) -> None:
        self.create_group(desired=2)
        self.terminate(self.ids()[0], decrement=True)
        self.assertEqual((len(self.ids()), self.group()["DesiredCapacity"]), (1, 1))

    def test_decrement_at_the_minimum_is_refused(self) -> None:
        self.create_group(desired=1)
        message = self.refused("ValidationError", self.terminate, self.ids()[0], decrement=True)
        self.assertTrue(message.startswith("Currently, desiredSize equals minSize (1)."), message)

    def test_an_unknown_instance_is_refused(self) -> None:
        self.create_group()
        message = self.refused("ValidationError", self.terminate, "i-0123456789abcdef0", decrement=False)
        self.assertEqual(
            message, "Instance Id not found - No managed instance found for instance ID: i-0123456789abcdef0"
        )

    def test_an_instance_that_is_gone_is_refused(self) -> None:
        self.create_group()
        leaving = self.ids()[0]
        self.terminate(leaving, decrement=False)
        self.refused("ValidationError", self.terminate, leaving, decrement=False)

    def test_a_second_termination_is_refused_while_the_first_runs(self) -> None:
        self.create_group()
        self.moto.control("settings", QUICK)
        leaving = self.ids()[0]
        self.terminate(leaving, decrement=False)
        self.refused("ScalingActivityInProgress", self.terminate, leaving, decrement=False)

    # Groups

    def test_desired_capacity_is_held_within_bounds(self) -> None:
        self.create_group(desired=2)
        request = {"AutoScalingGroupName": "web"}
        above = self.refused("ValidationError", self.asg.set_desired_capacity, **request, DesiredCapacity=5)
        below = self.refused("ValidationError", self.asg.set_desired_capacity, **request, DesiredCapacity=0)
        self.assertEqual(above, "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.")
        self.assertEqual(below, "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.")
        self.refused("ValidationError", self.asg.update_auto_scaling_group, **request, DesiredCapacity=5)
        self.refused("ValidationError", self.asg.update_auto_scaling_group, **request, MinSize=5)

    def test_new_bounds_take_desired_along(self) -> None:
        self.create_group(desired=3)
        self.asg.update_auto_scaling_group(AutoScalingGroupName="web", MaxSize=2)
        self.assertEqual((self.group()["DesiredCapacity"], len(self.ids())), (2, 2))

    def test_an_unknown_group_is_refused(self) -> None:
        request = {"AutoScalingGroupName": "nobody"}
        self.refused("ValidationError", self.asg.set_desired_capacity, **request, DesiredCapacity=1)
        self.refused("ValidationError", self.asg.suspend_processes, **request)

    def test_protection_round_trips_and_holds_in_scale_in(self) -> None:
        self.create_group(desired=2)
        kept = self.ids()[0]
        self.asg.set_instance_protection(
            InstanceIds=[kept], AutoScalingGroupName="web", ProtectedFromScaleIn=True
        )
        details = self.asg.describe_auto_scaling_instances(InstanceIds=[kept])["AutoScalingInstances"][0]
        self.assertTrue(details["ProtectedFromScaleIn"])
        self.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
        self.assertEqual(self.ids(), [kept])

    def test_a_pending_instance_cannot_be_protected(self) -> None:
        self.moto.control("settings", QUICK)
        self.create_group(desired=1)
        request = {"InstanceIds": self.ids(), "AutoScalingGroupName": "web", "ProtectedFromScaleIn": True}
        self.refused("ValidationError", self.asg.set_instance_protection, **request)

    def test_suspended_processes_are_shown_and_hold(self) -> None:
        self.create_group(desired=1)
        request = {"AutoScalingGroupName": "web", "ScalingProcesses": ["Launch"]}
        self.asg.suspend_processes(**request)
        self.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
        self.assertEqual(len(self.ids()), 1)
        self.assertEqual([p["ProcessName"] for p in self.group()["SuspendedProcesses"]], ["Launch"])
        self.asg.resume_processes(**request)
        self.assertEqual((len(self.ids()), self.group()["SuspendedProcesses"]), (2, []))

    def test_an_instance_shows_the_template_version_that_launched_it(self) -> None:
        self.create_group(desired=1)
        self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-2"}
        )
        self.asg.update_auto_scaling_group(
            AutoScalingGroupName="web", LaunchTemplate={"LaunchTemplateId": self.template, "Version": "2"}
        )
        self.asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=2)
        instances = self.group()["Instances"]
        self.assertEqual(sorted(i["LaunchTemplate"]["Version"] for i in instances), ["1", "2"])
        details = self.asg.describe_auto_scaling_instances()["AutoScalingInstances"]
        self.assertEqual(sorted(i["LaunchTemplate"]["Version"] for i in details), ["1", "2"])
        self.assertEqual({i["HealthStatus"] for i in details}, {"HEALTHY"})

    def test_groups_are_found_by_tag(self) -> None:
        self.create_group(desired=1)
        for name, value in (("tag-key", "driftless:fleet"), ("tag:driftless:fleet", "web")):
            answer = self.asg.describe_auto_scaling_groups(Filters=[{"Name": name, "Values": [value]}])
            self.assertEqual([g["AutoScalingGroupName"] for g in answer["AutoScalingGroups"]], ["web"])
        answer = self.asg.describe_auto_scaling_groups(Filters=[{"Name": "tag:driftless:fleet", "Values": ["api"]}])
        self.assertEqual(answer["AutoScalingGroups"], [])

    def test_group_settings_round_trip(self) -> None:
        self.create_group(
            desired=1,
            DefaultInstanceWarmup=90,
            InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110},
        )
        self.assertEqual(self.group()["DefaultInstanceWarmup"], 90)
        self.assertEqual(self.group()["InstanceMaintenancePolicy"]["MaxHealthyPercentage"], 110)

    def test_a_group_has_no_instance_refreshes(self) -> None:
        self.create_group(desired=1)
        self.assertEqual(self.refreshes(), [])

    def test_an_instance_refresh_rolls_one_at_a_time_and_then_gives_the_group_its_template(self) -> None:
        self.create_group(desired=2)
        before = self.ids()
        self.refresh(self.new_version())
        with self.assertRaisesRegex(ClientError, "InstanceRefreshInProgress"):
            self.refresh("1")
        self.assertEqual(self.group()["LaunchTemplate"]["Version"], "1")
        self.until(lambda: self.refreshes()[0]["Status"] == "Successful")
        self.assertEqual(self.group()["LaunchTemplate"]["Version"], "2")
        self.assertEqual(set(self.ids()) & set(before), set())
        self.assertEqual({i["LaunchTemplate"]["Version"] for i in self.group()["Instances"]}, {"2"})
        self.assertEqual(self.refreshes()[0]["PercentageComplete"], 100)

    def test_an_instance_refresh_goes_back_when_it_is_told_to(self) -> None:
        self.create_group(desired=2)
        with self.assertRaisesRegex(ClientError, "ActiveInstanceRefreshNotFound"):
            self.asg.rollback_instance_refresh(AutoScalingGroupName="web")
        self.refresh(self.new_version(), BakeTime=60)
        self.until(lambda: self.refreshes()[0]["Status"] == "Baking")
        self.asg.rollback_instance_refresh(AutoScalingGroupName="web")
        self.until(lambda: self.refreshes()[0]["Status"] == "RollbackSuccessful")
        self.assertEqual(self.group()["LaunchTemplate"]["Version"], "1")
        self.assertEqual({i["LaunchTemplate"]["Version"] for i in self.group()["Instances"]}, {"1"})

    def test_activities_are_listed_newest_first(self) -> None:
        self.create_group(desired=1)
        self.moto.control("settings", QUICK)
        self.terminate(self.ids()[0], decrement=False)
        activities = self.asg.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
        words = [(a["Description"].split()[0], a["StatusCode"]) for a in activities]
        expected = [("Launching", "PreInService"), ("Terminating", "InProgress"), ("Launching", "Successful")]
        self.assertEqual(words, expected)

    # EC2 and Config

    def test_a_template_version_inherits_from_its_source(self) -> None:
        answer = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-2"}
        )
        data = answer["LaunchTemplateVersion"]["LaunchTemplateData"]
        self.assertEqual(data, {"ImageId": "ami-2", "InstanceType": "t4g.small"})

    def test_a_version_with_user_data_of_its_own_is_launched(self) -> None:
        for source, data in (("1", {"UserData": "dHdv"}), ("2", {"ImageId": "ami-2"})):
            request = {"LaunchTemplateId": self.template, "SourceVersion": source, "LaunchTemplateData": data}
            answer = self.ec2.create_launch_template_version(**request)["LaunchTemplateVersion"]
        self.assertEqual(answer["LaunchTemplateData"]["UserData"], "dHdv")
        self.create_group(desired=1, LaunchTemplate={"LaunchTemplateId": self.template, "Version": "3"})
        self.assertEqual(len(self.ids()), 1)

    def test_a_client_token_makes_one_template_version(self) -> None:
        request = {"LaunchTemplateId": self.template, "SourceVersion": "1", "ClientToken": "release-2"}
        made = [
            self.ec2.create_launch_template_version(**request, LaunchTemplateData={"ImageId": "ami-2"})
            for _ in range(2)
        ]
        self.assertEqual([m["LaunchTemplateVersion"]["VersionNumber"] for m in made], [2, 2])

    def test_a_registered_image_keeps_its_architecture_and_tags(self) -> None:
        tags = [{"Key": "driftless:image-for", "Value": "web"}]
        self.ec2.register_image(
            Name="golden",
            Architecture="arm64",
            RootDeviceName="/dev/xvda",
            TagSpecifications=[{"ResourceType": "image", "Tags": tags}],
        )
        filters = [{"Name": "tag:driftless:image-for", "Values": ["web"]}]
        images = self.ec2.describe_images(Owners=["self"], Filters=filters)["Images"]
        self.assertEqual([(i["Architecture"], i["RootDeviceName"], i["Tags"]) for i in images], [("arm64", "/dev/xvda", tags)])

    def test_the_tags_of_a_template_are_its_own(self) -> None:
        mark = [{"Key": "driftless:fleet", "Value": "web"}]
        name = [{"Key": "Name", "Value": "web"}]
        self.ec2.create_launch_template(
            LaunchTemplateName="tagged",
            LaunchTemplateData={"TagSpecifications": [{"ResourceType": "instance", "Tags": name}]},
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": mark}],
        )
        template = self.ec2.describe_launch_templates(LaunchTemplateNames=["tagged"])["LaunchTemplates"][0]
        versions = self.ec2.describe_launch_template_versions(LaunchTemplateName="tagged")["LaunchTemplateVersions"]
        self.assertEqual(template["Tags"], mark)
        given = [(t["ResourceType"], t["Tags"]) for t in versions[0]["LaunchTemplateData"]["TagSpecifications"]]
        self.assertEqual(given, [("instance", name)])

    def test_a_rule_between_security_groups_keeps_its_description(self) -> None:
        network = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        ids = [
            self.ec2.create_security_group(GroupName=name, Description=name, VpcId=network)["GroupId"]
            for name in ("one", "two")
        ]
        pair = {"GroupId": ids[1], "Description": "health checks"}
        permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [pair]}
        self.ec2.authorize_security_group_ingress(GroupId=ids[0], IpPermissions=[permission])
        filters = [{"Name": "group-id", "Values": [ids[0]]}]
        rules = self.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        self.assertEqual([r["Description"] for r in rules if not r["IsEgress"]], ["health checks"])

    def test_a_policy_that_aws_manages_can_be_attached(self) -> None:
        iam = self.moto.client("iam")
        iam.create_role(RoleName="web", AssumeRolePolicyDocument="{}")
        iam.attach_role_policy(RoleName="web", PolicyArn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
        attached = iam.list_attached_role_policies(RoleName="web")["AttachedPolicies"]
        self.assertEqual([p["PolicyName"] for p in attached], ["AmazonSSMManagedInstanceCore"])

    def test_compliance_of_an_unknown_rule_is_refused(self) -> None:
        read = self.config.get_compliance_details_by_config_rule
        self.refused("NoSuchConfigRuleException", read, ConfigRuleName="nobody")

    def test_compliance_is_filtered_and_paged(self) -> None:
        entry = {"rule": RULE, "resourceType": "AWS::EC2::Instance", "compliance": "NON_COMPLIANT", "annotation": "why"}
        entries = [entry | {"resourceId": f"i-{number}"} for number in range(3)]
        self.moto.control("compliance", [*entries, entry | {"resourceId": "i-9", "compliance": "COMPLIANT"}])
        request = {"ConfigRuleName": RULE, "ComplianceTypes": ["NON_COMPLIANT"], "Limit": 2}
        first = self.config.get_compliance_details_by_config_rule(**request)
        rest = self.config.get_compliance_details_by_config_rule(**request, NextToken=first["NextToken"])
        rows = first["EvaluationResults"] + rest["EvaluationResults"]
        found = [r["EvaluationResultIdentifier"]["EvaluationResultQualifier"]["ResourceId"] for r in rows]
        self.assertEqual(found, ["i-0", "i-1", "i-2"])
        self.assertEqual(rows[0]["Annotation"], "why")
        self.assertNotIn("NextToken", rest)

    def test_a_new_result_replaces_the_one_before(self) -> None:
        entry = {"rule": RULE, "resourceType": "AWS::EC2::Instance", "resourceId": "i-1"}
        self.moto.control("compliance", [entry | {"compliance": "NON_COMPLIANT"}])
        self.moto.control("compliance", [entry | {"compliance": "COMPLIANT"}])
        answer = self.config.describe_compliance_by_config_rule(ConfigRuleNames=[RULE])
        self.assertEqual(answer["ComplianceByConfigRules"][0]["Compliance"]["ComplianceType"], "COMPLIANT")

    def test_a_rule_answers_the_tag_of_its_scope(self) -> None:
        source = {"Owner": "AWS", "SourceIdentifier": "APPROVED_AMIS_BY_TAG"}
        scope = {"TagKey": "Fleet", "TagValue": "web"}
        wanted = '{"amisByTagKeyAndValue": "approved-for:web"}'
        rule = {"ConfigRuleName": RULE, "Source": source, "Scope": scope, "InputParameters": wanted}
        self.config.put_config_rule(ConfigRule=rule)
        self.assertEqual(self.config.describe_config_rules()["ConfigRules"][0]["Scope"], scope)

    def test_a_scaling_policy_is_enabled(self) -> None:
        self.create_group()
        metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50}
        self.asg.put_scaling_policy(
            AutoScalingGroupName="web",
            PolicyName="cpu",
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration=metric,
        )
        policy = self.asg.describe_policies()["ScalingPolicies"][0]
        self.assertTrue(policy["Enabled"])
        self.assertNotIn("PredictiveScalingConfiguration", policy)

    # The launcher itself

    def test_unknown_settings_are_refused(self) -> None:
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.moto.control("settings", {"lunch_seconds": 1})
        self.assertEqual(caught.exception.code, 400)
        caught.exception.close()

    def test_reset_empties_the_account(self) -> None:
        self.create_group()
        self.assertEqual(self.moto.control("reset", {})["launch_seconds"], 0.5)
        self.assertEqual(self.asg.describe_auto_scaling_groups()["AutoScalingGroups"], [])

    def test_the_launcher_ends_with_its_standard_input(self) -> None:
        self.assertEqual(LauncherProcess("moto_launcher.py").end(), 0)
