"""Deliberate faults in the planner and the loop: each must be caught by a test.

    python3 tests/mutants/run.py                 every mutant, by the first test that catches it
    python3 tests/mutants/run.py --texts         none: whether each text still stands where it is replaced
    python3 tests/mutants/run.py --only NAME     one
    python3 tests/mutants/run.py --invariants        each by the simulator's invariant checkers alone: what the tests would let through

A mutant is a text in a file that is replaced by another one. A text that is not found exactly once is an error: then the
code has moved on, and the list must follow. The workspace is copied, so that the one you work in is never changed.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Always the same folder: what was built in another one would not be built again, and look for its files there.
COPY = ROOT / "target" / "mutants-workspace"
LIST = pathlib.Path(__file__).with_name("mutants.toml")
# What a copy of the workspace does not need. `target` alone is gigabytes.
LEFT_OUT = shutil.ignore_patterns("target", ".git", ".venv", "__pycache__", "node_modules")
# Longer than any of these takes without a mutant; a mutant that loops for ever is caught as well.
TIMEOUT_SECONDS = 600

# A mutant is compiled far more often than it runs: optimized, it would take longer.
CRATES = ("planner", "reconciler", "simulator")
PLAIN = [word for crate in CRATES for word in ("--config", f"profile.dev.package.driftless-{crate}.opt-level=0")]
TEST = ["cargo", "test", "--locked", "--quiet", *PLAIN]
PLANNER = ("planner", [*TEST, "-p", "driftless-planner"])
RECONCILER = ("reconciler", [*TEST, "-p", "driftless-reconciler"])
# The first failed seed ends it.
DAYS = 5000
INVARIANTS = (
    "invariants",
    ["cargo", "run", "--locked", "--quiet", "--profile", "sim", "-p", "driftless-simulator", "--bin", "sim", "--"]
    + ["--seeds", str(DAYS)],
)


def load():
    with LIST.open("rb") as file:
        mutants = tomllib.load(file)["mutant"]
    names = [mutant["name"] for mutant in mutants]
    if len(set(names)) != len(names):
        sys.exit("two mutants share a name")
    return mutants


def chosen(mutants, arguments):
    if arguments.only:
        return [mutant for mutant in mutants if mutant["name"] == arguments.only] or sys.exit("no such mutant")
    return mutants


def mutated(text, mutant):
    found = text.count(mutant["find"])
    if found != 1:
        sys.exit(f"{mutant['name']}: its text stands {found} times in {mutant['file']}, and must stand there once")
    return text.replace(mutant["find"], mutant["replace"])


def run(command, folder):
    # A folder of its own: the copies of our crates would push those of the workspace out.
    target = ROOT / "target" / "mutants"
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), CARGO_TERM_COLOR="never")
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "it never ended", None
    output = done.stdout + done.stderr
    if done.returncode != 0 and "error: could not compile" in output:
        raise DoesNotCompile(output)
    return (None if done.returncode == 0 else "it failed"), output


class DoesNotCompile(Exception):
    """A mutant that is no program proves nothing."""


def caught_by(folder, suites):
    for name, command in suites:
        verdict, _ = run(command, folder)
        if verdict:
            return name
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", action="store_true", help="only look for the texts that are replaced")
    parser.add_argument("--only", metavar="NAME", help="only this one")
    parser.add_argument("--invariants", action="store_true", help="by the invariant checkers of the simulator alone")
    arguments = parser.parse_args()
    mutants = load()
    for mutant in mutants:
        # All are checked against the code, also those that do not run now.
        mutated((ROOT / mutant["file"]).read_text(), mutant)
    if arguments.texts:
        print(f"{len(mutants)} mutants find their place")
        return
    suites = [INVARIANTS] if arguments.invariants else [PLANNER, RECONCILER]
    survivors = []
    shutil.rmtree(COPY, ignore_errors=True)
    # With the time of now: what an earlier run has built of a mutant must not pass for what is built of this copy.
    shutil.copytree(ROOT, COPY, ignore=LEFT_OUT, symlinks=True, copy_function=shutil.copy)
    for name, command in suites:
        verdict, output = run(command, COPY)
        if verdict:
            sys.exit(f"{name} does not pass without any mutant:\n{output}")
    for mutant in chosen(mutants, arguments):
        started = time.monotonic()
        path = COPY / mutant["file"]
        original = path.read_text()
        path.write_text(mutated(original, mutant))
        try:
            by = caught_by(COPY, suites)
        except DoesNotCompile as error:
            print(f"{mutant['name']} does not compile:\n{error}", flush=True)
            by = None
        path.write_text(original)
        if by is None:
            survivors.append(mutant["name"])
        seconds = time.monotonic() - started
        print(f"{'SURVIVED' if by is None else 'caught by ' + by:20} {seconds:5.0f} s  {mutant['name']}", flush=True)
    print(f"{len(survivors)} survived" + (": " + ", ".join(survivors) if survivors else ""))
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
