"""What must hold in template.yaml. A check takes the parsed template and returns the problems it found, so that the tests
can also hand it a broken template and see that it does find something."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).parent
DEPENDENT_ACTIONS = json.loads((HERE / "dependent_actions.json").read_text())

DETECTORS = {"ConfigCompliance": "config-compliance", "CloudwatchAlarm": "cloudwatch-alarm", "ImagePublished": "image-published"}
FUNCTIONS = DETECTORS | {"Reconcile": "reconcile", "Status": "status", "Operator": "operator"}

# What events say they are about, as docs/events.md and the planner's `Part` have it.
DETAIL_TYPES = [
    "Driftless Replacement State Change",
    "Driftless Cutover State Change",
    "Driftless Fleet Condition",
    "Driftless Command Result",
    "Driftless Image State Change",
    "Driftless Borrowed Setting Change",
]

# The only actions that may be allowed on every resource: AWS gives them no resource level (Service Authorization Reference), or
# answers less on a narrower one.
NO_RESOURCE_LEVEL = {
    "autoscaling:DescribeAutoScalingGroups": "a list; fleets are found by tag",
    "autoscaling:DescribeAutoScalingInstances": "a list; says which group an instance belongs to",
    "autoscaling:DescribeInstanceRefreshes": "a list; a refresh under way blocks a replacement",
    "autoscaling:DescribeLifecycleHooks": "a list; no deadline undercuts a hook",
    "autoscaling:DescribeScalingActivities": "a list; carries AWS's own message of a failed launch",
    "cloudwatch:DescribeAlarms": "composite alarms are shown only to a permission for every resource (API reference)",
    "ec2:DescribeImages": "a list; images are found by tag",
    "ec2:DescribeLaunchTemplates": "a list; whether a newer version was written",
    "ec2:DescribeInstances": "a list; image, template version and launch time of an instance",
    "ec2:DescribeLaunchTemplateVersions": "a list; also checked by Auto Scaling in LaunchInstances",
    "elasticloadbalancing:DescribeListeners": "a list; which color receives traffic",
    "elasticloadbalancing:DescribeRules": "a list; which color receives traffic",
    "elasticloadbalancing:DescribeTargetGroupAttributes": "a list; how long clients stick to a color",
    "elasticloadbalancing:DescribeTargetGroups": "a list; which load balancer a group belongs to",
    "elasticloadbalancing:DescribeTargetHealth": "a list; whether a replacement instance is healthy",
    "xray:PutTelemetryRecords": "X-Ray has one store for the whole account; says how many traces were sent",
    "xray:PutTraceSegments": "X-Ray has one store for the whole account; adds to it, and reads nothing",
}

NEVER = {"autoscaling:DeleteAutoScalingGroup", "autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags", "ec2:TerminateInstances"}

ENVIRONMENT = {
    *("ACCOUNT_ID", "FUNCTION_TIMEOUT_SECONDS", "RECONCILE_QUEUE_URL", "AWS_EC2_METADATA_DISABLED"),
    *("TABLE_NAME", "ALERT_TOPIC_ARN", "CHAT_TOPIC_ARN", "EVENT_BUS_NAME", "RUNBOOKS_URL", "POLICY_DEFAULTS"),
}

# The widget that status draws has buttons.
OWN_ENVIRONMENT = {"Status": {"OPERATOR_FUNCTION_ARN": {"Fn::GetAtt": ["OperatorFunction", "Arn"]}}}

# What Lambda does in the name of a function that is traced.
SENDING_TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}

FOURTEEN_DAYS = 14 * 24 * 3600
LEAST_DEAD_LETTER_PATIENCE, MOST_DEAD_LETTER_PATIENCE = 3, 5


# -- reading the template

def as_list(value):
    return value if isinstance(value, list) else [value]


def as_dict(value):
    return value if isinstance(value, dict) else {}


def arn(logical_id):
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def of_type(template, kind):
    return {name: r for name, r in template["Resources"].items() if r["Type"] == kind}


def properties(template, logical_id):
    return template["Resources"][logical_id]["Properties"]


def target_of(value):
    """The logical id that a !Ref or !GetAtt points at."""
    if isinstance(value, dict):
        if "Ref" in value:
            return value["Ref"]
        if "Fn::GetAtt" in value:
            return value["Fn::GetAtt"][0]
    return None


def role_statements(template):
    """Every statement of every role: (role, statement)."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def allows_of(template, role):
    return [s for name, s in role_statements(template) if name == role and s["Effect"] == "Allow"]


def resource_statements(template):
    """Every statement of the policies of queues, topics, the key and the bus: (resource, statement). The bus has one by a condition."""
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, policy in of_type(template, kind).items():
            yield from ((name, s) for s in policy["Properties"]["PolicyDocument"]["Statement"])
    for name, key in of_type(template, "AWS::KMS::Key").items():
        yield from ((name, s) for s in key["Properties"]["KeyPolicy"]["Statement"])
    for name, bus in of_type(template, "AWS::Events::EventBus").items():
        yield from ((name, s["Fn::If"][1] if "Fn::If" in s else s) for s in bus["Properties"].get("Policy", {}).get("Statement", []))


def queue_statements(template, queue):
    for policy in of_type(template, "AWS::SQS::QueuePolicy").values():
        if {"Ref": queue} in policy["Properties"]["Queues"]:
            yield from policy["Properties"]["PolicyDocument"]["Statement"]


def rules_to(template, queue):
    return [
        name
        for name, rule in of_type(template, "AWS::Events::Rule").items()
        if any(t["Arn"] == arn(queue) for t in rule["Properties"]["Targets"])
    ]


def dead_letter_queues(template):
    """What a redrive policy, a rule or the schedule names as its dead-letter queue."""
    named = set()
    for queue in of_type(template, "AWS::SQS::Queue").values():
        named.add(target_of(queue["Properties"].get("RedrivePolicy", {}).get("deadLetterTargetArn")))
    for rule in of_type(template, "AWS::Events::Rule").values():
        named |= {target_of(t.get("DeadLetterConfig", {}).get("Arn")) for t in rule["Properties"]["Targets"]}
    for schedule in of_type(template, "AWS::Scheduler::Schedule").values():
        named.add(target_of(schedule["Properties"]["Target"].get("DeadLetterConfig", {}).get("Arn")))
    return named - {None}


# -- permissions

def a_detector_may_do_four_things(template):
    problems = []
    for detector in DETECTORS:
        expected = {
            ("sqs:ReceiveMessage", f"{detector}Queue"),
            ("sqs:DeleteMessage", f"{detector}Queue"),
            ("sqs:GetQueueAttributes", f"{detector}Queue"),
            ("sqs:SendMessage", "ReconcileQueue"),
            ("logs:CreateLogStream", f"{detector}LogGroup"),
            ("logs:PutLogEvents", f"{detector}LogGroup"),
            ("xray:PutTraceSegments", '"*"'),
            ("xray:PutTelemetryRecords", '"*"'),
        }
        found = {
            (action, target_of(resource) or json.dumps(resource))
            for statement in allows_of(template, f"{detector}Role")
            for action in as_list(statement.get("Action", "NotAction"))
            for resource in as_list(statement.get("Resource", "NotResource"))
        }
        problems += [f"{detector} may also {action} on {on}" for action, on in sorted(found - expected)]
        problems += [f"{detector} may not {action} on {on}" for action, on in sorted(expected - found)]
    return problems


def the_operator_api_changes_no_fleet(template):
    """`status` may change nothing, and `operator` writes to the table and sends to the reconcile queue alone."""
    harmless = ("Describe", "Get", "BatchGet", "Query", "CreateLogStream", "PutLogEvents", "PutTraceSegments", "PutTelemetryRecords")
    writes = {
        role: {a for s in allows_of(template, role) for a in as_list(s["Action"]) if not a.split(":")[1].startswith(harmless)}
        for role in ("StatusRole", "OperatorRole")
    }
    expected = {"StatusRole": set(), "OperatorRole": {"sqs:SendMessage", "dynamodb:PutItem", "dynamodb:DeleteItem"}}
    problems = [f"{role} may write otherwise: {sorted(writes[role] ^ expected[role])}" for role in writes if writes[role] != expected[role]]
    for name in ("Status", "Operator"):
        function = template["Resources"].get(f"{name}Function", {"Properties": {}})["Properties"]
        if function.get("FunctionUrlConfig") != {"AuthType": "AWS_IAM"}:
            problems.append(f"{name} is reached without a signature")
    return problems


def roles_hold_their_whole_policy(template):
    """So that a policy can be read in one place: no managed policy, no SAM policy template, a role per function, a Sid per statement."""
    problems = []
    for name, role in of_type(template, "AWS::IAM::Role").items():
        if "ManagedPolicyArns" in role["Properties"]:
            problems.append(f"{name} has a managed policy")
    for name in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        problems += [f"{policy} is outside of its role" for policy in of_type(template, name)]
    for name, function in of_type(template, "AWS::Serverless::Function").items():
        if "Policies" in function["Properties"]:
            problems.append(f"{name} has policies outside of its role")
        if function["Properties"].get("Role") != arn(name.removesuffix("Function") + "Role"):
            problems.append(f"{name} does not run as its own role")
    for name, statement in role_statements(template):
        if not statement.get("Sid"):
            problems.append(f"{name} has a statement without a Sid")
        if "NotAction" in statement or "NotResource" in statement:
            problems.append(f"{name} allows by exception")
    return problems


def sids_say_what_they_do(template):
    """The name of a statement that denies begins with Deny, that of one that allows never does."""
    statements = [*role_statements(template), *resource_statements(template)]
    problems = [f"{name} has a statement without a name" for name, s in statements if not s.get("Sid")]
    return problems + [
        f"{name} names a statement that {'denies' if s['Effect'] == 'Deny' else 'allows'} {s['Sid']}"
        for name, s in statements
        if s.get("Sid") and s["Sid"].startswith("Deny") != (s["Effect"] == "Deny")
    ]


def no_allow_is_open(template):
    problems = []
    for name, statement in role_statements(template):
        if statement["Effect"] != "Allow":
            continue
        actions = as_list(statement["Action"])
        problems += [f"{name} allows {a}" for a in actions if a == "*" or a.endswith(":*")]
        if "*" in as_list(statement["Resource"]):
            problems += [f"{name} allows {a} on every resource" for a in actions if a not in NO_RESOURCE_LEVEL]
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, policy in of_type(template, kind).items():
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow" and ("*" in as_list(statement["Resource"]) or statement["Principal"] == "*"):
                    problems.append(f"{name} is open")
    return problems


def fleets_are_changed_only_by_tag(template):
    problems = []
    for name, statement in role_statements(template):
        changes = [a for a in as_list(statement["Action"]) if a.startswith("autoscaling:") and not a.startswith("autoscaling:Describe")]
        if statement["Effect"] != "Allow" or not changes:
            continue
        if statement.get("Condition", {}).get("Null", {}).get("aws:ResourceTag/driftless:fleet") != "false":
            problems.append(f"{name} may {', '.join(changes)} without the tag")
    return problems


def groups_never_follow_latest(template):
    problems = []
    for name, statement in role_statements(template):
        if statement["Effect"] == "Allow" and "autoscaling:UpdateAutoScalingGroup" in as_list(statement["Action"]):
            conditions = statement.get("Condition", {}).get("BoolIfExists", {})
            if conditions.get("autoscaling:LaunchTemplateVersionSpecified") != "true":
                problems.append(f"{name} may put a group on $Latest")
    return problems


def instances_are_launched_only_from_templates(template):
    problems = []
    for name, statement in role_statements(template):
        if statement["Effect"] != "Allow" or "ec2:RunInstances" not in as_list(statement["Action"]):
            continue
        condition = statement.get("Condition", {})
        by_tag = condition.get("Null", {}).get("aws:ResourceTag/driftless:fleet") == "false"
        by_template = "ec2:LaunchTemplate" in condition.get("ArnLike", {})
        on_templates = all("launch-template/" in json.dumps(r) for r in as_list(statement["Resource"]))
        if not (by_tag if on_templates else by_template):
            problems.append(f"{name} may run instances without a fleet's template ({statement.get('Sid')})")
    return problems


def tags_are_written_only_at_launch(template):
    return [
        f"{name} may tag what already runs"
        for name, statement in role_statements(template)
        if statement["Effect"] == "Allow"
        and "ec2:CreateTags" in as_list(statement["Action"])
        and statement.get("Condition", {}).get("StringEquals", {}).get("ec2:CreateAction") != ["RunInstances", "CreateFleet"]
    ]


def roles_are_passed_only_to_instances(template):
    problems = []
    for name, statement in role_statements(template):
        if statement["Effect"] != "Allow" or "iam:PassRole" not in as_list(statement["Action"]):
            continue
        if statement.get("Condition", {}).get("StringEquals", {}).get("iam:PassedToService") != "ec2.amazonaws.com":
            problems.append(f"{name} may pass a role to any service")
        choice = statement["Resource"].get("Fn::If") if isinstance(statement["Resource"], dict) else None
        if not choice or choice[1] != {"Ref": "FleetRoleArns"} or "role/driftless-fleet-" not in json.dumps(choice[2]):
            problems.append(f"{name} may pass other roles than the fleets'")
    return problems


def some_things_are_never_allowed(template):
    denied = {
        action
        for name, statement in role_statements(template)
        if name == "ReconcileRole" and statement["Effect"] == "Deny" and statement["Resource"] == "*" and "Condition" not in statement
        for action in as_list(statement["Action"])
    }
    return [f"reconcile is not denied {action}" for action in sorted(NEVER - denied)]


def calls_bring_their_dependents(template):
    problems = []
    for role in of_type(template, "AWS::IAM::Role"):
        allowed = {action for statement in allows_of(template, role) for action in as_list(statement["Action"])}
        for call in sorted(allowed & DEPENDENT_ACTIONS.keys()):
            for needed in DEPENDENT_ACTIONS[call]:
                if not any(fnmatchcase(needed, pattern) for pattern in allowed):
                    problems.append(f"{role} may {call} but not {needed}")
    return problems


def only_ci_publishes_images(template):
    problems = []
    for name, bus in of_type(template, "AWS::Events::EventBus").items():
        statements = bus["Properties"].get("Policy", {}).get("Statement", [])
        allow = next((s["Fn::If"][1] for s in statements if "Fn::If" in s and s["Fn::If"][0] == "HasCiRole"), None)
        if not allow or allow["Principal"] != {"AWS": {"Ref": "CiRoleArn"}} or allow["Action"] != "events:PutEvents":
            problems.append(f"{name} does not name the CI role")
        elif allow.get("Condition", {}).get("StringEquals", {}).keys() != {"events:source", "events:detail-type"}:
            problems.append(f"{name} lets CI put any event")
        if any(s.get("Effect") == "Allow" for s in statements):
            problems.append(f"{name} lets others in without a CI role")
        deny = next((s for s in statements if s.get("Effect") == "Deny"), None)
        if not deny or deny["Principal"] != "*" or "aws:PrincipalArn" not in deny["Condition"].get("StringNotEquals", {}):
            problems.append(f"{name} lets any role of the account publish")
    return problems


def only_our_transitions_are_put(template):
    """One role puts events: on one bus, under one source, of the detail-types of docs/events.md."""
    problems = []
    for name, statement in role_statements(template):
        if statement["Effect"] != "Allow" or "events:PutEvents" not in as_list(statement["Action"]):
            continue
        if name != "ReconcileRole":
            problems.append(f"{name} may put events")
        if statement.get("Condition") != {"StringEquals": {"events:source": "driftless", "events:detail-type": DETAIL_TYPES}}:
            problems.append(f"{name} may put any event")
        if not json.dumps(statement["Resource"]).rstrip('"}').endswith(":event-bus/default"):
            problems.append(f"{name} may put events on other buses")
    return problems


# -- queues, rules and times

def times_nest(template):
    problems = []
    timeout = {"Ref": "FunctionTimeoutSeconds"}
    if template["Globals"]["Function"].get("Timeout") != timeout:
        problems.append("the timeout of the functions is not the parameter")
    if template["Globals"]["Function"]["Environment"]["Variables"].get("FUNCTION_TIMEOUT_SECONDS") != timeout:
        problems.append("the functions are not told their timeout")
    problems += [
        f"{name} has a timeout of its own"
        for name, function in of_type(template, "AWS::Serverless::Function").items()
        if "Timeout" in function["Properties"]
    ]
    for seconds in template["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]:
        visibility = template["Mappings"]["Times"].get(str(seconds), {}).get("VisibilitySeconds")
        if visibility != 6 * seconds:
            problems.append(f"visibility is {visibility} s for a timeout of {seconds} s")
        late = template["Mappings"]["Times"].get(str(seconds), {}).get("EventIsLateSeconds", 0)
        if not 3 * 6 * seconds < late <= 4 * 6 * seconds:
            problems.append(f"an event is late after {late} s, and three tries take {3 * 6 * seconds} s")
    late = {"Fn::FindInMap": ["Times", timeout, "EventIsLateSeconds"]}
    if properties(template, "EventQueueAgeAlarm").get("Threshold") != late:
        problems.append("EventQueueAgeAlarm does not follow the timeout")
    wanted = {"Fn::FindInMap": ["Times", timeout, "VisibilitySeconds"]}
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        if name not in dead_letter_queues(template) and queue["Properties"].get("VisibilityTimeout") != wanted:
            problems.append(f"{name} has a visibility of its own")
    return problems


def nothing_is_lost_between_queues(template):
    problems = []
    dead = dead_letter_queues(template)
    alarmed = {
        target_of(d["Value"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("MetricName") == "ApproximateNumberOfMessagesVisible" and alarm["Properties"]["Threshold"] == 0
        for d in alarm["Properties"]["Dimensions"]
    }
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        p = queue["Properties"]
        if p.get("SqsManagedSseEnabled") is not True:
            problems.append(f"{name} is not encrypted")
        if name in dead:
            if p.get("MessageRetentionPeriod") != FOURTEEN_DAYS:
                problems.append(f"{name} forgets before 14 days")
            if name not in alarmed:
                problems.append(f"{name} fills without an alarm")
            continue
        redrive = p.get("RedrivePolicy", {})
        if target_of(redrive.get("deadLetterTargetArn")) not in of_type(template, "AWS::SQS::Queue"):
            problems.append(f"{name} has no dead-letter queue")
        elif not LEAST_DEAD_LETTER_PATIENCE <= redrive["maxReceiveCount"] <= MOST_DEAD_LETTER_PATIENCE:
            problems.append(f"{name} gives up after {redrive['maxReceiveCount']} tries")
        if p.get("MessageRetentionPeriod", 0) >= FOURTEEN_DAYS:
            problems.append(f"{name} keeps a message as long as its dead-letter queue, which counts from the same moment")
    senders = [(name, target) for name, rule in of_type(template, "AWS::Events::Rule").items() for target in rule["Properties"]["Targets"]]
    senders += [(name, s["Properties"]["Target"]) for name, s in of_type(template, "AWS::Scheduler::Schedule").items()]
    for name, target in senders:
        if target_of(target.get("DeadLetterConfig", {}).get("Arn")) is None:
            problems.append(f"{name} drops what it cannot deliver")
        if "RetryPolicy" not in target:
            problems.append(f"{name} has no retry policy")
    for name, function in of_type(template, "AWS::Serverless::Function").items():
        for event in function["Properties"].get("Events", {}).values():
            p = event["Properties"]
            if p.get("FunctionResponseTypes") != ["ReportBatchItemFailures"] or p.get("BatchSize") != 10:
                problems.append(f"{name} fails a whole batch for one message")
    return problems


def queues_take_only_from_their_rules(template):
    problems = []
    for queue in of_type(template, "AWS::SQS::Queue"):
        statements = list(queue_statements(template, queue))
        if not any(
            s["Effect"] == "Deny" and s["Principal"] == "*" and s["Action"] == "sqs:*" and s["Resource"] == arn(queue)
            and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for s in statements
        ):
            problems.append(f"{queue} takes messages without TLS")
        wanted = sorted(rules_to(template, queue))
        for rule_name, rule in of_type(template, "AWS::Events::Rule").items():
            if any(target_of(t.get("DeadLetterConfig", {}).get("Arn")) == queue for t in rule["Properties"]["Targets"]):
                wanted.append(rule_name)
        named = []
        for statement in (s for s in statements if s["Effect"] == "Allow"):
            sources = as_list(statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", []))
            if statement["Principal"] != {"Service": "events.amazonaws.com"} or statement["Action"] != "sqs:SendMessage" or not sources:
                problems.append(f"{queue} takes from others than rules")
            named += [target_of(s) for s in sources]
        if sorted(named) != sorted(wanted):
            problems.append(f"{queue} names the rules {sorted(named)} and gets from {sorted(wanted)}")
    return problems


def the_schedule_starts_only_the_resync(template):
    problems = []
    schedules = of_type(template, "AWS::Scheduler::Schedule")
    if len(schedules) != 1:
        problems.append(f"there are {len(schedules)} schedules")
    for name, schedule in schedules.items():
        target = schedule["Properties"]["Target"]
        if target["Arn"] != arn("ReconcileFunction") or json.loads(target["Input"]) != {"resync": {}}:
            problems.append(f"{name} starts something else")
        if schedule["Properties"]["FlexibleTimeWindow"] != {"Mode": "OFF"}:
            problems.append(f"{name} is late on purpose")
    allowed = {(a, target_of(s["Resource"])) for s in allows_of(template, "ResyncRole") for a in as_list(s["Action"])}
    if allowed != {("lambda:InvokeFunction", "ReconcileFunction"), ("sqs:SendMessage", "ResyncDeadLetterQueue")}:
        problems.append("the schedule may do more or less than start the resync")
    return problems


# -- functions, table, topic and alarms

def functions_are_built_and_logged_alike(template):
    problems = []
    g = template["Globals"]["Function"]
    for key, wanted in {"Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": ["arm64"]}.items():
        if g.get(key) != wanted:
            problems.append(f"{key} is {g.get(key)}")
    if g["LoggingConfig"].get("LogFormat") != "JSON" or g["LoggingConfig"].get("SystemLogLevel") != "WARN":
        problems.append("logs are not JSON at WARN")
    functions = of_type(template, "AWS::Serverless::Function")
    if functions.keys() != {f"{name}Function" for name in FUNCTIONS}:
        problems.append(f"the functions are {sorted(functions)}")
    for logical, folder in FUNCTIONS.items():
        function = functions.get(f"{logical}Function", {"Properties": {}})
        p = function["Properties"]
        metadata = {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": folder}}
        if function.get("Metadata") != metadata or p.get("CodeUri") != f"functions/{folder}":
            problems.append(f"{logical} is not built from functions/{folder}")
        if p.get("FunctionName") != {"Fn::Sub": "${AWS::StackName}-" + folder}:
            problems.append(f"{logical} has another name")
        if p.get("LoggingConfig") != {"LogGroup": {"Ref": f"{logical}LogGroup"}}:
            problems.append(f"{logical} does not write its own log group")
        written = [s["Resource"] for s in allows_of(template, f"{logical}Role") if "logs:PutLogEvents" in as_list(s["Action"])]
        if written != [arn(f"{logical}LogGroup")]:
            problems.append(f"{logical} may write other logs")
        if p.get("Environment", {}).get("Variables", {}) != OWN_ENVIRONMENT.get(logical, {}):
            problems.append(f"{logical} gets variables of its own")
    if set(g["Environment"]["Variables"]) != ENVIRONMENT:
        problems.append("functions get other variables")
    for name, group in of_type(template, "AWS::Logs::LogGroup").items():
        if group["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            problems.append(f"{name} keeps its logs for ever")
    return problems


def traces_can_be_sent_and_switched_off(template):
    problems = []
    if template["Globals"]["Function"].get("Tracing") != {"Ref": "Tracing"}:
        problems.append("tracing cannot be switched off")
    parameter = template["Parameters"].get("Tracing", {})
    # Lambda's two modes; SAM's third one, Disabled, would take a parameter's place in the template but not in a deployment.
    if parameter.get("Default") != "Active" or set(parameter["AllowedValues"]) != {"Active", "PassThrough"}:
        problems.append("the parameter does not switch between Lambda's two modes, beginning with Active")
    for name, function in of_type(template, "AWS::Serverless::Function").items():
        if "Tracing" in function["Properties"]:
            problems.append(f"{name} is traced in its own way")
        role = target_of(function["Properties"].get("Role"))
        allowed = {action for s in allows_of(template, role) if s["Resource"] == "*" for action in as_list(s["Action"])}
        problems += [f"{name} is traced and may not {action}" for action in sorted(SENDING_TRACES - allowed)]
    return problems


def alarms_of_both_kinds_are_seen(template):
    """CloudWatch leaves composite alarms out of an answer, or refuses it, where the permission has a narrower scope."""
    readers = [(name, s) for name, s in role_statements(template) if s["Effect"] == "Allow" and "cloudwatch:DescribeAlarms" in as_list(s["Action"])]
    missing = {"ReconcileRole", "StatusRole"} - {name for name, _ in readers}
    return [f"{name} may not read alarms" for name in sorted(missing)] + [
        f"{name} sees no composite alarms" for name, statement in readers if statement["Resource"] != "*"
    ]


def only_reconcile_may_invoke_itself(template):
    """Lambda stops a function that is reached some 16 times in one chain of messages. Only one function does so on purpose."""
    return [
        f"{name} {'is stopped when it has invoked itself 16 times' if name == 'ReconcileFunction' else 'may invoke itself for ever'}"
        for name, function in of_type(template, "AWS::Serverless::Function").items()
        if (function["Properties"].get("RecursiveLoop") == "Allow") != (name == "ReconcileFunction")
    ]


def the_table_can_be_restored(template):
    problems = []
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        p = table["Properties"]
        if p.get("BillingMode") != "PAY_PER_REQUEST":
            problems.append(f"{name} is not on demand")
        if p.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            problems.append(f"{name} has no point-in-time recovery")
        if p.get("TimeToLiveSpecification") != {"AttributeName": "expires_at", "Enabled": True}:
            problems.append(f"{name} never forgets")
        if p.get("SSESpecification") != {"SSEEnabled": True}:
            problems.append(f"{name} is not encrypted with a KMS key")
        if p.get("DeletionProtectionEnabled") != {"Fn::If": ["TableIsProtected", True, False]}:
            problems.append(f"{name} is not protected by the parameter")
        if table.get("DeletionPolicy") != "Retain" or table.get("UpdateReplacePolicy") != "Retain":
            problems.append(f"{name} goes with the stack")
        index = next((i for i in p["GlobalSecondaryIndexes"] if i["IndexName"] == "open-work"), None)
        keys = [("open_work", "HASH"), ("open_since", "RANGE")]
        if not index or [(k["AttributeName"], k["KeyType"]) for k in index["KeySchema"]] != keys:
            problems.append(f"{name} has no index of open work")
        if [(k["AttributeName"], k["KeyType"]) for k in p["KeySchema"]] != [("pk", "HASH"), ("sk", "RANGE")]:
            problems.append(f"{name} has other keys")
    return problems
