"""The dashboard is a text in the template: what CloudFormation would only find out when it deploys, and CloudWatch never says."""

import copy
import json
import re
import unittest
from pathlib import Path

from samcli.yamlhelper import yaml_parse

import checks
import dashboard
import logs

ROOT = Path(__file__).resolve().parents[2]
PARSED = yaml_parse((ROOT / "template.yaml").read_text())
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()
EMITTER = (ROOT / "shared" / "lambda" / "src" / "metrics.rs").read_text()


def documented():
    """The rows of docs/metrics.md: (metric, dimensions) -> (unit, alarms)."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", METRICS_PAGE)
    names = lambda cell: tuple(re.findall(r"`(\w+)`", cell))
    return {(metric, names(dimensions)): (unit, names(alarms)) for metric, unit, dimensions, alarms in rows}


def filtered():
    """What the metric filters make: metric -> transformation."""
    filters = checks.of_type(PARSED, "AWS::Logs::MetricFilter").values()
    return {t["MetricName"]: t for resource in filters for t in resource["Properties"]["MetricTransformations"]}


def words_in(file, start, end):
    """The words that a part of the planner's source can say."""
    part = (ROOT / "shared" / "planner" / "src" / file).read_text().split(start, 1)[1].split(end, 1)[0]
    return re.findall(r'"([^"]*)"', part)


def variants(file, enum):
    """The words of an enum of the planner whose variants are said in kebab-case, but for those that say another word."""
    source = (ROOT / "shared" / "planner" / "src" / file).read_text()
    body = source.split(f"pub enum {enum} {{", 1)[1].split("\n}", 1)[0]
    found = re.findall(r'(?m)(?:^    #\[strum_discriminants\(strum\(serialize = "([^"]+)"\)\)\]\n)?^    ([A-Z]\w*)', body)
    return [said or re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower() for said, name in found]


def guards():
    """The names of the guards, each once, from the page that a test of the planner compares with its list of names."""
    tables = (ROOT / "docs" / "guards.md").read_text().split("## Earlier names", 1)[0]
    return sorted(set(re.findall(r"(?m)^\| `([^`]*)` \|", tables)))


# Dimensions whose values are words of the planner's own: closed sets, held to its source.
BY_OWN_WORDS = {
    ("Waiting", ("Reason",)): guards(),
    ("CutoverPhaseSeconds", ("Phase",)): variants("record/cutover.rs", "CutoverPhase"),
    ("Replacements", ("Outcome",)): words_in("measure.rs", "REPLACEMENT_OUTCOMES", ";\n\n"),
}


class Body(unittest.TestCase):
    def test_it_is_json_with_and_without_the_address_of_the_runbooks(self):
        for address in ("", "https://git.example/driftless/blob/main"):
            with self.subTest(address):
                self.assertGreater(len(dashboard.body(PARSED, address)["widgets"]), 10)

    def test_it_names_no_region_no_account_and_no_stack(self):
        text = json.dumps(checks.properties(PARSED, "Dashboard"))
        self.assertEqual(re.findall(r"\b[a-z]{2}(?:-gov|-iso\w?)?-[a-z]+-\d\b|\b\d{12}\b|arn:aws|\bdriftless-", text), [])
        for widget in dashboard.widgets(PARSED, "metric") + dashboard.widgets(PARSED, "log"):
            with self.subTest(widget["title"]):
                self.assertEqual(widget["region"], dashboard.PSEUDO["AWS::Region"])

    def test_its_name_is_that_of_one_stack_in_one_region(self):
        self.assertEqual(checks.properties(PARSED, "Dashboard")["DashboardName"], {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"})

    def test_no_widget_covers_another(self):
        self.assertEqual(dashboard.overlaps(dashboard.body(PARSED)["widgets"]), [])

    def test_widgets_that_overlap_are_found(self):
        left, right = {"x": 0, "y": 0, "width": 12, "height": 6}, {"x": 12, "y": 0, "width": 12, "height": 6}
        for changed, expected in [({}, []), ({"x": 11}, ["widgets 0 and 1 overlap"]), ({"x": 13}, ["widget 1 leaves the grid"])]:
            with self.subTest(changed):
                self.assertEqual(dashboard.overlaps([left, right | changed]), expected)

    def test_fleets_are_drawn_by_the_function_that_only_reads(self):
        body = dashboard.body(PARSED)["widgets"]
        [widget] = [widget for widget in body if widget["type"] == "custom"]
        self.assertEqual((widget["properties"]["endpoint"], widget["properties"]["params"]), ("StatusFunction.Arn", {}))
        # As wide as the page, and above everything but the alarms.
        above = {other["type"] for other in body if other["y"] < widget["y"]}
        self.assertEqual((widget["width"], above), (24, {"text", "alarm"}))

    def test_a_legend_names_what_a_search_finds_by_a_text_that_cloudwatch_fills_in(self):
        labels = [line[0]["label"] for widget in dashboard.widgets(PARSED, "metric") for line in widget["metrics"] if isinstance(line[0], dict)]
        self.assertEqual(labels, [f"${{PROP('Dim.{name}')}}" for name in ("Fleet", "Reason", "Outcome", "Phase")])


class Metrics(unittest.TestCase):
    def test_each_metric_is_counted_by_aws_or_documented(self):
        known = dashboard.COUNTED_BY_AWS | {("Driftless", *key) for key in documented()}
        for namespace, name, dimensions, _ in dashboard.all_metrics(PARSED):
            with self.subTest(f"{namespace} {name}"):
                self.assertIn((namespace, name, dimensions), known)

    def test_each_metric_of_an_alarm_is_counted_by_aws_or_documented_with_it(self):
        watched = {}
        for alarm, namespace, name, dimensions in dashboard.alarm_metrics(PARSED):
            with self.subTest(alarm, metric=name):
                if namespace == "Driftless":
                    watched.setdefault((name, dimensions), []).append(alarm)
                else:
                    self.assertIn((namespace, name, dimensions), dashboard.COUNTED_BY_AWS)
        for key, (_, alarms) in documented().items():
            with self.subTest(key):
                self.assertEqual(sorted(alarms), sorted(watched.pop(key, [])))
        self.assertEqual(watched, {})

    def test_each_documented_metric_is_sent(self):
        self.assertGreater(len(documented()), 4)
        for (metric, dimensions), (unit, _) in documented().items():
            with self.subTest(metric):
                if metric in filtered():
                    made = filtered()[metric]
                    self.assertEqual((made["Unit"], tuple(d["Key"] for d in made.get("Dimensions", []))), (unit, dimensions))
                else:
                    for word in (metric, unit, *dimensions):
                        self.assertIn(f'"{word}"', EMITTER)

    def test_each_filter_is_documented_of_our_namespace_and_dense_where_it_can_be(self):
        for metric, made in filtered().items():
            with self.subTest(metric):
                self.assertIn((metric, tuple(d["Key"] for d in made.get("Dimensions", []))), documented())
                self.assertEqual(made["MetricNamespace"], "Driftless")
                # CloudWatch refuses a default value together with dimensions.
                self.assertEqual(made.get("DefaultValue"), None if "Dimensions" in made else 0)

    def test_each_filter_reads_fields_that_its_line_has(self):
        for logical_id, resource in checks.of_type(PARSED, "AWS::Logs::MetricFilter").items():
            code = re.search(r'"([^"]+)"', resource["Properties"]["FilterPattern"])[1]
            written = logs.fields_by_code()[code]
            for made in resource["Properties"]["MetricTransformations"]:
                for value in [made["MetricValue"], *(d["Value"] for d in made.get("Dimensions", []))]:
                    with self.subTest(logical_id, value=value):
                        if value != "1":
                            self.assertIn(value.removeprefix("$."), written)

    def test_all_documented_metrics_are_shown(self):
        shown = {(name, dimensions) for namespace, name, dimensions, _ in dashboard.all_metrics(PARSED) if namespace == "Driftless"}
        self.assertEqual(shown, documented().keys())

    def test_only_drift_has_the_fleet_as_a_dimension_and_no_other_value_comes_from_outside(self):
        split = {key for key in documented() if key[1]}
        self.assertEqual(split - BY_OWN_WORDS.keys(), {("NonCompliantInstances", ("Fleet",))})
        self.assertEqual(BY_OWN_WORDS.keys() - split, set())

    def test_the_words_of_a_dimension_are_those_of_the_planner(self):
        for key, words in BY_OWN_WORDS.items():
            with self.subTest(key):
                self.assertGreater(len(words), 2)
                self.assertEqual([word for word in words if not re.fullmatch(r"[a-z-]+", word)], [])
                self.assertEqual(len(words), len(set(words)))

    def test_the_page_counts_what_is_billed(self):
        named = dashboard.all_metrics(PARSED)
        plain = [metric for metric in named if metric[3] or not metric[2]]
        self.assertIn(f"| {len(plain)} metrics, and one for each fleet |", METRICS_PAGE)
        watched = list(dashboard.alarm_metrics(PARSED))
        self.assertIn(f"| {len(watched)}, in {len({alarm for alarm, *_ in watched})} alarms |", METRICS_PAGE)
        own = [key for key in documented() if not key[1]]
        self.assertIn(f"| {len(own)}, and one for each fleet: {len(own) + 50} with 50 fleets |", METRICS_PAGE)
        reasons, phases, outcomes = map(len, BY_OWN_WORDS.values())
        self.assertIn(f"| at most {reasons} reasons, {phases} phases, {outcomes} outcomes: {reasons + phases + outcomes} |", METRICS_PAGE)


class Whole(unittest.TestCase):
    def values_of(self, wanted):
        return {value for _, name, _, values in dashboard.all_metrics(PARSED) if name == wanted for value in values[:1]}

    def test_it_shows_every_function(self):
        functions = set(checks.of_type(PARSED, "AWS::Serverless::Function"))
        for metric in ("Errors", "Throttles", "Duration", "ConcurrentExecutions"):
            with self.subTest(metric):
                self.assertEqual(self.values_of(metric), functions)

    def test_it_shows_every_queue(self):
        queues = {f"{queue}.QueueName" for queue in checks.of_type(PARSED, "AWS::SQS::Queue")}
        dead = {f"{queue}.QueueName" for queue in checks.dead_letter_queues(PARSED)}
        self.assertEqual(self.values_of("ApproximateNumberOfMessagesVisible"), queues)
        self.assertEqual(self.values_of("ApproximateAgeOfOldestMessage"), queues - dead)

    def test_it_shows_every_alarm_and_links_its_runbook(self):
        alarms = set(checks.of_type(PARSED, "AWS::CloudWatch::Alarm"))
        [widget] = dashboard.widgets(PARSED, "alarm")
        self.assertEqual({value.removesuffix(".Arn") for value in widget["alarms"]}, alarms)
        text = dashboard.body(PARSED, "https://git.example/d")["widgets"][0]["properties"]["markdown"]
        linked = re.findall(r"\]\(https://git\.example/d/(docs/runbooks/[\w-]+\.md)\)", text)
        self.assertEqual({Path(page).stem for page in linked if (ROOT / page).exists()}, {Path(page).stem for page in linked})
        descriptions = [alarm["Properties"]["AlarmDescription"] for alarm in checks.of_type(PARSED, "AWS::CloudWatch::Alarm").values()]
        named = {re.search(r"docs/runbooks/[\w-]+\.md", description)[0] for description in descriptions}
        self.assertEqual(set(linked), named | {"docs/runbooks/README.md"})

    def test_an_alarm_that_is_not_shown_is_found(self):
        broken = copy.deepcopy(PARSED)
        text = checks.properties(broken, "Dashboard")["DashboardBody"]["Fn::Sub"]
        text[0] = text[0].replace('"${ResyncMissingAlarm.Arn}", ', "")
        self.assertEqual(len(dashboard.widgets(broken, "alarm")[0]["alarms"]), len(checks.of_type(PARSED, "AWS::CloudWatch::Alarm")) - 1)

    def test_queries_read_lines_and_fields_that_the_code_writes(self):
        queries = [widget["query"] for widget in dashboard.widgets(PARSED, "log")]
        self.assertEqual(len(queries), 3)
        for query in queries:
            with self.subTest(query):
                self.assertTrue(query.startswith("SOURCE 'ReconcileLogGroup' | "))
                named = re.search(r"event = '(\w+)'", query)
                errors = {field for line in logs.LINES if line.level == "error" for field in line.fields}
                written = (logs.fields_by_code()[named[1]] if named else errors) | {"@timestamp", "message"}
                asked = re.findall(r"latest\((\w+)\)|by (\w+)", query) if "stats" in query else [
                    (field.strip("` "), "") for field in re.search(r"fields ([^|]+) \|", query)[1].split(",")
                ]
                self.assertTrue(asked)
                self.assertEqual({a or b for a, b in asked} - written, set())


if __name__ == "__main__":
    unittest.main()
