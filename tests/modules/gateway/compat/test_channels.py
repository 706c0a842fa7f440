"""``/api/channels`` and ``/api/channel``, on every database."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from doubles.openai_upstream import OpenAIDouble
from paifang.core.audit import AuditEntry
from paifang.core.db import Database, utc_now
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import service
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.channels import types
from paifang.modules.gateway.compat.values import NEVER

KEY = "sk-made-up-credential-9876"
HIDDEN = "********9876"


async def make(proxy: Any, **body: Any) -> dict[str, Any]:
    values = {"type": 1, "name": "one", "base_url": "http://127.0.0.1:9", "key": KEY, **body}
    (made,) = await proxy.ask("POST", "/api/channel/", values)
    shown: dict[str, Any] = made
    return shown


async def credential(runtime: Runtime) -> str:
    async with runtime.db.reading() as session:
        channel = (await session.scalars(select(Channel))).one()
    return service.open_credential(channel, secrets=runtime.secrets)


async def test_a_channel_is_made_shown_and_deleted(proxy: Any, runtime: Runtime) -> None:
    made = await make(
        proxy, models=["m", "n"], model_mapping={"n": "vendor/n"}, priority=7, status=2
    )
    shown = await proxy.ask("GET", f"/api/channel/{made['id']}")
    assert made == shown
    assert abs(shown.pop("created_at") - utc_now().timestamp() * 1000) < 60_000
    assert shown == {
        "id": 1,
        "name": "one",
        "key": HIDDEN,
        "base_url": "http://127.0.0.1:9/v1",
        "type": 1,
        "models": ["m", "n"],
        "model_mapping": {"n": "vendor/n"},
        "config": {},
        "other": "",
        "priority": 7,
        "status": 2,
        "balance": 0.0,
        "used_amount": 0.0,
        "request_count": 0,
        "response_duration": 0,
        "test_at": NEVER,
        "balance_updated_at": NEVER,
    }
    assert await credential(runtime) == KEY
    await proxy.ask("POST", f"/api/channel/{made['id']}/status", {"status": 1})
    assert (await proxy.ask("GET", "/api/channel/1"))["status"] == 1
    assert "status" in await proxy.refused("POST", "/api/channel/1/status", {"status": 3})
    assert await proxy.ask("DELETE", "/api/channel/1") is None
    for method, path, body in (
        ("GET", "/api/channel/1", None),
        ("DELETE", "/api/channel/1", None),
        ("GET", "/api/channel/test/1", None),
        ("PUT", "/api/channel/", {"id": 1}),
        ("POST", "/api/channel/1/status", {"status": 1}),
    ):
        assert "no channel 1" in await proxy.refused(method, path, body)


async def test_the_credential_is_in_no_answer_and_no_audit_entry(
    proxy: Any, runtime: Runtime
) -> None:
    made = await make(proxy)
    await proxy.ask("PUT", "/api/channel/", {"id": made["id"], "key": "sk-another-long-one-1234"})
    for path in ("/api/channels/", "/api/channels/all", "/api/channels/search", "/api/channel/1"):
        text = (await proxy.client.get(path)).text
        assert "********1234" in text
        assert "another" not in text
    async with runtime.db.reading() as session:
        changes = list(await session.scalars(select(AuditEntry.changes)))
    assert "another" not in str(changes)
    bad = await proxy.client.put("/api/channel/", json={"id": 1, "key": "sk secret\nwith space"})
    assert bad.json()["message"].startswith("key: ")
    assert "secret" not in bad.text
    # A short one would be half told by its end.
    await proxy.ask("PUT", "/api/channel/", {"id": 1, "key": "short-abcd"})
    assert (await proxy.ask("GET", "/api/channel/1"))["key"] == "********"


async def test_an_update_changes_what_is_sent_and_keeps_a_hidden_or_empty_key(
    proxy: Any, runtime: Runtime
) -> None:
    made = await make(proxy, models=["m"], priority=3)
    for key in (HIDDEN, "", None, "********", "********0000"):
        shown = await proxy.ask("PUT", "/api/channel/", {"id": 1, "key": key})
        assert shown == made
        assert await credential(runtime) == KEY
    # A front end sends the whole row back.
    assert await proxy.ask("PUT", "/api/channel", {**made, "priority": 0}) == {
        **made,
        "priority": 0,
    }
    changed = await proxy.ask(
        "PUT",
        "/api/channel/",
        {"id": 1, "name": "two", "models": ["x"], "model_mapping": {"x": "y"}, "status": 2},
    )
    assert changed == {
        **made, "name": "two", "models": ["x"], "model_mapping": {"x": "y"}, "status": 2,
        "priority": 0,
    }  # fmt: skip
    assert await credential(runtime) == KEY
    # Nulls are not values.
    kept = await proxy.ask("PUT", "/api/channel/", {"id": 1, "models": None, "name": None})
    assert kept == changed
    assert "id" in await proxy.refused("PUT", "/api/channel/", {"name": "x"})


async def test_types_are_told_from_the_provider(proxy: Any, db: Database) -> None:
    cases: list[tuple[int, str, str, str, int]] = [
        (1, "", "openai", "https://api.openai.com/v1", 1),
        (1, "https://api.openai.com", "openai", "https://api.openai.com/v1", 1),
        (1, "https://api.openai.com/v1/", "openai", "https://api.openai.com/v1", 1),
        (1, "http://vllm:8000/v4", "openai", "http://vllm:8000/v4", 1),
        (1, "http://a.test/v1beta/openai", "openai", "http://a.test/v1beta/openai", 1),
        (1, "https://openrouter.ai/api", "openai", "https://openrouter.ai/api/v1", 1),
        (20, "", "openrouter", "https://openrouter.ai/api/v1", 20),
        (28, "", "mistral", "https://api.mistral.ai/v1", 28),
        (36, "", "deepseek", "https://api.deepseek.com/v1", 36),
        (36, "http://mirror.test", "deepseek", "http://mirror.test/v1", 36),
        (8, "http://mine.test/api", "openai", "http://mine.test/api/v1", 1),
        (8, "local:smollm2-135m-instruct", "local", "local:smollm2-135m-instruct", 8),
        (30, "", "ollama", "http://127.0.0.1:11434/v1", 30),
        (30, "http://box:11434", "ollama", "http://box:11434/v1", 30),
    ]
    made = []
    for place, (number, base_url, *_rest) in enumerate(cases):
        made.append(await make(proxy, name=f"c{place}", type=number, base_url=base_url))
    async with db.reading() as session:
        rows = {row.name: row for row in await session.scalars(select(Channel))}
    for place, (_number, _given, provider, base_url, shown) in enumerate(cases):
        row = rows[f"c{place}"]
        assert (row.provider, row.base_url) == (provider, base_url)
        assert (made[place]["type"], made[place]["base_url"]) == (shown, base_url)
        # Sent back as it is shown, nothing changes.
        assert await proxy.ask("PUT", "/api/channel/", made[place]) == made[place]
    for number in {case[4] for case in cases}:
        found = await proxy.ask("GET", "/api/channels/", channel_type=number, per_page=100)
        assert {c["id"] for c in found["channels"]} == {
            c["id"] for c in made if c["type"] == number
        }
    assert (await proxy.ask("GET", "/api/channels/", channel_type=14))["total"] == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_another_type_brings_its_own_base_url(proxy: Any) -> None:
    made = await make(proxy, base_url="", key="")
    to_ollama = await proxy.ask("PUT", "/api/channel/", {"id": 1, "type": 30})
    assert (to_ollama["type"], to_ollama["base_url"]) == (30, "http://127.0.0.1:11434/v1")
    back = await proxy.ask("PUT", "/api/channel/", {"id": 1, "type": 1, "base_url": ""})
    assert back == made
    kept = await proxy.ask("PUT", "/api/channel/", {"id": 1, "base_url": ""})
    assert kept == made
    moved = await proxy.ask("PUT", "/api/channel/", {"id": 1, "base_url": "http://b.test"})
    assert moved["base_url"] == "http://b.test/v1"


async def test_a_stored_key_does_not_go_to_another_server(proxy: Any, runtime: Runtime) -> None:
    made = await make(proxy)
    for body in ({"base_url": "http://evil.test"}, {"type": 36}, {"type": 30, "key": HIDDEN}):
        said = await proxy.refused("PUT", "/api/channel/", {"id": 1, **body})
        assert said.startswith("key: send it in full, because the base URL names another server")
    assert await proxy.ask("GET", "/api/channel/1") == made
    same = {"id": 1, "base_url": "http://127.0.0.1:9/v2"}
    assert (await proxy.ask("PUT", "/api/channel/", same))["base_url"] == "http://127.0.0.1:9/v2"
    moved = {"id": 1, "base_url": "http://b.test", "key": "sk-another-long-one-1234"}
    assert (await proxy.ask("PUT", "/api/channel/", moved))["key"] == "********1234"
    assert await credential(runtime) == "sk-another-long-one-1234"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": None}, "type: is missing"),
        ({"type": 14}, "type: 14 is not supported; use one of: 1 OpenAI"),
        ({"type": 99}, "30 Ollama"),
        ({"name": " "}, "name: is missing"),
        ({"name": "x" * 65}, "name: "),
        ({"type": 8, "base_url": ""}, "base_url: give one"),
        ({"base_url": "local:m"}, "type: a local model is of type 8"),
        ({"base_url": "ftp://a.test"}, "base_url: "),
        ({"base_url": "http://a.test/v1/chat/completions"}, "base_url: "),
        ({"key": HIDDEN}, "key: this is what is shown"),
        ({"key": "a b"}, "key: "),
        ({"priority": 10_000}, "priority: "),
        ({"status": 3}, "status: use 1"),
        ({"models": ["m"], "model_mapping": {"x": "y"}}, "model_mapping: "),
        ({"config": {"region": "eu"}}, "config: region: not supported"),
        ({"other": "x"}, "other: is not supported"),
    ],
)
async def test_a_value_that_can_not_be_right_is_refused_by_its_name(
    proxy: Any, body: dict[str, Any], said: str
) -> None:
    values = {"type": 1, "name": "one", "base_url": "http://127.0.0.1:9", "key": KEY, **body}
    assert said in await proxy.refused("POST", "/api/channel/", values)
    assert await proxy.ask("GET", "/api/channels/") == {"channels": [], "total": 0}


async def test_each_key_makes_a_channel_and_all_are_made_or_none(
    proxy: Any, runtime: Runtime
) -> None:
    body = {"type": 1, "name": "c", "base_url": "http://a.test"}
    made = await proxy.ask(
        "POST", "/api/channel", {**body, "key": "sk-first-credential-1111\n\nsk-second-one-2222\n"}
    )
    assert [(c["name"], c["key"]) for c in made] == [
        ("c", "********1111"),
        ("c 2", "********2222"),
    ]
    no_key = {"type": 30, "name": "d", "config": {}, "other": "", "model_mapping": None}
    made = await proxy.ask("POST", "/api/channels/", [no_key, {**no_key, "name": "e"}])
    assert [(c["name"], c["key"]) for c in made] == [("d", ""), ("e", "")]
    said = await proxy.refused("POST", "/api/channels/", [{**no_key, "name": "f"}, no_key])
    assert "A channel named d exists" in said
    assert "at least one" in await proxy.refused("POST", "/api/channels", [])
    assert "the body" in await proxy.refused("POST", "/api/channels/", {"name": "x"})
    many = {**body, "name": "m", "key": "\n".join(f"sk-{n:020}" for n in range(101))}
    assert "at most 100" in await proxy.refused("POST", "/api/channel/", many)
    assert [c["name"] for c in await proxy.ask("GET", "/api/channels/all")] == [
        "e", "d", "c 2", "c"
    ]  # fmt: skip


async def test_channels_are_paged_ordered_and_searched(
    proxy: Any, db: Database, query_count: Any
) -> None:
    for number in range(12):
        await make(proxy, name=f"c{number}", priority=number % 3, base_url=f"http://h{number}.test")

    async def names(path: str = "/api/channels/", **query: Any) -> list[str]:
        return [c["name"] for c in (await proxy.ask("GET", path, **query))["channels"]]

    with query_count(db) as queries:
        found = await proxy.ask("GET", "/api/channels")
    assert len(queries) == 2
    assert (len(found["channels"]), found["total"]) == (10, 12)
    assert await names(p=2) == ["c1", "c0"]
    assert await names(order="priority-desc", per_page=2) == ["c2", "c5"]
    assert await names(order="name", per_page=3) == ["c0", "c1", "c10"]
    assert await names(id=4) == ["c3"]
    assert await names(name="c3") == ["c3"]
    assert await names(base_url="http://h3.test/v1") == ["c3"]
    search = "/api/channels/search"
    assert await names(search, keyword="C1", order="id") == ["c1", "c10", "c11"]
    assert await names(search, keyword="h7.") == ["c7"]
    assert await names(search, keyword="30", per_page=1) == []
    assert await names(search, keyword="7", order="id") == ["c6", "c7"]  # the id, and the URL
    assert await names(search, keyword="9" * 100) == []
    assert await names(search, keyword="c1", id=2) == ["c1"]
    assert "encrypted" in await proxy.refused("GET", "/api/channels/", key=KEY)
    assert "order" in await proxy.refused("GET", "/api/channels/", order="key")


async def test_a_test_asks_the_upstream_and_its_result_is_kept(proxy: Any, db: Database) -> None:
    async with OpenAIDouble(models=("m",)) as upstream:
        await make(proxy, base_url=upstream.url, models=["m"])
        answer = (await proxy.client.get("/api/channel/test/1")).json()
        assert (answer["success"], answer["message"], answer["model"]) == (True, "", "")
        assert answer["time"] == answer["data"]["time"]
        shown = await proxy.ask("GET", "/api/channel/1")
        assert shown["response_duration"] == round(answer["time"] * 1000)
        assert abs(shown["test_at"] - utc_now().timestamp() * 1000) < 60_000
        called = (await proxy.client.get("/api/channel/test/1", params={"model": "m"})).json()
        assert (called["success"], called["model"]) == (True, "m")
        assert upstream.requests[-1].path.endswith("/chat/completions")
        said = await proxy.refused("GET", "/api/channel/test/1", model="other")
        assert "does not serve other" in said
        await make(proxy, name="dead", base_url="http://127.0.0.1:9", status=2)
        answer = (await proxy.client.get("/api/channels/test")).json()
        assert (answer["success"], len(answer["data"])) == (False, 2)
        assert answer["message"].startswith("1 of 2 channels failed. dead: ")
        only = (await proxy.client.get("/api/channels/test?only_disabled=true")).json()
        assert [test["name"] for test in only["data"]] == ["dead"]
        await proxy.ask("DELETE", "/api/channel/2")
        assert [t["success"] for t in await proxy.ask("GET", "/api/channels/test")] == [True]
    failed = await proxy.client.get("/api/channel/test/1")
    assert failed.status_code == 200
    assert (failed.json()["success"], failed.json()["time"]) == (False, 0)
    assert "refuses connections" in failed.json()["message"]
    async with db.reading() as session:
        channel = (await session.scalars(select(Channel))).one()
    assert channel.status == "enabled"
    assert channel.test_error == failed.json()["message"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_what_can_not_be_tested_or_asked_is_said(proxy: Any) -> None:
    await make(proxy, type=8, base_url="local:m")
    assert "paifang up" in await proxy.refused("GET", "/api/channel/test/1")
    answer = (await proxy.client.get("/api/channels/test")).json()
    assert answer["success"] is False
    assert "paifang up" in answer["message"]
    for path in ("/api/channels/update_balance", "/api/channel/update_balance/1"):
        assert "can't be asked for" in await proxy.refused("GET", path)
    assert (await proxy.ask("GET", "/api/channel/1"))["balance_updated_at"] == NEVER


def test_every_base_url_of_a_type_leads_back_to_it() -> None:
    for kind in types.TYPES.values():
        if kind.base_url:
            provider, base_url = types.upstream(kind.number, "")
            channel = Channel(provider=provider, base_url=base_url)
            assert types.number_of(channel) == kind.number


async def test_a_channel_of_this_api_is_one_of_ours(proxy: Any, api: httpx.AsyncClient) -> None:
    made = await make(proxy, priority=2)
    (ours,) = (await api.get("/channels")).json()["items"]
    assert (ours["number"], ours["priority"], ours["credential_hint"]) == (made["id"], 2, "9876")
