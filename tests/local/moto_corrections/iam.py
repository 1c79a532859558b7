"""Corrections of moto's IAM."""

from __future__ import annotations

import json

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend


def policies_of_aws_are_there() -> None:
    """AWS: its own managed policies are in every account. moto: in none, or all 1400 in each new account, for a second or
    two. So one is made when it is attached."""
    attach = IAMBackend.attach_role_policy

    def attach_role_policy(self: IAMBackend, policy_arn: str, role_name: str) -> None:
        name = policy_arn.rpartition("/")[2]
        if ":iam::aws:policy/" in policy_arn and policy_arn not in self.managed_policies:
            known = json.loads(aws_managed_policies_data)
            if name in known:
                policy = AWSManagedPolicy.from_data(name, self.account_id, self.region_name, known[name])
                self.managed_policies[policy.arn] = policy
        attach(self, policy_arn, role_name)

    IAMBackend.attach_role_policy = attach_role_policy


CORRECTIONS = (policies_of_aws_are_there,)
