"""How the upstream client reads sound, odd and hostile answers, and base URLs."""

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.raw_upstream import LOOPS
from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream import Pool, Target, UpstreamError
from paifang.modules.gateway.relay.upstream.connection import Connection

TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)
LIMIT = 4096
"""Largest head in these tests."""
ONE = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = "END"
"""In a script: the peer closes its side."""


async def play(script: list[bytes | str], method: bytes = b"POST") -> tuple[int, bytes, bool]:
    """One request to a peer that answers with the script; status, body, connection kept."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for step in script:
                if isinstance(step, str):
                    writer.write_eof()
                else:
                    writer.write(step)
                    await writer.drain()
                    for _ in range(3):  # so that steps tend to arrive one by one
                        await asyncio.sleep(0)
            while await reader.read(65536):
                pass
        except OSError:
            pass  # the client has gone
        writer.transport.abort()
        served.set()

    served = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool(max_header_bytes=LIMIT)
    try:
        target = Target.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        response = await pool.request(target, method, "/", [], b"", TIMEOUTS)
        body = b"".join([chunk async for chunk in response.chunks()])
        return response.status, body, pool.idle_connections == 1
    finally:
        await pool.close()
        assert pool.open_connections == 0
        await served.wait()
        server.close()


def run(loop: str, script: list[bytes | str], method: bytes = b"POST") -> tuple[int, bytes, bool]:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(asyncio.wait_for(play(script, method), 20))


SOUND: dict[str, tuple[list[bytes | str], int, bytes, bool]] = {
    "content_length": ([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"], 200, b"abc", True),
    "no_reason_phrase": ([b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"], 200, b"", True),
    "chunked": ([CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"], 200, b"abcde", True),
    "chunked_with_extensions_and_trailers": (
        [CHUNKED, b"3;a=b\r\nabc\r\n0\r\n", b"X-Sum: 1\r\nX-T: 2\r\n\r\n"], 200, b"abc", True,
    ),
    "interim_100_is_skipped": (
        [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"],
        200, b"a", True,
    ),
    "interim_103_with_headers_is_skipped": (
        [b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n" + ONE],
        200, b"a", True,
    ),
    "status_204_has_no_body": ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b"", True),
    "status_304_has_no_body": ([b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"], 304, b"", True),
    "connection_close": (
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"], 200, b"a", False,
    ),
    "http_1_0": ([b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"], 200, b"a", False),
    "http_1_0_until_the_end": ([b"HTTP/1.0 200 OK\r\n\r\n", b"ab", b"c", END], 200, b"abc", False),
    "body_until_the_end": ([b"HTTP/1.1 200 OK\r\n\r\n", b"ab", b"c", END], 200, b"abc", False),
    "empty_body_until_the_end": ([b"HTTP/1.1 200 OK\r\n\r\n", END], 200, b"", False),
    "complete_answer_and_the_end": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", END], 200, b"a", False,
    ),
    "bytes_over_the_content_length_are_not_ours": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"], 200, b"abc", False,
    ),
    "second_answer_nobody_asked_for": (
        [ONE + ONE], 200, b"a", False,
    ),
    "begin_of_an_answer_nobody_asked_for": (
        [ONE + b"HTTP/1.1 20"], 200, b"a", False,
    ),
    "large_body_in_the_read_of_the_head": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50000],
        200, b"x" * 50000, True,
    ),
    "framing_alone_after_a_large_first_read": (
        [CHUNKED + b"c350\r\n" + b"x" * 50000, b"\r\n", b"1", b"\r\n", b"y\r\n0\r\n\r\n"],
        200, b"x" * 50000 + b"y", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", SOUND)
def test_sound_answer_is_read(name: str, loop: str) -> None:
    script, status, body, kept = SOUND[name]
    got_status, got_body, got_kept = run(loop, script)
    assert (got_status, got_body) == (status, body)
    if script[-1] is not END:  # else it depends on which came first
        assert got_kept == kept


@pytest.mark.parametrize("loop", LOOPS)
def test_head_has_no_body_whatever_its_content_length_says(loop: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert run(loop, [head], b"HEAD") == (200, b"", False)


HOSTILE: dict[str, tuple[list[bytes | str], str]] = {
    "closed_without_a_byte": ([END], "reset"),
    "closed_in_the_head": ([b"HTTP/1.1 200 OK\r\nConte", END], "reset"),
    "closed_after_an_interim_answer": ([b"HTTP/1.1 100 Continue\r\n\r\n", END], "reset"),
    "less_than_the_content_length": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", END], "reset",
    ),
    "chunked_without_its_last_chunk": ([CHUNKED + b"3\r\nabc\r\n", END], "reset"),
    "chunked_broken_off_in_a_chunk": ([CHUNKED + b"30\r\nabc", END], "reset"),
    "bad_chunk_size": ([CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n"], "protocol"),
    "chunk_longer_than_its_size": ([CHUNKED + b"2\r\nabc\r\n0\r\n\r\n"], "protocol"),
    "chunk_size_that_overflows": ([CHUNKED + b"f" * 20 + b"\r\nabc"], "protocol"),
    "other_protocol": ([b"SSH-2.0-OpenSSH_9.2\r\n"], "protocol"),
    "http_2_preface": ([b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"], "protocol"),
    "tls_where_none_was_asked": ([b"\x15\x03\x01\x00\x02\x02\x46"], "protocol"),
    "bare_line_feeds": ([b"HTTP/1.1 200 OK\nContent-Length: 1\n\na"], "protocol"),
    "two_content_lengths": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"], "protocol",
    ),
    "negative_content_length": ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], "protocol"),
    "content_length_beside_chunked": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"], "protocol",
    ),
    "switching_protocols": (
        [b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw"], "protocol",
    ),
    "head_too_large_in_one_read": (
        [b"HTTP/1.1 200 OK\r\nX: " + b"x" * LIMIT + b"\r\nContent-Length: 0\r\n\r\n"], "protocol",
    ),
    "head_too_large_in_many_reads": (
        [b"HTTP/1.1 200 OK\r\n"] + [b"X-Header: %090d\r\n" % i for i in range(50)], "protocol",
    ),
    "endless_interim_answers": ([b"HTTP/1.1 102 Processing\r\n\r\n"] * 200, "protocol"),
    "endless_trailers": (
        [CHUNKED + b"1\r\na\r\n0\r\n"] + [b"X-Trailer: %090d\r\n" % i for i in range(100)],
        "protocol",
    ),
}  # fmt: skip


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answer_is_refused(name: str, loop: str) -> None:
    script, kind = HOSTILE[name]
    with pytest.raises(UpstreamError) as caught:
        run(loop, script)
    assert (caught.value.kind, caught.value.sent) == (kind, True)


class Wire(asyncio.Transport):
    """A transport without a socket."""

    closing = False

    def write(self, _: object) -> None: ...

    def writelines(self, _: object) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Owner:
    idle_seconds = 30.0
    max_header_bytes = LIMIT
    kept = 0

    def keep(self, _: Connection) -> bool:
        self.kept += 1
        return True

    def dropped(self, _: Connection) -> None: ...

    def lost(self, _: Connection) -> None: ...


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(n % (len(data) + 1) for n in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at) if a < b]


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    chunked=st.booleans(),
    interim=st.booleans(),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
    answers=st.integers(1, 3),
)
def test_answer_is_the_same_however_it_is_cut(
    chunks: list[bytes], chunked: bool, interim: bool, cuts: list[int], answers: int
) -> None:
    body = b"".join(chunks)
    wire = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" if interim else b""
    if chunked:
        wire += CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks)
        wire += b"0\r\nX-Trailer: 1\r\n\r\n"
    else:
        wire += b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def story() -> None:
        owner = Owner()
        connection = Connection(owner, ("h", 1, False), asyncio.get_running_loop())
        connection.connection_made(Wire())
        for _ in range(answers):
            asking = asyncio.ensure_future(
                connection.exchange(b"", b"", bodyless=False, first_byte=9, idle=9)
            )
            await asyncio.sleep(0)
            for piece in cut(wire, cuts):
                connection.data_received(piece)
            response = await asking
            assert response.status == 200
            assert b"x-trailer" not in dict(response.headers)
            assert await response.read(len(body)) == body
            assert response.complete
        assert owner.kept == answers
        connection.drop()

    asyncio.run(story())


async def test_framing_that_comes_alone_does_not_add_up_while_the_body_grows() -> None:
    connection = Connection(Owner(), ("h", 1, False), asyncio.get_running_loop())
    connection.connection_made(Wire())
    asking = asyncio.ensure_future(
        connection.exchange(b"", b"", bodyless=False, first_byte=9, idle=9)
    )
    await asyncio.sleep(0)
    connection.data_received(CHUNKED)
    for _ in range(LIMIT):
        for piece in (b"1\r\n", b"x", b"\r\n"):
            connection.data_received(piece)
    connection.data_received(b"0\r\n\r\n")
    assert await (await asking).read(LIMIT) == b"x" * LIMIT
    connection.drop()


async def test_connection_made_after_it_was_given_up_is_closed() -> None:
    connection, wire = Connection(Owner(), ("h", 1, False), asyncio.get_running_loop()), Wire()
    connection.drop()
    connection.connection_made(wire)
    assert wire.closing


@given(wire=st.binary(max_size=300), head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED]))
def test_any_bytes_end_in_an_answer_or_an_upstream_error(wire: bytes, head: bytes) -> None:
    async def story() -> None:
        connection = Connection(Owner(), ("h", 1, False), asyncio.get_running_loop())
        connection.connection_made(Wire())
        asking = asyncio.ensure_future(
            connection.exchange(b"", b"", bodyless=False, first_byte=9, idle=9)
        )
        await asyncio.sleep(0)
        connection.data_received(head + wire)
        connection.eof_received()
        connection.connection_lost(None)
        with contextlib.suppress(UpstreamError):
            response = await asking
            await response.read(1000)
            assert response.complete

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header"),
    [
        ("http://localhost:11434", "localhost", 11434, "", b"localhost:11434"),
        ("https://API.Example.com/v1/", "api.example.com", 443, "/v1", b"api.example.com"),
        ("http://a.example:80/", "a.example", 80, "", b"a.example"),
        ("https://a.example:80", "a.example", 80, "", b"a.example:80"),
        ("http://[::1]:8000/x/y", "::1", 8000, "/x/y", b"[::1]:8000"),
        ("http://model_server/v1", "model_server", 80, "/v1", b"model_server"),
        ("https://例え.jp", "xn--r8jz45g.jp", 443, "", b"xn--r8jz45g.jp"),
    ],
)
def test_base_url_is_read(url: str, host: str, port: int, path: str, header: bytes) -> None:
    target = Target.parse(url)
    assert (target.host, target.port, target.path) == (host, port, path)
    assert (target.host_header, target.tls) == (header, url.startswith("https:"))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "empty"),
        ("api.example.com/v1", "http"),
        ("localhost:8000", "http"),
        ("ftp://a.example", "http"),
        ("file:///etc/passwd", "http"),
        ("http://", "host"),
        ("http:///v1", "host"),
        ("https://user:hunter2@a.example", "user name"),
        ("https://hunter2@a.example", "user name"),
        ("http://a.example:99999", "malformed"),
        ("http://a.example:hunter2", "malformed"),
        ("http://a.example:0", "port 0"),
        ("http://a.example/v1?key=hunter2", "query"),
        ("http://a.example/v1#x", "fragment"),
        ("http://a.example/v 1", "spaces"),
        ("http://a.example\r\nX: y", "control"),
        ("http://a..example", "malformed"),
        ("http://-a.example", "malformed"),
        ("http://[::1", "malformed"),
        ("http://[::g]", "malformed"),
        ("http://" + "a" * 64, "malformed"),
        ("http://a.example/é", "percent-encoded"),
    ],
)
def test_bad_base_url_is_refused_and_not_repeated(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Target.parse(url)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://", "http://h/"]))
def test_any_base_url_is_read_or_a_value_error(text: str, begin: str) -> None:
    try:
        target = Target.parse(begin + text)
    except ValueError:
        return
    assert target.host
    assert target.host == target.host.lower()
    assert target.host_header.isascii()
    assert not target.path.endswith("/")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        (b"POST", "/a b", []),
        (b"POST", "/a\r\nX: y", []),
        (b"POST", "/é", []),
        (b"POST", "a", []),
        (b"POST", "/a#b", []),
        (b"PO ST", "/", []),
        (b"POST", "/", [(b"x", b"y\r\nz: 1")]),
        (b"POST", "/", [(b"x", b"y\n")]),
        (b"POST", "/", [(b"x\r\ny", b"z")]),
        (b"POST", "/", [(b"x", b"\0")]),
    ],
)
async def test_request_that_would_break_its_own_framing_is_refused(
    method: bytes, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    target = Target.parse("http://127.0.0.1:1")
    with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeEncodeError is one
        await Pool().request(target, method, path, headers, b"", TIMEOUTS)
