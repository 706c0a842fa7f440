"""Answers that are unusual HTTP, and answers that are none."""

import asyncio
import json

import pytest

from doubles.hostile_upstream import (
    GOOD,
    GOOD_STREAM,
    STREAM_HEAD,
    HostileUpstream,
    Script,
    again,
    answer,
    chunk,
    half_close,
    hang,
    head,
    head_only,
    read_again,
    reset,
    unread,
    wait,
)
from modules.gateway.fire.bed import CHAT, PATH, STREAM, Bed, client, refused
from modules.gateway.fire.lines import COST, Line, assert_answered, fails

JSON_TYPE = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(GOOD)
CHUNKED = head(JSON_TYPE, b"Transfer-Encoding: chunked")
HTTP_1_0 = b"HTTP/1.0 200 OK"
EVENTS = b"".join(GOOD_STREAM[1:-1])
PLAIN_EVENTS = b"".join(
    part.split(b"\r\n", 1)[1].removesuffix(b"\r\n") for part in GOOD_STREAM[1:-1]
)

UNUSUAL: dict[str, Script] = {
    "http_1_0_until_the_close": [head(JSON_TYPE, status=HTTP_1_0), GOOD[:50], GOOD[50:]],
    "http_1_0_with_a_length": [head(JSON_TYPE, LENGTH, status=HTTP_1_0) + GOOD],
    "http_1_1_until_the_close": [head(JSON_TYPE), GOOD[:50], GOOD[50:]],
    "until_half_a_close": [head(JSON_TYPE), GOOD, half_close],
    "chunked_with_trailers": [
        CHUNKED + chunk(GOOD) + b"0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n", again,
    ],
    "chunked_with_extensions": [
        CHUNKED + b"%x;name=value\r\n%b\r\n0;last\r\n\r\n" % (len(GOOD), GOOD), again,
    ],
    "chunked_byte_by_byte": [CHUNKED, *[chunk(GOOD[i : i + 1]) for i in range(20)],
                             chunk(GOOD[20:]) + b"0\r\n\r\n", again],
    "head_in_pieces": [
        b"HTTP/1.1 200", b" OK\r", b"\n", JSON_TYPE + b"\r\nCont", b"ent-", LENGTH[8:], b"\r\n\r",
        b"\n", GOOD, again,
    ],
    "100_continue_before_it": [b"HTTP/1.1 100 Continue\r\n\r\n", answer(GOOD, JSON_TYPE), again],
    "103_early_hints_before_it": [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n", answer(GOOD), again,
    ],
    "many_102_before_it": [b"HTTP/1.1 102 Processing\r\n\r\n" * 50, answer(GOOD), again],
    "nul_in_the_reason_phrase": [answer(GOOD, status=b"HTTP/1.1 200 O\x00K"), again],
    "line_ends_behind_it": [answer(GOOD) + b"\r\n\r\n", again],
    "no_reason_phrase": [answer(GOOD, status=b"HTTP/1.1 200"), again],
    "no_content_type": [answer(GOOD), again],
    "another_content_type": [answer(GOOD, b"Content-Type: text/plain"), again],
    "status_201": [answer(GOOD, status=b"HTTP/1.1 201 Created"), again],
    "status_299": [answer(GOOD, status=b"HTTP/1.1 299 Whatever"), again],
    "the_same_length_twice_in_one_line": [
        head(b"Content-Length: %d" % len(GOOD), b"X-Filler: 1") + GOOD, again,
    ],
    "an_identity_encoding_that_says_so": [answer(GOOD, b"Content-Encoding: identity"), again],
    "an_empty_encoding": [answer(GOOD, b"Content-Encoding:"), again],
    "answers_before_the_body_and_closes": [unread, head_only, answer(GOOD)],
    "more_bytes_than_its_length": [answer(GOOD) + b"surplus", hang],
}  # fmt: skip
"""Each of them is a sound answer in the end."""


@pytest.mark.parametrize("name", UNUSUAL)
async def test_an_unusual_answer_is_read(bed: Bed, name: str) -> None:
    async with HostileUpstream(UNUSUAL[name]) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        assert_answered(got)
        assert "set-cookie" not in got.headers
        row = await bed.row()
        assert (row["outcome"], row["status"], row["error"], row["cost"]) == (
            "completed", 200, "", COST,
        )  # fmt: skip


UNUSUAL_STREAMS: dict[str, Script] = {
    "http_1_0_until_the_close": [
        head(b"Content-Type: text/event-stream", status=HTTP_1_0) + PLAIN_EVENTS,
    ],
    "http_1_1_until_the_close": [head(b"Content-Type: text/event-stream") + PLAIN_EVENTS],
    "of_a_stated_length": [
        answer(PLAIN_EVENTS, b"Content-Type: text/event-stream; charset=utf-8"), again,
    ],
    "with_trailers": [STREAM_HEAD + EVENTS + b"0\r\nX-Sum: 1\r\n\r\n", again],
    "103_before_it": [b"HTTP/1.1 103 Early Hints\r\n\r\n", *GOOD_STREAM, again],
    "that_never_closes_after_done": [STREAM_HEAD + EVENTS, hang],
    "that_closes_after_done_without_its_last_chunk": [STREAM_HEAD + EVENTS],
    "with_surplus_bytes": [STREAM_HEAD + EVENTS + b"0\r\n\r\nsurplus", hang],
    "with_an_upper_case_type": [
        head(b"Content-Type: Text/Event-Stream", b"Transfer-Encoding: chunked") + EVENTS
        + b"0\r\n\r\n", again,
    ],
    "in_one_whole_json": [answer(GOOD, JSON_TYPE), again],
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL_STREAMS)
async def test_an_unusual_stream_is_read(bed: Bed, name: str) -> None:
    async with HostileUpstream(UNUSUAL_STREAMS[name]) as upstream:
        await bed.channel(upstream.url)
        assert_answered(await bed.ask(STREAM), STREAM)
        row = await bed.row()
        assert (row["outcome"], row["error"], row["cost"]) == ("completed", "", COST)


def lengths(*values: bytes) -> bytes:
    """A head with these lengths."""
    return head(JSON_TYPE, *[b"Content-Length: " + value for value in values])


def protocol(*script: object, code: str = "upstream_protocol") -> Line:
    return Line(list(script), 502, code)


BROKEN = {
    "length_too_long": protocol(lengths(b"%d" % (len(GOOD) + 1)) + GOOD, code="upstream_reset"),
    "length_too_short": protocol(lengths(b"%d" % (len(GOOD) - 1)) + GOOD, hang),
    "length_zero_before_a_body": protocol(lengths(b"0") + GOOD, hang),
    "length_negative": protocol(lengths(b"-1") + GOOD),
    "length_garbage": protocol(lengths(b"many") + GOOD),
    "length_hexadecimal": protocol(lengths(b"0x10") + GOOD),
    "length_with_a_sign": protocol(lengths(b"+%d" % len(GOOD)) + GOOD),
    "length_over_64_bits": protocol(lengths(b"9" * 30) + GOOD),
    "two_lengths": protocol(lengths(b"%d" % len(GOOD), b"5") + GOOD),
    "two_lengths_in_one_line": protocol(lengths(b"%d, 5" % len(GOOD)) + GOOD),
    "the_same_length_twice": protocol(lengths(LENGTH[16:], LENGTH[16:]) + GOOD),
    "length_beside_chunked": protocol(
        head(LENGTH, b"Transfer-Encoding: chunked") + chunk(GOOD) + b"0\r\n\r\n"
    ),
    "chunk_size_garbage": protocol(CHUNKED + b"zz\r\n" + GOOD),
    "chunk_size_negative": protocol(CHUNKED + b"-5\r\n" + GOOD),
    "chunk_size_that_overflows": protocol(CHUNKED + b"f" * 17 + b"\r\n" + GOOD),
    "chunk_longer_than_its_size": protocol(CHUNKED + b"2\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "chunk_without_its_line_end": protocol(CHUNKED + b"%x\r\n%b0\r\n\r\n" % (len(GOOD), GOOD)),
    "no_last_chunk": protocol(CHUNKED + chunk(GOOD), code="upstream_reset"),
    "transfer_encoding_unknown": protocol(head(b"Transfer-Encoding: brotli") + GOOD[:-1]),
    "status_line_garbage": protocol(b"what is this\r\n\r\n" + GOOD),
    "status_line_of_another_protocol": protocol(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "status_line_without_a_number": protocol(b"HTTP/1.1 OK\r\n\r\n" + GOOD),
    "status_line_with_a_long_number": protocol(b"HTTP/1.1 20000 OK\r\n\r\n" + GOOD),
    "status_0": protocol(answer(GOOD, status=b"HTTP/1.1 000 No"), code="upstream_reset"),
    "http_2": protocol(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18, hang),
    "http_0_9": protocol(GOOD),
    "http_3_0": protocol(answer(GOOD, status=b"HTTP/3.0 200 OK")),
    "nothing_but_line_ends": protocol(b"\r\n" * 5, code="upstream_reset"),
    "nul_in_a_header": protocol(answer(GOOD, b"X-Bad: a\x00b")),
    "nul_in_a_header_name": protocol(answer(GOOD, b"X\x00Bad: a")),
    "control_character_in_a_header": protocol(answer(GOOD, b"openai-version: 2020\x0bx")),
    "control_character_in_the_type": protocol(answer(GOOD, b"Content-Type: text/\x01")),
    "header_without_a_colon": protocol(answer(GOOD, b"X-Bad")),
    "header_name_with_a_space": protocol(answer(GOOD, b"X Bad: a")),
    "folded_header": protocol(answer(GOOD, b"X-Bad: a\r\n  Content-Length: 5")),
    "bare_carriage_return_in_a_header": protocol(answer(GOOD, b"X-Bad: a\rSet-Cookie: b=c")),
    "bare_line_feeds": protocol(answer(GOOD).replace(b"\r\n", b"\n")),
    "switches_protocols": protocol(
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", hang
    ),
    "gzip_though_identity_was_asked": protocol(answer(b"\x1f\x8b...", b"Content-Encoding: gzip")),
    "gzip_that_never_ends": protocol(
        head(b"Content-Encoding: gzip", b"Transfer-Encoding: chunked") + chunk(b"\x1f\x8b"), hang
    ),
    "br_though_identity_was_asked": protocol(answer(b"\x1b...", b"Content-Encoding: br")),
    "gzip_transfer_encoding": protocol(
        head(b"Transfer-Encoding: gzip, chunked") + chunk(b"\x1f\x8b...") + b"0\r\n\r\n"
    ),
    "empty_200": protocol(answer(b"", JSON_TYPE)),
    "empty_200_chunked": protocol(CHUNKED + b"0\r\n\r\n"),
    "status_204": protocol(head(status=b"HTTP/1.1 204 No Content"), again),
    "status_205": protocol(answer(b"", status=b"HTTP/1.1 205 Reset Content"), again),
    "not_json": protocol(answer(b"<html>Welcome</html>", b"Content-Type: text/html")),
    "json_that_is_no_object": protocol(answer(b"[1, 2]")),
    "json_null": protocol(answer(b"null")),
    "json_with_a_nul_byte": protocol(answer(GOOD.replace(b"fine", b"f\x00ne"))),
    "json_that_is_not_utf_8": protocol(answer(GOOD.replace(b"fine", b"f\xff\xfene"))),
    "json_in_utf_16": protocol(answer(GOOD.decode().encode("utf-16"))),
    "json_nested_without_end": protocol(answer(b'{"a":' * 50_000)),
    "two_jsons": protocol(answer(GOOD + GOOD)),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_no_answer(bed: Bed, name: str) -> None:
    await fails(bed, BROKEN[name])


BROKEN_STREAMS = {
    "gzip_though_identity_was_asked": protocol(
        head(b"Content-Type: text/event-stream", b"Content-Encoding: gzip") + b"\x1f\x8b..."
    ),
    "length_zero": protocol(answer(b"", b"Content-Type: text/event-stream"), code="upstream_empty"),
    "status_204": protocol(head(status=b"HTTP/1.1 204 No Content"), again),
    "not_json": protocol(answer(b"data: hello\n\n", b"Content-Type: text/event-stream")),
    "html": protocol(answer(b"<html>Welcome</html>", b"Content-Type: text/html")),
}


@pytest.mark.parametrize("name", BROKEN_STREAMS)
async def test_a_broken_stream_is_no_answer(bed: Bed, name: str) -> None:
    await fails(bed, BROKEN_STREAMS[name], STREAM)


INJECTED = b"openai-version: 1\r\nSet-Cookie: admin=1\r\nX-Injected: yes"


@pytest.mark.parametrize(
    "line",
    [
        INJECTED,
        b"Connection: x-request-id",
        b"x-request-id: ffffffffffffffffffffffffffffffff",
        b"Content-Disposition: attachment",
        b"Strict-Transport-Security: max-age=1",
        b"Access-Control-Allow-Origin: *",
        b"Retry-After: 3600",
        b"x-ratelimit-remaining-requests: 0",
        b"openai-organization: acme-secret",
        b"Server: secret-host",
    ],
)
async def test_an_upstreams_headers_do_not_reach_the_client(bed: Bed, line: bytes) -> None:
    async with HostileUpstream([answer(GOOD, line), again]) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        assert_answered(got)
        known = {
            "date", "content-type", "content-length", "x-request-id", "openai-version",
            "ratelimit", "ratelimit-policy", "server", "x-content-type-options",
        }  # fmt: skip
        assert set(got.headers) <= known, got.headers
        assert got.headers["content-type"] == "application/json"
        assert "secret" not in str(got.headers)
        row = await bed.row()
        assert row["request_id"] == got.headers["x-request-id"]
        assert row["request_id"] != "f" * 32


# Whose answer is it: one connection, several callers.


async def two_callers(
    bed: Bed, first: Script, *rest: Script, pause: float = 0.0
) -> HostileUpstream:
    """Two people call one after the other over what may be one connection; each must get what is
    meant for them.
    """
    other = await bed.token()
    async with HostileUpstream(first, *rest) as upstream:
        await bed.channel(upstream.url)
        assert_answered(await bed.ask())
        await asyncio.sleep(pause)
        async with client(bed.url, other) as http:
            got = await http.post(PATH, json=CHAT)
            bed.records_due += 1
            assert "stolen" not in got.text
            assert_answered(got)
        await bed.rows()
    return upstream


STOLEN = answer(GOOD.replace(b"fine words", b"stolen"))
GOOD_ANSWERS: Script = [answer(GOOD), again]

SURPLUS: dict[str, Script] = {
    "a_whole_second_answer": [answer(GOOD) + STOLEN, hang],
    "the_begin_of_a_second_answer": [answer(GOOD) + b"HTTP/1.1 200 OK\r\n", hang],
    "a_single_byte": [answer(GOOD) + b"x", hang],
    "a_second_answer_after_chunks": [CHUNKED + chunk(GOOD) + b"0\r\n\r\n" + STOLEN, hang],
    "an_interim_answer": [answer(GOOD) + b"HTTP/1.1 100 Continue\r\n\r\n", hang],
    "a_second_answer_behind_a_204_like_length": [
        answer(GOOD) + head(status=b"HTTP/1.1 204 No") + STOLEN, hang,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SURPLUS)
async def test_what_follows_an_answer_is_nobodys(bed: Bed, name: str) -> None:
    upstream = await two_callers(bed, SURPLUS[name], GOOD_ANSWERS)
    assert upstream.connections == 2, "a connection with surplus bytes is not used again"


async def test_what_comes_unasked_between_two_calls_is_nobodys(bed: Bed) -> None:
    script: Script = [answer(GOOD), STOLEN, hang]
    upstream = await two_callers(bed, script, GOOD_ANSWERS, pause=0.2)
    assert upstream.connections == 2


async def test_a_connection_is_used_again_when_nothing_is_wrong(bed: Bed) -> None:
    upstream = await two_callers(bed, GOOD_ANSWERS)
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "close", [b"Connection: close", b"Connection: Keep-Alive, CLOSE", b"Connection: x, close"]
)
async def test_a_connection_that_is_to_be_closed_is_not_used_again(bed: Bed, close: bytes) -> None:
    upstream = await two_callers(bed, [answer(GOOD, close), hang], GOOD_ANSWERS)
    assert upstream.connections == 2


async def test_a_connection_that_its_upstream_closed_between_two_calls_is_passed_over(
    bed: Bed,
) -> None:
    upstream = await two_callers(bed, [answer(GOOD)], GOOD_ANSWERS, pause=0.2)
    assert upstream.connections == 2
    assert len(upstream.requests) == 2, "nothing is sent twice"


CLOSED_ON_THE_SECOND: dict[str, Script] = {
    "closed": [answer(GOOD), read_again],
    "reset": [answer(GOOD), read_again, reset],
}


NOT_SENT_AGAIN: dict[str, Script] = {
    **CLOSED_ON_THE_SECOND,
    "with_a_byte_of_an_answer": [answer(GOOD), read_again, b"H"],
    "with_an_interim_answer": [answer(GOOD), read_again, b"HTTP/1.1 100 Continue\r\n\r\n"],
    "after_a_while": [answer(GOOD), read_again, wait(1.2)],
}


@pytest.mark.parametrize("name", NOT_SENT_AGAIN)
async def test_a_request_that_was_sent_is_not_sent_again(bed: Bed, name: str) -> None:
    """Not even where the close crossed with it: a generation may have begun (RFC 9110, 9.2.2)."""
    async with HostileUpstream(NOT_SENT_AGAIN[name], GOOD_ANSWERS) as upstream:
        await bed.channel(upstream.url)
        assert_answered(await bed.ask())
        refused(await bed.ask(), 502, "upstream_reset")
        assert (upstream.connections, len(upstream.requests)) == (1, 2)
        _, row = await bed.rows()
        assert (row["outcome"], row["attempts"], row["cost"]) == ("upstream_error", 1, 0)


async def test_an_answer_that_comes_before_the_body_was_taken(bed: Bed) -> None:
    big = {**CHAT, "messages": [{"role": "user", "content": "x" * 20_000_000}], "max_tokens": 1}
    refusal = json.dumps({"error": {"message": "too long", "type": "invalid_request_error",
                                    "param": None, "code": "too_long"}}).encode()  # fmt: skip
    early = answer(refusal, status=b"HTTP/1.1 413 Too Large")
    async with HostileUpstream([unread, head_only, early, wait(0.2)], GOOD_ANSWERS) as upstream:
        await bed.channel(upstream.url)
        token = await bed.token(quota=None)
        async with client(bed.url, token) as http:
            got = await http.post(PATH, json=big)
            bed.records_due += 1
        assert (got.status_code, got.json()["error"]["code"]) == (413, "too_long")
        assert_answered(await bed.ask())
        assert upstream.connections == 2, "the rest of the body must not meet the next call"
        first, second = await bed.rows()
        assert (first["outcome"], first["status"], first["cost"]) == ("completed", 413, 0)
        assert second["cost"] == COST


async def test_a_connection_of_a_caller_who_left_is_not_used_again(bed: Bed) -> None:
    async with HostileUpstream([wait(0.5), STOLEN, hang], GOOD_ANSWERS) as upstream:
        await bed.channel(upstream.url)
        leaver = await bed.token()
        async with client(bed.url, leaver) as http:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await http.post(PATH, json=CHAT)
            bed.records_due += 1
        got = await bed.ask()
        assert_answered(got)
        assert upstream.connections == 2
        gone, answered = await bed.rows()
        assert {gone["outcome"], answered["outcome"]} == {"client_gone", "completed"}
