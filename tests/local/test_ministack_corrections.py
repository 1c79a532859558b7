"""Each correction of ministack, and what the production loop needs of it, as one fact about the emulated account.

The functions here are small scripts that speak the Runtime API, so that these tests need no Rust build.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher_process import HERE, REGION, LauncherProcess, is_running

STACK = "facts"
TIMEOUT = 1
VISIBILITY = 2

FUNCTION = f"""#!{sys.executable}
import json, os, time, urllib.request

def call(path, body=None):
    return urllib.request.urlopen("http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/" + path, body)

def handle(event, deadline):
    if "requestContext" in event:
        return {{"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}}
    records = event.get("Records")
    if records is None:
        return {{"environment": dict(os.environ), "pid": os.getpid(), "deadline": int(deadline)}}
    failures = []
    for record in records:
        order = record["body"]
        print(json.dumps({{"record": record}}), flush=True)
        if order == "exit":
            os._exit(1)
        if order == "sleep":
            time.sleep(60)
        if order == "fail":
            failures.append({{"itemIdentifier": record["messageId"]}})
    return {{"batchItemFailures": failures}}

while True:
    with call("invocation/next") as answer:
        request, deadline = (answer.headers["Lambda-Runtime-" + name] for name in ("Aws-Request-Id", "Deadline-Ms"))
        event = json.load(answer)
    call("invocation/" + request + "/response", json.dumps(handle(event, deadline)).encode()).close()
"""

TEMPLATE = f"""
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Roles: {{Type: CommaDelimitedList, Default: ""}}
  Seconds: {{Type: Number, Default: {TIMEOUT}}}
  Concurrency: {{Type: Number, Default: 2}}
Mappings:
  Times:
    "{TIMEOUT}": {{Visibility: {VISIBILITY}}}
Conditions:
  HasRoles: !Not [!Equals [!Join ["", !Ref Roles], ""]]
Resources:
  Bus: {{Type: AWS::Events::EventBus, Properties: {{Name: facts}}}}
  Dead: {{Type: AWS::SQS::Queue, Properties: {{QueueName: facts-dead}}}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: facts
      VisibilityTimeout: !FindInMap [Times, !Ref Seconds, Visibility]
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 1}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {{account: [!Ref AWS::AccountId], source: [aws.config]}}
      Targets: [{{Id: queue, Arn: !GetAtt Queue.Arn}}]
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: facts-worker
      CodeUri: functions/worker
      Runtime: provided.al2023
      Handler: bootstrap
      Timeout: !Ref Seconds
      LoggingConfig: {{LogFormat: JSON, ApplicationLogLevel: DEBUG}}
      Environment: {{Variables: {{OWN: value}}}}
      FunctionUrlConfig: {{AuthType: AWS_IAM}}
      Role: !GetAtt Role.Arn
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {{MaximumConcurrency: !Ref Concurrency}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {{Version: "2012-10-17", Statement: []}}
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {{Sid: Take, Effect: Allow, Action: "sqs:ReceiveMessage", Resource: !GetAtt Queue.Arn}}
              - {{Sid: Pass, Effect: Allow, Action: "iam:PassRole", Resource: !If [HasRoles, !Ref Roles, ["none"]]}}
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: facts-alarm
      Metrics:
        - {{Id: all, Expression: SUM(METRICS())}}
        - Id: dead
          ReturnData: false
          MetricStat:
            Metric: {{Namespace: AWS/SQS, MetricName: Visible, Dimensions: [{{Name: QueueName, Value: !GetAtt Dead.QueueName}}]}}
            Period: 60
            Stat: Maximum
      EvaluationPeriods: 3
      ComparisonOperator: GreaterThanThreshold
      Threshold: 0
Outputs:
  QueueUrl: {{Value: !Ref Queue}}
  DeadUrl: {{Value: !Ref Dead}}
"""


def run_deploy(endpoint: str, folder: Path, template: str, stack: str) -> subprocess.CompletedProcess[str]:
    """Deploys a template text with the script above as the code of its one function."""
    (folder / "template.yaml").write_text(template)
    (folder / "worker").write_text(FUNCTION)
    (folder / "worker").chmod(0o755)
    options = ["--template", str(folder / "template.yaml"), "--artifacts", str(folder), "--region", REGION]
    command = [sys.executable, str(HERE / "deploy.py"), "--endpoint", endpoint, "--stack", stack, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


class StackTest(unittest.TestCase):
    """One deployed stack for all tests; its queue is empty at the start of each."""

    @classmethod
    def setUpClass(cls) -> None:
        os.environ["DEVELOPERS_SECRET"] = "must not leak"
        cls.aws = LauncherProcess(
            "ministack_launcher.py", "--aws-endpoint", "http://127.0.0.1:9/proxy", "--stack-id", "run-1"
        )
        cls.folder = tempfile.TemporaryDirectory()
        result = run_deploy(cls.aws.endpoint, Path(cls.folder.name), TEMPLATE, STACK)
        assert result.returncode == 0, result.stderr
        cls.deployed = json.loads(result.stdout)
        cls.sqs, cls.functions, cls.logs = (cls.aws.client(name) for name in ("sqs", "lambda", "logs"))

    @classmethod
    def tearDownClass(cls) -> None:
        cls.aws.end()
        cls.folder.cleanup()

    def setUp(self) -> None:
        for url in self.deployed["outputs"].values():
            self.sqs.purge_queue(QueueUrl=url)

    def invoke(self) -> dict[str, Any]:
        return json.load(self.functions.invoke(FunctionName="facts-worker", Payload=b"{}")["Payload"])

    def send(self, body: str, delay: int = 0) -> float:
        self.sqs.send_message(QueueUrl=self.deployed["outputs"]["QueueUrl"], MessageBody=body, DelaySeconds=delay)
        return time.time()

    def dead_letters(self) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=self.deployed["outputs"]["DeadUrl"], MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def records_of(self, body: str) -> list[dict[str, Any]]:
        """What the function was handed, from its log: a function writes nothing else here."""
        pages = self.logs.filter_log_events(logGroupName="/aws/lambda/facts-worker", filterPattern="record")
        found = [json.loads(e["message"])["record"] for e in pages["events"] if e["message"].startswith('{"record"')]
        return [record for record in found if body in record["body"]]

    def eventually(self, read: Callable[[], Any], seconds: float = 8.0) -> Any:
        end = time.time() + seconds
        while time.time() < end:
            if found := read():
                return found
            time.sleep(0.05)
        self.fail("it did not happen")

    # What deploy reports

    def test_deploy_reports_outputs_resources_and_policies(self) -> None:
        resources = self.deployed["resources"]
        self.assertEqual(resources["Worker"], {"type": "AWS::Lambda::Function", "physicalId": "facts-worker"})
        self.assertTrue(self.deployed["outputs"]["QueueUrl"].endswith("/123456789012/facts"))
        take = self.deployed["policies"]["facts-worker"][0]
        self.assertEqual(take["Resource"], f"arn:aws:sqs:{REGION}:123456789012:facts")

    def test_a_condition_may_join_a_list(self) -> None:
        self.assertEqual(self.deployed["policies"]["facts-worker"][1]["Resource"], ["none"])

    def test_an_alarm_on_an_expression_is_deployed(self) -> None:
        alarm = self.aws.client("cloudwatch").describe_alarms(AlarmNames=["facts-alarm"])["MetricAlarms"][0]
        self.assertEqual((alarm["Namespace"], alarm["Statistic"], alarm["Period"]), ("AWS/SQS", "Maximum", 60))
        self.assertEqual(alarm["Dimensions"], [{"Name": "QueueName", "Value": "facts-dead"}])

    def test_a_mapping_sets_the_visibility_timeout(self) -> None:
        url = self.deployed["outputs"]["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        self.assertEqual(answer["Attributes"]["VisibilityTimeout"], str(VISIBILITY))

    def test_deploy_refuses_a_function_without_code(self) -> None:
        template = TEMPLATE.replace("CodeUri: functions/worker", "CodeUri: elsewhere")
        with tempfile.TemporaryDirectory() as folder:
            result = run_deploy(self.aws.endpoint, Path(folder), template, "refused")
        self.assertEqual(result.returncode, 1)
        self.assertIn("1 functions, but 0", result.stderr)

    def test_deploy_says_why_a_stack_failed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            result = run_deploy(self.aws.endpoint, Path(folder), TEMPLATE, "second")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Bus: CREATE_FAILED EventBus already exists: facts", result.stderr)

    # What a function sees

    def test_a_function_sees_only_its_own_environment(self) -> None:
        environment = self.invoke()["environment"]
        self.assertEqual(environment["OWN"], "value")
        self.assertNotIn("DEVELOPERS_SECRET", environment)
        self.assertNotIn("HOME", environment)

    def test_a_function_calls_the_given_endpoint_for_everything(self) -> None:
        environment = self.invoke()["environment"]
        endpoints = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")}
        self.assertEqual(endpoints, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9/proxy"})

    def test_a_function_has_its_own_access_key(self) -> None:
        environment = self.invoke()["environment"]
        self.assertRegex(environment["AWS_ACCESS_KEY_ID"], "^ASIA[0-9A-F]{16}$")

    def test_a_function_is_told_how_to_log(self) -> None:
        environment = self.invoke()["environment"]
        self.assertEqual(
            (environment["AWS_LAMBDA_LOG_FORMAT"], environment["AWS_LAMBDA_LOG_LEVEL"]), ("JSON", "DEBUG")
        )

    def test_a_function_process_can_be_recognised(self) -> None:
        answer = self.invoke()
        environment = answer["environment"]
        self.assertEqual(environment["AWS_LAMBDA_FUNCTION_NAME"], "facts-worker")
        self.assertEqual(environment["DRIFTLESS_STACK"], "run-1")
        processes = self.aws.control("functions")
        self.assertIn({"functionName": "facts-worker", "pid": answer["pid"], "busy": False}, processes)

    def test_a_function_knows_its_deadline(self) -> None:
        remaining = self.invoke()["deadline"] / 1000 - time.time()
        self.assertTrue(0 < remaining <= TIMEOUT, remaining)

    # What reaches a function, and when

    def test_events_of_aws_services_reach_the_queue(self) -> None:
        entry = {"Source": "aws.config", "DetailType": "a change", "Detail": '{"key":"aws-event"}'}
        answer = self.aws.client("events").put_events(Entries=[entry])
        self.assertEqual(answer["FailedEntryCount"], 0)
        record = self.eventually(lambda: self.records_of("aws-event"))[0]
        event = json.loads(record["body"])
        self.assertEqual((event["account"], event["detail"]), ("123456789012", {"key": "aws-event"}))
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_a_message_is_delivered_promptly(self) -> None:
        self.invoke()
        sent = self.send("prompt")
        self.eventually(lambda: self.records_of("prompt"))
        self.assertLess(time.time() - sent, 1)

    def test_a_delayed_message_arrives_right_after_its_delay(self) -> None:
        sent = self.send("delayed", delay=1)
        self.eventually(lambda: self.records_of("delayed"))
        self.assertTrue(1 <= time.time() - sent < 1.6, time.time() - sent)

    def test_a_failed_item_goes_to_the_dead_letter_queue(self) -> None:
        self.send("fail")
        self.assertEqual(self.eventually(self.dead_letters), ["fail"])

    def test_a_function_is_killed_at_its_timeout(self) -> None:
        sent = self.send("sleep")
        busy = self.eventually(lambda: [p for p in self.aws.control("functions") if p["busy"]])[0]
        self.eventually(lambda: not is_running(busy["pid"]))
        self.assertTrue(TIMEOUT <= time.time() - sent < TIMEOUT + 1, time.time() - sent)

    def test_a_crashed_function_starts_again(self) -> None:
        before = self.invoke()["pid"]
        self.send("exit")
        self.assertEqual(self.eventually(self.dead_letters), ["exit"])
        self.assertNotEqual(self.invoke()["pid"], before)

    def test_a_function_killed_while_idle_starts_again(self) -> None:
        before = self.invoke()["pid"]
        os.kill(before, signal.SIGKILL)
        self.eventually(lambda: not is_running(before))
        self.assertNotEqual(self.invoke()["pid"], before)


    def test_a_function_behind_a_url_is_told_who_has_signed(self) -> None:
        url = self.functions.get_function_url_config(FunctionName="facts-worker")["FunctionUrl"]
        identifier = url.removeprefix("https://").split(".")[0]
        credential = "Credential=AKIAANA/20260101/us-east-1/lambda/aws4_request"
        headers = {"authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"}
        address = f"{self.aws.endpoint}/_aws/lambda-url/{identifier}/"
        request = urllib.request.Request(address, data=b"{}", headers=headers | {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            caller = json.load(answer)["iam"]
        self.assertTrue(caller["userArn"].endswith(":user/AKIAANA"), caller)


class LauncherTest(unittest.TestCase):
    def test_the_launcher_ends_with_its_standard_input_and_takes_its_functions_along(self) -> None:
        aws = LauncherProcess("ministack_launcher.py", "--aws-endpoint", "http://127.0.0.1:9")
        with tempfile.TemporaryDirectory() as folder:
            result = run_deploy(aws.endpoint, Path(folder), TEMPLATE, STACK)
            self.assertEqual(result.returncode, 0, result.stderr)
            answer = json.load(aws.client("lambda").invoke(FunctionName="facts-worker", Payload=b"{}")["Payload"])
        self.assertEqual(aws.end(), 0)
        self.assertFalse(is_running(answer["pid"]))
        self.assertFalse(Path(answer["environment"]["LAMBDA_TASK_ROOT"]).exists())
