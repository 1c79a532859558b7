"""Nothing that a test started outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import unittest

from launcher_process import HERE, is_running

STARTER = """
import sys, time
from launcher_process import LauncherProcess
launcher = LauncherProcess(*sys.argv[1:])
print(launcher.process.pid, flush=True)
time.sleep(60)
"""


class LifelineTest(unittest.TestCase):
    def ends_with_its_starter(self, *launcher: str) -> None:
        command = [sys.executable, "-c", STARTER, *launcher]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE) as starter:
            pid = int(starter.stdout.readline())
            self.assertTrue(is_running(pid))
            os.kill(starter.pid, signal.SIGKILL)
        end = time.time() + 5
        while is_running(pid) and time.time() < end:
            time.sleep(0.05)
        self.assertFalse(is_running(pid))

    def test_the_moto_launcher_ends_when_its_starter_is_killed(self) -> None:
        self.ends_with_its_starter("moto_launcher.py")

    def test_the_ministack_launcher_ends_when_its_starter_is_killed(self) -> None:
        self.ends_with_its_starter("ministack_launcher.py", "--aws-endpoint", "http://127.0.0.1:9")
