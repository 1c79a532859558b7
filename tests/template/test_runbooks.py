"""Each of our alarms has a runbook that can be followed at three in the morning."""

import re
import unittest
from pathlib import Path

from samcli.yamlhelper import yaml_parse

import checks
import logs
import runbooks

ROOT = Path(__file__).resolve().parents[2]
PARSED = yaml_parse((ROOT / "template.yaml").read_text())
ALARMS = checks.of_type(PARSED, "AWS::CloudWatch::Alarm")
PAGES = runbooks.pages()
INDEX = (runbooks.FOLDER / "README.md").read_text()


def kebab(logical_id):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id).lower()


def name_of(alarm):
    """What on-call reads in the subject, without the stack's name."""
    return alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-").removeprefix("control-")


def names_in(template):
    """What the commands may name, in a stack named driftless."""
    wanted = ("QueueName", "FunctionName", "Name", "LogGroupName")
    values = [r.get("Properties", {}).get(key) for r in template["Resources"].values() for key in wanted]
    texts = [value["Fn::Sub"] for value in values if isinstance(value, dict) and "Fn::Sub" in value]
    return {text.replace("${AWS::StackName}", "driftless").removeprefix("/aws/lambda/") for text in texts}


class Alarms(unittest.TestCase):
    def test_each_alarm_names_its_runbook(self):
        for logical_id, alarm in ALARMS.items():
            with self.subTest(logical_id):
                named = re.findall(r"Runbook: docs/runbooks/([\w-]+)\.md$", alarm["Properties"]["AlarmDescription"])
                self.assertEqual(named, [kebab(logical_id)])
                self.assertIn(named[0], PAGES)

    def test_the_runbook_of_an_alarm_names_the_alarm(self):
        for logical_id, alarm in ALARMS.items():
            with self.subTest(logical_id):
                self.assertTrue(PAGES[kebab(logical_id)].startswith(f"# Alarm {name_of(alarm)}: "))

    def test_no_runbook_is_about_an_alarm_that_is_gone(self):
        self.assertEqual({name for name, text in PAGES.items() if text.startswith("# Alarm ")}, {kebab(name) for name in ALARMS})

    def test_each_begins_with_a_command_and_has_its_parts(self):
        for name in map(kebab, ALARMS):
            with self.subTest(name):
                self.assertTrue(runbooks.begins_with_a_command(PAGES[name]))
                self.assertEqual(re.findall(r"(?m)^## (.+)$", PAGES[name]), runbooks.SECTIONS)

    def test_a_text_before_the_command_is_found(self):
        for text in ["# A\n\nFirst read this.\n\n```sh\naws s3 ls\n```\n", "# A\n\n```sh\n```\n", "```sh\naws s3 ls\n```\n", "# A\n"]:
            with self.subTest(text):
                self.assertFalse(runbooks.begins_with_a_command(text))

    def test_a_line_that_is_counted_is_a_line_that_is_written(self):
        filters = checks.of_type(PARSED, "AWS::Logs::MetricFilter")
        self.assertTrue(filters)
        for logical_id, resource in filters.items():
            with self.subTest(logical_id):
                code = re.fullmatch(r'\{ \$\.event = "(\w+)" \}', resource["Properties"]["FilterPattern"])[1]
                self.assertIn(code, logs.fields_by_code())


class Commands(unittest.TestCase):
    def test_the_aws_cli_understands_each_command(self):
        for name, text in PAGES.items():
            for words in runbooks.aws_calls(text):
                with self.subTest(name, command=" ".join(words[:3])):
                    self.assertIsNone(runbooks.problem_with(words))

    def test_each_command_names_what_the_stack_has(self):
        known = names_in(PARSED)
        for name in map(kebab, ALARMS):
            for line in runbooks.commands(PAGES[name]):
                for named in re.findall(r"driftless-[a-z-]*[a-z](?!\$)", line):
                    with self.subTest(name, line=line):
                        self.assertIn(named, known)

    def test_a_command_filters_log_lines_by_codes_and_fields_that_the_code_writes(self):
        written = logs.fields_by_code()
        known = {field for line in logs.LINES for field in line.fields} | {"level", "NonCompliantInstances"}
        asked = 0
        for name, text in PAGES.items():
            for words in runbooks.aws_calls(text):
                if words[1:3] == ["logs", "tail"] and "--filter-pattern" in words:
                    pattern = words[words.index("--filter-pattern") + 1]
                    asked += 1
                    with self.subTest(name, pattern=pattern):
                        self.assertEqual(set(re.findall(r"\$\.(\w+)", pattern)) - known, set())
                        self.assertEqual(set(re.findall(r'\$\.event = "([^"]*)"', pattern)) - written.keys(), set())
        self.assertGreater(asked, 10)

    def test_a_wrong_command_is_found(self):
        for command, word in {
            "aws sqs purge": "has no purge",
            "aws queue list": "no service",
            "aws sqs purge-queue": "needs ['queue-url']",
            "aws sqs purge-queue --queue-url u --force": "has no ['force']",
            "aws logs tail group --until 1h": "has no ['until']",
        }.items():
            with self.subTest(command):
                self.assertIn(word, runbooks.problem_with(command.split()))

    def test_a_call_inside_of_another_is_read_too(self):
        text = '```sh\nfor name in a b; do\n  aws sqs purge-queue --queue-url "$(aws sqs get-queue-url --queue-name "q-$name" --query QueueUrl)"\ndone\n```\n'
        self.assertEqual([words[2] for words in runbooks.aws_calls(text)], ["get-queue-url", "purge-queue"])


class Index(unittest.TestCase):
    def test_each_runbook_is_listed_once(self):
        listed = [name.removesuffix(".md") for name in runbooks.LINK.findall(INDEX)]
        self.assertEqual(sorted(listed), sorted(PAGES))

    def test_each_link_leads_somewhere(self):
        for name, text in PAGES.items():
            with self.subTest(name):
                self.assertEqual({link for link in runbooks.LINK.findall(text) if link.removesuffix(".md") not in PAGES}, set())


if __name__ == "__main__":
    unittest.main()
