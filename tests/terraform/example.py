"""Applies an example in an account that someone else has started, and plans it again later: for the end-to-end tests, in
which the deployed functions cut over a fleet that Terraform made.

    example.py apply --folder DIR --example simple --endpoint URL [--set user_data=two] [--fleet warmup_seconds=0]
    example.py plan  --folder DIR --example simple --endpoint URL

`apply` prints what the example answers, as JSON; what was set before stays set. `--set` sets a variable of the example,
and `--fleet` an argument of its module `fleet`, whatever the example says: a test has no hour to bake. `plan` prints the plan and ends
as Terraform does: 0 for nothing to change, 2 for something. Without Terraform both end with 3.
"""

from __future__ import annotations

import argparse
import json
import sys
import unittest
from pathlib import Path
from typing import Any

import boto3

from account import register_image, variables_of
from workspace import REGION, Workspace

WITHOUT_TERRAFORM = 3


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("apply", "plan"))
    parser.add_argument("--folder", type=Path, required=True, help="where the copy of the module and the state are kept")
    parser.add_argument("--example", required=True, help="simple, complete, shared-target-group or rolling")
    parser.add_argument("--endpoint", required=True, help="the account: an emulator with EC2, IAM and all else")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable, as text or JSON")
    parser.add_argument("--fleet", action="append", default=[], metavar="NAME=VALUE", help="an argument of the module")
    return parser.parse_args()


def values_of(entries: list[str]) -> dict[str, Any]:
    """`NAME=VALUE`, of which the value is JSON or else a text."""
    return {name: _value(text) for name, _, text in (entry.partition("=") for entry in entries)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def main() -> int:
    arguments = parse_arguments()
    try:
        workspace = Workspace(f"examples/{arguments.example}", arguments.endpoint, arguments.folder, arguments.region)
    except unittest.SkipTest as missing:
        print(missing, file=sys.stderr)
        return WITHOUT_TERRAFORM
    if arguments.command == "plan":
        plan = workspace.plan()
        print(plan.output)
        return plan.code

    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "secret"}
        return boto3.client(service, endpoint_url=arguments.endpoint, region_name=arguments.region, **keys)

    known = workspace.known_variables()
    asked = values_of(arguments.set)
    if not known:
        image = asked.get("image_id") or register_image(client("ec2"), f"{arguments.example}-first")
        known = variables_of(arguments.example, client, image)
        workspace.init()
    workspace.write_variables(**known | asked)
    workspace.override(values_of(arguments.fleet))
    workspace.apply()
    print(json.dumps({"image": known["image_id"], **workspace.outputs()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
