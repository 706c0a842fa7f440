"""Bodies that are too large, too slow, never there, cut into chunks or into nonsense."""

import asyncio

import pytest

from doubles.hostile_upstream import GOOD, HostileUpstream, again, answer
from doubles.raw_client import Closed, RawClient, chat, chunked, connected, request
from modules.gateway.fire.bed import Bed
from modules.gateway.fire.wire import (
    PATHS,
    alone,
    call,
    echoing,
    nothing_done,
    refusal,
    still_good,
)

MIB = 1024 * 1024
LIMIT = 32 * MIB
LARGE = 50_000_000
CHUNKED = "transfer-encoding: chunked"
EXPECT = "expect: 100-continue"

pytestmark = pytest.mark.xdist_group("hasty")  # one of its gateways will do


async def pour(client: RawClient, size: int, piece: bytes) -> int:
    """Send so many bytes, or fewer if the server says something first or closes; how many."""
    sent = 0
    while sent < size and not client.heard:
        client.writer.write(piece)
        sent += len(piece)
        try:
            async with asyncio.timeout(20):
                await client.writer.drain()
        except ConnectionError:
            break
        await asyncio.sleep(0)
    return sent


# --- too large ---


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_declared_too_large_is_refused_before_it_is_read(bed: Bed, path: str) -> None:
    for more in ([], [EXPECT]):
        data = request(b"", *more, key=bed.key, path=path, length=(LARGE,))
        found = await alone(bed, data)
        refusal(found, 413, "request_too_large")
        assert found.informational == []
        assert str(LIMIT) in found.json["error"]["message"]
        bed.records_due += 1
    for row in await bed.rows():
        assert (row["outcome"], row["status"], row["attempts"]) == ("refused", 413, 0)


@pytest.mark.parametrize("path", PATHS)
async def test_the_body_that_was_refused_may_come_all_the_same(bed: Bed, path: str) -> None:
    """Not every client looks before it has sent: it costs no memory, and framing holds."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for key, status in ((bed.key, 413), ("pf_live_nobody", 401)):
            bed.gateway.forget_peak()
            before = bed.gateway.rss()
            async with connected(bed.gateway.port) as client:
                await client.send(request(b"", key=key, path=path, length=(LARGE,)))
                found = await client.answer()
                assert found.status == status
                bed.records_due += status == 413
                if not found.closes:
                    piece = call(bed.key, "smuggled").ljust(50_000)
                    for _ in range(LARGE // len(piece)):
                        await client.send(piece)
                    await still_good(client, bed)
            assert bed.gateway.rss("VmHWM") - before < 20 * MIB
        rows = await bed.rows()
        assert [row["status"] for row in rows] == [413, 200, 200][: len(rows)]


@pytest.mark.parametrize("path", PATHS)
async def test_an_undeclared_body_is_refused_at_the_limit(bed: Bed, path: str) -> None:
    bed.gateway.forget_peak()
    before = bed.gateway.rss()
    async with connected(bed.gateway.port) as client:
        await client.send(request(None, CHUNKED, key=bed.key, path=path))
        sent = await pour(client, 4 * LARGE, b"10000\r\n%b\r\n" % (b" " * 65_536))
        found = await client.answer()
        refusal(found, 413, "request_too_large")
        bed.records_due = 1
        # What lies in the kernel's buffers is sent, and not read.
        assert LIMIT <= sent < 2 * LARGE
        # Whoever goes on all the same is read for nothing or cut off, and costs no memory.
        await pour(client, LARGE, b"10000\r\n%b\r\n" % (b" " * 65_536))
    assert bed.gateway.rss("VmHWM") - before < 3 * LIMIT
    assert (await bed.row())["outcome"] == "refused"


async def test_without_a_key_no_body_is_collected(bed: Bed) -> None:
    for path in PATHS:
        bed.gateway.forget_peak()
        before = bed.gateway.rss()
        async with connected(bed.gateway.port) as client:
            await client.send(request(None, CHUNKED, key="pf_live_nobody", path=path))
            found = await client.answer()
            refusal(found, 401, "invalid_api_key")
            await pour(client, LARGE, b"10000\r\n%b\r\n" % (b" " * 65_536))
        assert bed.gateway.rss("VmHWM") - before < 20 * MIB


async def test_a_body_of_nine_megabytes_arrives_whole(bed: Bed) -> None:
    content = "".join(f"{number:09} " for number in range(900_000))
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url)
        # The estimate of so long a prompt is over the quota of the others.
        bed.key = await bed.token(quota="1000")
        body = chat(content=content)
        for data in (
            request(body, key=bed.key),
            request(None, CHUNKED, key=bed.key) + chunked(body, 1_000_003),
        ):
            found = await alone(bed, data)
            assert (found.status, found.body) == (200, GOOD)
            bed.records_due += 1
            assert upstream.requests[-1].endswith(body)


# --- in pieces ---


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_that_comes_byte_by_byte_is_served(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for data in (
                call(bed.key, "slowly", path=path),
                request(None, CHUNKED, key=bed.key, path=path)
                + chunked(chat(content="slowly"), 9, b";a=b"),
            ):
                assert await client.dribble(data)
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, "slowly")


@pytest.mark.parametrize("path", PATHS)
async def test_chunks_of_any_size_and_with_any_extension_make_one_body(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            body = chat(content="in chunks")
            last = b"0\r\n\r\n"
            for coded in (
                chunked(body, 1),
                chunked(body, 1000),
                chunked(body, 16, b';name=value;quoted="a;b"'),
                b"%x\r\n%b\r\n" % (len(body), body) + b"000;last\r\n\r\n",
                b"%X\r\n%b\r\n" % (len(body), body) + last,
                b"0000%x\r\n%b\r\n" % (len(body), body) + last,
                chunked(body)[:-2] + b"x-checksum: 1\r\nx-other: 2\r\n\r\n",
            ):
                await client.send(request(None, CHUNKED, key=bed.key, path=path), coded)
                bed.records_due += 1
                found = await client.answer()
                assert (found.status, found.text) == (200, "in chunks"), coded
            await still_good(client, bed)


BAD_CHUNKS = [
    b"-5\r\naaaaa\r\n0\r\n\r\n", b"+5\r\naaaaa\r\n0\r\n\r\n", b"0x5\r\naaaaa\r\n0\r\n\r\n",
    b"5 \r\naaaaa\r\n0\r\n\r\n", b" 5\r\naaaaa\r\n0\r\n\r\n", b"5\naaaaa\n0\n\n",
    b"5\r\naaaaa0\r\n\r\n", b"5\r\naaaaaa\r\n0\r\n\r\n", b"5\r\naaaa\r\n0\r\n\r\n",
    b"5;\naaaaa\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b"five\r\naaaaa\r\n0\r\n\r\n",
    b"f" * 20 + b"\r\naaaaa", b"5\raaaaa\r\n0\r\n\r\n", b"5;\0\r\naaaaa\r\n0\r\n\r\n",
    b"5\r\naaaaa\r\n0\r\nbad trailer\r\n\r\n", b"5\r\naaaaa\r\n0\r\nx-a: b\0\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_chunks_that_are_none_get_one_refusal_and_the_end(bed: Bed, path: str) -> None:
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url)
        for key in (bed.key, "pf_live_nobody"):
            for coded in BAD_CHUNKS:
                async with connected(bed.gateway.port) as client:
                    await client.send(request(None, CHUNKED, key=key, path=path), coded)
                    found = await client.answer()
                    # An unknown key may be refused first: nothing of its body is waited for.
                    assert (found.status, found.closes) == (400, True) or (
                        key != bed.key and found.status == 401
                    ), (coded, found)
                    if found.closes:
                        assert await client.closed() == b""
        assert upstream.connections == 0
        await nothing_done(bed, at_most=len(BAD_CHUNKS))


async def test_a_chunk_as_large_as_numbers_go_reserves_no_memory(bed: Bed) -> None:
    for path in PATHS:
        for size in (b"7fffffffffffffff", b"fffffffffffffffe"):
            bed.gateway.forget_peak()
            before = bed.gateway.rss()
            async with connected(bed.gateway.port) as client:
                await client.send(request(None, CHUNKED, key=bed.key, path=path), size, b"\r\n")
                bed.records_due += 1
                await pour(client, LARGE, b" " * 65_536)
                found = await client.answer()
                assert found.status in {400, 413}
            assert bed.gateway.rss("VmHWM") - before < 3 * LIMIT


async def test_an_endless_chunk_extension_is_cut_off(bed: Bed) -> None:
    for path in PATHS:
        async with connected(bed.gateway.port) as client:
            await client.send(request(None, CHUNKED, key=bed.key, path=path), b"5;name=")
            assert await pour(client, LARGE, b"a" * 16_384) < 20 * MIB
            try:
                found = await client.answer()
                assert (found.status, found.closes) in {(400, True), (413, True), (431, True)}
            except Closed:
                pass
    await nothing_done(bed, at_most=2)


async def test_endless_trailers_are_cut_off(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            async with connected(bed.gateway.port) as client:
                await client.send(request(None, CHUNKED, key=bed.key, path=path), b"0\r\n")
                assert await pour(client, LARGE, b"x-a: b\r\n" * 2000) < 20 * MIB
                try:
                    found = await client.answer()
                    assert found.status in {400, 413, 431}
                except Closed:
                    pass
        assert upstream.connections == 0
        await nothing_done(bed, at_most=2)


@pytest.mark.parametrize("path", PATHS)
async def test_trailers_are_no_headers(bed: Bed, path: str) -> None:
    """RFC 9110, 6.5.1: else a proxy that checks headers alone is passed by."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        body = chunked(chat())[:-2]
        trailer = f"authorization: Bearer {bed.key}\r\nx-forwarded-for: 203.0.113.9\r\n\r\n"
        found = await alone(bed, request(None, CHUNKED, path=path), body, trailer.encode())
        if found.status == 200:
            bed.records_due += 1
        refusal(found, 401, "invalid_api_key")


@pytest.mark.parametrize("path", PATHS)
async def test_a_trailer_tells_no_address(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        body = chunked(chat())[:-2]
        data = request(None, CHUNKED, key=bed.key, path=path)
        found = await alone(bed, data, body, b"x-forwarded-for: 203.0.113.9\r\n\r\n")
        assert found.status == 200
        bed.records_due += 1
        assert (await bed.row())["ip"] == "127.0.0.1"


async def test_a_call_without_a_body_says_so(bed: Bed) -> None:
    async with connected(bed.gateway.port) as client:
        for path in PATHS:
            for length in ((), (0,)):
                data = request(None, key=bed.key, path=path, length=length)
                await client.send(data)
                found = await client.answer()
                refusal(found, 400, "invalid_json")
                assert "empty" in found.json["error"]["message"]
                bed.records_due += 1


async def test_a_body_where_none_belongs_is_skipped(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            listing = {"key": bed.key, "method": "GET", "path": "/v1/models"}
            smuggled = call(bed.key, "smuggled")
            await client.send(request(smuggled, **listing))  # type: ignore[arg-type]  # names
            assert (await client.answer("GET")).status == 200
            await client.send(
                request(None, CHUNKED, **listing),  # type: ignore[arg-type]  # names
                chunked(smuggled),
            )
            assert (await client.answer("GET")).status == 200
            await still_good(client, bed)


# --- with leave ---


@pytest.mark.parametrize("path", PATHS)
async def test_who_waits_for_leave_to_send_gets_it(bed: Bed, path: str) -> None:
    body = chat(content="may I")
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for expect in (EXPECT, "Expect: 100-Continue"):
                for head, sent in (
                    (request(b"", expect, key=bed.key, path=path, length=(len(body),)), body),
                    (request(None, expect, CHUNKED, key=bed.key, path=path), chunked(body)),
                ):
                    await client.send(head)
                    assert await client.bytes_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                    assert await client.is_open()
                    await client.send(sent)
                    bed.records_due += 1
                    found = await client.answer()
                    assert (found.status, found.text, found.informational) == (200, "may I", [])
            # Who does not wait is served all the same.
            await client.send(call(bed.key, "no wait", EXPECT, path=path))
            bed.records_due += 1
            found = await client.answer()
            assert (found.status, found.text) == (200, "no wait")
            assert found.informational in ([], [100])
            await still_good(client, bed)


async def test_who_will_be_refused_is_not_asked_for_the_body(bed: Bed) -> None:
    refusals = [
        (request(b"", EXPECT, key="pf_live_nobody", length=(99,)), 401),
        (request(b"", EXPECT, length=(99,)), 401),
        (request(None, EXPECT, CHUNKED, key="pf_live_nobody"), 401),
        (request(b"", EXPECT, key="pf_live_nobody", path=PATHS[1], length=(99,)), 401),
        (request(b"", EXPECT, key=bed.key, path="/v1/nothing", length=(99,)), 404),
        (request(b"", EXPECT, key=bed.key, method="PUT", length=(99,)), 405),
    ]
    for data, status in refusals:
        found = await alone(bed, data)
        assert (found.status, found.informational) == (status, []), data


# --- too slow; the gateway of these tests waits for one second ---


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_does_not_come_is_not_waited_for(hasty_bed: Bed, path: str) -> None:
    bed = hasty_bed
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(upstream.url)
        whole = call(bed.key, path=path)
        head = whole[: whole.index(b"\r\n\r\n") + 4]
        unfinished = (
            head,
            whole[:-1],
            request(None, CHUNKED, key=bed.key, path=path),
            request(None, CHUNKED, key=bed.key, path=path) + chunked(chat())[:-2],
        )
        for found in await asyncio.gather(*(alone(bed, data) for data in unfinished)):
            refusal(found, 408, "request_timeout")
            assert found.closes
            bed.records_due += 1
        assert upstream.connections == 0
        for row in await bed.rows():
            assert (row["outcome"], row["status"]) == ("refused", 408)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_dribbles_in_for_ever_is_cut_off(hasty_bed: Bed, path: str) -> None:
    bed = hasty_bed
    async with connected(bed.gateway.port) as client:
        await client.send(request(b"", key=bed.key, path=path, length=(10_000,)))
        await client.dribble(b" " * 1000, gap=0.02)
        found = await client.answer()
        refusal(found, 408, "request_timeout")
        bed.records_due = 1


async def test_a_head_that_dribbles_in_for_ever_is_cut_off(hasty_bed: Bed) -> None:
    """Slowloris: many at once, each with a byte now and then, and others are served meanwhile."""
    bed = hasty_bed
    async with echoing() as upstream, connected(bed.gateway.port) as good:
        await bed.channel(upstream.url)

        async def slowly() -> None:
            async with connected(bed.gateway.port) as client:
                await client.send(call(bed.key)[:60])
                await client.dribble(b"x-a: b\r\n" * 1000, gap=0.02)
                # Nothing, or that it took too long; then the end.
                said = await client.closed()
                assert said == b"" or said.startswith(b"HTTP/1.1 408 ")

        many = [asyncio.create_task(slowly()) for _ in range(50)]
        while not all(task.done() for task in many):
            await still_good(good, bed)
            await asyncio.sleep(0.1)
            if bed.records_due > 15:  # the idle connection would be closed
                break
        await asyncio.gather(*many)


async def test_a_connection_that_says_nothing_is_closed(hasty_bed: Bed) -> None:
    async def silent(data: bytes) -> None:
        async with connected(hasty_bed.gateway.port) as client:
            await client.send(data)
            said = await client.closed()
            assert said == b"" or said.startswith(b"HTTP/1.1 408 ")

    begun = (b"", b"\r\n", b"P", b"POST /v1/chat/completions HTTP/1.1\r\n")
    await asyncio.gather(*(silent(data) for data in begun))


async def test_a_connection_that_rests_too_long_is_closed(hasty_bed: Bed) -> None:
    bed = hasty_bed
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for _ in range(3):
                await still_good(client, bed)
                assert await client.is_open(1.0)
            assert await client.closed() == b""


async def test_the_rest_of_a_refused_body_does_not_hold_the_connection(hasty_bed: Bed) -> None:
    async def goes_on(path: str) -> None:
        async with connected(hasty_bed.gateway.port) as client:
            data = request(b"{", key="pf_live_nobody", path=path, length=(LARGE,))
            await client.send(data)
            assert (await client.answer()).status == 401
            await client.dribble(b" " * 1000, gap=0.02)
            assert await client.closed() == b""

    await asyncio.gather(*(goes_on(path) for path in PATHS))
