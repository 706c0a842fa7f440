"""ASGI middleware: an id for each request, and one access line for each call of the API."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from paifang.core.ids import uuid7
from paifang.core.logs.request_id import request_id_var

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = b"x-request-id"
_ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_STARTS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}

access_logger = logging.getLogger("paifang.access")


class RequestIdMiddleware:
    """Gives each request an id: in ``request_id_var``, ``scope["state"]`` and the answer.

    An incoming ``X-Request-Id`` is kept when it is 8 to 64 letters, digits, ``.``, ``_`` or
    ``-``, so that a proxy's id can be followed through; else the id is a new UUIDv7 in hex. So
    it is for following, and never a key that must be unique. An app that answers with an id of
    its own keeps that.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        request_id = _incoming(scope["headers"]) or uuid7().hex
        scope.setdefault("state", {})["request_id"] = request_id
        header = (HEADER, request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = list(message.get("headers") or ())
                if not any(name.lower() == HEADER for name, _value in headers):
                    # A copy: an app may send one and the same message again and again.
                    message = {**message, "headers": [*headers, header]}
            await send(message)

        token = request_id_var.set(request_id)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            request_id_var.reset(token)


def _incoming(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == HEADER:
            return value.decode() if _ACCEPTED.fullmatch(value) else ""
    return ""


class AccessLogMiddleware:
    """One INFO line per HTTP call under ``prefix``, when it is over.

    Fields: ``method``, ``path`` (without the query: it may hold what is nobody's business),
    ``status`` (null when the client left before an answer began) and ``duration_ms``. It stands
    inside of ``RequestIdMiddleware``, so that its line carries the id.
    """

    def __init__(self, app: App, *, prefix: str = "/api") -> None:
        self.app = app
        self.prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._covers(scope["path"]):
            await self.app(scope, receive, send)
            return
        status: int | None = None

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self.app(scope, receive, send_and_look)
        except Exception:
            status = status or 500
            raise
        finally:
            access_logger.info(
                "%s %s %s",
                scope["method"],
                scope["path"],
                status,
                extra={
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "duration_ms": round((time.perf_counter() - started) * 1000, 1),
                },
            )

    def _covers(self, path: str) -> bool:
        return path == self.prefix or path.startswith(f"{self.prefix}/")
