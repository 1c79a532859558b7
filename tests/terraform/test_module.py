"""The module is well formed, refuses what Driftless could not read, and says why. Needs no AWS."""

from __future__ import annotations

import re
import textwrap
import unittest
from pathlib import Path

import found
import readme
from workspace import MODULE, ROOT, Workspace

EXAMPLES = sorted(folder.name for folder in (MODULE / "examples").iterdir())
SUBMODULES = sorted(folder.name for folder in (MODULE / "modules").iterdir())

# A module that is valid, to which each case adds or changes one argument.
VALID = {
    "name": '"web"',
    "capacity": "{ min = 2, max = 6 }",
    "image_id": '"ami-0123456789abcdef0"',
    "subnet_ids": '["subnet-1"]',
    "security_group_ids": '["sg-1"]',
    "target": '{ vpc_id = "vpc-1" }',
    "listener": '{ load_balancer_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/1", port = 80, protocol = "HTTP" }',
}
NETWORK_BALANCER = VALID["listener"].replace("/app/", "/net/")
RULE = '{ listener_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web/1/2", priority = 1 }'

# What is wrong, as arguments of the module, and words of the error.
MISTAKES = {
    "a name that Driftless cannot read": ({"name": '"Web"'}, "lower-case letters"),
    "a name of 41 characters": ({"name": f'"{"a" * 41}"'}, "1 to 40"),
    "an unknown layout": ({"layout": '"blue-green"'}, "weighted, shared, no-load-balancer or rolling"),
    "bounds in the wrong order": ({"capacity": "{ min = 3, max = 2 }"}, "at least capacity.min"),
    "a fleet of none": ({"capacity": "{ min = 0, max = 2 }"}, "how many instances the fleet starts with"),
    "a half instance": ({"capacity": "{ min = 1.5, max = 2 }"}, "whole numbers"),
    "a start outside of the bounds": ({"capacity": "{ min = 1, max = 2, initial = 3 }"}, "between capacity.min and capacity.max"),
    "an image behind a parameter": ({"image_id": '"resolve:ssm:/web/ami"'}, "Driftless refuses it"),
    "an unencrypted key": ({"root_volume": '{ kms_key_arn = "alias/web" }'}, "ARN of a KMS key"),
    "a long way to the metadata": ({"metadata_hop_limit": "3"}, "1 or 2"),
    "policies for a role of yours": ({"instance_profile_name": '"own"', "instance_policy_arns": '{ a = "arn" }'}, "yourself"),
    "no subnet": ({"subnet_ids": "[]"}, "at least one subnet"),
    "no security group": ({"security_group_ids": "[]"}, "at least one group"),
    "a load balancer without a target": ({"target": "null"}, "target is needed"),
    "a target without a load balancer": ({"layout": '"no-load-balancer"'}, "has no place in no-load-balancer"),
    "neither listener nor rule": ({"listener": "null"}, "either a listener or a rule"),
    "both listener and rule": ({"rule": RULE.replace(" }", ', host_headers = ["web"] }')}, "either a listener or a rule"),
    "a network load balancer": ({"listener": NETWORK_BALANCER}, "application load balancer"),
    "HTTPS without a certificate": ({"listener": VALID["listener"].replace('"HTTP"', '"HTTPS"')}, "with a certificate_arn"),
    "a rule that answers to nothing": ({"listener": "null", "rule": RULE}, "host_headers or path_patterns"),
    "a health check that overlaps": ({"target": '{ vpc_id = "vpc-1", health_timeout_seconds = 10 }'}, "less than"),
    "requests that nobody counts": (
        {"layout": '"no-load-balancer"', "target": "null", "listener": "null", "scaling": "{ requests_per_target = 9 }"},
        "only a load balancer counts requests",
    ),
    "a tag that is policy": ({"tags": '{ "driftless:mode" = "act" }'}, "must not begin with driftless:"),
    "a typing error in the policy": ({"policy": '{ debuonce = "5m" }'}, "no key debuonce"),
    "bounds in the policy": ({"policy": '{ min = "2" }'}, "min: set capacity.min"),
    "protection of a group": ({"policy": '{ protect = "x" }'}, "it belongs on an instance"),
    "a duration of no length": ({"policy": '{ step = "0m" }'}, "a duration above zero"),
    "a budget of none": ({"policy": '{ budget = "0%" }'}, "a count of at least 1 (2) or a percentage (10%)"),
    "a share above everything": ({"policy": '{ breaker = "101%" }'}, "a percentage from 0% to 100%"),
    "weights that fall": ({"policy": '{ weights = "50,10,100" }'}, "rising percentages that end at 100"),
    "weights that end below 100": ({"policy": '{ weights = "10,50" }'}, "rising percentages that end at 100"),
    "a window without a zone": ({"policy": '{ window = "Mon 09:00-16:00" }'}, "days, times and a time zone"),
    "steps without weights": ({"layout": '"shared"', "policy": '{ weights = "10,100" }'}, "only the layout weighted has weights"),
    "a floor that leaves no room": (
        {"policy": '{ strategy = "terminate-first", min-healthy = "100%" }'},
        "min-healthy = 100% does not allow that",
    ),
    "two values for one setting": (
        {"policy": '{ replace = "surge", strategy = "quarantine" }'},
        'replace is "surge" and strategy is "quarantine"',
    ),
    "an old name with a value that cannot be read": ({"policy": '{ metrics-trail = "soon" }'}, "a duration such as 90s"),
    "nothing that stops a cutover": ({"policy": '{ mode = "act" }', "guard_alarms": "null"}, "nothing would stop a bad cutover"),
    "every alarm of the account": ({"alarms": '["*"]'}, "at least one character"),
    "more rules than a tag holds": ({"rules": str([f"rule-{number:03}" for number in range(30)]).replace("'", '"')}, "256 characters"),
    "more alarms than a tag holds": ({"alarms": str([f"alarm-{number:03}" for number in range(30)]).replace("'", '"')}, "256 characters"),
    "an image tag with a colon": ({"approved_images": '{ tag_key = "driftless:image-for" }'}, "joins them with a colon"),
    "an alarm that takes too long": ({"guard_alarms": "{ period_seconds = 600 }"}, "every step of a cutover lasts"),
}

# What Driftless reads must not be refused.
ACCEPTED = [
    {"policy": '{ window = "Mon,Wed 22:00-04:00 UTC; Sat-Sun 00:00-24:00 America/Argentina/Buenos_Aires" }'},
    {"policy": '{ max-age = "none", breaker = "0%", budget = "100%", debounce = "0s", keep-warm = "1h30m" }'},
    {"policy": '{ mode = "act", approval = "manual" }', "guard_alarms": "null"},
    {"layout": '"shared"', "policy": '{ weights = "100" }'},
    {"policy": '{ traffic = "10,100", weights = "10, 100", replace = "surge", metrics-trail = "1m" }'},  # each old name
    {"listener": "null", "rule": RULE.replace(" }", ', path_patterns = ["/*"] }')},
    {"layout": '"rolling"', "target": "null", "listener": "null"},
    {"name": f'"{"a" * 40}"'},
]


class WellFormed(unittest.TestCase):
    """Formatting, types and references."""

    def workspace(self, folder: str = ".") -> Workspace:
        workspace = Workspace(folder)
        self.addCleanup(workspace.close)
        return workspace

    def test_every_file_is_formatted(self) -> None:
        ran = self.workspace().run("fmt", "-check", "-diff", "-recursive", "-no-color")
        self.assertEqual(ran.code, 0, ran.output)

    def test_every_example_is_valid(self) -> None:
        for example in EXAMPLES:
            with self.subTest(example):
                workspace = self.workspace(f"examples/{example}")
                workspace.init()
                workspace.must("validate", "-no-color")

    def test_what_the_modules_make_is_what_their_tests_say(self) -> None:
        for folder in (".", *(f"modules/{name}" for name in SUBMODULES)):
            with self.subTest(folder):
                workspace = self.workspace(folder)
                workspace.init()
                output = workspace.must("test", "-no-color")
                self.assertIn(" 0 failed", output)
                self.assertNotIn(" 0 passed", output)


class Validation(unittest.TestCase):
    """Every mistake at once: a module for each, in one configuration."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.workspace = Workspace("mistakes")
        cls.addClassCleanup(cls.workspace.close)

    def errors(self, cases: list[dict[str, str]]) -> list[str]:
        """The errors of each case. What `validate` finds stops everything else: only a plan compares two variables."""
        errors = self.told_by("validate", dict(enumerate(cases)))
        rest = {number: changes for number, changes in enumerate(cases) if number not in errors}
        errors |= self.told_by("plan", rest)
        return [errors.get(number, "") for number in range(len(cases))]

    def told_by(self, command: str, cases: dict[int, dict[str, str]]) -> dict[int, str]:
        """The errors of those cases that have any, with their lines joined."""
        configuration = [MODULE_HEAD]
        for number, changes in cases.items():
            arguments = "\n".join(f"  {name} = {value}" for name, value in (VALID | changes).items())
            configuration.append(f'module "case_{number}" {{\n  source = "../"\n{arguments}\n}}\n')
        (self.workspace.folder / "main.tf").write_text("\n".join(configuration))
        self.workspace.init()
        output = self.workspace.run(command, "-no-color").output
        errors: dict[int, str] = {}
        for error in output.split("\nError: ")[1:]:
            named = re.search(r'in module "case_([0-9]+)"', error)
            if named is None:
                self.fail(error)
            number = int(named[1])
            errors[number] = errors.get(number, "") + " ".join(error.split()) + "\n"
        return errors

    def test_every_mistake_is_refused_with_a_reason(self) -> None:
        errors = self.errors([changes for changes, _ in MISTAKES.values()])
        for (mistake, (_, words)), error in zip(MISTAKES.items(), errors, strict=True):
            with self.subTest(mistake):
                self.assertIn(words, error)

    def test_what_driftless_reads_is_accepted(self) -> None:
        for changes, error in zip(ACCEPTED, self.errors(ACCEPTED), strict=True):
            with self.subTest(changes):
                self.assertEqual(error, "")


MODULE_HEAD = textwrap.dedent("""
    terraform {
      required_providers {
        aws = {
          source = "hashicorp/aws"
        }
      }
    }

    # Asks AWS nothing.
    provider "aws" {
      skip_credentials_validation = true
      skip_requesting_account_id  = true
    }
""")


class OneTruth(unittest.TestCase):
    """What is said twice is the same. Needs no Terraform."""

    def test_the_readmes_say_what_the_code_does(self) -> None:
        for module in readme.MODULES:
            with self.subTest(module.name):
                before, after = readme.rewritten(module)
                self.assertEqual(before, after, "python3 tests/terraform/readme.py --write")

    def test_the_role_has_the_name_that_the_stack_may_pass(self) -> None:
        template = (ROOT / "template.yaml").read_text()
        self.assertIn("role/driftless-fleet-*", template)
        self.assertIn('name                 = "driftless-fleet-${var.name}"', (MODULE / "identity.tf").read_text())

    def test_nothing_is_ignored_but_what_driftless_owns(self) -> None:
        ignored = sorted(
            " ".join(found_list.split())
            for file in MODULE.glob("*.tf")
            for found_list in re.findall(r"ignore_changes = \[(.*?)\]\n", file.read_text(), re.DOTALL)
        )
        bounds = "min_size, max_size, desired_capacity, launch_template[0].version"
        self.assertEqual(
            ignored,
            sorted([
                bounds,
                f"{bounds}, target_group_arns",
                "image_id, description",
                "default_action[0].forward[0].target_group",
                "action[0].forward[0].target_group",
            ]),
        )


if __name__ == "__main__":
    unittest.main()
