"""An upstream that is away, breaks off or stalls: before its answer, in it, and in a stream."""

import socket

import pytest

from doubles.hostile_upstream import (
    DONE,
    GOOD,
    STREAM_HEAD,
    Script,
    chunk,
    event,
    forever,
    hang,
    head,
    head_only,
    reset,
    unread,
    wait,
)
from modules.gateway.fire.bed import CHAT, STREAM, Bed, refused
from modules.gateway.fire.lines import (
    HASTY,
    Line,
    answered_by_a_second,
    assert_failed,
    cut,
    fails,
)

HALF = GOOD[: len(GOOD) // 2]
LENGTH = head(b"Content-Type: application/json", b"Content-Length: %d" % len(GOOD))
NO_LENGTH = head(b"Content-Type: application/json")
CHUNKED = head(b"Content-Type: application/json", b"Transfer-Encoding: chunked")
COMMENT = chunk(b": still thinking\n\n")
LAST = b"0\r\n\r\n"
SOON = wait(0.03)

BEFORE_CONTENT = {
    "closes_at_once": Line([unread, SOON], 502, "upstream_reset"),
    "closes_in_the_request": Line([unread, head_only], 502, "upstream_reset"),
    "closes_before_the_head": Line([], 502, "upstream_reset"),
    "closes_in_the_head": Line([b"HTTP/1.1 200 OK\r\nConte"], 502, "upstream_reset"),
    "resets_at_once": Line([unread, SOON, reset], 502, "upstream_reset"),
    "resets_before_the_head": Line([reset], 502, "upstream_reset"),
    "resets_in_the_head": Line([b"HTTP/1.1 200 OK\r\nConte", reset], 502, "upstream_reset"),
    "closes_in_the_body": Line([LENGTH + HALF], 502, "upstream_reset"),
    "resets_in_the_body": Line([LENGTH + HALF, SOON, reset], 502, "upstream_reset"),
    "resets_in_a_chunk": Line([CHUNKED + chunk(GOOD)[:99], SOON, reset], 502, "upstream_reset"),
    "half_a_json_whose_end_is_the_close": Line([NO_LENGTH + HALF], 502, "upstream_protocol"),
    "half_a_json_in_whole_chunks": Line(
        [CHUNKED + chunk(HALF) + b"0\r\n\r\n"], 502, "upstream_protocol"
    ),
    "half_a_json_of_the_length_it_states": Line(
        [head(b"Content-Length: %d" % len(HALF)) + HALF], 502, "upstream_protocol"
    ),
    "never_reads_the_request": Line([unread, wait(9)], 504, "upstream_timeout", waits=HASTY),
    "stalls_before_the_head": Line([hang], 504, "upstream_timeout", waits=HASTY),
    "stalls_in_the_head": Line([b"HTTP/1.1 200 O", hang], 504, "upstream_timeout", waits=HASTY),
    "dribbles_its_head": Line(
        [b"HTTP/1.1 200 OK\r\n", forever(b"X: y\r\n", gap=0.1)],
        504, "upstream_timeout", waits=HASTY,
    ),
    "stalls_in_the_body": Line([LENGTH + HALF, hang], 504, "upstream_timeout", waits=HASTY),
    "stalls_in_a_chunk": Line([CHUNKED + b"5\r\nab", hang], 504, "upstream_timeout", waits=HASTY),
}  # fmt: skip

BEFORE_EVENTS = {
    "closes_before_the_first_event": Line([STREAM_HEAD], 502, "upstream_reset"),
    "resets_before_the_first_event": Line([STREAM_HEAD, SOON, reset], 502, "upstream_reset"),
    "closes_in_the_first_event": Line(
        [STREAM_HEAD + chunk(event("fine words")[:30])], 502, "upstream_reset"
    ),
    "resets_after_comments": Line([STREAM_HEAD + COMMENT, SOON, reset], 502, "upstream_reset"),
    "ends_after_comments": Line([STREAM_HEAD + COMMENT + b"0\r\n\r\n"], 502, "upstream_empty"),
    "ends_without_a_byte": Line([STREAM_HEAD + b"0\r\n\r\n"], 502, "upstream_empty"),
    "stalls_before_the_first_event": Line(
        [STREAM_HEAD, hang], 504, "upstream_timeout", waits=HASTY
    ),
    "stalls_in_the_first_event": Line(
        [STREAM_HEAD + chunk(b'data: {"id'), hang], 504, "upstream_timeout", waits=HASTY
    ),
    "first_event_is_half_a_json": Line(
        [STREAM_HEAD + chunk(b'data: {"id": \n\n'), hang], 502, "upstream_protocol"
    ),
}


@pytest.mark.parametrize("name", BEFORE_CONTENT)
async def test_an_answer_that_does_not_come(bed: Bed, name: str) -> None:
    await fails(bed, BEFORE_CONTENT[name])


@pytest.mark.parametrize("name", BEFORE_CONTENT | BEFORE_EVENTS)
async def test_a_stream_that_does_not_begin(bed: Bed, name: str) -> None:
    await fails(bed, (BEFORE_CONTENT | BEFORE_EVENTS)[name], STREAM)


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["json", "stream"])
async def test_refuses_the_connection(bed: Bed, body: dict) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        await bed.channel(f"http://127.0.0.1:{port}/v1")
        got = await bed.ask(body)
        error = refused(got, 502, "upstream_unreachable")
        assert str(port) not in error["message"], (
            "where an upstream is, is not the client's to know"
        )
        assert_failed(await bed.row(), Line([], 502, "upstream_unreachable"), got)
        await answered_by_a_second(bed, body)


WORDS = STREAM_HEAD + chunk(event("fine ") + event("words"))

IN_THE_STREAM: dict[str, tuple[Script, str]] = {
    "closes": ([WORDS], "upstream_reset"),
    "closes_in_an_event": ([WORDS + chunk(event("lost")[:20])], "upstream_reset"),
    "closes_in_a_chunk": ([WORDS + chunk(event("lost"))[:20]], "upstream_reset"),
    "closes_between_two_lines_of_an_event": ([WORDS + chunk(event("lost")[:-1])], "upstream_reset"),
    "resets": ([WORDS, SOON, reset], "upstream_reset"),
    "stalls": ([WORDS, hang], "upstream_timeout"),
    "stalls_in_an_event": ([WORDS + chunk(event("lost")[:20]), hang], "upstream_timeout"),
    "ends_without_a_reason_and_without_done": ([WORDS + LAST], "upstream_reset"),
    "ends_in_an_event": ([WORDS + chunk(event("lost")[:20]) + LAST], "upstream_reset"),
    "ends_before_the_empty_line_of_an_event": (
        [STREAM_HEAD + chunk((event("fine ") + event("words"))[:-1]) + LAST], "upstream_reset",
    ),
    "ends_in_done": ([WORDS + chunk(DONE[:9]) + LAST], "upstream_reset"),
    "breaks_its_chunking": ([WORDS, SOON, b"zz\r\nlost"], "upstream_protocol"),
    "begins_another_answer": (
        [WORDS, SOON, b"HTTP/1.1 200 OK\r\n\r\n" + DONE], "upstream_protocol",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    IN_THE_STREAM,
)
async def test_a_stream_that_breaks_ends_with_an_error_event(bed: Bed, name: str) -> None:
    script, code = IN_THE_STREAM[name]
    patience = {"idle_timeout": 0.3} if code == "upstream_timeout" else {}
    await cut(bed, script, code, "fine words", **patience)
