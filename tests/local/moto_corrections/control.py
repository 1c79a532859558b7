"""The control endpoint: how a test changes what the account does, next to the AWS APIs on the same port."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from werkzeug.wrappers import Request, Response

from . import config, elbv2
from .settings import current as settings

PREFIX = "/driftless/"


class Control:
    """WSGI middleware that answers PREFIX itself, and serialises all other requests.

    moto changes its models from many threads without a lock: two calls at once may each launch the same missing instance.
    """

    def __init__(self, moto: Callable[..., Iterable[bytes]]) -> None:
        self.moto = moto
        self.one_at_a_time = RLock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.one_at_a_time:
            if environ.get("PATH_INFO", "").startswith(PREFIX):
                return answer(Request(environ))(environ, start_response)
            return self.moto(environ, start_response)


def answer(request: Request) -> Response:
    """Runs one control request; what is wrong with it is said in the answer, with status 400."""
    action = ACTIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if action is None:
        return _json({"error": f"no {request.method} {request.path}"}, 404)
    try:
        return _json(action(request.get_json(force=True) if request.content_length else None), 200)
    except (ValueError, KeyError, TypeError) as error:
        return _json({"error": str(error)}, 400)


def show_settings(_: Any) -> dict[str, Any]:
    return settings.as_json()


def change_settings(body: dict[str, Any]) -> dict[str, Any]:
    settings.update(body)
    return settings.as_json()


def record_compliance(body: list[dict[str, Any]]) -> dict[str, Any]:
    for entry in body:
        config.record(entry)
    return {"recorded": len(body)}


def override_target_health(body: dict[str, Any]) -> dict[str, Any]:
    """`instanceId` may be an id, or `*` for every target; `targetGroupArn` instead means all targets of that group."""
    subject = body.get("instanceId") or body["targetGroupArn"]
    elbv2.set_override(subject, body["state"], body.get("reason"))
    return {"overridden": sorted(elbv2.overrides)}


def reset(_: Any) -> dict[str, Any]:
    """An empty account with the default settings."""
    moto_api_backend.reset()
    settings.reset()
    config.evaluations.clear()
    elbv2.overrides.clear()
    return settings.as_json()


def _json(document: Any, status: int) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")


ACTIONS: dict[tuple[str, str], Callable[[Any], dict[str, Any]]] = {
    ("GET", "settings"): show_settings,
    ("POST", "settings"): change_settings,
    ("POST", "compliance"): record_compliance,
    ("POST", "target-health"): override_target_health,
    ("POST", "reset"): reset,
}
