"""Refusals of an upstream: by status, by redirect, and by an error in an answer that says 200."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from doubles.hostile_upstream import (
    GOOD,
    STREAM_HEAD,
    HostileUpstream,
    Script,
    again,
    answer,
    as_json,
    chunk,
)
from modules.gateway.fire.bed import CHAT, STREAM, Bed, refused
from modules.gateway.fire.lines import (
    COST,
    Line,
    assert_answered,
    fails,
    good_script,
)

SECRET = "organization org-3141 on key sk-live-2718"
"""Words about our account with the upstream."""


def error(code: Any = "some_code", message: str = "the double refuses", **more: Any) -> bytes:
    """An error in OpenAI's shape."""
    return as_json(
        {"error": {"message": message, "type": "t", "param": None, "code": code, **more}}
    )


def says(status: int, body: bytes, *lines: bytes) -> Script:
    """A script that answers every request so."""
    return [answer(body, *lines, status=b"HTTP/1.1 %d Whatever" % status), again]


AUTH = error("invalid_api_key", f"Incorrect API key: {SECRET}")
QUOTA = error("insufficient_quota", f"You exceeded your quota: {SECRET}")
RATE = error("rate_limit_exceeded", f"Rate limit reached for {SECRET}")

REFUSALS = {
    "400": Line(says(400, error()), 400, "some_code", outcome="completed", elsewhere=False),
    "400_without_a_body": Line(
        says(400, b""), 400, "upstream_error", outcome="completed", elsewhere=False
    ),
    "400_in_html": Line(
        says(400, b"<h1>No</h1>"), 400, "upstream_error", outcome="completed", elsewhere=False
    ),
    "404": Line(
        says(404, error("model_not_found")),
        404, "model_not_found", outcome="completed", elsewhere=False,
    ),
    "422": Line(says(422, error()), 422, "some_code", outcome="completed", elsewhere=False),
    "401": Line(says(401, AUTH), 502, "upstream_auth_failed"),
    "403": Line(says(403, AUTH), 502, "upstream_auth_failed"),
    "401_without_a_body": Line(says(401, b""), 502, "upstream_auth_failed"),
    "402": Line(says(402, QUOTA), 502, "upstream_quota_exhausted"),
    "429_of_a_used_up_account": Line(says(429, QUOTA), 502, "upstream_quota_exhausted"),
    "429": Line(says(429, RATE), 429, "upstream_rate_limited"),
    "429_without_a_body": Line(says(429, b""), 429, "upstream_rate_limited"),
    "408": Line(says(408, error()), 408, "some_code"),
    "500": Line(says(500, error()), 500, "some_code"),
    "500_without_a_body": Line(says(500, b""), 500, "upstream_error"),
    "500_in_html": Line(says(500, b"<h1>No</h1>"), 500, "upstream_error"),
    "500_with_half_an_error": Line(says(500, error()[:20]), 500, "upstream_error"),
    "500_with_a_text": Line(says(500, b'{"error": "no"}'), 500, "upstream_error"),
    "500_with_a_huge_error": Line(says(500, error(message="x" * 100_000)), 500, "upstream_error"),
    "500_that_breaks_off": Line(
        [answer(error(), status=b"HTTP/1.1 500 No")[:-9]], 500, "upstream_error"
    ),
    "502": Line(says(502, error()), 502, "some_code"),
    "503": Line(says(503, error()), 503, "some_code"),
    "504": Line(says(504, error()), 504, "some_code"),
    "529": Line(says(529, error("overloaded_error")), 529, "overloaded_error"),
    "599": Line(says(599, error()), 599, "some_code"),
    "600": Line(says(600, error()), 502, "upstream_protocol"),
    "999": Line(says(999, error()), 502, "upstream_protocol"),
    "304": Line([b"HTTP/1.1 304 Not Modified\r\n\r\n", again], 502, "upstream_protocol"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_the_client_is_told_of_a_refusal(bed: Bed, name: str) -> None:
    got = await fails(bed, REFUSALS[name])
    assert "org-3141" not in got.text
    assert "sk-live" not in got.text


@pytest.mark.parametrize("name", ["400", "401", "429", "500", "304"])
async def test_the_client_of_a_stream_is_told_of_a_refusal(bed: Bed, name: str) -> None:
    await fails(bed, REFUSALS[name], STREAM)


INCOMPLETE = {
    "message_alone": (as_json({"error": {"message": "no"}}), "no"),
    "nothing_in_it": (as_json({"error": {"reason": "no"}}), None),
    "more_beside_it": (as_json({"error": {"message": "no", "code": "c"}, "user_id": "u"}), "no"),
    "no_envelope": (as_json({"object": "error", "message": "no", "code": 40001}), "no"),
    "in_a_list": (as_json([{"error": {"message": "no", "code": 400}}]), "no"),
}


@pytest.mark.parametrize("name", INCOMPLETE)
async def test_an_error_in_another_shape_is_told_in_openais(bed: Bed, name: str) -> None:
    body, words = INCOMPLETE[name]
    async with HostileUpstream(says(400, body)) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        found = refused(got, 400, got.json()["error"].get("code"))
        if words is not None:
            assert found["message"] == words


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(bed: Bed, status: int) -> None:
    async with HostileUpstream(good_script(CHAT)) as trap:
        where = b"Location: %b/chat/completions" % trap.url.encode()
        got = await fails(bed, Line(says(status, b"", where), 502, "upstream_protocol"))
        assert "location" not in got.headers
        assert str(trap.port) not in got.text
        assert trap.connections == 0, "the credential is for the channel's own host"


# When to come back.


def in_seconds(seconds: float) -> bytes:
    return formatdate(time.time() + seconds, usegmt=True).encode()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "line",
    [b"Retry-After: 30", b"Retry-After: DATE", b"retry-after-ms: 29500", b"Retry-After: 29.5"],
)
async def test_an_upstream_that_asks_for_a_pause_gets_it(
    bed: Bed, status: int, line: bytes
) -> None:
    line = line.replace(b"DATE", in_seconds(30))
    async with HostileUpstream(says(status, error(), line)) as upstream:
        await bed.channel(upstream.url)
        first = await bed.ask()
        assert first.status_code == status
        assert 25 <= int(first.headers["retry-after"]) <= 30
        second = await bed.ask()
        code = "upstream_rate_limited" if status == 429 else "upstream_overloaded"
        refused(second, status, code)
        assert 1 <= int(second.headers["retry-after"]) <= 30
        assert len(upstream.requests) == 1, "it is left alone"
        asked, unasked = await bed.rows()
        assert (asked["attempts"], unasked["attempts"]) == (1, 0)
        assert (asked["outcome"], unasked["outcome"]) == ("upstream_error", "upstream_error")


@pytest.mark.parametrize(
    "line",
    [
        b"Retry-After: soon",
        b"Retry-After: -5",
        b"Retry-After: 0",
        b"Retry-After:",
        b"Retry-After: DATE",
        b"Retry-After: 1e999",
        b"Retry-After: Thu, 99 Foo 2000 99:99:99 GMT",
        b"retry-after-ms: nan",
        b"X-Other: 1",
    ],
)
async def test_a_pause_that_cannot_be_read_is_none(bed: Bed, line: bytes) -> None:
    line = line.replace(b"DATE", in_seconds(-30))
    async with HostileUpstream(says(429, RATE, line), good_script(CHAT)) as upstream:
        await bed.channel(upstream.url)
        for _ in range(2):
            refused(await bed.ask(), 429, "upstream_rate_limited")
        assert len(upstream.requests) == 2


async def test_while_one_channel_pauses_another_answers(bed: Bed) -> None:
    async with (
        HostileUpstream(says(429, RATE, b"Retry-After: 30")) as first,
        HostileUpstream(good_script(CHAT)) as second,
    ):
        await bed.channel(first.url)
        await bed.channel(second.url)
        assert_answered(await bed.ask())
        assert_answered(await bed.ask())
        assert (len(first.requests), len(second.requests)) == (1, 2)
        tried, straight = await bed.rows()
        assert (tried["attempts"], straight["attempts"]) == (2, 1)
        assert tried["cost"] == straight["cost"] == COST


# An error that says 200.

ERRORS = {
    "of_openais_shape": (error("model_overloaded"), 502, "model_overloaded"),
    "a_text": (as_json({"error": "the model broke"}), 502, "upstream_error"),
    "with_a_status_as_its_code": (error(503), 503, "503"),
    "about_our_key_by_status": (error(401, SECRET), 502, "upstream_auth_failed"),
    "about_our_limits_by_status": (error(429, SECRET), 429, "upstream_rate_limited"),
    "about_our_quota": (error("insufficient_quota", SECRET), 502, "upstream_quota_exhausted"),
    "about_our_key_by_code": (error("invalid_api_key", SECRET), 502, "upstream_auth_failed"),
    "about_our_limits_by_code": (
        error("rate_limit_exceeded", SECRET), 429, "upstream_rate_limited",
    ),
    "about_our_limits_by_type": (
        error(None, SECRET, type="rate_limit_error"), 429, "upstream_rate_limited",
    ),
    "without_an_envelope": (
        as_json({"object": "error", "message": "the model broke", "code": 500}), 500, "500",
    ),
}  # fmt: skip


async def refused_so(bed: Bed, script: Script, body: dict, status: int, code: str) -> None:
    """The call is refused and costs nothing, and a second channel would have answered."""
    async with HostileUpstream(script) as first, HostileUpstream(good_script(body)) as second:
        await bed.channel(first.url)
        got = await bed.ask(body)
        refused(got, status, got.json()["error"]["code"] if code.isdigit() else code)
        assert "org-3141" not in got.text
        row = await bed.row()
        assert (row["outcome"], row["error"], row["cost"]) == ("upstream_error", code, 0)
        await bed.channel(second.url)
        assert_answered(await bed.ask(body), body)
        _, row = await bed.rows()
        assert (row["outcome"], row["attempts"], row["cost"]) == ("completed", 2, COST)


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_in_a_successful_answer_is_an_error(bed: Bed, name: str) -> None:
    body, status, code = ERRORS[name]
    await refused_so(bed, says(200, body), CHAT, status, code)


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_as_a_streams_first_event_is_an_error(bed: Bed, name: str) -> None:
    body, status, code = ERRORS[name]
    script: Script = [STREAM_HEAD + chunk(b"data: " + body + b"\n\n") + b"0\r\n\r\n", again]
    await refused_so(bed, script, STREAM, status, code)


async def test_a_code_that_is_no_word_is_not_counted_by(bed: Bed) -> None:
    body = error("no <b>such</b> code")
    async with HostileUpstream(says(500, body)) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        assert (got.status_code, got.content) == (500, body)
        assert (await bed.row())["error"] == "other"


async def test_an_error_field_that_is_null_is_no_error(bed: Bed) -> None:
    body = GOOD[:-1] + b', "error": null}'
    async with HostileUpstream(says(200, body)) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        assert got.content == body
        assert (await bed.row())["cost"] == COST
