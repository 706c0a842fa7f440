"""The short way from the socket to a hot path's handler: the same answers as the long way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import h11
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from counts import count
from paifang.core.exchange import BodyTooLarge, ClientGone, Exchange
from paifang.hotpath import HotProtocol, KnownHead, hot_protocol
from paifang.modules.gateway.relay.asgi import AsgiExchange
from paifang.protocol import MAX_QUEUED, ForwardedHeaders

LIMIT = 200
PATH = b"/v1/hot"
PLAIN = b"POST /v1/hot HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"


async def echo(exchange: Exchange) -> None:
    """Answers with the body, and tells what it was asked."""
    seen = exchange.note
    exchange.note = (seen or 0) + 1
    try:
        body = await exchange.read(LIMIT, None)
    except BodyTooLarge:
        await exchange.answer(413, b"", b"too large")
        return
    names = b",".join(name for name, _ in exchange.headers)
    block = b"x-address: %b\r\nx-names: %b\r\n" % (exchange.address.encode(), names)
    if body.startswith(b"s"):
        for part in (body[:1], body[1:]):
            await exchange.send(block, part, last=False)
        await exchange.send(b"", b"", last=True)
    else:
        await exchange.answer(200, block, body, close=body.startswith(b"c"))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The same handler, the long way; other paths get their path back."""
    exchange = AsgiExchange(scope, receive, send)
    if scope["path"].encode() == PATH and scope["method"] == "POST":
        await echo(exchange)
    else:
        await exchange.answer(404, b"", scope["path"].encode())


class Wire(asyncio.Transport):
    """What the server writes, and whether it has hung up."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 1), "sockname": ("192.0.2.1", 80)})
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:  # type: ignore[override]  # bytes are what we write
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Served:
    """A connection to a server with or without hot paths."""

    def __init__(self, *, hot: bool, trusted: str = "") -> None:
        forwarded = ForwardedHeaders(application, trusted)
        kind = hot_protocol({PATH: echo} if hot else {}, forwarded)
        config = uvicorn.Config(
            forwarded,
            interface="asgi3",
            http=kind,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"now")]
        self.protocol: HotProtocol = kind(
            config=config, server_state=self.state, app_state={}, _loop=asyncio.get_running_loop()
        )
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    async def settle(self) -> None:
        """Let every task go as far as it can."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def take(self, *chunks: bytes) -> list[tuple[int, list[tuple[bytes, bytes]], bytes]]:
        """Feed the chunks; the answers so far, read by a strict parser."""
        for chunk in chunks:
            if self.wire.closed:
                break
            self.protocol.data_received(chunk)
            await self.settle()
        return answers(self.wire.written)

    def end(self) -> None:
        self.protocol.connection_lost(None)


def answers(data: bytes) -> list[tuple[int, list[tuple[bytes, bytes]], bytes]]:
    """Status, sorted headers and body of every answer."""
    client = h11.Connection(h11.CLIENT)
    if data:  # none would mean the end of the connection
        client.receive_data(data)
    found = []
    while True:
        if client.our_state is h11.IDLE:
            client.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
            client.send(h11.EndOfMessage())
        event = client.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return found
        if isinstance(event, h11.Response):
            found.append((event.status_code, sorted(event.headers), b""))
        elif isinstance(event, h11.Data):
            status, headers, body = found[-1]
            found[-1] = (status, headers, body + bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            if client.their_state is not h11.DONE:
                return found
            client.start_next_cycle()


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Served]:
    connection = Served(**options)
    try:
        yield connection
    finally:
        connection.end()
        await connection.settle()
        assert not connection.state.tasks


_NAMES = st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"])
_EXTRA = st.lists(
    st.sampled_from(
        [
            b"X-One: 1",
            b"x-one: 2",
            b"Connection: keep-alive",
            b"Expect: 100-continue",
            b"X-Forwarded-For: 203.0.113.9",
            b"Accept: */*",
            b"Content-Lengths: 9",
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA",
        ]
    ),
    max_size=3,
)


@st.composite
def requests(draw: Callable[..., Any]) -> bytes:
    path = draw(st.sampled_from([PATH, PATH, PATH, b"/other", PATH + b"?q"]))
    body = draw(st.sampled_from([b"", b"abcd", b"stream", b"xyz" * 30, b"x" * 300, b"\r\n\r\n"]))
    before, after = draw(_EXTRA), draw(_EXTRA)
    space = draw(st.sampled_from([b"", b" ", b"\t "]))
    length = b"%b:%b%d" % (draw(_NAMES), space, len(body))
    lines = [b"POST %b HTTP/1.1" % path, b"Host: x", *before, length, *after]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@st.composite
def conversations(draw: Callable[..., Any]) -> list[bytes]:
    """Requests, some of them again and again, cut anywhere."""
    kinds = draw(st.lists(requests(), min_size=1, max_size=3))
    sent = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    if draw(st.booleans()):
        return sent
    data = b"".join(sent)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


@settings(max_examples=count(300, 5000), deadline=None)
@given(conversations())
def test_any_conversation_gets_the_same_answers_as_without_hot_paths(chunks):
    async def both() -> None:
        seen = []
        for hot in (True, False):
            async with served(hot=hot) as connection:
                seen.append((await connection.take(*chunks), connection.wire.closed))
        assert seen[0] == seen[1]
        assert seen[0][0]

    asyncio.run(both())


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_a_head_with_another_byte_is_another_head(at, byte):
    known = KnownHead("/v1/hot", [(b"host", b"x"), (b"content-length", b"4")], "", echo)
    assert known.learn(PLAIN)
    changed = PLAIN[:at] + bytes([byte]) + PLAIN[at + 1 :]
    body = known.body(changed)
    if changed == PLAIN or at >= len(PLAIN) - 4:
        assert body == changed[-4:]
    else:
        assert body is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-length", b"4"), (b"content-length", b"4")],
        [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"4"), (b"expect", b"100-continue")],
        [(b"content-length", b"4"), (b"upgrade", b"h2c")],
    ],
)
def test_a_head_that_says_more_than_a_length_is_not_learnt(headers):
    assert not KnownHead("/v1/hot", headers, "", echo).learn(PLAIN)


@pytest.mark.parametrize(
    "length", [b"+4", b"4 ", b"0x4", b"4\r\nx: y", b"", b"-4", b"4444444444444"]
)
def test_only_digits_are_a_length(length):
    known = KnownHead("/v1/hot", [(b"content-length", b"4")], "", echo)
    assert known.learn(PLAIN)
    assert known.body(PLAIN.replace(b": 4", b": " + length)) is None


async def test_what_is_noted_about_a_head_is_there_for_the_same_head_alone():
    notes = []

    async def note(exchange: Exchange) -> None:
        notes.append(exchange.note)
        exchange.note = len(notes)
        await exchange.answer(200, b"", await exchange.read(LIMIT, None))

    async with served(hot=True) as connection:
        type(connection.protocol).hot = {PATH: note}
        other = PLAIN.replace(b"Host: x", b"Host: y")
        longer = PLAIN.replace(b": 4\r\n\r\nabcd", b": 5\r\n\r\nabcde")
        await connection.take(PLAIN, PLAIN, longer, other, PLAIN, PLAIN)
        assert [body for _, _, body in answers(connection.wire.written)] == [
            b"abcd", b"abcd", b"abcde", b"abcd", b"abcd", b"abcd",
        ]  # fmt: skip
    assert notes == [None, 1, 2, None, None, 5]


@pytest.mark.parametrize(
    ("trusted", "address"), [("", b"192.0.2.7"), ("192.0.2.7", b"203.0.113.9")]
)
async def test_the_address_is_the_forwarded_one_from_a_trusted_peer_alone(trusted, address):
    request = PLAIN.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 203.0.113.9")
    async with served(hot=True, trusted=trusted) as connection:
        for _, headers, _ in await connection.take(request, request):
            assert dict(headers)[b"x-address"] == address


async def test_a_handler_that_fails_is_answered_for():
    async def fail(exchange: Exchange) -> None:
        raise RuntimeError("a fault")

    async with served(hot=True) as connection:
        type(connection.protocol).hot = {PATH: fail}
        connection.protocol.logger.disabled = True
        try:
            ((status, headers, _),) = await connection.take(PLAIN)
        finally:
            connection.protocol.logger.disabled = False
        assert (status, dict(headers)[b"connection"]) == (500, b"close")
        assert connection.wire.closed


async def test_a_client_that_leaves_is_noticed_by_the_request_that_is_served():
    """Not by the one that came last and waits behind it."""
    left: list[str] = []
    wait = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await exchange.read(LIMIT, None)
        exchange.watch(lambda: left.append("gone"))
        await wait.wait()
        await exchange.answer(200, b"", b"late")

    connection = Served(hot=True)
    type(connection.protocol).hot = {PATH: slow}
    await connection.take(PLAIN + PLAIN)
    connection.end()
    assert left == ["gone"]
    wait.set()
    await connection.settle()
    assert not connection.state.tasks
    assert connection.wire.written == b""


async def test_a_body_that_is_not_all_here_ends_with_the_client():
    ended: list[type] = []

    async def read(exchange: Exchange) -> None:
        try:
            await exchange.read(LIMIT, None)
        except ClientGone as gone:
            ended.append(type(gone))

    connection = Served(hot=True)
    type(connection.protocol).hot = {PATH: read}
    await connection.take(PLAIN[:-1])
    connection.end()
    await connection.settle()
    assert ended == [ClientGone]


async def test_a_piece_for_a_client_that_has_left_is_not_taken_for_sent():
    told: list[str] = []
    wait = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await exchange.read(LIMIT, None)
        await wait.wait()
        try:
            await exchange.send(b"", b"more", last=False)
        except ClientGone:
            told.append("gone")
        told.append(f"begun {exchange.begun}")
        await exchange.send(b"", b"", last=True)

    connection = Served(hot=True)
    type(connection.protocol).hot = {PATH: slow}
    await connection.take(PLAIN)
    connection.end()
    wait.set()
    await connection.settle()
    assert told == ["gone", "begun False"]
    assert connection.wire.written == b""


OFFER = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize("hot", [True, False])
@pytest.mark.parametrize("count", [MAX_QUEUED + 1, 1000])
async def test_a_row_of_offers_to_upgrade_is_refused_after_some(count, hot):
    """Each costs a parser and a head that is written anew."""
    async with served(hot=hot) as connection:
        connection.protocol.logger.disabled = True
        try:
            found = await connection.take(b"GET / HTTP/1.1\r\n%b\r\n" % OFFER * count)
            for _ in range(MAX_QUEUED):
                await connection.settle()
            found = answers(connection.wire.written)
        finally:
            connection.protocol.logger.disabled = False
        assert [status for status, _, _ in found] == [404] * MAX_QUEUED + [400]
        assert found[-1][2] == b"Too many offers to upgrade."
        assert connection.wire.closed


@pytest.mark.parametrize("hot", [True, False])
async def test_offers_to_upgrade_keep_their_bodies_and_their_places(hot):
    offer = PLAIN.replace(b"Host: x\r\n", OFFER)
    sent = [offer.replace(b"abcd", b"%04d" % number) for number in range(MAX_QUEUED)]
    async with served(hot=hot) as connection:
        await connection.take(b"".join([PLAIN, *sent, PLAIN]), PLAIN)
        for _ in sent:
            await connection.settle()
        bodies = [body for _, _, body in answers(connection.wire.written)]
        assert bodies == [b"abcd", *(data[-4:] for data in sent), b"abcd", b"abcd"]
        assert not connection.wire.closed


async def test_an_old_client_that_offers_an_upgrade_gets_no_chunks():
    old = PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b": 4\r\n\r\nabcd", b": 6\r\n\r\nstream")
    async with served(hot=True) as connection:
        await connection.take(old.replace(b"Host: x\r\n", OFFER))
        head, _, body = connection.wire.written.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert body == b"stream"
        assert connection.wire.closed


async def test_pieces_wait_while_the_client_is_slow():
    async with served(hot=True) as connection:
        connection.protocol.pause_writing()
        request = PLAIN.replace(b": 4\r\n\r\nabcd", b": 6\r\n\r\nstream")
        assert await connection.take(request) == []
        connection.protocol.resume_writing()
        await connection.settle()
        assert [body for _, _, body in answers(connection.wire.written)] == [b"stream"]


@pytest.mark.parametrize("modern", [True, False])
async def test_a_piece_is_sent_at_once_only_to_a_client_that_is_there_and_keeps_up(*, modern: bool):
    held: list[Exchange] = []
    over = asyncio.Event()

    async def stream(exchange: Exchange) -> None:
        held.append(exchange)
        await exchange.read(LIMIT, None)
        assert not exchange.send_now(b"too early")
        await exchange.send(b"", b"one", last=False)
        await over.wait()

    connection = Served(hot=True)
    type(connection.protocol).hot = {PATH: stream}
    await connection.take(PLAIN if modern else PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"))
    (exchange,) = held
    assert exchange.send_now(b"second piece")
    expected = b"3\r\none\r\nc\r\nsecond piece\r\n" if modern else b"onesecond piece"
    await connection.settle()
    assert connection.wire.written.partition(b"\r\n\r\n")[2] == expected
    connection.protocol.pause_writing()
    assert not exchange.send_now(b"not now")
    connection.protocol.resume_writing()
    assert exchange.send_now(b"3")
    connection.end()
    assert not exchange.send_now(b"never")
    over.set()
    await connection.settle()
    assert connection.wire.written.endswith(b"1\r\n3\r\n" if modern else b"3")
