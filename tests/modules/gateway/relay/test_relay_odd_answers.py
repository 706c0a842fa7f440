"""Answers of upstreams that must not pass as they are: too odd, or too frank."""

import json
import logging

import pytest

from doubles.hostile_upstream import (
    DONE,
    FINISH,
    GOOD,
    GOOD_STREAM,
    STREAM_HEAD,
    HostileUpstream,
    Script,
    again,
    answer,
    as_json,
    chunk,
    event,
)
from doubles.relay_server import channel, snapshot
from paifang.modules.gateway.relay.meter import PARSE_WHOLE

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**CHAT, "stream": True}
PATH = "/chat/completions"
KEY = "sk-upstream-secret"
"""The credential of the channels."""


def says(status: int, body: bytes) -> Script:
    return [answer(body, status=b"HTTP/1.1 %d Whatever" % status), again]


def error(message: str, **fields: object) -> bytes:
    return as_json({"error": {"message": message, "type": "t", "param": None, **fields}})


def changed(**fields: object) -> bytes:
    return as_json({**json.loads(GOOD), **fields})


DEEP = GOOD[:-1] + b', "choices": [{"x": ' + b"[" * 300 + b"]" * 300 + b"}]}"


@pytest.mark.parametrize("body", [DEEP, changed(choices=5), changed(choices=None)])
async def test_an_answer_that_makes_no_stream_is_asked_for_elsewhere(server, client, body):
    async with (
        HostileUpstream(says(200, body)) as first,
        HostileUpstream([*GOOD_STREAM, again]) as second,
    ):
        channels = channel(first.url, priority=1), channel(second.url, id="c2")
        server.relay.use(snapshot({"chat": channels}))
        got = await client.post(PATH, json=STREAM)
        assert got.content.endswith(DONE)
        record = await server.record()
        assert (record.outcome, record.attempts, record.channel_id) == ("completed", 2, "c2")
        server.relay.use(snapshot({"chat": channels[:1]}))
        got = await client.post(PATH, json=STREAM)
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_protocol")


async def test_a_large_answer_is_a_stream_where_one_was_asked_for(server, client):
    choice = json.loads(GOOD)["choices"][0]
    choice["message"]["content"] = "x" * PARSE_WHOLE
    async with HostileUpstream(says(200, changed(choices=[choice]))) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        got = await client.post(PATH, json=STREAM)
        assert got.headers["content-type"] == "text/event-stream"
        first = json.loads(got.text.split("\n\n")[0].removeprefix("data: "))
        assert first["choices"][0]["delta"]["content"] == "x" * PARSE_WHOLE
        record = await server.record()
        assert (record.input, record.output, record.estimated) == (3, 2, False)


async def test_a_large_error_that_says_200_is_an_error(server, client):
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    body = as_json({"error": {"code": 503}, "pad": "x" * PARSE_WHOLE, "usage": usage})
    async with HostileUpstream(says(200, body)) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        assert (await client.post(PATH, json=CHAT)).status_code == 503
        record = await server.record()
        assert (record.outcome, record.cost) == ("upstream_error", 0)


async def test_numbers_at_the_begin_of_a_stream_do_not_make_the_rest_free(server, client):
    usage = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
    script = [STREAM_HEAD, chunk(event("", usage=usage)), chunk(event("word" * 50)),
              chunk(FINISH + DONE), b"0\r\n\r\n"]  # fmt: skip
    async with HostileUpstream(script) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        await client.post(PATH, json=STREAM)
        record = await server.record()
        assert (record.outcome, record.error) == ("completed", "")
        assert (record.input, record.output, record.estimated) == (10, 50, True)


@pytest.mark.parametrize("status", [200, 408, 500, 503])
async def test_an_upstreams_words_are_in_no_log(server, client, caplog, status):
    caplog.set_level(logging.DEBUG)
    body = error("cannot handle 'one two three'", code="boom")
    async with HostileUpstream(says(status, body)) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        got = await client.post(PATH, json=CHAT)
        assert got.json() == json.loads(body)
    (line,) = [line for line in caplog.messages if line.startswith("channel double failed")]
    assert line.endswith(f"boom (status {502 if status == 200 else status})")
    assert "one two three" not in caplog.text


async def test_our_own_words_about_a_failure_are_logged(server, client, caplog):
    async with HostileUpstream(says(200, b"<html>")) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        await client.post(PATH, json=CHAT)
    assert "upstream_protocol (the answer is not JSON)" in caplog.text


WITH_OUR_KEY = f"the key {KEY} cannot do that"


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_our_credential_reaches_neither_client_nor_log(server, client, caplog, status):
    caplog.set_level(logging.DEBUG)
    body = error(WITH_OUR_KEY, code=f"no_{KEY}")
    async with HostileUpstream(says(status, body)) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        for asked in (CHAT, STREAM):
            got = await client.post(PATH, json=asked)
            assert got.status_code == (502 if status == 200 else status)
            found = got.json()["error"]
            assert found["code"] == "upstream_error"
            assert found["message"].startswith("The upstream of the model 'chat' answered")
            assert KEY not in got.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("before", [b"", event("fine")])
@pytest.mark.parametrize(("code", "told"), [("c", "c"), (401, "upstream_auth_failed")])
async def test_our_credential_in_an_error_event_is_not_told(server, client, before, code, told):
    broken = b"data: " + error(WITH_OUR_KEY, code=code) + b"\n\n"
    script = [STREAM_HEAD + chunk(before + broken) + b"0\r\n\r\n", again]
    async with HostileUpstream(script) as upstream:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        got = await client.post(PATH, json=STREAM)
        assert KEY not in got.text
        last = got.text.strip().split("\n\n")[-1].removeprefix("data: ")
        assert json.loads(last)["error"]["code"] == told
