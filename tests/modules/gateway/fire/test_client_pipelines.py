"""Several requests on their way at once on one connection: order, borders, and an end to it."""

import asyncio
import itertools

import pytest

from counts import count
from doubles.hostile_upstream import (
    DONE,
    FINISH,
    GOOD,
    STREAM_HEAD,
    USAGE,
    HostileUpstream,
    again,
    answer,
    chunk,
    event,
    hang,
    wait,
)
from doubles.raw_client import Closed, chat, chunked, connected, request
from modules.gateway.fire.bed import PATH, Bed, eventually
from modules.gateway.fire.wire import PATHS, call, echoing, recorded, refusal, still_good

MIB = 1024 * 1024
CHUNKED = "transfer-encoding: chunked"
SLOW_STREAM = [STREAM_HEAD, chunk(event("slow ")), wait(0.2), chunk(event("words")),
               chunk(FINISH + USAGE + DONE), b"0\r\n\r\n", again]  # fmt: skip


def listing(key: str) -> bytes:
    return request(None, key=key, method="GET", path="/v1/models")


def health() -> bytes:
    return request(None, method="GET", path="/livez")


@pytest.mark.parametrize("paths", [PATHS[:1], PATHS[1:], PATHS], ids=["short", "usual", "both"])
async def test_five_calls_in_one_write_get_five_answers_in_order(
    bed: Bed, paths: tuple[str, ...]
) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        contents = ["one", "two " * 5000, "", "four é牌", "five" * 100]
        ways = itertools.cycle(paths)
        async with connected(bed.gateway.port) as client:
            for _ in range(2):
                calls = [call(bed.key, text, path=next(ways)) for text in contents]
                await client.send(*calls)
                bed.records_due += 5
                found = await client.answers(5)
                assert [(one.status, one.text) for one in found] == [(200, t) for t in contents]
                assert len({one.headers["x-request-id"] for one in found}) == 5
                await still_good(client, bed)


async def test_wherever_the_bytes_are_cut_the_calls_are_the_same(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            data = b"".join(
                (
                    call(bed.key, "plain"),
                    request(None, CHUNKED, key=bed.key) + chunked(chat(content="in chunks"), 10),
                    listing(bed.key),
                    call(bed.key, "usual", path=PATHS[1]),
                    call(bed.key, "last"),
                )
            )
            sizes = [3, 17, 100, 201, 202, 203, 250, 333, 500, len(data) - 1]
            for size in sizes[:: 1 if count(0, 1) else 2]:
                for start in range(0, len(data), size):
                    client.writer.write(data[start : start + size])
                    await client.writer.drain()
                    await asyncio.sleep(0.001)
                bed.records_due += 4
                said = [await client.answer(method) for method in ("POST", "POST", "GET")]
                said += await client.answers(2)
                assert [one.status for one in said] == [200] * 5, size
                del said[2]
                assert [one.text for one in said] == ["plain", "in chunks", "usual", "last"], size


async def test_calls_among_other_requests_keep_their_places(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for path in PATHS:
                await client.send(
                    call(bed.key, "first", path=path),
                    health(),
                    call("pf_live_nobody", path=path),
                    call(bed.key, "second", path=path),
                    listing(bed.key),
                    call(bed.key, path="/v1/nothing"),
                    request(b"{", key=bed.key, path=path),
                    call(bed.key, "third", path=path),
                )
                bed.records_due += 4
                assert (await client.answer()).text == "first"
                assert (await client.answer("GET")).json["status"] == "ok"
                refusal(await client.answer(), 401, "invalid_api_key")
                assert (await client.answer()).text == "second"
                assert (await client.answer("GET")).json["object"] == "list"
                refusal(await client.answer(), 404, "unknown_url")
                refusal(await client.answer(), 400, "invalid_json")
                assert (await client.answer()).text == "third"
            await still_good(client, bed)


async def test_two_owners_in_one_write_stay_apart(bed: Bed) -> None:
    """As a proxy may do, whose connection serves many people."""
    other = await bed.token(models=["nothing"])
    third = await bed.token(rpm=1)
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            keys = [bed.key, other, third, "pf_live_nobody", third, bed.key]
            await client.send(*(call(key, f"{number}") for number, key in enumerate(keys)))
            found = await client.answers(6)
            bed.records_due += 5
            assert [one.status for one in found] == [200, 404, 200, 401, 429, 200]
            assert [found[at].text for at in (0, 2, 5)] == ["0", "2", "5"]
            assert "x-ratelimit-limit-requests" not in found[5].headers
            assert found[2].headers["x-ratelimit-limit-requests"] == "1"
        rows = {row["request_id"]: row["token_id"] for row in await bed.rows()}
        owners = dict(zip((bed.key, other, third), bed.token_ids, strict=True))
        for one, key in zip(found, keys, strict=True):
            assert rows.get(one.headers["x-request-id"]) == owners.get(key)
    # Its one call of the minute is spent: what the bed asks of every key would be refused.
    bed.keys.remove(third)
    bed.keys.remove(other)


@pytest.mark.parametrize("path", PATHS)
async def test_what_comes_before_garbage_is_answered_before_it(bed: Bed, path: str) -> None:
    """An answer in the place of another's: the client would think its call was refused, and pay."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for garbage in (b"\0\0\0\r\n\r\n", b"BREW /pot HTCPCP/1.0\r\n\r\n"):
            async with connected(bed.gateway.port) as client:
                await client.send(call(bed.key, "good", path=path), garbage)
                bed.records_due += 1
                await bed.rows()
                found = await client.answer()
                assert found.status == 200
                assert found.text == "good"
                found = await client.answer()
                assert (found.status, found.closes) == (400, True)
                assert await client.closed() == b""


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_while_a_stream_runs_does_not_get_into_it(bed: Bed, path: str) -> None:
    async with HostileUpstream(SLOW_STREAM) as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            await client.send(request(chat(stream=True), key=bed.key, path=path))
            bed.records_due += 1
            await client.bytes_until(b'"slow "')
            await client.send(b"\0\0\0\r\n\r\n")
            rest = await client.closed()
            # Whole and then the refusal, or cut off: never a status line within the stream.
            before, _, refused = rest.partition(b"HTTP/1.1 400 ")
            assert refused == b"" or before.endswith(b"0\r\n\r\n")


async def test_after_an_answer_that_ends_the_connection_nothing_is_served(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            for more in ("connection: close", "Connection: Keep-Alive, CLOSE"):
                async with connected(bed.gateway.port) as client:
                    last = call(bed.key, "last", more, path=path)
                    await client.send(call(bed.key, "first"), last, call(bed.key, "never"))
                    bed.records_due += 2
                    assert [one.text for one in await client.answers(2)] == ["first", "last"]
                    assert await client.closed() == b""


@pytest.mark.parametrize("path", PATHS)
async def test_a_call_behind_a_stream_waits_for_its_end(bed: Bed, path: str) -> None:
    good = [answer(GOOD), again]
    async with HostileUpstream(SLOW_STREAM) as streams, HostileUpstream(good) as calls:
        await bed.channel(streams.url)
        await bed.channel(calls.url, models=["other"])
        stream = request(chat(stream=True), key=bed.key, path=path)
        other = request(chat("other"), key=bed.key, path=path)
        async with connected(bed.gateway.port) as client:
            # All in one write, then the second while the stream runs.
            await client.send(stream, other, health())
            await client.bytes_until(b'"slow "')
            assert calls.connections == 0
            rest = await client.bytes_until(b"0\r\n\r\n")
            assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
            assert (await client.answer()).body == GOOD
            assert (await client.answer("GET")).status == 200
            await client.send(stream)
            await client.bytes_until(b'"slow "')
            await client.send(other)
            assert (await client.bytes_until(b"0\r\n\r\n")).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
            assert (await client.answer()).body == GOOD
            bed.records_due += 4


@pytest.mark.parametrize("path", PATHS)
async def test_leave_to_send_a_body_is_given_in_its_turn(bed: Bed, path: str) -> None:
    """A ``100 Continue`` within another answer would be that answer's status to its client."""
    body = chat("other", content="may I")
    waits = request(b"", "expect: 100-continue", key=bed.key, path=path, length=(len(body),))
    async with HostileUpstream(SLOW_STREAM) as streams, echoing() as calls:
        await bed.channel(streams.url)
        await bed.channel(calls.url, models=["other"])
        async with connected(bed.gateway.port) as client:
            await client.send(request(chat(stream=True), key=bed.key, path=path), waits)
            before = await client.bytes_until(b"0\r\n\r\n")
            assert before.endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
            assert b" 100 " not in before
            assert await client.bytes_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(body)
            assert (await client.answer()).text == "may I"
            bed.records_due += 2


async def test_many_refusals_in_one_write_come_in_order(bed: Bed) -> None:
    async with connected(bed.gateway.port) as client:
        paths = itertools.cycle((PATH, "/v1/nothing", PATHS[1], "/livez"))
        wanted = {PATH: 401, "/v1/nothing": 404, PATHS[1]: 401, "/livez": 405}
        asked = [next(paths) for _ in range(400)]
        sending = asyncio.create_task(
            client.send(*(call("pf_live_nobody", path=path) for path in asked))
        )
        for path in asked:
            assert (await client.answer()).status == wanted[path]
        await sending


@pytest.mark.parametrize("path", PATHS)
async def test_the_body_of_a_refused_call_is_not_the_next_call(bed: Bed, path: str) -> None:
    inner = call(bed.key, "smuggled")
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for refused, status in (
                (request(inner, key="pf_live_nobody", path=path), 401),
                (request(None, CHUNKED, key="pf_live_nobody", path=path) + chunked(inner), 401),
                (request(inner, key=bed.key, path="/v1/nothing"), 404),
                (request(inner, key=bed.key, path=path, method="PUT"), 405),
                (request(inner, key=bed.key, path=path), 400),
            ):
                await client.send(refused, call(bed.key, "next"))
                found = await client.answers(2)
                assert [one.status for one in found] == [status, 200]
                assert found[1].text == "next"
                bed.records_due += 1 + (status == 400)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_who_leaves_takes_the_calls_along_that_wait(bed: Bed, path: str, how: str) -> None:
    async with HostileUpstream([hang]) as upstream:
        await bed.channel(upstream.url, first_byte_timeout=4)
        async with connected(bed.gateway.port) as client:
            await client.send(*(call(bed.key, path=path) for _ in range(5)))
            await eventually(lambda: len(upstream.requests) == 1, lambda: "no call came")
            if how == "fin":
                client.half_close()
            else:
                client.reset()
            async with asyncio.timeout(20):
                await upstream.left.wait()
    rows = await recorded(bed)
    bed.records_due = len(rows)
    assert len(upstream.requests) == 1
    assert [row["outcome"] for row in rows] == ["client_gone"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_flood_of_calls_waits_outside(bed: Bed, path: str) -> None:
    """While the first one is served, the others stay in the kernel's buffers, then with the
    client: what is read of them is little. What the client does behind them, nobody can see.
    """
    flood = 10_000
    async with HostileUpstream([hang]) as upstream:
        await bed.channel(upstream.url, first_byte_timeout=4)
        one = call(bed.key, "x" * 5000, path=path)
        before = bed.gateway.rss()
        bed.gateway.forget_peak()
        async with connected(bed.gateway.port) as client:
            client.writer.transport.set_write_buffer_limits(0)
            taken = 0
            with pytest.raises(TimeoutError):
                for _ in range(flood):
                    client.writer.write(one)
                    async with asyncio.timeout(1.0):
                        await client.writer.drain()
                    taken += 1
            assert taken * len(one) < 16 * MIB
            assert len(upstream.requests) == 1
            assert bed.gateway.rss("VmHWM") - before < 8 * MIB
    rows = await recorded(bed)
    bed.records_due = len(rows)
    assert {row["outcome"] for row in rows} <= {"client_gone", "upstream_error"}
    assert len(upstream.requests) == 1


async def test_a_flood_is_served_to_its_end_when_the_client_reads(bed: Bed) -> None:
    flood = 2_000
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        before = bed.gateway.rss()
        bed.gateway.forget_peak()
        bed.key = await bed.token(quota="1000")
        async with connected(bed.gateway.port) as client:

            async def send() -> None:
                for number in range(flood):
                    await client.send(call(bed.key, f"{number}", path=PATHS[number % 7 == 0]))

            sending = asyncio.create_task(send())
            for number in range(flood):
                assert (await client.answer()).text == f"{number}"
            await sending
        bed.records_due = flood
        assert bed.gateway.rss("VmHWM") - before < 16 * MIB


@pytest.mark.parametrize("path", [*PATHS, "/livez"])
async def test_a_flood_that_nobody_takes_the_answers_of_stops(bed: Bed, path: str) -> None:
    """Refusals cost little, but who takes none of them must not have them kept for ever, nor the
    requests behind them: nobody needs a key for this.
    """
    async with connected(bed.gateway.port, receive_buffer=4096) as client:
        transport = client.writer.transport
        transport.set_write_buffer_limits(0)
        transport.pause_reading()  # type: ignore[attr-defined]  # of both directions
        before = bed.gateway.rss()
        bed.gateway.forget_peak()
        many = call("pf_live_nobody", path=path) * 100
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 20 * MIB:
                client.writer.write(many)
                async with asyncio.timeout(2.0):
                    await client.writer.drain()
                sent += len(many)
        assert bed.gateway.rss("VmHWM") - before < 24 * MIB


async def test_bytes_behind_a_call_that_fails_do_not_get_an_answer_of_their_own(bed: Bed) -> None:
    """Half a request behind a good one: answered, then waited for, then closed by its client."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            async with connected(bed.gateway.port) as client:
                await client.send(call(bed.key, "good", path=path), call(bed.key)[:50])
                bed.records_due += 1
                assert (await client.answer()).text == "good"
                client.half_close()
                with pytest.raises(Closed):
                    await client.answer()
