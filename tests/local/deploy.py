"""Packages and deploys the SAM template to the local stack, as `sam package && sam deploy` would to AWS.

Prints one JSON document: the stack's outputs, its resources, and the policy of each function as deployed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import re
import shlex
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

FUNCTION_TYPE = "AWS::Lambda::Function"
FUNCTION_IN_TEMPLATE = re.compile(r"^\s+Type:\s*AWS::Serverless::Function\s*$", re.MULTILINE)
CODE_URI = re.compile(r"^(?P<before>\s+CodeUri:\s*)functions/(?P<function>[a-z-]+)/?\s*$", re.MULTILINE)
CHANGE_SET = "deploy"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
QUICK_POLL = {"Delay": 0.2, "MaxAttempts": 600}


class DeployError(Exception):
    """The error as text for an operator."""


@dataclass(frozen=True)
class LocalAws:
    """Clients for one endpoint. The key is no account number, so every caller shares the emulator's one account."""

    endpoint: str
    region: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id="deploy",
            aws_secret_access_key="secret",
            config=Config(s3={"addressing_style": "path"}),
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--artifacts", type=Path, required=True, help="folder with one executable per function")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--parameter", action="append", default=[], type=parameter, metavar="K=V")
    return parser.parse_args()


def parameter(text: str) -> dict[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    return {"ParameterKey": key, "ParameterValue": value}


def package(aws: LocalAws, template: str, artifacts: Path, bucket: str) -> str:
    """Uploads each function's code and answers the template that points to it."""
    s3 = aws.client("s3")
    ensure_bucket(s3, bucket, aws.region)

    def upload(match: re.Match[str]) -> str:
        archive = bootstrap_archive(artifacts / match["function"])
        key = f"{match['function']}-{hashlib.sha256(archive).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=archive)
        return f"{match['before']}s3://{bucket}/{key}"

    packaged, replaced = CODE_URI.subn(upload, template)
    functions = len(FUNCTION_IN_TEMPLATE.findall(template))
    if replaced != functions:
        raise DeployError(f"the template has {functions} functions, but {replaced} with `CodeUri: functions/<name>`")
    return packaged


def ensure_bucket(s3: Any, bucket: str, region: str) -> None:
    elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=bucket, **elsewhere)


def bootstrap_archive(executable: Path) -> bytes:
    """What Lambda unpacks: a file under the name that a custom runtime is started by. Here it is a line that becomes the
    executable: a debug build has 100 MB, which would be hashed and copied at each deployment and at each cold start."""
    if not executable.is_file():
        raise DeployError(f"no executable {executable}")
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, f"#!/bin/sh\nexec {shlex.quote(str(executable.resolve()))}\n")
    return buffer.getvalue()


def deploy(aws: LocalAws, template: str, bucket: str, stack: str, parameters: list[dict[str, str]]) -> None:
    """Creates the stack by a change set. The template goes by URL: it is longer than a request may be."""
    aws.client("s3").put_object(Bucket=bucket, Key="template.yaml", Body=template.encode())
    cloudformation = aws.client("cloudformation")
    change_set = {"StackName": stack, "ChangeSetName": CHANGE_SET}
    try:
        cloudformation.create_change_set(
            **change_set,
            ChangeSetType="CREATE",
            TemplateURL=f"{aws.endpoint}/{bucket}/template.yaml",
            Capabilities=CAPABILITIES,
            Parameters=parameters,
        )
        cloudformation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=QUICK_POLL)
        cloudformation.execute_change_set(**change_set)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=QUICK_POLL)
    except (ClientError, WaiterError) as error:
        raise DeployError(f"{error}\n{why_it_failed(cloudformation, change_set)}") from error


def why_it_failed(cloudformation: Any, change_set: dict[str, str]) -> str:
    """The change set's reason and the stack's events, as far as there are any."""
    lines = []
    try:
        lines.append(cloudformation.describe_change_set(**change_set).get("StatusReason", ""))
        for event in cloudformation.describe_stack_events(StackName=change_set["StackName"])["StackEvents"]:
            reason = event.get("ResourceStatusReason", "")
            lines.append(f"{event['LogicalResourceId']}: {event['ResourceStatus']} {reason}")
    except ClientError as error:
        lines.append(str(error))
    return "\n".join(line for line in lines if line)


def describe(aws: LocalAws, stack: str) -> dict[str, Any]:
    """What was deployed, as the emulator stores it."""
    cloudformation = aws.client("cloudformation")
    outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    rows = [row for page in pages for row in page["StackResourceSummaries"]]
    functions = [row["PhysicalResourceId"] for row in rows if row["ResourceType"] == FUNCTION_TYPE]
    return {
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in outputs},
        "resources": {
            row["LogicalResourceId"]: {"type": row["ResourceType"], "physicalId": row["PhysicalResourceId"]}
            for row in rows
        },
        "policies": {function: policy_of(aws, function) for function in functions},
    }


def policy_of(aws: LocalAws, function: str) -> list[dict[str, Any]]:
    """Every statement of the function's role, inline and attached."""
    iam = aws.client("iam")
    role = aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rsplit("/", 1)[-1]
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
        answer = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
        documents.append(answer["PolicyVersion"]["Document"])
    return [statement for document in documents for statement in as_list(document["Statement"])]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main() -> int:
    arguments = parse_arguments()
    aws = LocalAws(arguments.endpoint.rstrip("/"), arguments.region)
    bucket = f"{arguments.stack}-artifacts"
    try:
        template = package(aws, arguments.template.read_text(), arguments.artifacts, bucket)
        deploy(aws, template, bucket, arguments.stack, arguments.parameter)
        json.dump(describe(aws, arguments.stack), sys.stdout)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
