"""Resend's and Postmark's APIs on the loopback, as they answer over real HTTP/1.1.

Each keeps what it took. ``script`` holds what it does with the next calls instead, used up one a
call: an :class:`Odd` one. Shapes, codes and messages are those of their documents.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """A request it got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Odd:
    """What to do with one call instead of the usual."""

    status: int = 200
    body: Any = None
    """An object goes out as JSON, bytes as they are."""
    headers: dict[str, str] = field(default_factory=dict)
    takes: bool = False
    """Take the mail all the same, and only then answer."""
    drop: bool = False
    """End the connection without an answer."""
    hang: bool = False
    """Say nothing until the client leaves."""
    drip: float = 0.0
    """Seconds between the bytes of the answer."""


class ProviderDouble:
    """The server; ``async with ResendDouble(key) as double``."""

    host = "127.0.0.1"

    def __init__(self, key: str) -> None:
        self.key = key
        self.requests: list[Asked] = []
        self.sent: list[dict[str, Any]] = []
        """Mails it took, each once, as their senders wrote them."""
        self.script: list[Odd] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._client, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def answer(self, asked: Asked) -> Odd:
        """What the provider says."""
        raise NotImplementedError

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.split("\r\n")
            method, path, _version = line.split(" ")
            headers = dict(row.lower().split(": ", 1) for row in rest if row)
            kept = dict(row.split(": ", 1) for row in rest if row)
            length = int(headers.get("content-length", 0))
            content = await reader.readexactly(length)
            body = json.loads(content) if content else None
            asked = Asked(method, path, {k.lower(): v for k, v in kept.items()}, body)
            self.requests.append(asked)
            await self._say(writer, asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, asked: Asked) -> None:
        odd = self.script.pop(0) if self.script else None
        if odd is None or odd.takes:
            usual = self.answer(asked)
            odd = odd or usual
        if odd.hang:
            await asyncio.sleep(3600)
        if odd.drop:
            return
        content = odd.body if isinstance(odd.body, bytes) else json.dumps(odd.body).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
            **odd.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {odd.status} Because\r\n{head}\r\n".encode())
        for byte in content if odd.drip else ():
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(odd.drip)
        if not odd.drip:
            writer.write(content)
        await writer.drain()


def said(status: int, name: str, message: str, **headers: str) -> Odd:
    """An error in Resend's shape."""
    body = {"statusCode": status, "name": name, "message": message}
    return Odd(status, body, {k.replace("_", "-"): v for k, v in headers.items()})


class ResendDouble(ProviderDouble):
    """Resend. It knows the domains in ``domains`` and remembers idempotency keys."""

    def __init__(self, key: str = "re_Test_0123456789") -> None:
        super().__init__(key)
        self.domains = {"paifang.example": "verified"}
        self.may_only_send = False
        self._seen: dict[str, tuple[Any, str]] = {}

    @property
    def url(self) -> str:
        """As the setting has it."""
        return f"resend://{self.key}@{self.host}:{self.port}"

    def answer(self, asked: Asked) -> Odd:
        """See the base."""
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return said(401, "validation_error", "API key is invalid")
        if "paifang/" not in asked.headers.get("user-agent", ""):
            return said(403, "forbidden", "error code: 1010")
        if (asked.method, asked.path) == ("GET", "/domains"):
            if self.may_only_send:
                return said(401, "restricted_api_key", "This API key is restricted to only send")
            rows = [
                {"id": str(uuid.uuid4()), "name": n, "status": s} for n, s in self.domains.items()
            ]
            return Odd(200, {"object": "list", "has_more": False, "data": rows})
        if (asked.method, asked.path) != ("POST", "/emails"):
            return said(404, "not_found", "The requested endpoint does not exist")
        return self._send(asked)

    def _send(self, asked: Asked) -> Odd:
        body, key = asked.body, asked.headers.get("idempotency-key", "")
        if key in self._seen:
            earlier, number = self._seen[key]
            if earlier != body:
                message = "Same idempotency key used with a different request payload"
                return said(409, "invalid_idempotent_request", message)
            return Odd(200, {"id": number})
        domain = body["from"].rpartition("@")[2].rstrip(">")
        if self.domains.get(domain) != "verified":
            return said(403, "validation_error", f"The {domain} domain is not verified.")
        if any("." not in to.rpartition("@")[2] for to in body["to"]):
            message = (
                "Invalid `to` field. The email address needs to follow the `email@example.com`"
            )
            return said(422, "validation_error", f"{message} format: {body['to'][0]}")
        number = str(uuid.uuid4())
        self._seen[key] = (body, number)
        self.sent.append(body)
        return Odd(200, {"id": number})


def failed(status: int, code: int, message: str, **headers: str) -> Odd:
    """An error in Postmark's shape."""
    body = {"ErrorCode": code, "Message": message}
    return Odd(status, body, {k.replace("_", "-"): v for k, v in headers.items()})


class PostmarkDouble(ProviderDouble):
    """Postmark. Addresses in ``inactive`` are suppressed."""

    def __init__(self, key: str = "f47ac10b-58cc-4372-a567-0e02b2c3d479") -> None:
        super().__init__(key)
        self.inactive: set[str] = set()
        self.delivery = "Live"
        self.senders = {"paifang.example"}

    @property
    def url(self) -> str:
        """As the setting has it."""
        return f"postmark://{self.key}@{self.host}:{self.port}"

    def answer(self, asked: Asked) -> Odd:
        """See the base."""
        if asked.headers.get("x-postmark-server-token") != self.key:
            return failed(401, 10, "Request does not contain a valid Server token.")
        place = urlsplit(asked.path)
        if (asked.method, place.path) == ("GET", "/server"):
            return Odd(200, {"ID": 1, "Name": "Production", "DeliveryType": self.delivery})
        if (asked.method, place.path) == ("GET", "/messages/outbound"):
            query = parse_qs(place.query)
            if not {"count", "offset"} <= set(query):
                return failed(422, 600, "count and offset are required")
            found = [m for m in self.sent if m["To"] in query.get("recipient", [m["To"]])]
            rows = [{"Subject": m["Subject"], "Metadata": m["Metadata"]} for m in found]
            return Odd(200, {"TotalCount": len(rows), "Messages": rows})
        if (asked.method, place.path) != ("POST", "/email"):
            return failed(404, 404, "Not found")
        return self._send(asked.body)

    def _send(self, body: dict[str, Any]) -> Odd:
        domain = body["From"].rpartition("@")[2].rstrip(">")
        if domain not in self.senders:
            message = "The 'From' address you supplied is not a Sender Signature on your account."
            return failed(422, 400, message)
        if body["MessageStream"] != "outbound":
            return failed(422, 1235, "The 'MessageStream' provided does not exist on this server.")
        if "." not in body["To"].rpartition("@")[2]:
            return failed(422, 300, f"Error parsing 'To': Illegal email domain '{body['To']}'.")
        if body["To"] in self.inactive:
            message = "You tried to send to recipient(s) that have been marked as inactive. Found "
            return failed(422, 406, f"{message}inactive addresses: {body['To']}.")
        self.sent.append(body)
        return Odd(
            200, {"To": body["To"], "MessageID": str(uuid.uuid4()), "ErrorCode": 0, "Message": "OK"}
        )
