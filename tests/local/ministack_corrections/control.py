"""The control endpoint: what a test wants to know about the function processes, next to the AWS APIs on the same port."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from . import functions

FUNCTIONS_PATH = "/driftless/functions"

Asgi = Callable[[dict[str, Any], Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]


class Control:
    """ASGI middleware that answers GET /driftless/functions and leaves all else to ministack."""

    def __init__(self, ministack: Asgi) -> None:
        self.ministack = ministack

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == FUNCTIONS_PATH:
            await _answer(send, functions.processes())
        else:
            await self.ministack(scope, receive, send)


async def _answer(send: Any, document: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
