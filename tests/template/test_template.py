"""template.yaml keeps its promises. Needs no AWS account and no network:

    python3 -m venv .venv/lint
    .venv/lint/bin/pip install --no-deps --require-hashes -r tests/template/requirements.txt
    .venv/lint/bin/python -m unittest discover -s tests/template
"""

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from samcli.yamlhelper import yaml_parse

import alarms
import checks
from event_pattern import matches

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
EVENTS = ROOT / "tests" / "events"
ACCOUNT, STACK = "123456789012", "driftless"

PARSED = yaml_parse(TEMPLATE.read_text())


def run(tool, *arguments):
    """A tool of this virtual environment, with nothing of the caller's AWS configuration."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }
        return subprocess.run(
            [Path(sys.executable).parent / tool, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )


def resolved(value):
    """The few intrinsic functions that event patterns use."""
    if isinstance(value, dict):
        if value == {"Ref": "AWS::AccountId"}:
            return ACCOUNT
        if "Fn::Sub" in value:
            return value["Fn::Sub"].replace("${AWS::StackName}", STACK)
        return {key: resolved(v) for key, v in value.items()}
    if isinstance(value, list):
        return [resolved(v) for v in value]
    return value


def event(name):
    return json.loads((EVENTS / f"{name}.json").read_text())


def changed(name, path, value):
    """A sample with one field changed: `changed("ami-available", "detail.State", "failed")`."""
    sample = event(name)
    *parents, last = path.split(".")
    node = sample
    for key in parents:
        node = node[key]
    node[last] = value
    return sample


def rules_for(sample):
    rules = checks.of_type(PARSED, "AWS::Events::Rule")
    return [name for name, rule in rules.items() if matches(resolved(rule["Properties"]["EventPattern"]), sample)]


class Tools(unittest.TestCase):
    def test_cfn_lint_finds_nothing(self):
        # Three partitions: what one of them does not offer is found before a deployment there.
        result = run("cfn-lint", "--regions", "us-east-1", "cn-north-1", "us-gov-west-1", "--", str(TEMPLATE))
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)

    def test_sam_validates_the_template(self):
        result = run("sam", "validate", "--lint", "--template", str(TEMPLATE))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_sam_never_deploys_a_stale_binary(self):
        build = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["build"]["parameters"]
        self.assertEqual(build, {"cached": False, "parallel": False})

    def test_each_function_is_a_package_of_the_workspace(self):
        for folder in checks.FUNCTIONS.values():
            with self.subTest(folder):
                package = tomllib.loads((ROOT / "functions" / folder / "Cargo.toml").read_text())["package"]
                self.assertEqual(package["name"], folder)

    def test_no_file_here_names_the_machine_it_was_made_on(self):
        option_of_an_index, address, path = r"^--\S+", r"(?:https?|file):\S+", r"(?<![\w.-])/(?:home|work|opt|root|tmp|Users)/\S+"
        local = re.compile(f"{option_of_an_index}|{address}|{path}", re.MULTILINE)
        files = [TEMPLATE, ROOT / "samconfig.toml", *sorted(Path(__file__).parent.glob("requirements.*"))]
        for file in files:
            with self.subTest(file.name):
                self.assertEqual(local.findall(file.read_text()), [])


# A check, and what it must find: what is broken, how, and a word of the answer.
def at(template, logical_id):
    return template["Resources"][logical_id]["Properties"]


def statement(template, role, sid):
    statements = at(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    return next(s for s in statements if s["Sid"] == sid)


def policy(template, logical_id, sid):
    return next(s for s in at(template, logical_id)["PolicyDocument"]["Statement"] if s["Sid"] == sid)


def grant(template, role, **extra):
    at(template, role)["Policies"][0]["PolicyDocument"]["Statement"].append({"Sid": "Extra", "Effect": "Allow", **extra})


def first_target(template, rule):
    return at(template, rule)["Targets"][0]


PROMISES = {
    "a detector may take from its own queue, send reconcile requests, log and trace": (checks.a_detector_may_do_four_things, [
        (lambda t: grant(t, "ConfigComplianceRole", Action="sqs:SendMessage", Resource=checks.arn("CloudwatchAlarmQueue")), "may also"),
        (lambda t: grant(t, "ImagePublishedRole", Action="ec2:DescribeImages", Resource="*"), "may also"),
        (lambda t: statement(t, "CloudwatchAlarmRole", "ReceiveEvents").update(Action="sqs:*"), "may also"),
        (lambda t: statement(t, "CloudwatchAlarmRole", "SendReconcileRequests").update(Resource="*"), "may also"),
        (lambda t: statement(t, "ImagePublishedRole", "WriteOwnLog").update(Action="logs:PutLogEvents"), "may not"),
    ]),
    "the operator API changes no fleet": (checks.the_operator_api_changes_no_fleet, [
        (lambda t: grant(t, "StatusRole", Action="dynamodb:PutItem", Resource=checks.arn("Table")), "may write otherwise"),
        (lambda t: grant(t, "OperatorRole", Action="autoscaling:SetDesiredCapacity", Resource="*"), "may write otherwise"),
        (lambda t: statement(t, "OperatorRole", "WriteFreeze")["Action"].remove("dynamodb:DeleteItem"), "may write otherwise"),
        (lambda t: at(t, "StatusFunction").update(FunctionUrlConfig={"AuthType": "NONE"}), "without a signature"),
        (lambda t: at(t, "OperatorFunction").pop("FunctionUrlConfig"), "without a signature"),
    ]),
    "a role's policy is read in one place": (checks.roles_hold_their_whole_policy, [
        (lambda t: at(t, "ReconcileRole").update(ManagedPolicyArns=["arn:aws:iam::aws:policy/PowerUserAccess"]), "managed"),
        (lambda t: at(t, "ReconcileFunction").update(Policies=["AmazonEC2FullAccess"]), "outside"),
        (lambda t: at(t, "ConfigComplianceFunction").update(Role=checks.arn("ReconcileRole")), "its own role"),
        (lambda t: statement(t, "ReconcileRole", "ReadFleets").pop("Sid"), "without a Sid"),
        (lambda t: t["Resources"].update(More={"Type": "AWS::IAM::Policy", "Properties": {}}), "outside"),
    ]),
    "the name of a statement says whether it allows or denies": (checks.sids_say_what_they_do, [
        (lambda t: statement(t, "ReconcileRole", "DenyAlways").update(Sid="Never"), "denies Never"),
        (lambda t: statement(t, "ReconcileRole", "PublishAlerts").update(Sid="DenyAlerts"), "allows DenyAlerts"),
        (lambda t: policy(t, "AlertTopicPolicy", "AllowAlarmsToPublish").pop("Sid"), "without a name"),
        (lambda t: policy(t, "ReconcileQueuePolicy", "DenyInsecureTransport").update(Sid="OnlyOverTls"), "denies OnlyOverTls"),
    ]),
    "nothing is allowed everywhere but what AWS gives no resource level": (checks.no_allow_is_open, [
        (lambda t: grant(t, "ReconcileRole", Action="*", Resource=checks.arn("Table")), "allows *"),
        (lambda t: grant(t, "ReconcileRole", Action="ec2:*", Resource=checks.arn("Table")), "ec2:*"),
        (lambda t: statement(t, "ReconcileRole", "ChangeTaggedGroups").update(Resource="*"), "every resource"),
        (lambda t: policy(t, "ReconcileQueuePolicy", "DenyInsecureTransport").update(Effect="Allow"), "open"),
    ]),
    "fleets are changed only where the group carries the tag": (checks.fleets_are_changed_only_by_tag, [
        (lambda t: statement(t, "ReconcileRole", "ChangeTaggedGroups").pop("Condition"), "without the tag"),
        (lambda t: statement(t, "ReconcileRole", "UpdateTaggedGroups")["Condition"].pop("Null"), "without the tag"),
        (lambda t: statement(t, "ReconcileRole", "ChangeTaggedGroups").update(Condition={"Null": {"aws:ResourceTag/driftless:fleet": "true"}}), "without the tag"),
        (lambda t: statement(t, "ReconcileRole", "ReadFleets")["Action"].append("autoscaling:SetInstanceHealth"), "without the tag"),
    ]),
    "no group is put on $Latest": (checks.groups_never_follow_latest, [
        (lambda t: statement(t, "ReconcileRole", "UpdateTaggedGroups")["Condition"].pop("BoolIfExists"), "$Latest"),
        (lambda t: statement(t, "ReconcileRole", "ChangeTaggedGroups")["Action"].append("autoscaling:UpdateAutoScalingGroup"), "$Latest"),
    ]),
    "instances are launched only from a fleet's template": (checks.instances_are_launched_only_from_templates, [
        (lambda t: statement(t, "ReconcileRole", "LaunchOnlyWithTemplate").pop("Condition"), "without a fleet's template"),
        (lambda t: statement(t, "ReconcileRole", "LaunchFromTaggedTemplates").pop("Condition"), "without a fleet's template"),
    ]),
    "tags are written only at launch": (checks.tags_are_written_only_at_launch, [
        (lambda t: statement(t, "ReconcileRole", "TagAtLaunch").pop("Condition"), "already runs"),
    ]),
    "roles are passed only to the fleets' instances": (checks.roles_are_passed_only_to_instances, [
        (lambda t: statement(t, "ReconcileRole", "PassFleetRoles").pop("Condition"), "any service"),
        (lambda t: statement(t, "ReconcileRole", "PassFleetRoles").update(Resource="*"), "other roles"),
    ]),
    "groups, tags and instances are never deleted directly": (checks.some_things_are_never_allowed, [
        (lambda t: statement(t, "ReconcileRole", "DenyAlways").update(Effect="Allow"), "not denied"),
        (lambda t: statement(t, "ReconcileRole", "DenyAlways")["Action"].remove("ec2:TerminateInstances"), "ec2:TerminateInstances"),
        (lambda t: statement(t, "ReconcileRole", "DenyAlways").update(Condition={"Bool": {"aws:ViaAWSService": "false"}}), "not denied"),
    ]),
    "a call is allowed together with what it depends on": (checks.calls_bring_their_dependents, [
        (lambda t: statement(t, "ReconcileRole", "UseAlertKeyThroughTopic").update(Action="kms:Decrypt"), "sns:Publish but not kms:GenerateDataKey*"),
        (lambda t: statement(t, "ReconcileRole", "PassFleetRoles").update(Effect="Deny"), "LaunchInstances but not iam:PassRole"),
        (lambda t: statement(t, "ReconcileRole", "TagAtLaunch").update(Effect="Deny"), "CreateFleet but not ec2:CreateTags"),
    ]),
    "only the CI role publishes images": (checks.only_ci_publishes_images, [
        (lambda t: at(t, "EventBus").pop("Policy"), "any role"),
        (lambda t: at(t, "EventBus")["Policy"]["Statement"].pop(), "any role"),
        (lambda t: at(t, "EventBus")["Policy"]["Statement"][0]["Fn::If"][1].update(Principal="*"), "CI role"),
        (lambda t: at(t, "EventBus")["Policy"]["Statement"][0]["Fn::If"][1].pop("Condition"), "any event"),
    ]),
    "only our transitions are put, on one bus": (checks.only_our_transitions_are_put, [
        (lambda t: statement(t, "ReconcileRole", "PutTransitionEvents").pop("Condition"), "any event"),
        (lambda t: statement(t, "ReconcileRole", "PutTransitionEvents")["Condition"]["StringEquals"].update({"events:source": "driftless.ci"}), "any event"),
        (lambda t: statement(t, "ReconcileRole", "PutTransitionEvents").update(Resource={"Fn::GetAtt": ["EventBus", "Arn"]}), "other buses"),
        (lambda t: statement(t, "OperatorRole", "SendCommands").update(Action="events:PutEvents"), "OperatorRole may put"),
    ]),
    "times nest for every allowed timeout": (checks.times_nest, [
        (lambda t: t["Mappings"]["Times"]["60"].update(VisibilitySeconds=180), "180 s for a timeout of 60 s"),
        (lambda t: t["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"].append(90), "90 s"),
        (lambda t: t["Mappings"]["Times"]["30"].update(EventIsLateSeconds=540), "three tries take 540 s"),
        (lambda t: at(t, "EventQueueAgeAlarm").update(Threshold=600), "does not follow"),
        (lambda t: at(t, "ReconcileQueue").update(VisibilityTimeout=30), "visibility of its own"),
        (lambda t: at(t, "ReconcileFunction").update(Timeout=900), "timeout of its own"),
    ]),
    "nothing is lost between queues": (checks.nothing_is_lost_between_queues, [
        (lambda t: at(t, "ReconcileQueue").pop("RedrivePolicy"), "no dead-letter queue"),
        (lambda t: at(t, "ReconcileQueue")["RedrivePolicy"].update(maxReceiveCount=1), "gives up"),
        (lambda t: first_target(t, "AmiStateRule").pop("DeadLetterConfig"), "drops"),
        (lambda t: first_target(t, "AmiStateRule").pop("RetryPolicy"), "retry"),
        (lambda t: at(t, "ResyncSchedule")["Target"].pop("DeadLetterConfig"), "drops"),
        (lambda t: at(t, "ReconcileDeadLetterQueue").update(MessageRetentionPeriod=345600), "14 days"),
        (lambda t: at(t, "ReconcileQueue").pop("SqsManagedSseEnabled"), "not encrypted"),
        (lambda t: t["Resources"].pop("ReconcileDeadLetterAlarm"), "without an alarm"),
        (lambda t: at(t, "ReconcileFunction")["Events"]["Queue"]["Properties"].pop("FunctionResponseTypes"), "whole batch"),
    ]),
    "a queue takes only from its rules, over TLS": (checks.queues_take_only_from_their_rules, [
        (lambda t: policy(t, "ConfigComplianceQueuePolicy", "AllowRuleToSend").pop("Condition"), "others than rules"),
        (lambda t: policy(t, "ConfigComplianceQueuePolicy", "AllowRuleToSend").update(Principal="*"), "others than rules"),
        (lambda t: policy(t, "ImagePublishedQueuePolicy", "AllowRulesToSend")["Condition"]["ArnEquals"]["aws:SourceArn"].pop(), "names the rules"),
        (lambda t: t["Resources"].pop("CloudwatchAlarmDeadLetterQueuePolicy"), "names the rules"),
        (lambda t: t["Resources"].pop("ReconcileQueuePolicy"), "without TLS"),
    ]),
    "the schedule starts the resync and nothing else": (checks.the_schedule_starts_only_the_resync, [
        (lambda t: at(t, "ResyncSchedule")["Target"].update(Input="{}"), "something else"),
        (lambda t: statement(t, "ResyncRole", "StartResync").update(Resource="*"), "more or less"),
        (lambda t: at(t, "ResyncSchedule").update(FlexibleTimeWindow={"Mode": "FLEXIBLE"}), "late on purpose"),
    ]),
    "functions are built, told and logged alike": (checks.functions_are_built_and_logged_alike, [
        (lambda t: t["Globals"]["Function"].update(Architectures=["x86_64"]), "Architectures"),
        (lambda t: t["Resources"]["ReconcileFunction"]["Metadata"]["BuildProperties"].update(Binary="bootstrap"), "not built from"),
        (lambda t: at(t, "ReconcileLogGroup").pop("RetentionInDays"), "for ever"),
        (lambda t: at(t, "ImagePublishedFunction").pop("LoggingConfig"), "own log group"),
        (lambda t: statement(t, "ReconcileRole", "WriteOwnLog").update(Resource="*"), "other logs"),
        (lambda t: t["Globals"]["Function"]["Environment"]["Variables"].pop("TABLE_NAME"), "variables"),
        (lambda t: at(t, "ReconcileFunction").update(Environment={"Variables": {"MORE": "1"}}), "of its own"),
    ]),
    "alarms of both kinds are seen": (checks.alarms_of_both_kinds_are_seen, [
        (lambda t: statement(t, "ReconcileRole", "ReadAlarms").update(Resource=checks.arn("Table")), "no composite alarms"),
        (lambda t: statement(t, "StatusRole", "ReadAlarms").update(Resource=checks.arn("Table")), "no composite alarms"),
        (lambda t: statement(t, "StatusRole", "ReadAlarms").update(Action="cloudwatch:GetMetricData"), "may not read alarms"),
    ]),
    "reconcile may invoke itself by its queue, and no other function may": (checks.only_reconcile_may_invoke_itself, [
        (lambda t: at(t, "ReconcileFunction").pop("RecursiveLoop"), "stopped"),
        (lambda t: at(t, "ReconcileFunction").update(RecursiveLoop="Terminate"), "stopped"),
        (lambda t: at(t, "ConfigComplianceFunction").update(RecursiveLoop="Allow"), "for ever"),
    ]),
    "functions send traces, and a parameter stops them": (checks.traces_can_be_sent_and_switched_off, [
        (lambda t: t["Globals"]["Function"].update(Tracing="Active"), "switched off"),
        (lambda t: t["Parameters"]["Tracing"].update(AllowedValues=["Active", "Disabled"]), "two modes"),
        (lambda t: t["Parameters"]["Tracing"].update(Default="PassThrough"), "two modes"),
        (lambda t: at(t, "ReconcileFunction").update(Tracing="Active"), "its own way"),
        (lambda t: statement(t, "ReconcileRole", "SendTraces").update(Effect="Deny"), "may not xray:PutTraceSegments"),
        (lambda t: statement(t, "ImagePublishedRole", "SendTraces")["Action"].pop(), "may not xray:PutTelemetryRecords"),
    ]),
    "the table can be restored, forgets and costs nothing idle": (checks.the_table_can_be_restored, [
        (lambda t: at(t, "Table").pop("PointInTimeRecoverySpecification"), "point-in-time"),
        (lambda t: at(t, "Table").pop("TimeToLiveSpecification"), "forgets"),
        (lambda t: at(t, "Table").update(BillingMode="PROVISIONED"), "on demand"),
        (lambda t: t["Resources"]["Table"].pop("DeletionPolicy"), "goes with the stack"),
        (lambda t: at(t, "Table").update(GlobalSecondaryIndexes=[]), "index"),
    ]),
    "alarms are heard": (alarms.alarms_are_heard, [
        (lambda t: at(t, "AlertTopic").update(KmsMasterKeyId="alias/aws/sns"), "our key"),
        (lambda t: at(t, "ChatTopic").pop("KmsMasterKeyId"), "ChatTopic is not encrypted"),
        (lambda t: t["Resources"].pop("ChatTopicPolicy"), "ChatTopic takes messages without TLS"),
        (lambda t: at(t, "AlertKey")["KeyPolicy"]["Statement"].pop(), "mute"),
        (lambda t: at(t, "AlertKey")["KeyPolicy"]["Statement"][1].pop("Condition"), "mute"),
        (lambda t: at(t, "AlertKey").pop("EnableKeyRotation"), "rotated"),
        (lambda t: policy(t, "AlertTopicPolicy", "AllowAlarmsToPublish").pop("Condition"), "does not let"),
        (lambda t: policy(t, "AlertTopicPolicy", "DenyInsecureTransport").pop("Condition"), "without TLS"),
        (lambda t: at(t, "ResyncMissingAlarm").pop("AlarmActions"), "tells nobody"),
    ]),
    "alarms carry the stack's name": (alarms.alarms_carry_the_stacks_name, [
        (lambda t: at(t, "ConfigDriftAlarm").update(AlarmName="config-drift-detected"), "ConfigDriftAlarm has a name"),
        (lambda t: at(t, "ConfigDriftAlarm").pop("AlarmName"), "ConfigDriftAlarm has a name"),
    ]),
    "silence is an alarm, and so is drift": (alarms.silence_is_an_alarm, [
        (lambda t: at(t, "ResyncMissingAlarm").update(TreatMissingData="notBreaching"), "TreatMissingData"),
        (lambda t: t["Parameters"]["ResyncMinutes"].update(MaxValue=15), "no resync is due"),
        (lambda t: at(t, "ConfigDriftAlarm").update(Namespace="AWS/Config"), "AWS/Config"),
        (lambda t: at(t, "ConfigDriftAlarm").update(Dimensions=[]), "one fleet"),
    ]),
}


class Promises(unittest.TestCase):
    def test_the_template_keeps_every_promise(self):
        for promise, (check, _) in PROMISES.items():
            with self.subTest(promise):
                self.assertEqual(check(PARSED), [])

    def test_a_broken_template_is_reported(self):
        for promise, (check, breakages) in PROMISES.items():
            for number, (breaks, word) in enumerate(breakages):
                with self.subTest(promise, breakage=number):
                    broken = copy.deepcopy(PARSED)
                    breaks(broken)
                    found = check(broken)
                    self.assertTrue(any(word in problem for problem in found), f"{word!r} is not in {found}")

    def test_every_check_is_a_promise(self):
        source = "".join(Path(module.__file__).read_text() for module in (checks, alarms))
        written = set(re.findall(r"(?m)^def (\w+)\(template\):", source)) - {"role_statements", "resource_statements", "dead_letter_queues"}
        self.assertEqual(written, {check.__name__ for check, _ in PROMISES.values()})

    def test_the_table_of_open_actions_lists_only_what_is_used(self):
        used = {a for _, s in checks.role_statements(PARSED) if s["Effect"] == "Allow" and s["Resource"] == "*" for a in checks.as_list(s["Action"])}
        self.assertEqual(used, checks.NO_RESOURCE_LEVEL.keys())


class Parameters(unittest.TestCase):
    def accepts(self, parameter, value):
        p = PARSED["Parameters"][parameter]
        return value in p["AllowedValues"] if "AllowedValues" in p else re.fullmatch(p["AllowedPattern"], value) is not None

    def test_every_default_is_allowed(self):
        for name, p in PARSED["Parameters"].items():
            with self.subTest(name):
                if "MinValue" in p:
                    self.assertTrue(p["MinValue"] <= p["Default"] <= p["MaxValue"])
                else:
                    self.assertTrue(self.accepts(name, p["Default"]))

    def test_a_new_stack_only_observes(self):
        self.assertEqual(PARSED["Parameters"]["DefaultMode"]["Default"], "observe")

    def test_policy_defaults_that_make_no_sense_are_refused(self):
        for name, values in {
            "DefaultMode": ["", "Act", "dry-run"],
            "DefaultBudget": ["", "0", "0%", "101%", "-1", "1.5", "1\nmode=act"],
            "DefaultBreaker": ["", "25", "0%", "101%"],
            "DefaultDebounce": ["", "5", "5 m", "m", "5d"],
            "DefaultMinHealthy": ["", "90", "101%", "090%"],
            "DefaultLaunchDeadline": ["", "0m", "20"],
            "DefaultDrainDeadline": ["", "0m", "30"],
        }.items():
            for value in values:
                with self.subTest(name, value=value):
                    self.assertFalse(self.accepts(name, value))

    def test_no_parameter_opens_every_role(self):
        for value in ["*", "arn:aws:iam::*:role/web", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:user/web"]:
            with self.subTest(value):
                self.assertFalse(self.accepts("FleetRoleArns", value))
        for value in ["arn:aws:iam::123456789012:role/web", "arn:aws-cn:iam::123456789012:role/team/web-*"]:
            with self.subTest(value):
                self.assertTrue(self.accepts("FleetRoleArns", value))
        for value in ["*", "arn:aws:iam::123456789012:role/ci-*", "arn:aws:iam::123456789012:root"]:
            with self.subTest(value):
                self.assertFalse(self.accepts("CiRoleArn", value))

    def test_an_address_of_runbooks_fits_into_the_dashboard(self):
        for value in ["git.example", "http://git.example", "https://", "https://git.example/", 'https://git.example/"', "https://git.example/a b", "https://git.example/a)"]:
            with self.subTest(value):
                self.assertFalse(self.accepts("RunbooksUrl", value))
        for value in ["", "https://git.example", "https://git.example/driftless/blob/main"]:
            with self.subTest(value):
                self.assertTrue(self.accepts("RunbooksUrl", value))

    def test_every_policy_key_reaches_reconcile(self):
        lines = PARSED["Globals"]["Function"]["Environment"]["Variables"]["POLICY_DEFAULTS"]["Fn::Sub"].split("\n")
        self.assertEqual(
            [line.split("=")[0] for line in lines],
            ["mode", "budget", "breaker", "debounce", "min-healthy", "launch-deadline", "drain-deadline"],
        )
        used = [name for line in lines for name in re.findall(r"\$\{(\w+)\}", line)]
        self.assertEqual(used, [name for name in PARSED["Parameters"] if name.startswith("Default")])

    def test_every_parameter_has_a_group_and_a_label(self):
        interface = PARSED["Metadata"]["AWS::CloudFormation::Interface"]
        grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(PARSED["Parameters"]))
        self.assertEqual(sorted(interface["ParameterLabels"]), sorted(PARSED["Parameters"]))


class Events(unittest.TestCase):
    EXPECTED = {
        "alarm-instance": ["CloudwatchAlarmRule"],
        "alarm-target-group": ["CloudwatchAlarmRule"],
        "ami-available": ["AmiStateRule"],
        "asg-launch-successful": [],
        "config-compliant": ["ConfigComplianceRule"],
        "config-noncompliant": ["ConfigComplianceRule"],
        "config-noncompliant-inventory": ["ConfigComplianceRule"],
        "image-published": ["ImagePublishedRule"],
        "imagebuilder-available": ["ImageBuilderRule"],
    }

    def test_every_sample_is_listed(self):
        self.assertEqual({file.stem for file in EVENTS.glob("*.json")}, self.EXPECTED.keys())

    def test_every_sample_reaches_its_detector_and_no_other(self):
        for name, rules in self.EXPECTED.items():
            with self.subTest(name):
                self.assertEqual(rules_for(event(name)), rules)

    def test_what_clears_passes(self):
        result = "detail.newEvaluationResult.complianceType"
        self.assertEqual(rules_for(changed("config-noncompliant", result, "NOT_APPLICABLE")), ["ConfigComplianceRule"])
        for state in ["OK", "ALARM", "INSUFFICIENT_DATA"]:
            self.assertEqual(rules_for(changed("alarm-instance", "detail.state.value", state)), ["CloudwatchAlarmRule"])
        for state in ["deregistered", "disabled"]:
            self.assertEqual(rules_for(changed("ami-available", "detail.State", state)), ["AmiStateRule"])

    def test_what_says_nothing_stays_out(self):
        for sample in [
            changed("config-noncompliant", "detail.newEvaluationResult.complianceType", "INSUFFICIENT_DATA"),
            changed("config-noncompliant", "detail.newEvaluationResult", None),
            changed("config-noncompliant", "detail.messageType", "ConfigurationItemChangeNotification"),
            changed("config-noncompliant", "detail.resourceType", "AWS::S3::Bucket"),
            changed("config-noncompliant", "detail-type", "Config Rules Re-evaluation Status"),
            changed("alarm-instance", "detail-type", "CloudWatch Alarm Configuration Change"),
            changed("ami-available", "detail.State", "failed"),
            changed("imagebuilder-available", "detail.state.status", "TESTING"),
            changed("image-published", "detail-type", "image.proposed"),
        ]:
            with self.subTest(sample=json.dumps(sample)[:120]):
                self.assertEqual(rules_for(sample), [])

    def test_another_account_stays_out(self):
        for name in self.EXPECTED:
            with self.subTest(name):
                self.assertEqual(rules_for(changed(name, "account", "999999999999")), [])

    def test_only_driftless_sources_name_an_image(self):
        for source in ["ci", "aws.imagebuilder", "driftlessish"]:
            with self.subTest(source):
                self.assertEqual(rules_for(changed("image-published", "source", source)), [])

    def test_our_own_events_reach_no_rule(self):
        for name in self.EXPECTED:
            for detail_type in [*checks.DETAIL_TYPES, event(name)["detail-type"]]:
                with self.subTest(name, detail_type=detail_type):
                    own = changed(name, "source", "driftless") | {"detail-type": detail_type}
                    self.assertEqual(rules_for(own), [])

    def test_an_image_is_published_only_on_our_own_bus(self):
        for name, rule in checks.of_type(PARSED, "AWS::Events::Rule").items():
            with self.subTest(name):
                expected = {"Ref": "EventBus"} if name == "ImagePublishedRule" else None
                self.assertEqual(rule["Properties"].get("EventBusName"), expected)

    def test_the_alarms_on_driftless_itself_do_not_feed_it(self):
        for name, alarm in checks.of_type(PARSED, "AWS::CloudWatch::Alarm").items():
            alarm_name = resolved(alarm["Properties"]["AlarmName"])
            with self.subTest(name):
                expected = ["CloudwatchAlarmRule"] if name == "ConfigDriftAlarm" else []
                self.assertEqual(rules_for(changed("alarm-instance", "detail.alarmName", alarm_name)), expected)

    def test_the_alarms_of_target_tracking_stay_out(self):
        self.assertEqual(rules_for(changed("alarm-instance", "detail.alarmName", "TargetTracking-app-blue-AlarmLow-1")), [])


class Matcher(unittest.TestCase):
    def test_operators(self):
        for pattern, sample, expected in [
            ({"a": ["x", "y"]}, {"a": "y"}, True),
            ({"a": ["x"]}, {"a": "y"}, False),
            ({"a": ["x"]}, {}, False),
            ({"a": ["x"]}, {"a": ["w", "x"]}, True),
            ({"a": [None]}, {"a": None}, True),
            ({"a": {"b": ["x"]}}, {"a": None}, False),
            ({"a": ["x"], "b": ["x"]}, {"a": "x", "b": "y"}, False),
            ({"a": [{"prefix": "dr."}]}, {"a": "dr.ci"}, True),
            ({"a": [{"prefix": "dr."}]}, {"a": "dr"}, False),
            ({"a": [{"prefix": "1"}]}, {"a": 10}, False),
            ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
            ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
            ({"a": [{"anything-but": "x"}]}, {}, False),
            ({"a": [{"anything-but": {"prefix": "x-"}}]}, {"a": "x-1"}, False),
            ({"a": [{"anything-but": {"prefix": ["x-", "y-"]}}]}, {"a": "z-1"}, True),
            ({"a": [{"exists": True}]}, {"a": None}, True),
            ({"a": [{"exists": True}]}, {}, False),
            ({"a": [{"exists": False}]}, {}, True),
            ({"a": {"b": [{"exists": False}]}}, {}, True),
        ]:
            with self.subTest(pattern=pattern, sample=sample):
                self.assertEqual(matches(pattern, sample), expected)

    def test_an_unknown_operator_is_an_error(self):
        with self.assertRaises(ValueError):
            matches({"a": [{"wildcard": "*"}]}, {"a": "x"})


if __name__ == "__main__":
    unittest.main()
