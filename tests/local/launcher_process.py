"""Starts a launcher of this folder for a test, and talks to its control endpoint."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

HERE = Path(__file__).parent
REGION = "eu-central-1"


class LauncherProcess:
    """A running launcher, which ends when its standard input is closed."""

    def __init__(self, script: str, *options: str) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), "--port", str(self.port), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"LOG_LEVEL": "CRITICAL"},
            text=True,
        )
        line = self.process.stdout.readline().strip()
        if line != "ready":
            raise RuntimeError(f"{script} did not start: {line!r}")

    def client(self, service: str) -> Any:
        """A client that never retries, so that a test sees each answer as it comes."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="123456789012",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def control(self, path: str, body: Any = None) -> Any:
        """POSTs to the control endpoint, or GETs without a body."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/driftless/{path}", data)) as answer:
            return json.load(answer)

    def end(self) -> int:
        """Closes the lifeline and waits for the end."""
        self.process.stdin.close()
        code = self.process.wait(timeout=10)
        self.process.stdout.close()
        return code


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_running(pid: int) -> bool:
    """Whether the process does anything: one that is dead but not collected by its parent does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
