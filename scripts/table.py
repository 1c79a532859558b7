"""What `make check`, `make test` and `make soak` consist of. `scripts/stages.py` runs it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys

# Every build has the same packages and targets, so the same features: another choice would compile aws-sdk-ec2 again.
SELECTION = "--workspace --exclude driftless-bench --locked"
TARGETS = "--all-targets --test end_to_end"
SCENES = f"cargo test {SELECTION} --test end_to_end --"
PYTHON = os.environ.get("PYTHON") or sys.executable
DEBUG = f"{os.environ.get('CARGO_TARGET_DIR') or 'target'}/debug"
SIM = f"{os.environ.get('CARGO_TARGET_DIR') or 'target'}/sim"

# Lints come from the build itself: clippy's driver compiles our crates (the Makefile does the same for `make demo`).
ENVIRONMENT = {"SAM_CLI_TELEMETRY": "0"} | ({"RUSTC_WORKSPACE_WRAPPER": "clippy-driver"} if shutil.which("clippy-driver") else {})


@dataclasses.dataclass(frozen=True)
class Stage:
    """One thing that is proven, by a command of the shell."""

    name: str
    # What is proven, for who lists the stages.
    says: str
    command: str
    # What must have passed before, where it is in the same run.
    after: tuple[str, ...] = ()
    # It measures: nothing else runs beside it.
    alone: bool = False
    # It explores a model that was never explored to its end: what it finds (code 76) is reported, and fails nothing.
    searches: bool = False


def python_tests(environment: str, folder: str, *more: str) -> str:
    """Python's tests of a folder, in an environment that is installed where it is missing."""
    needed = " ".join(f".venv/{name}/.installed" for name in (environment, *more))
    return f"make --no-print-directory {needed} && .venv/{environment}/bin/python -m unittest discover -s tests/{folder}"


FORMAT = Stage("format", "rustfmt has nothing to change", "cargo fmt --all --check")
BUILD = Stage("build", "every crate, test and tool compiles", f"cargo build {SELECTION} {TARGETS}")
LINTS = Stage(
    "lints", "neither rustc nor clippy has anything to say", f"{PYTHON} scripts/lints.py {SELECTION} {TARGETS}", ("build",)
)
UNIT = Stage(
    "unit", "all tests that need no emulator", f"cargo test {SELECTION} --all-targets --no-fail-fast --quiet", ("build",)
)
MUTANTS = Stage("mutants", "every deliberate fault still finds its place in the code", f"{PYTHON} tests/mutants/run.py --texts")
LOCAL_AWS = Stage("local-aws", "the emulators are installed", "make --no-print-directory .venv/local/.installed")

# What one runs after each edit.
CHECK = (FORMAT, MUTANTS, BUILD, LINTS, UNIT)

TEST = (
    BUILD,
    FORMAT,
    MUTANTS,
    LOCAL_AWS,
    Stage(
        "end-to-end", "the deployed functions on a local AWS, and the adapters held to the contracts",
        # What only all scenes together can show comes after them.
        f"{SCENES} --test-threads 2 && {SCENES} --ignored proof::", ("build", "local-aws"),
    ),
    LINTS,
    UNIT,
    Stage("simulator", "300 fault-injection runs", f"{DEBUG}/sim --seeds 300", ("build",)),
    Stage("model-checking", "bounded model checking: every state that the smallest models can reach", f"{DEBUG}/exhaustive --size small", ("build",)),
    Stage("template", "cfn-lint, sam validate, and what must hold in template.yaml", python_tests("lint", "template")),
    Stage("infra", "workflows, image and container: linters, and what must hold in them", python_tests("infra", "infra", "infra/actionlint")),
    Stage("policy", "checkov, and what deny.toml allows of crates", python_tests("policy", "policy")),
    Stage("emulators", "what our launchers correct in the emulators", python_tests("local", "local"), ("local-aws",)),
    Stage(
        "terraform", "the Terraform module: what it refuses, what it makes, and one example applied",
        f"{PYTHON} tests/terraform/found.py && {python_tests('local', 'terraform')}", ("local-aws",),
    ),
    Stage(
        "widget", "the dashboard's widget in a browser",
        f"make --no-print-directory .venv/widget/browser.json && mkdir -p target/widget/pages && "
        f"{DEBUG}/examples/pages target/widget/pages && {python_tests('widget', 'widget')}",
        ("build",),
    ),
)  # fmt: skip


def larger_model(name: str) -> Stage:
    return Stage(
        f"model-{name}", f"how far the model {name} comes in 5 minutes: what it finds is printed, and does not count",
        f"{SIM}/exhaustive --world {name} --minutes-max 5", ("sim-build",), searches=True,
    )  # fmt: skip


# What is too long for every change: at most 150 minutes, in the night.
SOAK = (
    Stage("bench", "release builds, and the functions beside what people use instead", "make --no-print-directory bench", alone=True),
    Stage(
        "sim-build", "simulator and model checker, optimized",
        "cargo build --profile sim --locked -p driftless-simulator -p driftless-exhaustive --bins",
    ),
    Stage("seeds", "20,000 fault-injection runs", f"{SIM}/sim --seeds 20000", ("sim-build",)),
    Stage("mutants", "deliberate faults in planner and loop, each of which a test must catch", f"{PYTHON} tests/mutants/run.py"),
    Stage("models", "every state of the twelve models that were explored to their end", f"{SIM}/exhaustive --size explored", ("sim-build",)),
    *map(larger_model, ("cutover-2", "anything-2-1", "anything-1-2")),
    BUILD,
    LOCAL_AWS,
    Stage("scale", "event bursts, resyncs, large fleets and the bill: what grows with what", "make --no-print-directory scale"),
    Stage(
        "terraform-scenes", "fleets that Terraform made, cut over and replaced by the deployed functions",
        f"{SCENES} --ignored by_terraform:: --test-threads 2", ("build", "local-aws"),
    ),
    Stage(
        "terraform", "all examples of the Terraform module, applied",
        f"{PYTHON} tests/terraform/found.py && export ALL_EXAMPLES=1 && {python_tests('local', 'terraform')}", ("local-aws",),
    ),
)  # fmt: skip

RUNS = {"check": CHECK, "test": TEST, "soak": SOAK}
