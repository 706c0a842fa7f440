"""Upstreams whose certificate is not to be trusted, whose TLS breaks, or whose name is unknown."""

import asyncio
import time

import pytest

from doubles.certificates import Certificates
from doubles.hanging_names import HANGING, SECONDS
from doubles.hostile_upstream import (
    ENDLESS_HEAD,
    GOOD,
    HostileUpstream,
    Script,
    again,
    answer,
    cut_tls,
    event,
    hang,
    head,
    reset,
    unread,
    wait,
)
from modules.gateway.fire.bed import CHAT, STREAM, Bed, refused
from modules.gateway.fire.lines import (
    Line,
    answered_by_a_second,
    assert_answered,
    assert_failed,
    cut,
    fails,
    good_script,
)

BOTH = pytest.mark.parametrize("body", [CHAT, STREAM], ids=["json", "stream"])
UNREACHABLE = Line([], 502, "upstream_unreachable")


@BOTH
async def test_a_trusted_upstream_answers(bed: Bed, certificates: Certificates, body: dict) -> None:
    async with HostileUpstream(good_script(body), tls=certificates.server()) as upstream:
        await bed.channel(upstream.url)
        assert_answered(await bed.ask(body), body)
        await asyncio.sleep(0.1)  # a stream's last chunk comes after what the client waits for
        assert_answered(await bed.ask(body), body)
        assert upstream.connections == 1
        await bed.rows()


BAD = {
    "self_signed": {"self_signed": True},
    "of_another_host": {"host": "elsewhere.test"},
    "expired": {"expired": True},
}


@pytest.mark.parametrize("name", BAD)
async def test_a_certificate_that_cannot_be_trusted_is_refused(
    bed: Bed, certificates: Certificates, name: str
) -> None:
    tls = certificates.server(**BAD[name])
    async with HostileUpstream(good_script(CHAT), tls=tls) as upstream:
        await bed.channel(upstream.url)
        got = await bed.ask()
        error = refused(got, 502, "upstream_unreachable")
        assert "TLS" in error["message"]
        assert_failed(await bed.row(), UNREACHABLE, got)
        await answered_by_a_second(bed)
        assert upstream.requests == [], "nothing was sent"
    assert any("certificate" in line for line in bed.gateway.log[bed.log_start :])


NOT_TLS: dict[str, Script] = {
    "plain_http": [unread, answer(b"", status=b"HTTP/1.1 400 Bad Request")],
    "garbage": [unread, b"\x00" * 100],
    "a_close": [unread],
    "a_reset": [unread, wait(0.03), reset],
}


@pytest.mark.parametrize("name", NOT_TLS)
async def test_what_is_no_tls_where_tls_was_asked_is_refused(bed: Bed, name: str) -> None:
    async with HostileUpstream(NOT_TLS[name]) as upstream:
        await bed.channel(f"https://localhost:{upstream.port}/v1")
        got = await bed.ask()
        refused(got, 502, "upstream_unreachable")
        assert_failed(await bed.row(), UNREACHABLE, got)
        await answered_by_a_second(bed)


async def test_tls_where_plain_http_was_asked_is_no_answer(
    bed: Bed, certificates: Certificates
) -> None:
    async with HostileUpstream(good_script(CHAT), tls=certificates.server()) as upstream:
        await bed.channel(f"http://127.0.0.1:{upstream.port}/v1")
        got = await bed.ask()
        assert got.json()["error"]["code"] in {"upstream_protocol", "upstream_reset"}
        assert got.status_code == 502
        row = await bed.row()
        assert (row["outcome"], row["cost"]) == ("upstream_error", 0)
        await answered_by_a_second(bed)


async def test_a_handshake_that_never_ends_is_given_up(bed: Bed) -> None:
    async with HostileUpstream([unread, hang]) as upstream:
        await bed.channel(f"https://localhost:{upstream.port}/v1", connect_timeout=0.3)
        got = await bed.ask()
        refused(got, 504, "upstream_timeout")
        assert_failed(await bed.row(), Line([], 504, "upstream_timeout"), got)
        await answered_by_a_second(bed)


HALF = head(b"Content-Length: %d" % len(GOOD)) + GOOD[:50]

TLS_BREAKS = {
    "cut_before_the_head": Line([cut_tls], 502, "upstream_reset"),
    "cut_in_the_body": Line([HALF, cut_tls], 502, "upstream_reset"),
    "closed_in_the_body": Line([HALF], 502, "upstream_reset"),
    "reset_in_the_body": Line([HALF, wait(0.03), reset], 502, "upstream_reset"),
    "cut_where_the_close_is_the_end": Line([head() + GOOD, cut_tls], 502, "upstream_reset"),
}


@pytest.mark.parametrize("name", TLS_BREAKS)
async def test_tls_that_ends_in_an_answer_is_no_answer(
    bed: Bed, certificates: Certificates, name: str
) -> None:
    await fails(bed, TLS_BREAKS[name], tls=certificates.server())


async def test_a_close_that_tls_vouches_for_ends_an_answer(
    bed: Bed, certificates: Certificates
) -> None:
    async with HostileUpstream([head() + GOOD], tls=certificates.server()) as upstream:
        await bed.channel(upstream.url)
        assert_answered(await bed.ask())
        await bed.row()


@pytest.mark.parametrize("ending", [cut_tls, reset], ids=["cut", "reset"])
async def test_tls_that_ends_in_a_stream_is_told(
    bed: Bed, certificates: Certificates, ending: object
) -> None:
    script = [ENDLESS_HEAD + event("fine ") + event("words"), wait(0.03), ending]
    await cut(bed, script, "upstream_reset", "fine words", tls=certificates.server())


# Names.


@BOTH
async def test_a_name_that_does_not_exist_is_unreachable(bed: Bed, body: dict) -> None:
    await bed.channel("http://nowhere.invalid/v1")
    got = await bed.ask(body)
    error = refused(got, 502, "upstream_unreachable")
    assert "nowhere" not in error["message"]
    assert_failed(await bed.row(), UNREACHABLE, got)
    await answered_by_a_second(bed, body)


async def test_a_name_server_that_hangs_is_given_up(bed: Bed, hanging_names: None) -> None:
    await bed.channel(f"http://one.{HANGING}/v1", connect_timeout=0.3)
    began = time.monotonic()
    got = await bed.ask()
    assert time.monotonic() - began < SECONDS
    refused(got, 504, "upstream_timeout")
    assert_failed(await bed.row(), Line([], 504, "upstream_timeout"), got)
    await answered_by_a_second(bed)


async def test_names_that_hang_do_not_hold_up_another_name(bed: Bed, hanging_names: None) -> None:
    """A look-up can't be stopped and keeps a thread busy; there are other threads."""
    await bed.channel(f"http://three.{HANGING}/v1", connect_timeout=0.2, models=["hangs"])
    other = await bed.token(concurrency=None, quota=None)
    async with HostileUpstream([answer(GOOD), again]) as upstream:
        await bed.channel(f"http://localhost:{upstream.port}/v1", connect_timeout=1)
        headers = {"authorization": f"Bearer {other}"}
        stuck = [bed.ask({**CHAT, "model": "hangs"}, headers=headers) for _ in range(8)]
        for got in await asyncio.gather(*stuck):
            refused(got, 504, "upstream_timeout")
        assert_answered(await bed.ask())
        await bed.rows()
