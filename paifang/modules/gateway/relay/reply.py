"""Answers that are whole from the start: errors and small JSON."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from paifang.modules.gateway.relay.errors import Headers, Refusal

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def send_refusal(send: Send, refusal: Refusal, request_id: str) -> None:
    """Answer with an error in OpenAI's shape."""
    await _send(send, refusal.status, refusal.body(), request_id, refusal.headers)


async def send_json(send: Send, value: Any, request_id: str) -> None:
    """Answer with a JSON value."""
    await _send(send, 200, orjson.dumps(value), request_id, ())


async def _send(send: Send, status: int, body: bytes, request_id: str, headers: Headers) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", request_id.encode("ascii")),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
