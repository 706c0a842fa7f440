"""One HTTP request to an ASGI application in this process, byte for byte as it is."""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from schemathesis import Response

Message = MutableMapping[str, Any]

SECONDS = 30.0
"""For one answer; what has not begun by then hangs."""


async def ask(app: Any, request: requests.PreparedRequest, address: str) -> Response:
    """Send a request, and take its answer. Of a stream that has no end, the first piece.

    Raises:
        AssertionError: the application answered with 500, or not at all.
    """
    parts = urlsplit(request.url or "")
    body = request.body or b""
    exchange = _Exchange(body.encode() if isinstance(body, str) else bytes(body))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "root_path": "",
        "query_string": parts.query.encode("ascii"),
        "headers": [
            (b"host", parts.netloc.encode("ascii")),
            *((_bytes(name).lower(), _bytes(value)) for name, value in request.headers.items()),
        ],
        "client": (address, 50000),
        "server": (parts.hostname, 443),
    }
    error: BaseException | None = None
    try:
        async with asyncio.timeout(SECONDS):
            await app(scope, exchange.receive, exchange.send)
    except TimeoutError as late:
        raise AssertionError(f"{request.method} {request.url} is not answered") from late
    except Exception as raised:  # noqa: BLE001  # the server's middleware raises what it answered
        error = raised
    if exchange.status in {0, 500}:
        raise AssertionError(f"{request.method} {request.url}: {exchange.content!r}") from error
    return Response(
        status_code=exchange.status,
        headers=exchange.headers,
        content=exchange.content,
        request=request,
        elapsed=0.0,
        verify=False,
        encoding="utf-8",
        stream_cut_short=exchange.cut,
    )


class _Exchange:
    """The client's side: it sends the whole body, and leaves once it has seen enough."""

    def __init__(self, body: bytes) -> None:
        self.status = 0
        self.headers: Mapping[str, list[str]] = {}
        self.content = b""
        self.cut = False
        self._body: bytes | None = body
        self._left = asyncio.Event()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._left.is_set():
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            found: dict[str, list[str]] = {}
            for name, value in message["headers"]:
                found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
            self.headers = found
            return
        self.content += message.get("body", b"")
        endless = self.headers.get("content-type", [""])[0].startswith("text/event-stream")
        if not message.get("more_body", False):
            self._left.set()
        elif endless and b"\n\n" in self.content:
            self.cut = True
            self._left.set()


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
