"""checkov finds nothing in template.yaml, Terraform, Dockerfile and workflows that is not answered. Needs no network."""

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = {"cloudformation", "dockerfile", "github_actions", "terraform"}
# What is built or installed here, and none of the project.
NOT_OURS = ["target", ".venv", ".terraform", ".aws-sam", "node_modules"]
SUPPRESSED = tomllib.loads((Path(__file__).parent / "suppressions.toml").read_text())["suppressed"]


def scan(folder):
    """What checkov says of a folder, by framework."""
    skipped = [word for path in NOT_OURS for word in ("--skip-path", path)]
    with tempfile.TemporaryDirectory() as home:
        result = subprocess.run(
            [Path(sys.executable).parent / "checkov", "--directory", folder, "--framework", *sorted(FRAMEWORKS), "--skip-download",
             "--soft-fail", "--output", "json", *skipped],
            env={"PATH": os.environ["PATH"], "HOME": home, "LOG_LEVEL": "ERROR"}, cwd=folder,
            capture_output=True, text=True, timeout=600, check=False,
        )
    if result.returncode != 0:
        raise RuntimeError(result.stdout + result.stderr)
    reports = json.loads(result.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    return {report["check_type"]: report["results"] for report in reports if "results" in report}


def is_answered(finding):
    return any(
        entry["check"] == finding["check_id"] and any(fnmatch.fnmatchcase(finding["resource"], name) for name in entry["resources"])
        for entry in SUPPRESSED
    )


class Policy(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.reports = scan(ROOT)
        cls.failed = [check for report in cls.reports.values() for check in report["failed_checks"]]

    def test_it_reads_everything_there_is(self):
        has_terraform = any((ROOT / "infra" / "fleet").glob("*.tf"))
        self.assertEqual(set(self.reports), FRAMEWORKS if has_terraform else FRAMEWORKS - {"terraform"})
        for name, report in self.reports.items():
            with self.subTest(name):
                self.assertEqual(report["parsing_errors"], [])
                self.assertGreater(len(report["passed_checks"]), 5)

    def test_every_finding_is_answered(self):
        open_findings = [f"{f['check_id']} {f['resource']} {f['file_path']}: {f['check_name']}" for f in self.failed if not is_answered(f)]
        self.assertEqual(open_findings, [])

    def test_an_answer_without_a_finding_goes(self):
        for entry in SUPPRESSED:
            for name in entry["resources"]:
                with self.subTest(entry["check"], resource=name):
                    found = [f for f in self.failed if f["check_id"] == entry["check"] and fnmatch.fnmatchcase(f["resource"], name)]
                    self.assertTrue(found)

    def test_every_answer_gives_its_reason(self):
        for entry in SUPPRESSED:
            with self.subTest(entry["check"]):
                self.assertGreater(len(entry["why"].split()), 10)
        for report in self.reports.values():
            for check in report["skipped_checks"]:
                with self.subTest(check["check_id"], resource=check["resource"]):
                    reason = check["check_result"].get("suppress_comment") or ""
                    self.assertGreater(len(reason.split()), 3, "skipped without a reason")

    def test_a_new_finding_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "Dockerfile").write_text("FROM debian:latest\nRUN true\n")
            (Path(folder) / "main.tf").write_text('resource "aws_sns_topic" "alerts" {\n  name = "alerts"\n}\n')
            reports = scan(folder)
        self.assertTrue(reports["dockerfile"]["failed_checks"])
        self.assertFalse(any(is_answered(finding) for finding in reports["terraform"]["failed_checks"]))
        self.assertTrue(reports["terraform"]["failed_checks"])


if __name__ == "__main__":
    unittest.main()
