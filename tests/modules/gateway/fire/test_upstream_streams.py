"""Streams of every shape: cut anywhere, with an error inside, and without an end."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from doubles.hostile_upstream import (
    DONE,
    FINISH,
    STREAM_HEAD,
    USAGE,
    HostileUpstream,
    Script,
    again,
    as_json,
    chunk,
    event,
    forever,
    hang,
)
from modules.gateway.fire.bed import INPUT_PRICE, PATH, STREAM, Bed, broke_off, content
from modules.gateway.fire.lines import (
    COST,
    PROMPT,
    Line,
    assert_estimated,
    fails,
    good_script,
)

END = b"0\r\n\r\n"
MEBIBYTE = 1024 * 1024
MARGIN = 24 * MEBIBYTE
"""What the gateway's memory may grow by."""

WORDS = event("fine ") + event("牌坊")
BODY = WORDS + FINISH + USAGE + DONE
SEEN = WORDS + FINISH + DONE
"""What the client gets: not the event with the usage, for which it did not ask."""


def script(*pieces: bytes) -> Script:
    """Each piece comes by itself."""
    return [STREAM_HEAD, *map(chunk, pieces), END, again]


def cut_at(*needles: bytes, body: bytes = BODY) -> Script:
    """The stream in two pieces for each needle, cut in the needle's middle, every time it occurs
    for the first time.
    """
    cuts = sorted(body.index(needle) + len(needle) // 2 for needle in needles)
    return script(*[body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)]) if a < b])


def lines(ending: bytes) -> tuple[Script, bytes]:
    """With this ending of lines, cut inside each of its first occurrences."""
    body = BODY.replace(b"\n", ending)
    return cut_at(ending * 2, ending, body=body), SEEN.replace(b"\n", ending)


SPACED = BODY.replace(b'"choices": ', b'"choices":\ndata: ')

SHAPES: dict[str, tuple[Script, bytes]] = {
    "whole": (script(BODY), SEEN),
    "cut_in_a_character": (cut_at("牌".encode()), SEEN),
    "cut_in_a_field_name": (cut_at(b"data:"), SEEN),
    "cut_behind_a_field_name": (cut_at(b"a: {"), SEEN),
    "cut_between_two_line_ends": (cut_at(b"\n\n"), SEEN),
    "cut_in_done": (cut_at(b"[DONE]"), SEEN),
    "cut_in_the_usage": (cut_at(b'"usage"'), SEEN),
    "byte_by_byte": (
        [STREAM_HEAD, b"".join(chunk(BODY[i : i + 1]) for i in range(len(BODY))), END, again], SEEN,
    ),
    "cut_every_seven_bytes": (
        [STREAM_HEAD, *[chunk(BODY[i : i + 67]) for i in range(0, len(BODY), 67)], END, again],
        SEEN,
    ),
    "lines_that_end_in_crlf": lines(b"\r\n"),
    "lines_that_end_in_cr": lines(b"\r"),
    "no_space_behind_the_colon": (
        script(BODY.replace(b"data: ", b"data:")), SEEN.replace(b"data: ", b"data:"),
    ),
    "several_lines_of_data_in_an_event": (
        script(SPACED), SPACED.replace(USAGE.replace(b'"choices": ', b'"choices":\ndata: '), b""),
    ),
    "comments_between_events": (
        script(b": one\n\n" + BODY.replace(DONE, b":\n\n: two\n\n" + DONE)),
        b": one\n\n" + SEEN.replace(DONE, b":\n\n: two\n\n" + DONE),
    ),
    "comments_inside_an_event": (
        script(b": one\n" + BODY), b": one\n" + SEEN,
    ),
    "other_fields": (
        script(b"event: message\nid: 7\nretry: 10\n" + BODY),
        b"event: message\nid: 7\nretry: 10\n" + SEEN,
    ),
    "empty_lines_before_it": (script(b"\n\n\n" + BODY), b"\n\n\n" + SEEN),
    "done_without_an_empty_line": (script(BODY[:-1]), SEEN[:-1]),
    "done_without_a_line_end": (script(BODY[:-2]), SEEN[:-2]),
    "bytes_behind_done": (script(BODY + event("lost")), SEEN),
    "a_mark_of_the_byte_order": (script(b"\xef\xbb\xbf" + BODY), b"\xef\xbb\xbf" + SEEN),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
async def test_a_stream_passes_whatever_its_shape(bed: Bed, name: str) -> None:
    pieces, seen = SHAPES[name]
    async with HostileUpstream(pieces) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask(STREAM)
        assert got.content == seen
        assert content(got.content.decode("utf-8-sig")) == "fine 牌坊"
        row = await bed.row()
        assert (row["outcome"], row["error"], row["estimated"]) == ("completed", "", 0)
        assert row["cost"] == COST


BYTE_ORDER = b"\xef\xbb\xbf"


async def test_an_error_behind_a_mark_of_the_byte_order_is_an_error(bed: Bed) -> None:
    first = BYTE_ORDER + b"data: " + as_json({"error": {"message": "no", "code": 503}}) + b"\n\n"
    async with HostileUpstream(script(first + DONE)) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask(STREAM)
        assert (got.status_code, got.json()["error"]["message"]) == (503, "no")
        row = await bed.row()
        assert (row["outcome"], row["error"], row["cost"]) == ("upstream_error", "503", 0)


# An error in the middle.

SECRET = "organization org-3141 on key sk-live-2718"


def error(message: str = "the model broke", code: Any = "model_broke", **more: Any) -> bytes:
    """An error event in OpenAI's shape."""
    found = {"message": message, "type": "server_error", "param": None, "code": code, **more}
    return b"data: " + as_json({"error": found}) + b"\n\n"


ERRORS: dict[str, Script] = {
    "and_the_end": script(WORDS, error()),
    "and_done": script(WORDS, error() + DONE),
    "and_a_break": [STREAM_HEAD, chunk(WORDS), chunk(error())],
    "and_silence": [STREAM_HEAD, chunk(WORDS), chunk(error()), hang],
    "and_more_content": script(WORDS, error(), event("lost") + FINISH + DONE),
    "named": script(WORDS, b"event: error\n" + error()),
}


async def broken_by(bed: Bed, pieces: Script) -> tuple[dict, str]:
    """The last event of a stream with an error in its middle, and all its text."""
    async with (
        HostileUpstream(pieces) as first,
        HostileUpstream(good_script(STREAM)) as second,
    ):
        await bed.channel(first.url, idle_timeout=0.3)
        await bed.channel(second.url)
        got = await bed.ask(STREAM)
        assert got.status_code == 200
        assert second.requests == [], "content had gone out"
        row = await bed.row()
        assert (row["outcome"], row["status"]) == ("interrupted", 200)
        assert row["error"]
        assert_estimated(row, "fine 牌坊")
        blocks = got.text.removesuffix("\n\n").split("\n\n")
        assert got.text.endswith("\n\n")
        last = blocks[-1].removeprefix("event: error\n")
        assert last.startswith("data: ")
        assert "[DONE]" not in got.text
        assert sum('"error"' in block for block in blocks) == 1, "one error, and it is the last"
        return json.loads(last.removeprefix("data: "))["error"], got.text


@pytest.mark.parametrize(
    "name",
    ERRORS,
)
async def test_an_error_event_ends_the_stream(bed: Bed, name: str) -> None:
    found, text = await broken_by(bed, ERRORS[name])
    assert set(found) == {"message", "type", "param", "code"}
    assert content(text[: text.rindex("data: ")].removesuffix("event: error\n")) == "fine 牌坊"
    assert found["message"] == "the model broke", "what is about the call is told"


@pytest.mark.parametrize(
    "event_bytes",
    [
        error(SECRET, 401),
        error(SECRET, 429),
        error(SECRET, "insufficient_quota"),
        error(SECRET, "rate_limit_exceeded"),
        error(SECRET, None, type="authentication_error"),
    ],
    ids=["401", "429", "quota", "limit", "key"],
)
async def test_an_error_event_about_our_account_is_not_told(bed: Bed, event_bytes: bytes) -> None:
    found, text = await broken_by(bed, script(WORDS, event_bytes))
    assert "org-3141" not in text
    assert "sk-live" not in text
    assert found["code"].startswith("upstream_")


async def test_an_error_event_in_another_shape_is_told_in_openais(bed: Bed) -> None:
    found, _ = await broken_by(bed, script(WORDS, b'data: {"error": "the model broke"}\n\n'))
    assert set(found) == {"message", "type", "param", "code"}
    assert found["message"] == "the model broke"


# Streams without an end.

READ = 40
"""Events that the client reads before it leaves."""


async def leave_after(bed: Bed, upstream: HostileUpstream, size: int) -> bytearray:
    """Read a stream up to so many bytes and hang up; what was read. The upstream is told."""
    read = bytearray()
    async with bed.http.stream("POST", PATH, json=STREAM) as got:
        assert got.status_code == 200
        async for part in got.aiter_raw():
            read += part
            if len(read) >= size:
                break
    async with asyncio.timeout(10):
        await upstream.left.wait()
    return read


async def test_an_endless_stream_is_cancelled_and_billed_in_part(bed: Bed) -> None:
    word = chunk(event("word "))
    async with HostileUpstream([STREAM_HEAD, forever(word, gap=0.001)]) as upstream:
        await bed.channel(upstream.url)
        read = await leave_after(bed, upstream, READ * len(event("word ")))
        row = await bed.row()
        assert (row["outcome"], row["status"], row["estimated"]) == ("client_gone", 200, 1)
        assert row["input"] == PROMPT
        least = read.count(b"word ") * 5 // 4
        assert least <= row["output"] <= least + 100_000, "what was on its way counts as well"
        assert row["cost"] == row["input"] * INPUT_PRICE + row["output"] * 2_000


ENDLESS = {
    "one_event_without_a_line_end": b"x" * 4000,
    "one_event_of_endless_lines": b"data: " + b"x" * 4000 + b"\n",
    "comments": (b": still thinking " + b"." * 400 + b"\n\n") * 10,
    "empty_lines": b"\n" * 4000,
    "events_that_are_no_json": (b"data: hello " + b"." * 400 + b"\n\n") * 10,
    "events_without_content": event("") * 20,
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_after_its_first_words_a_stream_of_nothing_is_bounded(bed: Bed, name: str) -> None:
    peak_before = bed.gateway.rss()
    bed.gateway.forget_peak()
    steps: Script = [STREAM_HEAD, chunk(event("word ")), forever(chunk(ENDLESS[name]))]
    async with HostileUpstream(steps) as upstream:
        await bed.channel(upstream.url)
        read = await leave_after(bed, upstream, 4 * MEBIBYTE)
        assert len(read) >= 4 * MEBIBYTE
        row = await bed.row()
        assert (row["outcome"], row["status"]) == ("client_gone", 200)
        assert_estimated(row, "word ")
    assert bed.gateway.rss("VmHWM") - peak_before < MARGIN


BEFORE = {
    "comments": b": still thinking\n\n" * 200,
    "empty_lines": b"\n" * 4000,
}


@pytest.mark.parametrize("name", BEFORE)
async def test_an_endless_stream_without_content_is_given_up(bed: Bed, name: str) -> None:
    line = Line([STREAM_HEAD, forever(chunk(BEFORE[name]))], 502, "upstream_empty")
    peak_before = bed.gateway.rss()
    bed.gateway.forget_peak()
    await fails(bed, line, STREAM)
    assert bed.gateway.rss("VmHWM") - peak_before < MARGIN


async def test_a_client_that_leaves_before_the_first_content_pays_nothing(bed: Bed) -> None:
    slow = forever(chunk(b": still thinking\n\n"), gap=0.02)
    async with HostileUpstream([STREAM_HEAD, slow]) as upstream:
        await bed.channel(upstream.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await bed.ask(STREAM)
        async with asyncio.timeout(10):
            await upstream.left.wait()
        row = await bed.row()
        assert (row["outcome"], row["status"], row["cost"]) == ("client_gone", 499, 0)


async def test_the_end_of_an_error_stream_is_checked_by_a_test_that_can_fail() -> None:
    for bad in ("data: {}", "data: {}\n\n", "data: [DONE]\n\n", 'data: {"error": 1}\n\n'):
        with pytest.raises((AssertionError, TypeError)):
            broke_off(bad, "upstream_reset")
