"""What the relay refuses, and how."""

import asyncio
import time
from ipaddress import ip_network

import httpx
import pytest

from doubles.openai_upstream import Behaviour
from doubles.relay_server import (
    GROUP,
    INTERNAL_KEY,
    KEY,
    RelayServer,
    channel,
    relay_server,
    snapshot,
    token,
)
from paifang.modules.gateway.relay import credential
from paifang.modules.gateway.relay.admission import most_output
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.snapshot import Group, Limits

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
PATH = "/chat/completions"


def error(answer: httpx.Response, status: int, code: str) -> str:
    """The message of an error, which must have OpenAI's shape and a request id."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 32
    found = answer.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert found["code"] == code
    return found["message"]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "Bearer",
        "Bearer sk-",
        "Bearer sk-1234567890",
        "Bearer pf_live_",
        f"Bearer {KEY}x",
        f"Bearer sk-sk-{KEY}",
        "Bearer pf_live_" + "x" * 5000,
        "Bearer pf_int_x.y",
        "Basic dXNlcjpwYXNz",
    ],
)
async def test_a_key_that_is_not_known_is_refused(relay: RelayServer, key):
    async with httpx.AsyncClient() as plain:
        answer = await plain.post(
            f"{relay.url}{PATH}", json=CHAT, headers={"authorization": key} if key else {}
        )
    error(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert relay.records == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"status": "disabled"}, "disabled"),
        ({"status": "revoked"}, "revoked"),
        ({"expires_at": time.time() - 1}, "expired"),
    ],
)
async def test_a_key_must_be_in_force(server, client, upstream, fields, word):
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, token(**fields))))
    assert word in error(await client.post(PATH, json=CHAT), 401, "invalid_api_key")


async def test_a_revoked_key_is_refused_by_the_very_next_call(relay, client, upstream):
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    made = {"chat": (channel(upstream.url),)}
    relay.relay.use(snapshot(made, (KEY, token(status="revoked"))))
    error(await client.post(PATH, json=CHAT), 401, "invalid_api_key")
    error(await client.get("/models"), 401, "invalid_api_key")
    assert len(upstream.requests) == 1


async def test_a_disabled_group_is_refused(server, client, upstream):
    group = Group("g1", enabled=False)
    server.relay.use(
        snapshot({"chat": (channel(upstream.url),)}, (KEY, token(group=group)), groups=(group,))
    )
    error(await client.post(PATH, json=CHAT), 403, "group_disabled")
    bearer = credential.make(INTERNAL_KEY, "g1", "p", "chat", time.time())
    headers = {"authorization": f"Bearer {bearer}"}
    error(await client.post(PATH, json=CHAT, headers=headers), 403, "group_disabled")


async def test_a_groups_models_bind_its_people_without_a_token(server, client, upstream):
    group = Group("g1", models=frozenset({"cheap"}))
    made = {name: (channel(upstream.url),) for name in ("cheap", "dear")}
    server.relay.use(snapshot(made, groups=(group,)))
    bearer = credential.make(INTERNAL_KEY, "g1", "p", "chat", time.time())
    headers = {"authorization": f"Bearer {bearer}"}
    dear, cheap = ({"model": name, "messages": []} for name in ("dear", "cheap"))
    error(await client.post(PATH, json=dear, headers=headers), 404, "model_not_found")
    assert (await client.post(PATH, json=cheap, headers=headers)).status_code == 200
    listed = (await client.get("/models", headers=headers)).json()["data"]
    assert [model["id"] for model in listed] == ["cheap"]


async def test_internal_credentials_expire_and_need_a_group(relay, client):
    for group, when in (("g1", time.time() - 90), ("gone", time.time())):
        bearer = credential.make(INTERNAL_KEY, group, "p", "chat", when)
        headers = {"authorization": f"Bearer {bearer}"}
        error(await client.post(PATH, json=CHAT, headers=headers), 401, "invalid_api_key")


async def test_a_model_cannot_be_called_under_the_name_of_another(server, client, upstream):
    made = {name: (channel(upstream.url),) for name in ("cheap", "dear")}
    server.relay.use(snapshot(made, (KEY, token(models=frozenset({"cheap"})))))
    twice = b'{"model":"dear","messages":[],"model":"cheap"}'
    assert (await client.post(PATH, content=twice)).status_code == 200
    assert upstream.requests[0].body.count(b'"model"') == 1
    assert upstream.requests[0].data["model"] == "cheap"
    other = b'{"model":"cheap","messages":[],"Model":"dear"}'
    assert "'model'" in error(await client.post(PATH, content=other), 400, "invalid_value")
    assert len(upstream.requests) == 1


async def test_a_key_may_be_bound_to_networks(server, client, upstream):
    made = {"chat": (channel(upstream.url),)}
    wrong = token(networks=(ip_network("10.0.0.0/8"), ip_network("::/0")))
    server.relay.use(snapshot(made, (KEY, wrong)))
    assert "127.0.0.1" in error(await client.post(PATH, json=CHAT), 403, "address_not_allowed")
    record = await server.record()
    assert (record.outcome, record.status, record.error) == (
        "refused",
        403,
        "address_not_allowed",
    )
    assert record.cost == 0
    error(await client.get("/models"), 403, "address_not_allowed")
    server.relay.use(snapshot(made, (KEY, token(networks=(ip_network("127.0.0.0/8"),)))))
    assert (await client.post(PATH, json=CHAT)).status_code == 200


@pytest.mark.parametrize("model", ["absent", "hidden", "empty"])
async def test_a_model_that_may_not_be_called_looks_like_one_that_is_not_there(
    server, client, upstream, model
):
    made = (channel(upstream.url),)
    channels = {"chat": made, "hidden": made, "empty": ()}
    server.relay.use(snapshot(channels, (KEY, token(models=frozenset({"chat", "empty"})))))
    message = error(await client.post(PATH, json={**CHAT, "model": model}), 404, "model_not_found")
    assert message.startswith(f"The model '{model}' does not exist, or this key may not call it.")
    assert (await server.record()).model == model


async def test_a_model_without_a_price_may_be_blocked(server, client, upstream):
    group = Group("g1", unpriced="block")
    made = {"chat": (channel(upstream.url),)}
    server.relay.use(snapshot(made, (KEY, token(group=group)), prices={}, groups=(group,)))
    assert "no price" in error(await client.post(PATH, json=CHAT), 403, "model_not_priced")
    assert upstream.requests == []
    record = await server.record()
    assert (record.outcome, record.model, record.attempts) == ("refused", "chat", 0)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b"\xff\xfe", "invalid_json", None),
        (b"[]", "invalid_json", None),
        (b'{"messages": []}', "invalid_value", "model"),
        (b'{"model": ""}', "invalid_value", "model"),
        (b'{"model": 5}', "invalid_value", "model"),
        (b'{"model": "' + b"x" * 300 + b'"}', "invalid_value", "model"),
        (b'{"model": "chat", "stream": "yes"}', "invalid_value", "stream"),
        (b'{"model": "chat", "stream": 1}', "invalid_value", "stream"),
        (
            b'{"model": "chat", "stream": true, "stream_options": []}',
            "invalid_value",
            "stream_options",
        ),
        (
            b'{"model": "chat", "stream": true, "x": ' + b"[" * 300 + b"]" * 300 + b"}",
            "invalid_json",
            None,
        ),
        (b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid_json", None),
    ],
)
async def test_a_bad_body_is_refused_by_name(relay, client, upstream, *, body, code, param):
    answer = await client.post(PATH, content=body)
    error(answer, 400, code)
    assert answer.json()["error"]["param"] == param
    assert upstream.requests == []
    assert (await relay.record()).outcome == "refused"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(tmp_path, upstream, chunked):
    async def pieces():
        for _ in range(50):
            yield b"x" * 100_000

    settings = RelaySettings(max_body_bytes=20_000)
    headers = {"authorization": f"Bearer {KEY}"}
    async with relay_server(tmp_path / "j", settings=settings) as server:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        async with httpx.AsyncClient(headers=headers) as plain:
            body = pieces() if chunked else b"x" * 5_000_000
            answer = await plain.post(f"{server.url}{PATH}", content=body)
        error(answer, 413, "request_too_large")
        assert (await server.record()).status == 413


async def test_a_body_that_does_not_come_is_given_up(tmp_path, upstream):
    settings = RelaySettings(body_timeout=0.2)
    async with relay_server(tmp_path / "j", settings=settings) as server:
        server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
        port = int(server.url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST /v1{PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {KEY}\r\n"
            "content-length: 100\r\n\r\n{".encode()
        )
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert (await server.record()).error == "request_timeout"


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/nothing", 404, "unknown_url", None),
        ("POST", "/chat", 404, "unknown_url", None),
        ("GET", "/chat/completions", 405, "method_not_allowed", "POST"),
        ("DELETE", "/models/chat", 405, "method_not_allowed", "GET"),
        ("OPTIONS", "/chat/completions", 405, "method_not_allowed", "POST"),
    ],
)
async def test_mistaken_paths_and_methods(relay, client, *, method, path, status, code, allow):
    answer = await client.request(method, path)
    error(answer, status, code)
    assert answer.headers.get("allow") == allow


async def test_requests_per_minute_are_limited(server, client, upstream):
    limited = token(limits=Limits(rpm=2))
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    first = await client.post(PATH, json=CHAT)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["ratelimit-policy"] == '"key-rpm";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"key-rpm";r=1;t=')
    assert (await client.post(PATH, json={**CHAT, "stream": True})).status_code == 200
    answer = await client.post(PATH, json=CHAT)
    message = error(answer, 429, "rate_limit_exceeded")
    seconds = answer.headers["retry-after"]
    assert 25 <= int(seconds) <= 30
    assert message == (
        f"This API key has reached its limit of 2 requests per minute. Try again in {seconds} s."
    )
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await server.record(3)).outcome == "refused"
    assert len(upstream.requests) == 2


async def test_a_groups_limit_binds_all_its_callers(server, client, upstream):
    group = Group("g1", limits=Limits(rpm=1))
    server.relay.use(
        snapshot({"chat": (channel(upstream.url),)}, (KEY, token(group=group)), groups=(group,))
    )
    bearer = credential.make(INTERNAL_KEY, "g1", "p", "chat", time.time())
    headers = {"authorization": f"Bearer {bearer}"}
    assert (await client.post(PATH, json=CHAT, headers=headers)).status_code == 200
    assert "'g1'" in error(await client.post(PATH, json=CHAT), 429, "rate_limit_exceeded")


async def test_model_tokens_per_minute_are_settled_by_what_was_used(server, client, upstream):
    upstream.behaviours["chat"] = Behaviour(pieces=200)
    limited = token(limits=Limits(tpm=100))
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    answer = await client.post(PATH, json=CHAT)
    assert answer.headers["x-ratelimit-limit-tokens"] == "100"
    answer = await client.post(PATH, json=CHAT)
    error(answer, 429, "rate_limit_exceeded")
    # 203 were used: 103 of debt and 8 for the estimate are earned back at 100 a minute
    assert 60 < int(answer.headers["retry-after"]) <= 67


async def test_a_failed_call_gives_its_tokens_back(server, client, upstream):
    upstream.behaviours["chat"] = Behaviour(status=500)
    limited = token(limits=Limits(tpm=10))
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    for _ in range(3):
        assert (await client.post(PATH, json=CHAT)).status_code == 500


async def test_a_request_over_the_whole_limit_is_told_that_waiting_is_in_vain(
    server, client, upstream
):
    limited = token(limits=Limits(tpm=5))
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    answer = await client.post(PATH, json=CHAT)
    assert "send less at once" in error(answer, 429, "rate_limit_exceeded")
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers


async def test_calls_in_progress_are_limited_and_each_end_makes_room(server, client, upstream):
    upstream.behaviours["chat"] = Behaviour(delay=0.3)
    limited = token(limits=Limits(concurrency=1))
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    first = asyncio.create_task(client.post(PATH, json=CHAT))
    await upstream.wait_for(1)
    answer = await client.post(PATH, json=CHAT)
    assert "1 calls in progress" in error(answer, 429, "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "1"
    assert (await first).status_code == 200
    upstream.behaviours["chat"] = Behaviour()
    for stream in (True, False) * 5:  # the room is there as soon as the client has its answer
        assert (await client.post(PATH, json={**CHAT, "stream": stream})).status_code == 200
    upstream.behaviours["chat"] = Behaviour(status=500)
    await client.post(PATH, json=CHAT)
    upstream.behaviours["chat"] = Behaviour()
    assert (await client.post(PATH, json=CHAT)).status_code == 200


async def test_a_quota_that_is_used_up_is_refused(server, client, upstream):
    made = {"chat": (channel(upstream.url),)}
    server.relay.use(snapshot(made, (KEY, token(quota=15_000, used=1_000))))
    assert (await client.post(PATH, json=CHAT)).status_code == 200  # 9,005
    assert (await client.post(PATH, json=CHAT)).status_code == 200  # the last one may overdraw
    answer = await client.post(PATH, json=CHAT)
    message = error(answer, 429, "insufficient_quota")
    assert "0.000015" in message
    assert "0.00001901" in message
    assert answer.headers["x-should-retry"] == "false"
    # A snapshot from before these calls were stored changes nothing; a higher quota does.
    server.relay.use(snapshot(made, (KEY, token(quota=15_000, used=1_000))))
    error(await client.post(PATH, json=CHAT), 429, "insufficient_quota")
    server.relay.use(snapshot(made, (KEY, token(quota=30_000, used=1_000))))
    assert (await client.post(PATH, json=CHAT)).status_code == 200
    # Another process has spent more than this one knows.
    server.relay.use(snapshot(made, (KEY, token(quota=30_000, used=31_000))))
    error(await client.post(PATH, json=CHAT), 429, "insufficient_quota")


async def test_many_calls_at_once_cannot_all_pass_on_the_same_last_cent(server, client, upstream):
    upstream.behaviours["chat"] = Behaviour(delay=0.2)
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, token(quota=20_000))))
    body = {**CHAT, "max_tokens": 3}  # about 8 and 3 tokens: 14,005 are held for each
    answers = await asyncio.gather(*(client.post(PATH, json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, *[429] * 8]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "2"  # what is held may come free
    await server.record(10)
    assert server.relay.admission.ledger._held == {}


async def test_a_quota_holds_for_calls_that_do_not_say_how_much_they_write(
    server, client, upstream
):
    upstream.behaviours["chat"] = Behaviour(delay=0.3, pieces=400)
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, token(quota=20_000))))
    answers = await asyncio.gather(*(client.post(PATH, json=CHAT) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200, *[429] * 49]
    await server.record(50)
    ledger = server.relay.admission.ledger
    assert ledger._held == {}
    assert ledger.spent("t1") == max(record.cost for record in server.records)


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ({}, 4096),
        ({"n": 3}, 3 * 4096),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 500, "max_completion_tokens": 1}, 500),
        ({"max_tokens": 1, "max_completion_tokens": 500, "n": 2}, 1000),
        ({"max_tokens": -5}, 4096),
        ({"max_tokens": "many", "n": "many"}, 4096),
        ({"max_tokens": 2, "n": True}, 2),
        ({"max_tokens": 2, "best_of": 4, "n": 1}, 8),
        ({"prompt": ["a", "b"], "max_tokens": 2}, 4),
        ({"prompt": [1, 2, 3], "max_tokens": 2}, 2),
        ({"max_tokens": 10**12}, 10_000_000),
    ],
)
async def test_calls_hold_the_most_they_may_write(fields, output):
    assert most_output(Request(b"", {"model": "chat", **fields}, "chat", False, False)) == output


async def test_tokens_that_are_gone_are_forgotten(relay, client, upstream):
    await client.post(PATH, json=CHAT)
    ledger = relay.relay.admission.ledger
    assert ledger.spent("t1") == 9005
    made = {"chat": (channel(upstream.url),)}
    relay.relay.use(snapshot(made, ("pf_live_other", token(id="t2"))))
    assert ledger.spent("t1") == 0
    relay.relay.use(snapshot(made, (KEY, token(used=7))))
    assert ledger.spent("t1") == 7


async def test_nothing_is_known_before_the_first_snapshot(server, client):
    error(await client.post(PATH, json=CHAT), 401, "invalid_api_key")
    assert server.relay.snapshot.version == 0
    assert GROUP.enabled
