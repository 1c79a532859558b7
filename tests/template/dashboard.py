"""Reading the dashboard: its body as CloudWatch gets it, and the metrics that it names."""

import json
import re

import checks

# What AWS counts by itself: namespace, dimensions, metrics (the services' own lists in their documentation).
LAMBDA, SQS, DYNAMODB, SNS = "AWS/Lambda", "AWS/SQS", "AWS/DynamoDB", "AWS/SNS"
COUNTED_BY_AWS = (
    {(LAMBDA, name, ("FunctionName",)) for name in ("ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles")}
    | {(SQS, name, ("QueueName",)) for name in ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible")}
    | {(DYNAMODB, name, ("TableName",)) for name in ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")}
    | {
        (DYNAMODB, name, dimensions)
        for name in ("ReadThrottleEvents", "WriteThrottleEvents")
        for dimensions in (("TableName",), ("TableName", "GlobalSecondaryIndexName"))
    }
    | {(SNS, name, ("TopicName",)) for name in ("NumberOfMessagesPublished", "NumberOfNotificationsDelivered", "NumberOfNotificationsFailed")}
)

SEARCH = re.compile(r"""SEARCH\('\{([\w/]+),([\w,]+)\} MetricName="(\w+)"', '\w+', \d+\)""")
PSEUDO = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::StackName": "driftless"}


def substituted(value, conditions, names):
    """What CloudFormation makes of a text: Fn::Sub in both forms, Fn::If, `${!x}`. A resource stands for its logical id."""
    if isinstance(value, str):
        return value
    if "Fn::If" in value:
        condition, yes, no = value["Fn::If"]
        return substituted(yes if conditions[condition] else no, conditions, names)
    text, variables = value["Fn::Sub"] if isinstance(value["Fn::Sub"], list) else (value["Fn::Sub"], {})
    known = names | PSEUDO | {name: substituted(inner, conditions, names) for name, inner in variables.items()}

    def replacement(match):
        if match[1].startswith("!"):
            return "${" + match[1][1:] + "}"
        return known[match[1]] if match[1] in known else known[match[1].split(".")[0]] + "." + match[1].split(".")[1]

    return re.sub(r"\$\{([^}]+)\}", replacement, text)


def body(template, runbooks_url=""):
    names = {name: name for name in template["Resources"]} | {"RunbooksUrl": runbooks_url}
    resource = checks.properties(template, "Dashboard")["DashboardBody"]
    return json.loads(substituted(resource, {"HasRunbooksUrl": bool(runbooks_url)}, names))


def widgets(template, kind):
    return [widget["properties"] for widget in body(template)["widgets"] if widget["type"] == kind]


def metrics_of(widget):
    """The metrics of a widget: (namespace, name, dimensions, their values). A search has no values."""
    for line in widget["metrics"]:
        if isinstance(line[0], dict):
            namespace, dimensions, name = SEARCH.fullmatch(line[0]["expression"]).groups()
            yield namespace, name, tuple(dimensions.split(",")), ()
        else:
            namespace, name, *rest = line[:-1] if isinstance(line[-1], dict) else line
            yield namespace, name, tuple(rest[0::2]), tuple(rest[1::2])


def all_metrics(template):
    return [metric for widget in widgets(template, "metric") for metric in metrics_of(widget)]


def alarm_metrics(template):
    """The metrics that each alarm watches: (alarm, namespace, name, dimensions)."""
    for alarm, resource in checks.of_type(template, "AWS::CloudWatch::Alarm").items():
        p = resource["Properties"]
        for metric in [q["MetricStat"]["Metric"] for q in p.get("Metrics", []) if "MetricStat" in q] or [p]:
            yield alarm, metric["Namespace"], metric["MetricName"], tuple(d["Name"] for d in metric.get("Dimensions", []))


def overlaps(placed):
    """Pairs of widgets that share a cell of the grid, and widgets that leave it."""
    cells, problems = {}, []
    for number, w in enumerate(placed):
        if w["x"] + w["width"] > 24:
            problems.append(f"widget {number} leaves the grid")
        for cell in [(x, y) for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])]:
            if cell in cells:
                problems.append(f"widgets {cells[cell]} and {number} overlap")
            cells[cell] = number
    return sorted(set(problems))
