#!/usr/bin/env python3
"""Runs the stages of `make check`, `make test` or `make soak`, and says honestly how each ended.

    scripts/stages.py test                      every stage, two at a time where they do not wait for each other
    scripts/stages.py soak --only bench,mutants some of them
    scripts/stages.py test --list               their names

A stage passes, fails, or is left out: a command that finds what it needs missing ends with code 77, and its last line says why.
`CI=true` takes a stage that was left out for a failure. A stage that explores a model which was never explored to its end may
also find something (code 76): that is reported, and fails nothing; in every other stage it is a failure. At the end stands what
each took, as time on the clock and as processor time (user and system). What a stage left running and did not wait for has a row
of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import table

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "target" / "stages"
LEFT_OUT = 77
FOUND = 76
AT_ONCE = 2
# How often a long run says that it is alive.
HEARTBEAT_SECONDS = 60
IN_CI = os.environ.get("CI") == "true"


@dataclasses.dataclass
class Ended:
    """How a stage ended."""

    stage: table.Stage
    verdict: str
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    why: str = ""

    @property
    def is_good(self) -> bool:
        return self.verdict in {"passed", "FOUND"} or (self.verdict == "left out" and not IN_CI)


class Run:
    """A run of several stages."""

    def __init__(self, stages: list[table.Stage]) -> None:
        self.waiting = list(stages)
        self.names = {stage.name for stage in stages}
        # Each child is kept: a child without a reference is reaped by the next Popen, and its exit code is lost.
        self.running: dict[int, tuple[table.Stage, float, subprocess.Popen[bytes]]] = {}
        self.ended: dict[str, Ended] = {}
        self.is_alone = len(stages) == 1
        self.orphans_cpu_seconds = 0.0

    def whole(self) -> list[Ended]:
        order = {stage.name: position for position, stage in enumerate(self.waiting)}
        beat = threading.Event()
        threading.Thread(target=self.say_what_runs, args=(beat,), daemon=True).start()
        try:
            while self.waiting or self.running:
                while len(self.running) < AT_ONCE and (stage := self.next()):
                    self.start(stage)
                if self.running:
                    self.await_one()
        finally:
            beat.set()
            for pid in self.running:
                os.killpg(pid, signal.SIGTERM)
        self.reap()
        return sorted(self.ended.values(), key=lambda ended: order[ended.stage.name])

    def next(self) -> table.Stage | None:
        """The next stage whose predecessors have passed; what waits for one that did not is not tried."""
        for stage in list(self.waiting):
            before = [name for name in stage.after if name in self.names]
            failed = [name for name in before if name in self.ended and not self.ended[name].is_good]
            if failed:
                self.waiting.remove(stage)
                self.end(Ended(stage, "FAILED", why=f"not tried: {', '.join(failed)} failed"))
            elif all(name in self.ended for name in before) and not (stage.alone and self.running) and not self.is_reserved():
                self.waiting.remove(stage)
                return stage
        return None

    def is_reserved(self) -> bool:
        """Whether a stage runs that measures, and must have the machine for itself."""
        return any(stage.alone for stage, _, _ in self.running.values())

    def start(self, stage: table.Stage) -> None:
        print(f"--- {stage.name}: {stage.command}", flush=True)
        environment = os.environ | table.ENVIRONMENT
        output = None if self.is_alone else (LOGS / f"{stage.name}.log").open("w")
        child = subprocess.Popen(
            ["bash", "-c", stage.command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT if output else None, start_new_session=True,
        )  # fmt: skip
        if output:
            output.close()
        self.running[child.pid] = (stage, time.monotonic(), child)

    def await_one(self) -> None:
        pid, status, usage = os.wait4(-1, 0)
        if pid not in self.running:
            # What a stage left behind: it counts all the same.
            self.orphans_cpu_seconds += usage.ru_utime + usage.ru_stime
            return
        stage, began, child = self.running.pop(pid)
        code = child.returncode = os.waitstatus_to_exitcode(status)
        ended = Ended(stage, verdict(stage, code))
        ended.wall_seconds = time.monotonic() - began
        ended.cpu_seconds = usage.ru_utime + usage.ru_stime
        if not self.is_alone:
            said = (LOGS / f"{stage.name}.log").read_text(errors="replace")
            ended.why = why(ended.verdict, said)
            if IN_CI or ended.verdict in {"FAILED", "FOUND"}:
                print(said, end="" if said.endswith("\n") else "\n")
        self.end(ended)

    def reap(self) -> None:
        """Counts what the last stages left behind and has ended."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.wait4(-1, os.WNOHANG))[0]:
                self.orphans_cpu_seconds += found[2].ru_utime + found[2].ru_stime

    def end(self, ended: Ended) -> None:
        self.ended[ended.stage.name] = ended
        why = f" ({ended.why})" if ended.why else ""
        print(f"=== {ended.stage.name}: {told(ended.verdict)} after {ended.wall_seconds:.0f} s{why}", flush=True)

    def say_what_runs(self, is_over: threading.Event) -> None:
        while not is_over.wait(HEARTBEAT_SECONDS):
            now = time.monotonic()
            for stage, began, _ in list(self.running.values()):
                print(f"... {stage.name}: {now - began:.0f} s {last_line(stage)}", flush=True)


def verdict(stage: table.Stage, code: int) -> str:
    """How a stage ended whose command ended with this code."""
    if code == FOUND and stage.searches:
        return "FOUND"
    return {0: "passed", LEFT_OUT: "left out"}.get(code, "FAILED")


def told(verdict: str) -> str:
    return f"{verdict} (does not count)" if verdict == "FOUND" else verdict


def why(verdict: str, said: str) -> str:
    """What is to be known of a verdict beside the word: why a stage was left out, what it left out itself, what it found."""
    if verdict == "FOUND":
        return "; ".join(re.findall(r"^\s*FOUND: (.*)", said, re.MULTILINE)) or "it does not say what"
    if verdict == "left out":
        return (said.strip().splitlines() or ["it does not say why"])[-1].removeprefix("left out: ")
    if verdict != "passed":
        return ""
    skipped = sum(int(count) for count in re.findall(r"^OK \(skipped=(\d+)\)", said, re.MULTILINE))
    found = [f"{skipped} tests skipped"] if skipped else []
    return "; ".join(found + re.findall(r"left out: .*", said))


def last_line(stage: table.Stage) -> str:
    log = LOGS / f"{stage.name}.log"
    lines = log.read_bytes()[-2000:].decode(errors="replace").split("\n") if log.exists() else []
    said = [line.split("\r")[-1].strip() for line in lines if line.strip()]
    return f"| {said[-1][:100]}" if said else ""


def adopt_orphans() -> None:
    """What a stage starts and does not wait for becomes a child of this process: else its time is not counted. Linux only."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def summary(ends: list[Ended], orphans_cpu_seconds: float, wall_seconds: float) -> str:
    rows = [("stage", "verdict", "seconds", "cpu seconds")]
    rows += [(e.stage.name, e.verdict, f"{e.wall_seconds:.0f}", f"{e.cpu_seconds:.0f}") for e in ends]
    verdict = "passed" if all(ended.is_good for ended in ends) else "FAILED"
    rows.append(("(left behind)", "", "", f"{orphans_cpu_seconds:.0f}"))
    cpu_seconds = sum(ended.cpu_seconds for ended in ends) + orphans_cpu_seconds
    rows.append(("all", verdict, f"{wall_seconds:.0f}", f"{cpu_seconds:.0f}"))
    lines = [f"{name:<14} {verdict:<9} {wall:>8} {cpu:>12}" for name, verdict, wall, cpu in rows]
    lines += [f"{told(e.verdict)}: {e.stage.name}: {e.why}" for e in ends if e.why]
    if IN_CI and any(e.verdict == "left out" for e in ends):
        lines.append("CI=true: nothing may be left out")
    return "\n".join(lines)


def chosen(stages: tuple[table.Stage, ...], only: str | None) -> list[table.Stage]:
    """The stages with these names, and what they need to have passed before."""
    if not only:
        return list(stages)
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    known = {stage.name for stage in stages}
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        sys.exit(f"there is no stage {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    needed = set(wanted)
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.after)
    return [stage for stage in stages if stage.name in needed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=sorted(table.RUNS))
    parser.add_argument("--only", metavar="NAMES", help="these stages, by name, with commas between them")
    parser.add_argument("--list", action="store_true", help="the stages, and what each does")
    arguments = parser.parse_args()
    stages = chosen(table.RUNS[arguments.run], arguments.only)
    if arguments.list:
        for stage in stages:
            print(f"{stage.name:<14} {stage.says}")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    adopt_orphans()
    began = time.monotonic()
    run = Run(stages)
    ends = run.whole()
    print(f"\n{summary(ends, run.orphans_cpu_seconds, time.monotonic() - began)}")
    return 0 if all(ended.is_good for ended in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
