"""Corrections of how ministack runs functions: what a function's process is given, and how it ends."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

STACK_VARIABLE = "DRIFTLESS_STACK"

# Who has signed a request.
CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,]+)/")

# What a process needs to run at all on the developer's machine, and what a developer debugs and measures with.
PASSED_ON = frozenset(
    ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TMPDIR", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "AWS_ENDPOINT_URL")
)


def access_key_id(function_name: str) -> str:
    """The access key of a function's role session: the same for every process of the function, different for each function."""
    return "ASIA" + hashlib.sha256(function_name.encode()).hexdigest()[:16].upper()


def each_function_has_its_own_access_key() -> None:
    """AWS: a function calls with the credentials of its own role. ministack: all functions have the account id as access
    key. So the key is derived from the function's name, and a recording of the calls shows which function made them."""

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": access_key_id(config["FunctionName"]),
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
        }

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def functions_see_only_their_own_environment(stack_id: str) -> None:
    """AWS: a function sees its own variables and those of Lambda, logging format and level among them. ministack: hands on
    everything of its own environment, a developer's AWS_PROFILE included, and nothing about logging. So the environment is
    filtered and completed; DRIFTLESS_STACK tells the processes of one local stack from those of another."""
    build = lambda_svc._provided_worker_env

    def provided_worker_env(config: dict[str, Any], code_dir: str, port: int) -> dict[str, str]:
        declared = (config.get("Environment") or {}).get("Variables") or {}
        environment = {
            name: str(value)
            for name, value in build(config, code_dir, port).items()
            if name in PASSED_ON or name in declared or os.environ.get(name) != value
        }
        return environment | _logging_variables(config) | {STACK_VARIABLE: stack_id}

    lambda_svc._provided_worker_env = provided_worker_env


def functions_are_killed_at_once() -> None:
    """AWS: kills the process at the timeout. ministack: asks it to end and waits two seconds, in which it may still write.
    So it is killed."""

    def kill(process: subprocess.Popen[bytes] | None) -> None:
        if process is not None and process.poll() is None:
            process.kill()

    lambda_runtime._signal = kill


def urls_name_their_caller() -> None:
    """AWS: a function behind a URL with AWS_IAM gets the identity of the signer. ministack: passes none. So
    the event says it, for a user whose name is the access key."""
    build = lambda_svc._build_function_url_event

    def function_url_event(*arguments: Any, **more: Any) -> dict[str, Any]:
        event = build(*arguments, **more)
        signed = CREDENTIAL.search(event["headers"].get("authorization", ""))
        if signed and not more.get("anonymous"):
            account, key = event["requestContext"]["accountId"], signed["key"]
            arn = f"arn:aws:iam::{account}:user/{key}"
            iam = {"accessKey": key, "accountId": account, "callerId": key, "userArn": arn, "userId": key}
            event["requestContext"]["authorizer"] = {"iam": iam | {"cognitoIdentity": None, "principalOrgId": None}}
        return event

    lambda_svc._build_function_url_event = function_url_event


def processes() -> list[dict[str, Any]]:
    """The function processes that run now; `busy` ones are in an invocation."""
    running = [(worker, worker._proc) for worker in _workers()]
    return [
        {"functionName": worker.func_name, "pid": process.pid, "busy": worker.in_use}
        for worker, process in running
        if process is not None and process.poll() is None
    ]


def kill_all() -> None:
    """Kills every function process, and lets none be started afterwards: for the end of the launcher only."""
    lambda_svc._provided_code_lock.acquire(timeout=5)
    started = [worker._proc for worker in _workers() if worker._proc is not None]
    for process in started:
        process.kill()
    for process in started:
        process.wait(timeout=5)


def _workers() -> list[lambda_runtime.Worker]:
    """Copied at once: invocations change the pools while this is read."""
    return [worker for pool in list(lambda_runtime._workers.values()) for worker in list(pool)]


def _logging_variables(config: dict[str, Any]) -> dict[str, str]:
    logging = config.get("LoggingConfig") or {}
    variables = {"AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup", f"/aws/lambda/{config['FunctionName']}")}
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
    return variables
