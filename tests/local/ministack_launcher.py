"""Serves the serverless half of the local AWS (CloudFormation, Lambda, EventBridge, SQS, DynamoDB, …) on a loopback port."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from threading import Thread

import lifeline


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--aws-endpoint", required=True, help="the functions send all their AWS calls to this URL")
    parser.add_argument("--stack-id", default="local", help="DRIFTLESS_STACK in every function's environment")
    return parser.parse_args()


def isolate(port: int, account: str, endpoint: str, folder: Path) -> None:
    """Sets the environment that ministack reads at import: nothing of the machine gets in, no Docker, no fixed ports."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        GATEWAY_PORT=str(port),
        MINISTACK_ACCOUNT_ID=account,
        AWS_ENDPOINT_URL=endpoint,
        TMPDIR=str(folder),
        DOCKER_HOST=f"unix://{folder}/no-docker",
        LAMBDA_EXECUTOR="local",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "ERROR"),
        AUTH="false",
        PERSIST_STATE="0",
        S3_PERSIST="0",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
    )
    tempfile.tempdir = str(folder)


def announce_when_listening(port: int) -> None:
    """hypercorn has no callback for its first listen."""

    def wait() -> None:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        lifeline.announce_ready()

    Thread(target=wait, daemon=True).start()


def clean_up(folder: Path) -> None:
    """No function process and no unpacked code outlives the launcher."""
    from ministack_corrections import functions

    functions.kill_all()
    shutil.rmtree(folder, ignore_errors=True)


def serve(port: int, stack_id: str) -> None:
    """Serves until the process ends. ministack reads its environment at import, hence the imports here."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    import ministack_corrections
    from ministack_corrections.control import Control

    ministack_corrections.apply(stack_id)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    announce_when_listening(port)
    asyncio.run(hypercorn_serve(Control(app), config))


def main() -> None:
    arguments = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="driftless-ministack-"))
    isolate(arguments.port, arguments.account, arguments.aws_endpoint, folder)
    lifeline.end_with_parent(lambda: clean_up(folder))
    try:
        serve(arguments.port, arguments.stack_id)
    finally:
        clean_up(folder)


if __name__ == "__main__":
    main()
