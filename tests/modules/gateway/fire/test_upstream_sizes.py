"""Answers that are too large: memory stays bounded, and the connection is dropped."""

import asyncio

import pytest

from doubles.hostile_upstream import (
    STREAM_HEAD,
    HostileUpstream,
    Script,
    Step,
    chunk,
    event,
    forever,
    head,
    times,
)
from modules.gateway.fire.bed import CHAT, STREAM, Bed
from modules.gateway.fire.lines import COST, Line, answered_by_a_second, cut, fails, good_script

MEBIBYTE = 1024 * 1024
LARGEST = 64 * MEBIBYTE
"""What the gateway takes of an answer that is not a stream."""
MARGIN = 48 * MEBIBYTE
"""What its memory may grow by beside that."""

PIECE = b"x" * MEBIBYTE
DECLARED = head(b"Content-Length: %d" % (100 * MEBIBYTE))
CHUNKED = head(b"Transfer-Encoding: chunked")

TOO_LARGE: dict[str, Script] = {
    "of_a_stated_length": [DECLARED, times(100, PIECE)],
    "in_chunks": [CHUNKED, times(100, chunk(PIECE))],
    "until_the_close": [head(), times(100, PIECE)],
    "without_an_end": [CHUNKED, forever(chunk(PIECE))],
}


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["json", "stream"])
@pytest.mark.parametrize("name", TOO_LARGE)
async def test_an_answer_of_a_hundred_megabytes_is_refused(bed: Bed, name: str, body: dict) -> None:
    before = bed.gateway.rss()
    bed.gateway.forget_peak()
    async with HostileUpstream(TOO_LARGE[name]) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask(body)
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_too_large")
        async with asyncio.timeout(10):
            await upstream.left.wait()
        assert upstream.written < 100 * MEBIBYTE, "it was not read to its end"
        row = await bed.row()
        assert (row["outcome"], row["error"], row["cost"]) == (
            "upstream_error", "upstream_too_large", 0,
        )  # fmt: skip
    assert bed.gateway.rss("VmHWM") - before < LARGEST + MARGIN


async def test_another_channel_answers_for_one_whose_answer_is_too_large(bed: Bed) -> None:
    before = bed.gateway.rss()
    bed.gateway.forget_peak()
    async with HostileUpstream(TOO_LARGE["in_chunks"]) as upstream:
        await bed.channel(upstream.url)
        await answered_by_a_second(bed)
    assert bed.gateway.rss("VmHWM") - before < LARGEST + MARGIN


async def test_many_too_large_answers_do_not_add_up(bed: Bed) -> None:
    before = bed.gateway.rss()
    bed.gateway.forget_peak()
    async with HostileUpstream(TOO_LARGE["in_chunks"]) as upstream:
        await bed.channel(upstream.url)
        for _ in range(6):
            got = await bed.ask()
            assert got.json()["error"]["code"] == "upstream_too_large"
        await bed.rows()
    assert bed.gateway.rss("VmHWM") - before < LARGEST + MARGIN
    assert bed.gateway.rss() - before < MARGIN, "it is let go of"


async def test_a_large_answer_within_the_limit_passes(bed: Bed) -> None:
    whole = b"".join(step for step in good_script(CHAT) if isinstance(step, bytes))
    body = whole.split(b"\r\n\r\n", 1)[1].replace(b"fine words", b"y" * (30 * MEBIBYTE))
    steps: list[Step] = [head(b"Content-Length: %d" % len(body)), body]
    async with HostileUpstream(steps) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        assert got.content == body
        assert (await bed.row())["cost"] == COST


def protocol(*script: Step) -> Line:
    return Line(list(script), 502, "upstream_protocol")


START = b"HTTP/1.1 200 OK\r\n"

ENDLESS = {
    "headers": protocol(START, forever(b"X-Filler: %d\r\n" % 7 * 100)),
    "one_header": protocol(START + b"X-Filler: ", forever(b"x" * 4000)),
    "one_header_name": protocol(START, forever(b"x" * 4000)),
    "status_line": protocol(b"HTTP/1.1 200 ", forever(b"x" * 4000)),
    "interim_answers": protocol(forever(b"HTTP/1.1 102 Processing\r\n\r\n" * 50)),
    "interim_answers_with_headers": protocol(
        forever(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 50)
    ),
    "chunk_size": protocol(CHUNKED, forever(b"0" * 4000)),
    "chunk_extension": protocol(CHUNKED + b"5;", forever(b"x" * 4000)),
    "trailers": protocol(CHUNKED + b"0\r\n", forever(b"X-Filler: 7\r\n" * 100)),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_head_without_an_end_is_refused(bed: Bed, name: str) -> None:
    before = bed.gateway.rss()
    bed.gateway.forget_peak()
    await fails(bed, ENDLESS[name])
    assert bed.gateway.rss("VmHWM") - before < MARGIN


async def test_endless_framing_in_the_middle_of_a_stream_ends_it(bed: Bed) -> None:
    steps: Script = [STREAM_HEAD, chunk(event("fine")), b"5;", forever(b"x" * 4000)]
    await cut(bed, steps, "upstream_protocol", "fine")


async def test_a_refusal_of_a_hundred_megabytes_is_read_in_part(bed: Bed) -> None:
    before = bed.gateway.rss()
    bed.gateway.forget_peak()
    steps: Script = [
        head(b"Content-Length: %d" % (100 * MEBIBYTE), status=b"HTTP/1.1 500 No"),
        times(100, PIECE),
    ]
    await fails(bed, Line(steps, 500, "upstream_error"))
    assert bed.gateway.rss("VmHWM") - before < MARGIN
