"""Runs Terraform on a copy of the module, so that nothing is left in the project, with nothing of the caller's AWS
configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import found

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "infra" / "fleet"
REGION = "eu-central-1"

LOCK = """provider "{provider}" {{
  version     = "{version}"
  constraints = ">= 5.100.0, < 6.0.0"
  hashes      = ["{hash}"]
}}
"""


@dataclass(frozen=True)
class Ran:
    """How a command of Terraform ended."""

    code: int
    output: str


class Workspace:
    """A copy of the module, and one folder of it in which Terraform works. In a folder of the caller's it stays, with its
    state, and is found again."""

    def __init__(self, folder: str = ".", endpoint: str | None = None, base: Path | None = None, region: str = REGION) -> None:
        self.tools = found.required()
        self._temporary = None if base else tempfile.TemporaryDirectory(prefix="driftless-terraform-")
        base = base or Path(self._temporary.name)
        if not (base / "fleet").exists():
            shutil.copytree(MODULE, base / "fleet", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.folder = base / "fleet" / folder
        self.folder.mkdir(exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_CONFIG_FILE": str(self._write_configuration(base)),
            "AWS_EC2_METADATA_DISABLED": "true",
            # An emulator that cannot do something will not learn it.
            "AWS_MAX_ATTEMPTS": "2",
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": "123456789012",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if endpoint:
            self.environment["AWS_ENDPOINT_URL"] = endpoint
        self.variables: dict[str, Any] = {}
        self._write_lock()

    def _write_configuration(self, base: Path) -> Path:
        file = base / "terraformrc"
        mirror = json.dumps(str(self.tools.mirror))
        file.write_text(f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n")
        return file

    def _write_lock(self) -> None:
        """Pins the provider by its content."""
        content = found.PROVIDER_HASHES.get(found.platform_name())
        if content is None or not self._uses_provider():
            return
        lock = LOCK.format(provider=found.PROVIDER, version=found.PROVIDER_VERSION, hash=content)
        (self.folder / ".terraform.lock.hcl").write_text(lock)

    def _uses_provider(self) -> bool:
        """Whether the module does: one that only writes documents needs none."""
        files = [file.read_text() for file in self.folder.glob("*.tf")]
        return not files or any("hashicorp/aws" in text for text in files)

    def close(self) -> None:
        """Removes the copy, unless it is in a folder of the caller's."""
        if self._temporary:
            self._temporary.cleanup()

    def run(self, *arguments: str, timeout_seconds: float = 600) -> Ran:
        """A command, which never asks."""
        done = subprocess.run(
            [self.tools.terraform, f"-chdir={self.folder}", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def must(self, *arguments: str) -> str:
        """A command that succeeds."""
        ran = self.run(*arguments)
        if ran.code != 0:
            raise AssertionError(f"terraform {' '.join(arguments)} ended with {ran.code}\n{ran.output}")
        return ran.output

    def init(self) -> None:
        """Installs the provider, of which the content is known."""
        pinned = ["-lockfile=readonly"] if found.platform_name() in found.PROVIDER_HASHES else []
        self.must("init", "-no-color", "-input=false", *pinned)

    def write_variables(self, **values: Any) -> None:
        """Sets the variables of every later command."""
        self.variables = values
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(values))

    def known_variables(self) -> dict[str, Any]:
        """The variables that were written here before."""
        file = self.folder / "test.auto.tfvars.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def override(self, arguments: dict[str, Any]) -> None:
        """Gives the module `fleet` other arguments than the example does, until further notice."""
        file = self.folder / "test_override.tf.json"
        known = json.loads(file.read_text())["module"]["fleet"] if file.exists() else {}
        file.write_text(json.dumps({"module": {"fleet": known | arguments}}))

    def apply(self) -> str:
        """Makes it so."""
        return self.must("apply", "-no-color", "-input=false", "-auto-approve")

    def plan(self) -> Ran:
        """0: nothing to change. 2: something."""
        return self.run("plan", "-no-color", "-input=false", "-detailed-exitcode")

    def outputs(self) -> dict[str, Any]:
        """What the last apply answered."""
        return {name: output["value"] for name, output in json.loads(self.must("output", "-json")).items()}
