"""Heads that are no heads, lengths that are no lengths, paths and methods that are not ours."""

import random

import pytest

from counts import count
from doubles.hostile_upstream import GOOD, HostileUpstream, again, answer
from doubles.raw_client import BrokenAnswer, Closed, chat, chunked, connected, request
from modules.gateway.fire.bed import PATH, Bed
from modules.gateway.fire.wire import (
    PATHS,
    alone,
    call,
    echoing,
    nothing_done,
    refusal,
    refused_as_http,
    still_good,
)

BODY = chat()
LENGTH = len(BODY)
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
HEAD_LIMIT = 64 * 1024


def without_host(data: bytes) -> bytes:
    return data.replace(b"host: gateway.test\r\n", b"")


# --- no request at all ---


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"POST\r\n\r\n",
        b"{" + BODY + b"\r\n\r\n",
        b"\xff" * 300,
        TLS_HELLO,
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ],
    ids=["binary", "words", "a word", "json", "ff", "tls", "ssh", "redis", "http2"],
)
async def test_what_is_no_request_gets_one_refusal_and_the_end(bed: Bed, data: bytes) -> None:
    await refused_as_http(bed, data, {400, 505})


async def test_bytes_changed_by_chance_never_break_the_server(bed: Bed) -> None:
    """Whatever comes back is HTTP; and without a key nothing is asked, whatever is read into it."""
    chance = random.Random(11)
    good = request(BODY, "x-one: two", "accept: */*", key="pf_live_nobody")
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url)
        for _ in range(count(150, 3000)):
            data = bytearray(good * chance.randint(1, 2))
            for _ in range(chance.randint(1, 6)):
                at = chance.randrange(len(data))
                if chance.random() < 0.3:
                    del data[at : at + chance.randint(1, 9)]
                elif chance.random() < 0.3:
                    data[at:at] = chance.choice([b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\t"])
                else:
                    data[at] = chance.randrange(256)
            async with connected(bed.gateway.port) as client:
                await client.send(bytes(data))
                client.half_close()
                try:
                    while True:
                        found = await client.answer()
                        assert 400 <= found.status < 500, (data, found)
                except Closed:
                    continue
                except BrokenAnswer as broken:
                    raise AssertionError(bytes(data)) from broken
        assert upstream.connections == 0


# --- lengths ---


@pytest.mark.parametrize("path", PATHS)
async def test_two_lengths_are_refused_even_when_they_agree(bed: Bed, path: str) -> None:
    for lengths in ((LENGTH, LENGTH), (LENGTH, LENGTH + 1), (0, LENGTH), (f"{LENGTH}, {LENGTH}",)):
        await refused_as_http(bed, request(BODY, key=bed.key, path=path, length=lengths))


@pytest.mark.parametrize("path", PATHS)
async def test_a_length_that_is_no_number_is_refused(bed: Bed, path: str) -> None:
    wrong = [
        f"-{LENGTH}", f"+{LENGTH}", hex(LENGTH), "1e2", f"{LENGTH}.0", f"{LENGTH}_0", "", "ten",
        f"{LENGTH} 0", f"{LENGTH};q=1", f'"{LENGTH}"', "9" * 30, "\xb9\xb2", f"{LENGTH}\x0b",
    ]  # fmt: skip
    for length in wrong:
        await refused_as_http(bed, request(BODY, key=bed.key, path=path, length=(length,)))


@pytest.mark.parametrize("path", PATHS)
async def test_a_length_beside_a_transfer_encoding_is_refused(bed: Bed, path: str) -> None:
    for body in (BODY, chunked(BODY)):
        for line in ("transfer-encoding: chunked", "Transfer-Encoding: Chunked"):
            data = request(body, line, key=bed.key, path=path)
            await refused_as_http(bed, data)
            # The other way round: the length comes first.
            moved = data.replace(f"{line}\r\n".encode(), b"")
            moved = moved.replace(b"content-type:", f"{line}\r\ncontent-type:".encode())
            await refused_as_http(bed, moved)


@pytest.mark.parametrize("path", PATHS)
async def test_a_transfer_encoding_in_disguise_is_refused(bed: Bed, path: str) -> None:
    wrong = [
        "transfer-encoding: chunked, identity", "transfer-encoding: identity, chunked, identity",
        "transfer-encoding: xchunked", "transfer-encoding: chunkedx", "transfer-encoding: identity",
        "transfer-encoding: chunked, chunked", "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked;q=1", 'transfer-encoding: "chunked"', "transfer-encoding:",
        "transfer-encoding: gzip", "transfer-encoding : chunked", "transfer-encoding\t: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding:\r\n chunked", "transfer-encoding: chun\0ked",
    ]  # fmt: skip
    for line in wrong:
        for key in (bed.key, "pf_live_nobody"):
            data = request(None, line, key=key, path=path) + chunked(BODY)
            await refused_as_http(bed, data, {400, 501})
    await nothing_done(bed, at_most=len(wrong))


async def test_a_coding_that_nobody_decodes_is_refused(bed: Bed) -> None:
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url)
        data = request(None, "transfer-encoding: gzip, chunked", key=bed.key) + chunked(BODY)
        try:
            await refused_as_http(bed, data, {400, 501})
        except AssertionError:
            bed.records_due += 1
            raise


async def test_chunked_is_chunked_however_it_is_written(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for line in ("transfer-encoding: chunked", "TRANSFER-ENCODING: CHUNKED",
                     "transfer-encoding:chunked", "transfer-encoding: \tchunked"):  # fmt: skip
            async with connected(bed.gateway.port) as client:
                await client.send(request(None, line, key=bed.key), chunked(BODY))
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, "one two three")
                await still_good(client, bed)


# --- lines ---


@pytest.mark.parametrize("path", PATHS)
async def test_a_line_that_is_no_header_is_refused(bed: Bed, path: str) -> None:
    wrong = [
        "x-a : b", "x-a\t: b", ": b", "no colon", "x a: b", "x-\xe9: b", "x-(a): b", "x-a: b\0c",
        "x-\0a: b", "x-a: b\x01c", "x-a: b\x7fc", "x-a: b\rc", "x-a: b\r\n folded",
        "x-a: b\r\n\tfolded", " x-a: b", "\tx-a: b", "x-a: b\nx-c: d",
    ]  # fmt: skip
    for line in wrong:
        await refused_as_http(bed, request(BODY, line, key=bed.key, path=path))


@pytest.mark.parametrize("path", PATHS)
async def test_a_first_line_that_is_folded_or_spaced_is_refused(bed: Bed, path: str) -> None:
    data = call(bed.key, path=path)
    for wrong in (
        data.replace(b"host:", b" host:", 1),
        data.replace(b"POST /", b"POST\t/"),
        data.replace(b" HTTP/1.1\r", b"\tHTTP/1.1\r"),
        data.replace(b" HTTP/1.1\r", b" HTTP/1.1 x\r"),
        b" " + data,
        b"\t" + data,
    ):
        await refused_as_http(bed, wrong)


@pytest.mark.parametrize("path", PATHS)
async def test_line_feeds_alone_end_no_line(bed: Bed, path: str) -> None:
    data = call(bed.key, "hello", "x-a: b", path=path)
    end = data.index(b"\r\n\r\n")
    await refused_as_http(bed, data.replace(b"\r\n", b"\n"))
    at = -1
    while (at := data.find(b"\r\n", at + 1)) >= 0:
        await refused_as_http(bed, data[:at] + data[at + 1 :])
        if at == end:  # the last line's end, and the empty line's
            await refused_as_http(bed, data[: end + 2] + data[end + 3 :])


async def test_empty_lines_before_a_request_are_nothing(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for _ in range(3):
                await client.send(b"\r\n\r\n")
                await still_good(client, bed)


async def test_letters_beyond_ascii_in_a_value_are_kept_in_the_record(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        found = await alone(bed, call(bed.key, "hello", "user-agent: caf\xe9 \xff"))
        assert found.status == 200
        bed.records_due = 1
        assert (await bed.row())["user_agent"] == "caf\xe9 \xff"


async def test_a_request_without_one_host_is_refused(bed: Bed) -> None:
    """RFC 9112, 3.2: a server must."""
    data = request(None, method="GET", path="/v1/models", key=bed.key)
    for wrong in (without_host(data), data.replace(b"host:", b"host: other.test\r\nhost:", 1)):
        await refused_as_http(bed, wrong, method="GET")


# --- sizes ---


@pytest.mark.parametrize("path", PATHS)
async def test_a_head_over_the_limit_is_refused_wherever_it_is_long(bed: Bed, path: str) -> None:
    long = "a" * (HEAD_LIMIT + 1)
    for data in (
        request(BODY, key=bed.key, path=f"{path}?{long}"),
        request(BODY, f"x-a: {long}", key=bed.key, path=path),
        request(BODY, f"x-{long}: a", key=bed.key, path=path),
        request(BODY, *["a: b"] * 12_000, key=bed.key, path=path),
        request(BODY, key=bed.key + long, path=path),
    ):
        await refused_as_http(bed, data, {414, 431})


@pytest.mark.parametrize("path", PATHS)
async def test_a_large_head_within_the_limit_is_served(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for more in ([f"x-a: {'a' * 60_000}"], ["a: b"] * 5_000):
                await client.send(call(bed.key, "hello", *more, path=path))
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, "hello")


# --- addresses ---


async def test_one_call_has_many_addresses(bed: Bed) -> None:
    """A query, an absolute address and needless escapes change nothing."""
    host = "http://gateway.test"
    same = [
        PATH, f"{PATH}?", f"{PATH}?api-version=1&x=%00", f"{PATH}#there", f"{host}{PATH}",
        f"{host}:80{PATH}?x", f"https://gateway.test{PATH}", "/v1/chat/%63ompletions",
        "/v1%2Fchat%2fcompletions", f"{PATH}?{'q' * 40_000}",
    ]  # fmt: skip
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for path in same:
                await client.send(call(bed.key, path[:50], path=path))
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, path[:50])
        assert {row["endpoint"] for row in await bed.rows()} == {PATH}


async def test_what_is_only_like_an_address_of_ours_is_not_found(bed: Bed) -> None:
    """Nothing is resolved: what stands behind a proxy's rule for ``/v1/`` must be ``/v1/``."""
    wrong = [
        "//v1/chat/completions", "/v1//chat/completions", "/v1/./chat/completions",
        "/api/../v1/chat/completions", "/v1/../v1/chat/completions", "/x/..%2fv1/chat/completions",
        "/v1/%2e%2e/v1/chat/completions", "/v1/chat/completions/", "/v1/chat/completions%00",
        "/v1/chat/completions;x", "/v1/chat/completions%", "/v1/chat/completions%20",
        "/v1/chat/completions%0d%0ax", "/v1/chat/completions%252f", "/V1/chat/completions",
        "/v1/chat/Completions", "/v1", "/v1/", "/v1/%zz", "/v1%00/chat/completions",
        r"/v1\chat\completions",
    ]  # fmt: skip
    async with connected(bed.gateway.port) as client:
        for path in wrong:
            await client.send(call(bed.key, path=path))
            found = await client.answer()
            assert found.status in {404, 405}, (path, found)
            if path.startswith("/v1/"):
                assert found.code == "unknown_url", (path, found)


async def test_an_address_that_is_none_is_refused(bed: Bed) -> None:
    for path in ("v1/chat/completions", f"{PATH}\t", "http:/v1/chat/completions", "/v1/\xe9"):
        await refused_as_http(bed, call(bed.key, path=path))


async def test_a_models_name_may_hold_a_slash(bed: Bed) -> None:
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url, models=["org/name:1"])
        for path in ("org%2Fname%3A1", "org/name:1", "org%2fname:1?x"):
            found = await alone(
                bed, request(None, key=bed.key, method="GET", path=f"/v1/models/{path}"),
                method="GET",
            )  # fmt: skip
            assert (found.status, found.json["id"]) == (200, "org/name:1")


# --- versions ---


@pytest.mark.parametrize("path", PATHS)
async def test_http_1_0_gets_its_answer_and_the_end(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for more in ([], ["connection: keep-alive"], ["Connection: Keep-Alive"]):
            async with connected(bed.gateway.port) as client:
                await client.send(call(bed.key, "old", *more, path=path, version="HTTP/1.0"))
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, "old")
                assert "transfer-encoding" not in found.headers
                assert found.closes or (more and found.headers["connection"] == "keep-alive")
                if found.closes:
                    assert await client.closed() == b""


async def test_http_1_0_gets_a_stream_without_chunks(bed: Bed) -> None:
    """RFC 9112, 6.1: it would take the chunks' sizes for content."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            body = chat(stream=True, content="old")
            await client.send(request(body, key=bed.key, version="HTTP/1.0"))
            bed.records_due += 1
            head = await client.head()
            assert head.startswith(b"HTTP/1.1 200 ")
            stream = await client.closed()
            assert b"transfer-encoding" not in head
            assert stream.startswith(b"data: ")
            assert stream.endswith(b"data: [DONE]\n\n")


async def test_chunks_from_http_1_0_end_the_connection(bed: Bed) -> None:
    """RFC 9112, 6.1: the framing is faulty; nothing that comes behind it may count."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        data = request(None, "transfer-encoding: chunked", key=bed.key, version="HTTP/1.0")
        found = await alone(bed, data, chunked(BODY), call(bed.key))
        assert found.closes
        if found.status == 200:
            bed.records_due = 1
        else:
            assert found.status == 400


async def test_http_0_9_gets_nothing_done(bed: Bed) -> None:
    for data in (b"POST /v1/chat/completions\r\n\r\n", b"GET /v1/models\r\n\r\n"):
        found = await alone(bed, data)
        assert found.status in {400, 401}
        assert found.closes


async def test_a_version_that_does_not_exist_is_refused(bed: Bed) -> None:
    versions = ["HTTP/1.2", "HTTP/9.9", "http/1.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1", "HTTP/1,1",
                "XTTP/1.1", "HTTP/-1.1", "HTTP/1.1.1", "HTTPS/1.1", "HTTP/"]  # fmt: skip
    for version in versions:
        await refused_as_http(bed, call(bed.key, version=version), {400, 405, 505})


async def test_http_2_written_as_http_1_is_not_kept(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        found = await alone(bed, call(bed.key, version="HTTP/2.0"), call(bed.key))
        assert found.closes
        if found.status == 200:
            bed.records_due = 1
        else:
            assert found.status in {400, 505}


UPGRADES = {
    "h2c": ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk"],
    "websocket": ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13",
                  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="],
    "anything": ["connection: upgrade", "upgrade: foo/2"],
    "tls": ["connection: upgrade", "upgrade: TLS/1.0, HTTP/1.1"],
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", UPGRADES)
async def test_an_offer_to_upgrade_is_ignored(bed: Bed, path: str, kind: str) -> None:
    """RFC 9110, 7.8. Java's own client, for one, makes it with each call in the clear."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for number in range(2):
                data = call(bed.key, f"call {number}", *UPGRADES[kind], path=path)
                await client.send(data)
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, f"call {number}")
            await still_good(client, bed)


async def test_an_upgrade_on_another_path_does_not_stop_the_connection(bed: Bed) -> None:
    for kind, lines in UPGRADES.items():
        async with connected(bed.gateway.port) as client:
            data = request(None, *lines, key=bed.key, method="GET", path="/v1/models")
            await client.send(data)
            assert (await client.answer("GET")).status == 200, kind


# --- methods ---


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_told_which_one_to_take(bed: Bed, path: str) -> None:
    methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"]
    async with connected(bed.gateway.port) as client:
        for method in methods:
            body = None if method in {"GET", "HEAD", "TRACE"} else BODY
            await client.send(request(body, key=bed.key, path=path, method=method))
            found = await client.answer(method)
            assert found.status == 405, method
            assert found.headers["allow"] == "POST"
            if method == "HEAD":
                assert found.body == b""
            else:
                refusal(found, 405, "method_not_allowed")
        await client.send(request(BODY, key=bed.key, path="/v1/models"))
        found = await client.answer()
        refusal(found, 405, "method_not_allowed")
        assert found.headers["allow"] == "GET"


async def test_connect_opens_no_tunnel(bed: Bed) -> None:
    for target in ("example.test:443", "127.0.0.1:22", PATH):
        async with connected(bed.gateway.port) as client:
            data = request(None, key=bed.key, method="CONNECT", path=target)
            await client.send(data)
            found = await client.answer("GET")  # a refusal has a body, other than a success
            assert found.status in {400, 404, 405, 501}
            await client.send(b"SSH-2.0-x\r\n\r\n")
            assert b"SSH" not in await client.closed()


async def test_a_method_that_does_not_exist_is_refused(bed: Bed) -> None:
    for method in ("post", "Post", "FOO", "POSTS", "PO ST", "", "P\xd6ST", "POST\0"):
        await refused_as_http(bed, call(bed.key, method=method), {400, 405, 501})


async def test_every_answer_is_dated_and_numbered_and_says_little_of_us(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            numbers = set()
            for data in (
                call(bed.key),
                call(bed.key, path=PATHS[1]),
                call("pf_live_nobody"),
                call(bed.key, path="/v1/nothing"),
                call(bed.key, method="PUT"),
                request(None, key=bed.key, method="GET", path="/v1/models"),
                request(chat(stream=True), key=bed.key),
                request(b"{", key=bed.key),
            ):
                await client.send(data)
                found = await client.answer()
                assert found.headers["date"].endswith(" GMT")
                assert "server" not in found.headers
                assert len(found.headers["x-request-id"]) == 32
                assert found.headers["content-type"]
                numbers.add(found.headers["x-request-id"])
            assert len(numbers) == 8
            bed.records_due += 4
