"""Builds a function from nothing in each variant of the release profile: time, memory, sizes.

`python tests/bench/builds.py --function config-compliance [--variants shipped,abort] [--folder <where>]`

Each binary stays as <folder>/<function>-<variant>, for the harness to measure. Nothing is downloaded and nothing else should
run meanwhile: wall time is of this machine and its load, CPU time less so. docs/adr/0003-release-profile.md says what came of it.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a variant changes of [profile.release] in Cargo.toml.
VARIANTS = {
    "shipped": {},
    "abort": {"panic": '"abort"'},
    "thin": {"lto": '"thin"'},
    "no-lto": {"lto": '"off"'},
    "speed": {"opt-level": "3"},
    "smallest": {"opt-level": '"z"'},
    "unchecked": {"overflow-checks": "false"},
    "units": {"codegen-units": "16"},
    "ec2-whole": {"package.aws-sdk-ec2.codegen-units": "1"},
    "ec2-raw": {"package.aws-sdk-ec2.opt-level": "0"},
}
MIB = 1024 * 1024


def resident_below(root):
    """Bytes that a process and all that it started hold: the sum, and the largest of them."""
    parents, resident = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the name, which may hold spaces: state, parent.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            pages = int((entry / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while it was read
        parents[int(entry.name)] = int(fields[1])
        resident[int(entry.name)] = pages * os.sysconf("SC_PAGE_SIZE")
    below = {root}
    while True:
        more = {child for child, parent in parents.items() if parent in below} - below
        if not more:
            break
        below |= more
    sizes = [resident.get(process, 0) for process in below]
    return sum(sizes), max(sizes)


class Memory(threading.Thread):
    """Looks five times a second: a peak of a compiler lasts longer."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.total, self.largest, self.over = root, 0, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            total, largest = resident_below(self.root)
            self.total, self.largest = max(self.total, total), max(self.largest, largest)


def build(function, variant, folder):
    """One build from nothing. The figures, in seconds and bytes."""
    target = folder / "target"
    shutil.rmtree(target, ignore_errors=True)
    changes = [word for key, value in VARIANTS[variant].items() for word in ("--config", f"profile.release.{key}={value}")]
    command = ["cargo", "build", "--release", "--locked", "--quiet", "-p", function, "--bin", function, *changes]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(target)}) as running:
        memory = Memory(running.pid)
        memory.start()
        status = running.wait()
        memory.over.set()
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    binary = folder / f"{function}-{variant}"
    shutil.copy(target / "release" / function, binary)
    archive = folder / f"{function}-{variant}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.write(binary, "bootstrap")
    return {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory": memory.total,
        "largest": memory.largest,
        "binary": binary.stat().st_size,
        "zip": archive.stat().st_size,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--function", default="config-compliance")
    parser.add_argument("--variants", default=",".join(name for name in VARIANTS if not name.startswith("ec2-")))
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "builds")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print("| function | profile | wall s | CPU s | memory MiB | largest process MiB | binary KiB | zip KiB |", flush=True)
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for variant in arguments.variants.split(","):
        figures = build(arguments.function, variant, arguments.folder)
        print(
            f"| {arguments.function} | {variant} | {figures['wall']:.0f} | {figures['cpu']:.0f} | {figures['memory'] / MIB:.0f} "
            f"| {figures['largest'] / MIB:.0f} | {figures['binary'] / 1024:.0f} | {figures['zip'] / 1024:.0f} |",
            flush=True,
        )
    shutil.rmtree(arguments.folder / "target")


if __name__ == "__main__":
    main()
