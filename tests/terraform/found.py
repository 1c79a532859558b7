"""Finds Terraform and its AWS provider. No package registry has them, so that they are used where they are found."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path

PROVIDER = "registry.terraform.io/hashicorp/aws"
PROVIDER_VERSION = "5.100.0"
# What the provider's folder must contain, per platform, as `terraform providers lock` writes it.
PROVIDER_HASHES = {"linux_amd64": "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0="}

# How a stage of scripts/stages.py says that it was left out.
LEFT_OUT = 77

MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Tools:
    """The program, and the folder that providers are installed from."""

    terraform: Path
    mirror: Path


def platform_name() -> str:
    """`linux_amd64`, as Terraform names it."""
    return f"{platform.system().lower()}_{MACHINES.get(platform.machine(), platform.machine())}"


def mirrors() -> list[Path]:
    """Where a mirror of providers may be: what the environment says, then where Terraform itself looks, then what
    machines come with."""
    home = Path.home()
    named = [os.environ[name] for name in ("TF_PLUGIN_MIRROR", "TF_PLUGIN_CACHE_DIR") if os.environ.get(name)]
    return [
        *map(Path, named),
        home / ".terraform.d" / "plugins",
        home / ".terraform.d" / "plugin-cache",
        home / ".local" / "share" / "terraform" / "plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
        *sorted(Path("/opt").glob("*")),
    ]


def find() -> Tools | str:
    """The tools, or what is missing."""
    terraform = shutil.which(os.environ.get("TERRAFORM") or "terraform")
    if not terraform:
        return "terraform is not in PATH (or name it with TERRAFORM)"
    # Unpacked, or as `terraform providers mirror` packs it.
    folder = f"{PROVIDER_VERSION}/{platform_name()}"
    archive = f"terraform-provider-aws_{PROVIDER_VERSION}_{platform_name()}.zip"
    for mirror in mirrors():
        if any((mirror / PROVIDER / entry).exists() for entry in (folder, archive)):
            return Tools(Path(terraform), mirror)
    return f"the provider hashicorp/aws {PROVIDER_VERSION} is in no mirror (name one with TF_PLUGIN_MIRROR)"


FOUND = find()


def required() -> Tools:
    """The tools, for a test that needs them. Without them it is skipped, and with CI=true it fails."""
    if isinstance(FOUND, Tools):
        return FOUND
    if os.environ.get("CI") == "true":
        raise AssertionError(f"CI=true, and {FOUND}")
    raise unittest.SkipTest(f"{FOUND}")


def main() -> int:
    """Says before the tests run what they will be without."""
    if isinstance(FOUND, Tools):
        print(f"Terraform: {FOUND.terraform}, with hashicorp/aws {PROVIDER_VERSION} from {FOUND.mirror}")
        return 0
    if os.environ.get("CI") == "true":
        print(f"!!!!! CI=true needs Terraform: {FOUND}")
        return 1
    print(f"left out: {FOUND}")
    return LEFT_OUT


if __name__ == "__main__":
    sys.exit(main())
