"""What stands before the application: bounds on heads, bodies and time, addresses, roles."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from sqlalchemy import URL

from conftest import ADMIN_KEY
from doubles.installation import Installation, running
from paifang import protocol
from paifang.app import Application, open_runtime
from paifang.core.runtime import ROLES, Runtime
from paifang.core.settings import CoreSettings
from paifang.health import answers as health
from paifang.protocol import MAX_HEAD_BYTES, ForwardedHeaders
from paifang.server import configure

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
TOKENS = "/api/v1/gateway/tokens"
GROUPS = "/api/v1/gateway/groups"
KEY = {"authorization": f"Bearer {ADMIN_KEY}"}
HEAD_SECONDS = 0.3


class Echo:
    """Answers with the size of the body; ``/wait`` waits for an event first."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        if scope["path"] == "/wait":
            await self.go_on.wait()
        size, more = 0, scope["path"] != "/now"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            more = message["more_body"]
        body = b"%d\n" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Server:
    """Our server around :class:`Echo`, and raw connections to it."""

    def __init__(self, echo: Echo, port: int) -> None:
        self.echo = echo
        self.port = port

    @contextlib.asynccontextmanager
    async def connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer_to(self, data: bytes) -> bytes:
        """All that comes back until the server closes the connection."""
        async with self.connection() as (reader, writer):
            writer.write(data)
            return await closed(reader)


async def closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.read()


async def one_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Status line and body of one of Echo's answers."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        return head.partition(b"\r\n")[0], await reader.readline()


@pytest.fixture
async def server(settings: CoreSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", HEAD_SECONDS)
    echo = Echo()
    config = configure(echo, settings)
    config.lifespan = "off"
    config.port = 0
    config.timeout_keep_alive = 1
    found = uvicorn.Server(config)
    found.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # pytest's own
    serving = asyncio.create_task(found.serve())
    while not found.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.005)  # uvicorn has no event for it
    yield Server(echo, found.servers[0].sockets[0].getsockname()[1])
    echo.go_on.set()
    found.should_exit = found.force_exit = True
    await serving


# --- heads ---


@pytest.mark.parametrize("start", [GET + b"x-long: ", b"GET /", GET + b"cookie: a\r\n" * 4000])
async def test_a_head_without_an_end_is_refused_at_its_limit(server: Server, start: bytes) -> None:
    head = start.ljust(MAX_HEAD_BYTES + 1, b"a")
    answer = await server.answer_to(head)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in answer
    assert server.echo.calls == 0


async def test_a_head_that_comes_in_one_piece_is_measured_too(server: Server) -> None:
    found: list[bytes] = []
    http = _driven(server, found)
    http.data_received(GET + b"x: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n")
    assert found[0].startswith(b"HTTP/1.1 431 ")
    assert found[1:] == [b"closed"]
    http.connection_lost(None)
    assert server.echo.calls == 0


def _driven(server: Server, found: list[bytes]) -> Any:
    """The protocol without a socket: what it writes is in ``found``."""

    class Transport(asyncio.Transport):
        def write(self, data: Any) -> None:
            found.append(bytes(data))

        def close(self) -> None:
            found.append(b"closed")

        def is_closing(self) -> bool:
            return b"closed" in found

    config = uvicorn.Config(server.echo, interface="asgi3", ws="none", log_config=None)
    state = uvicorn.server.ServerState()
    http = protocol.HttpProtocol(config=config, server_state=state, app_state={})
    http.connection_made(Transport())
    return http


async def test_a_head_within_the_limit_and_a_large_body_pass(server: Server) -> None:
    async with server.connection() as (reader, writer):
        writer.write(GET + b"x: " + b"a" * 60_000 + b"\r\n\r\n")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"0\n")
        body = b"b" * 300_000
        for _ in range(2):
            writer.write(GET.replace(b"GET", b"POST") + b"content-length: 300000\r\n\r\n" + body)
        for _ in range(2):
            assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"300000\n")
        chunks = b"1\r\nc\r\n" * 50_000 + b"0\r\n\r\n"  # mostly framing
        writer.write(GET.replace(b"GET", b"POST") + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"50000\n")


@pytest.mark.parametrize("path", [b"/", b"/now"])
async def test_trailers_without_an_end_close_the_connection(server: Server, path: bytes) -> None:
    head = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    async with server.connection() as (reader, writer):
        writer.write(head + b"1\r\nc\r\n0\r\nx: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and sent < 50:
                writer.write(b"a" * 65_536)
                sent += 1
                await writer.drain()
                await asyncio.sleep(0)
            await closed(reader)
        assert sent < 50


# --- time ---


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET", GET])
async def test_a_connection_that_sends_no_whole_head_is_closed(server: Server, sent: bytes) -> None:
    assert await server.answer_to(sent) == b""
    assert server.echo.calls == 0


async def test_a_head_that_dribbles_in_is_closed_all_the_same(server: Server) -> None:
    async with server.connection() as (reader, writer):
        reading = asyncio.create_task(closed(reader))
        piece = GET
        for _ in range(100):
            with contextlib.suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            piece = b"a: b\r\n"
            await asyncio.wait({reading}, timeout=0.02)
            if reading.done():
                break
        assert reading.done()
        with contextlib.suppress(ConnectionError):  # a reset is an end as well
            assert await reading == b""


@pytest.mark.parametrize("then", [b"GET / HT", b"\r\n", b""])
async def test_between_requests_a_connection_is_closed_in_time_whatever_comes(
    server: Server, then: bytes
) -> None:
    async with server.connection() as (reader, writer):
        writer.write(GET + b"\r\n")
        await one_answer(reader)
        writer.write(then)
        assert await closed(reader) == b""


async def test_the_rest_of_a_body_that_nobody_waits_for_does_not_hold_the_connection(
    server: Server,
) -> None:
    async with server.connection() as (reader, writer):
        writer.write(b"POST /now HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
        await one_answer(reader)
        writer.write(b"a")
        assert await closed(reader) == b""


async def test_a_call_may_take_longer_than_its_head_and_the_next_one_comes_in(
    server: Server,
) -> None:
    async with server.connection() as (reader, writer):
        writer.write(GET.replace(b"/", b"/wait", 1) + b"\r\n")
        await asyncio.sleep(2 * HEAD_SECONDS)
        server.echo.go_on.set()
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"0\n")
        # In pieces, but in time.
        writer.write(GET)
        await writer.drain()
        await asyncio.sleep(HEAD_SECONDS / 4)
        writer.write(b"\r\n")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"0\n")
        await asyncio.sleep(1.5 * HEAD_SECONDS)
        writer.write(GET + b"\r\n")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"0\n")


# --- addresses ---


async def _client(trusted: str, peer: str, *headers: tuple[bytes, bytes]) -> tuple[str, str]:
    """Address and scheme as the application sees them."""
    seen: list[tuple[str, str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))

    scope = {"type": "http", "client": (peer, 1234), "scheme": "http", "headers": [*headers]}
    await ForwardedHeaders(app, trusted)(scope, None, None)  # type: ignore[arg-type]  # not called
    (found,) = seen
    return found


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (b"203.0.113.7", "203.0.113.7"),
        (b"203.0.113.7:4711", "203.0.113.7"),
        (b"1.2.3.4, 203.0.113.7, 127.0.0.1", "203.0.113.7"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"0000:0000:0000:0000:0000:ffff:255.255.255.255", None),
        (b"", "127.0.0.1"),
        (b"unknown", "127.0.0.1"),
        (b"1.2.3", "127.0.0.1"),
        (b"203.0.113.7; DROP", "127.0.0.1"),
        (b"\xff\xfe", "127.0.0.1"),
        (b"fe80::1%<script>", "127.0.0.1"),
        (b"a" * 60_000, "127.0.0.1"),
    ],
)
async def test_only_an_ip_address_is_believed_of_a_proxy(
    told: bytes, believed: str | None, database_kind: str
) -> None:
    found, _scheme = await _client("127.0.0.1", "127.0.0.1", (b"x-forwarded-for", told))
    assert found == (told.decode() if believed is None else believed)


async def test_the_scheme_is_believed_too_and_neither_of_a_stranger(database_kind: str) -> None:
    headers = ((b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https"))
    assert await _client("10.0.0.0/8", "10.1.2.3", *headers) == ("203.0.113.7", "https")
    assert await _client("10.0.0.0/8", "192.0.2.1", *headers) == ("192.0.2.1", "http")
    assert await _client("10.0.0.0/8", "10.1.2.3") == ("10.1.2.3", "http")


# --- bodies of the API ---


@pytest.fixture
async def application(settings: CoreSettings) -> AsyncIterator[Application]:
    async with started(settings) as found:
        yield found


@contextlib.asynccontextmanager
async def started(
    settings: CoreSettings, roles: frozenset[str] = frozenset({"console"})
) -> AsyncIterator[Application]:
    found = Application(open_runtime(settings, roles=roles))
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


class Answer:
    """What one call of the application came to."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.reads = 0
        """How often the body was asked for."""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def post(
    application: Application, path: str, headers: dict[str, str], *body: bytes
) -> Answer:
    """One call whose body comes in these pieces, endlessly the last one."""
    answer = Answer()

    async def receive() -> dict[str, Any]:
        answer.reads += 1
        assert answer.reads <= 100, "it goes on reading"
        piece = body[min(answer.reads, len(body)) - 1]
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(b"content-type", b"application/json"), *raw],
    }
    await application(scope, receive, send)
    return answer


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer guess"}])
@pytest.mark.parametrize("length", [{}, {"content-length": "149000000"}])
async def test_without_the_key_no_body_is_read(
    application: Application, headers: dict[str, str], length: dict[str, str]
) -> None:
    answer = await post(application, GROUPS, {**headers, **length}, b"{" * 65_536)
    assert (answer.status, answer.reads) == (401, 0)
    assert answer.json["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] == answer.json["request_id"]


@pytest.mark.parametrize(
    ("length", "reads"),
    [({"content-length": "1048577"}, 0), ({"content-length": "5"}, 17), ({}, 17)],
)
async def test_a_body_over_the_limit_is_refused_without_being_kept(
    application: Application, length: dict[str, str], reads: int
) -> None:
    answer = await post(application, GROUPS, {**KEY, **length}, b" " * 65_536)
    assert (answer.status, answer.reads) == (413, reads)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "request_too_large"
    assert "1048576 bytes" in answer.json["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] == answer.json["request_id"]


async def test_the_limit_is_a_setting(settings: CoreSettings) -> None:
    settings = replace(settings, max_api_body_bytes=2048)
    async with started(settings) as application:
        async with _asking(application) as client:
            body = {"id": "team"}
            fits = await client.post(GROUPS, json=body, headers=KEY)
            padded = await client.post(GROUPS, content=b" " * 2049, headers=KEY)
        assert (fits.status_code, padded.status_code) == (201, 413), fits.text


async def test_routes_with_errors_of_their_own_shape_refuse_in_that_shape(
    application: Application,
) -> None:
    answer = await post(application, "/api/group/", {}, b"{}")
    assert (answer.status, answer.reads, answer.json["success"]) == (401, 0, False)
    answer = await post(application, "/api/group/", {**KEY, "content-length": "9999999"}, b"")
    assert (answer.status, answer.reads, answer.json["success"]) == (200, 0, False)
    assert "1048576 bytes" in answer.json["message"]


# --- https, health, roles ---


def _asking(application: Application) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://paifang.test")


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("https://paifang.example.org", "max-age=31536000; includeSubDomains"),
        ("http://paifang.example.org", None),
        ("", None),
    ],
)
async def test_browsers_are_told_to_keep_to_https_where_that_is_the_address(
    settings: CoreSettings, public_url: str, expected: str | None
) -> None:
    settings = replace(settings, public_url=public_url)
    async with started(settings) as application, _asking(application) as client:
        for path in ("/", TOKENS, "/nothing"):
            answer = await client.get(path)
            assert answer.headers.get("strict-transport-security") == expected, path


def _counting(runtime: Runtime, answer: str = "") -> Callable[[], int]:
    count = 0

    async def ask() -> str:
        nonlocal count
        count += 1
        await asyncio.sleep(0)
        return answer

    runtime.ready["database"] = ask
    return lambda: count


async def test_readyz_asks_the_database_once_a_second(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _counting(application.runtime)
    async with _asking(application) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert asked() == 1
        monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
        await client.get("/readyz")
        assert asked() == 2


@pytest.mark.parametrize(
    ("roles", "status"),
    [(frozenset({"gateway"}), 200), (frozenset({"console"}), 503), (ROLES, 503)],
)
async def test_only_a_gateway_is_ready_without_the_database(
    settings: CoreSettings, roles: frozenset[str], status: int
) -> None:
    async with started(settings, roles) as application, _asking(application) as client:

        async def away() -> str:
            return "the database does not answer"

        await _is_ready(application, away, client, status, "does not answer")


async def test_a_gateway_does_not_wait_long_for_a_database_that_hangs(
    settings: CoreSettings,
) -> None:
    roles = frozenset({"gateway"})
    async with started(settings, roles) as application, _asking(application) as client:

        async def hanging() -> str:
            await asyncio.Event().wait()
            return ""

        async with asyncio.timeout(health.READY_TIMEOUT * 0.9):
            await _is_ready(application, hanging, client, 200, "no answer")


async def test_a_gateway_itself_sends_no_body_to_who_asks_for_the_head(
    settings: CoreSettings,
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with started(settings, frozenset({"gateway"})) as application:
        # Without a server, which would take a body away.
        scope = {"type": "http", "method": "HEAD", "path": "/livez", "headers": []}
        await application(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    assert sent[0]["status"] == 200
    assert dict(sent[0]["headers"])[b"content-length"] == b"26"
    assert b"".join(message.get("body", b"") for message in sent) == b""


async def _is_ready(
    application: Application,
    database: Callable[[], Awaitable[str]],
    client: httpx.AsyncClient,
    status: int,
    said: str,
) -> None:
    application.runtime.ready["database"] = database
    answer = await client.get("/readyz")
    assert answer.status_code == status, answer.text
    assert said in answer.json()["parts"]["database"]
    assert answer.json()["status"] == ("ok" if status == 200 else "unavailable")


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_a_process_without_the_console_has_no_api_and_no_pages(
    tmp_path: Path, empty_database_url: URL, role: str
) -> None:
    url = empty_database_url.render_as_string(hide_password=False)
    installation = Installation(tmp_path, PAIFANG_DB_URL=url)
    status, output = await installation.command("migrate")
    assert status == 0, output
    async with running(installation, "serve", "--only", role) as process:
        headers = {"authorization": f"Bearer {installation.variables['PAIFANG_ADMIN_KEY']}"}
        async with httpx.AsyncClient(
            base_url=process.url, headers=headers, trust_env=False
        ) as client:
            assert (await client.get("/livez")).status_code == 200
            for path in (TOKENS, "/docs", "/openapi.json", "/", "/api/status"):
                assert (await client.get(path)).status_code == 404, path
            # The bounds on heads stand in a real process.
            long = await client.get("/livez", headers={"x-long": "a" * 65_536})
            assert long.status_code == 431
