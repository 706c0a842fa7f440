"""``/api/tokens`` and ``/api/token``, on every database."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from paifang.core.db import Database, read_version, utc_now
from paifang.modules.gateway.compat.values import NEVER, millis
from paifang.modules.gateway.tokens import keys
from paifang.modules.gateway.tokens.models import Token

LATER = 4_102_444_800_000


async def make(proxy: Any, name: str = "one", group: str = "team", **body: Any) -> dict[str, Any]:
    path = f"/api/token/{group}"
    made: dict[str, Any] = await proxy.ask(
        "POST", path, {"name": name, **body}, auto_create_group="true"
    )
    return made


async def set_columns(db: Database, number: int, **values: Any) -> None:
    async with db.transaction() as session:
        await session.execute(update(Token).where(Token.number == number).values(**values))


async def test_a_key_is_shown_in_full_by_the_call_that_makes_it_and_hidden_afterwards(
    proxy: Any, db: Database
) -> None:
    answer = await proxy.client.post(
        "/api/token/team", json={"name": "token 1"}, params={"auto_create_group": "true"}
    )
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()["data"]
    key = made.pop("key")
    assert keys.looks_like_key(key)
    assert abs(made.pop("created_at") - utc_now().timestamp() * 1000) < 60_000
    number = made["id"]
    assert made == {
        "id": 1,
        "name": "token 1",
        "group": "team",
        "subnet": "",
        "models": None,
        "status": 1,
        "quota": 0.0,
        "used_amount": 0.0,
        "request_count": 0,
        "expired_at": NEVER,
        "accessed_at": NEVER,
    }
    hidden = f"{key[:12]}{'*' * 31}{key[-4:]}"
    assert len(hidden) == len(key)
    shown = [
        await proxy.ask("GET", f"/api/tokens/{number}"),
        await proxy.ask("GET", f"/api/token/team/{number}"),
        await proxy.ask("PUT", f"/api/tokens/{number}", {"quota": 5}),
        (await proxy.ask("GET", "/api/tokens/"))["tokens"][0],
        (await proxy.ask("GET", "/api/token/team"))["tokens"][0],
        (await proxy.ask("GET", "/api/token/team/search", keyword="token"))["tokens"][0],
        (await proxy.ask("GET", "/api/tokens/search", key=key))["tokens"][0],
    ]
    assert [token["key"] for token in shown] == [hidden] * len(shown)
    async with db.reading() as session:
        assert await session.scalar(select(Token.digest)) == keys.digest(key)


async def test_a_token_needs_its_group_unless_it_is_to_be_made(proxy: Any) -> None:
    for query in ({}, {"auto_create_group": "false"}):
        said = await proxy.refused("POST", "/api/token/nobody", {"name": "a"}, **query)
        assert "no group nobody" in said
    assert (await proxy.ask("GET", "/api/token/nobody")) == {"tokens": [], "total": 0}
    await make(proxy, "a", "nobody")
    assert (await proxy.ask("GET", "/api/group/nobody"))["status"] == 1
    again = await proxy.refused("POST", "/api/token/nobody", {"name": "a"})
    assert "has a token named 'a'" in again
    said = await proxy.refused("POST", "/api/token/a b", {"name": "a"}, auto_create_group="true")
    assert said.startswith("group: use 1 to 64 letters")


@pytest.mark.parametrize("field", ["expiredAt", "expired_at"])
async def test_a_token_is_made_with_its_limits(proxy: Any, db: Database, field: str) -> None:
    made = await make(
        proxy,
        subnet="10.1.2.3/8, 192.168.0.1",
        models=["b", "a", "b"],
        quota=0.1,
        **{field: LATER},
    )
    assert made["subnet"] == "10.0.0.0/8,192.168.0.1/32"
    assert made["models"] == ["b", "a"]
    assert (made["expired_at"], made["quota"]) == (LATER, 0.1)
    async with db.reading() as session:
        token = (await session.scalars(select(Token))).one()
    assert token.quota == 100_000_000
    assert token.networks == ["10.0.0.0/8", "192.168.0.1/32"]
    assert token.expires_at is not None
    assert token.expires_at.isoformat() == "2100-01-01T00:00:00+00:00"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name: is missing"),
        ({"name": ""}, "name: is missing"),
        ({"name": None}, "name: is missing"),
        ({"name": " "}, "name: use 1 to 64"),
        ({"name": "x" * 65}, "name: use 1 to 64"),
        ({"name": "a", "subnet": "lan"}, "subnet.0: 'lan' is neither"),
        ({"name": "a", "subnet": "::1,10.0.0.0/33"}, "subnet.1: '10.0.0.0/33'"),
        ({"name": "a", "models": [""]}, "models.0"),
        ({"name": "a", "models": "gpt"}, "models: "),
        ({"name": "a", "expiredAt": 1}, "expired_at: must be in the future"),
        ({"name": "a", "expiredAt": "soon"}, "expiredAt: "),
        ({"name": "a", "expiredAt": 10**17}, "expired_at: must be unix milliseconds"),
        ({"name": "a", "expiredAt": 10**30}, "expiredAt: "),
        ({"name": "a", "quota": -1}, "quota: "),
        ({"name": "a", "quota": 1e30}, "quota: "),
    ],
)
async def test_a_value_that_can_not_be_right_is_refused_by_its_name(
    proxy: Any, body: dict[str, Any], said: str
) -> None:
    await proxy.ask("POST", "/api/group/", {"id": "team"})
    assert said in await proxy.refused("POST", "/api/token/team", body)
    assert (await proxy.ask("GET", "/api/tokens/"))["total"] == 0


async def test_an_update_changes_what_is_sent_and_zero_lifts_a_limit(
    proxy: Any, db: Database
) -> None:
    made = await make(proxy, subnet="::1", models=["a"], quota=5, expiredAt=LATER)
    path = f"/api/token/team/{made['id']}"
    renamed = await proxy.ask("PUT", path, {"name": "two"})
    assert renamed == {**made, "name": "two", "key": renamed["key"]}
    lifted = await proxy.ask("PUT", path, {"subnet": "", "models": [], "quota": 0, "expiredAt": 0})
    assert lifted == {
        **renamed, "subnet": "", "models": None, "quota": 0.0, "expired_at": NEVER
    }  # fmt: skip
    async with db.reading() as session:
        token = (await session.scalars(select(Token))).one()
    assert (token.networks, token.models, token.quota, token.expires_at) == ([], None, None, None)
    # Never, as it is shown, is never.
    assert (await proxy.ask("PUT", path, {"expired_at": NEVER}))["expired_at"] == NEVER
    assert "name" in await proxy.refused("PUT", path, {"name": ""})
    assert "no such token" in await proxy.refused("PUT", "/api/token/other/1", {"name": "x"})
    assert "no such token" in await proxy.refused("PUT", "/api/tokens/99", {"name": "x"})


async def test_a_row_that_is_sent_back_as_it_was_shown_is_no_change(
    proxy: Any, db: Database
) -> None:
    made = await make(proxy, subnet="10.0.0.0/8", models=["a"], quota=0.123456789)
    expired = utc_now() - timedelta(days=1)
    await set_columns(db, made["id"], expires_at=expired, used=7, requests=3, last_used_at=expired)
    path = f"/api/tokens/{made['id']}"
    shown = await proxy.ask("GET", path)
    assert (shown["status"], shown["expired_at"]) == (3, millis(expired))
    assert (shown["used_amount"], shown["request_count"]) == (7e-9, 3)
    assert shown["accessed_at"] == millis(expired)
    async with db.reading() as session:
        before = await read_version(session, "gateway")
        token = (await session.scalars(select(Token))).one()
    assert await proxy.ask("PUT", path, shown) == shown
    assert await proxy.ask("PUT", path, {**shown, "name": "two"}) == {**shown, "name": "two"}
    async with db.reading() as session:
        after = (await session.scalars(select(Token))).one()
        assert await read_version(session, "gateway") == before + 1
    assert after.name == "two"
    assert (after.expires_at, after.quota) == (token.expires_at, token.quota)


async def test_a_quota_of_nothing_is_not_shown_as_no_limit(proxy: Any, db: Database) -> None:
    made = await make(proxy, quota=1e-12)
    assert made["quota"] == 1e-9
    await set_columns(db, made["id"], quota=0)
    shown = await proxy.ask("GET", f"/api/tokens/{made['id']}")
    assert (shown["quota"], shown["status"]) == (1e-9, 4)
    await proxy.ask("PUT", f"/api/tokens/{made['id']}", shown)
    async with db.reading() as session:
        assert await session.scalar(select(Token.quota)) == 0


async def test_the_status_says_why_a_token_is_refused(proxy: Any, db: Database) -> None:
    past = utc_now() - timedelta(days=1)
    columns: dict[str, tuple[int, dict[str, Any]]] = {
        "enabled": (1, {"quota": 10, "used": 9}),
        "disabled": (2, {"status": "disabled", "expires_at": past}),
        "revoked": (2, {"status": "revoked"}),
        "expired": (3, {"expires_at": past, "quota": 0}),
        "exhausted": (4, {"quota": 10, "used": 10}),
    }
    for name, (_number, values) in columns.items():
        await set_columns(db, (await make(proxy, name))["id"], **values)
    tokens = (await proxy.ask("GET", "/api/tokens/"))["tokens"]
    assert {token["name"]: token["status"] for token in tokens} == {
        name: number for name, (number, _values) in columns.items()
    }
    for number in (1, 2, 3, 4):
        for path in ("/api/tokens/", "/api/tokens/search", "/api/token/team"):
            found = (await proxy.ask("GET", path, status=number, order="id"))["tokens"]
            assert [t["name"] for t in found] == [n for n, (s, _) in columns.items() if s == number]
    assert "status" in await proxy.refused("GET", "/api/tokens/", status=5)
    assert (await proxy.ask("GET", "/api/tokens/", status=0))["total"] == 5

    ids = {token["name"]: token["id"] for token in tokens}

    async def enable(name: str) -> str:
        path = f"/api/token/team/{ids[name]}/status"
        said: str = await proxy.refused("POST", path, {"status": 1})
        return said

    assert "expired" in await enable("expired")
    assert "quota is used up" in await enable("exhausted")
    assert "revoked, for ever" in await enable("revoked")
    await proxy.ask("POST", f"/api/tokens/{ids['enabled']}/status", {"status": 2})
    await proxy.ask("POST", f"/api/tokens/{ids['enabled']}/status", {"status": 1})
    for status in (0, 3, 4):
        path = f"/api/tokens/{ids['enabled']}/status"
        assert "status: use 1" in await proxy.refused("POST", path, {"status": status})


async def test_a_token_is_renamed_and_deleted_in_its_group_alone(proxy: Any) -> None:
    mine, other = await make(proxy), await make(proxy, "one", "other")
    await proxy.ask("POST", f"/api/tokens/{mine['id']}/name", {"name": "two"})
    await proxy.ask("POST", f"/api/token/team/{mine['id']}/name", {"name": "three"})
    assert (await proxy.ask("GET", f"/api/tokens/{mine['id']}"))["name"] == "three"
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/name", {"name": "x"}),
        ("POST", "/status", {"status": 2}),
    ):
        said = await proxy.refused(method, f"/api/token/team/{other['id']}{path}", body)
        assert "no such token" in said
    await proxy.ask("DELETE", f"/api/token/team/{mine['id']}")
    await proxy.ask("DELETE", f"/api/tokens/{other['id']}")
    assert "no such token" in await proxy.refused("DELETE", f"/api/tokens/{other['id']}")
    assert await proxy.ask("GET", "/api/tokens/") == {"tokens": [], "total": 0}


async def test_tokens_are_paged_ordered_and_searched(
    proxy: Any, db: Database, query_count: Any
) -> None:
    made = [await make(proxy, f"t-{n}", "team" if n % 2 else "other") for n in range(12)]
    await set_columns(db, made[5]["id"], used=9)

    async def names(path: str = "/api/tokens/", **query: Any) -> list[str]:
        return [token["name"] for token in (await proxy.ask("GET", path, **query))["tokens"]]

    with query_count(db) as queries:
        found = await proxy.ask("GET", "/api/tokens")
    assert len(queries) == 2
    assert (len(found["tokens"]), found["total"]) == (10, 12)
    assert await names(p=2) == ["t-1", "t-0"]
    assert await names(order="id", per_page=3) == ["t-0", "t-1", "t-2"]
    assert await names(order="used_amount-desc", per_page=1) == ["t-5"]
    assert await names(group="team") == await names("/api/token/team")
    assert await names("/api/token/team", order="name", per_page=2) == ["t-1", "t-11"]
    assert "order" in await proxy.refused("GET", "/api/token/team", order="key")
    # Never comes first, as its number is the smallest.
    await set_columns(db, made[4]["id"], last_used_at=utc_now(), expires_at=utc_now())
    for order in ("accessed_at", "expired_at"):
        assert await names(order=f"{order}-desc", per_page=2) == ["t-4", "t-0"]
        assert (await names(order=order, per_page=20))[-1] == "t-4"
    key, hidden = made[3]["key"], f"{made[3]['key'][:12]}{'*' * 31}{made[3]['key'][-4:]}"
    for search in ("/api/tokens/search", "/api/token/team/search"):
        for shown in (key, f"sk-{key}", hidden, f"sk-{hidden}", key[:12], key[-4:]):
            assert await names(search, key=shown) == ["t-3"]
            assert await names(search, keyword=shown) == ["t-3"]
        assert await names(search, name="t-3") == ["t-3"]
        assert await names(search, name="t-") == []
        assert await names(search, keyword="%") == []
    found_by = {
        "/api/tokens/search": ["t-1", "t-10", "t-11"],
        "/api/token/team/search": ["t-1", "t-11"],
    }
    for search, expected in found_by.items():
        assert await names(search, keyword="T-1", order="id") == expected
    assert await names("/api/tokens/search", keyword="othe", per_page=2) == ["t-10", "t-8"]
    assert await names("/api/tokens/search", group="other", keyword="t-2") == ["t-2"]
    assert await names("/api/token/other/search", keyword="t-3") == []


async def test_the_key_in_a_name_is_not_a_way_around_its_group(proxy: Any) -> None:
    made = await make(proxy, "mine")
    await make(proxy, "theirs", "other")
    found = await proxy.ask("GET", "/api/token/other/search", key=made["key"])
    assert found == {"tokens": [], "total": 0}


async def test_a_token_of_this_api_is_one_of_ours(proxy: Any, api: httpx.AsyncClient) -> None:
    made = await make(proxy, quota=1.5)
    (ours,) = (await api.get("/tokens")).json()["items"]
    assert (ours["number"], ours["quota"], ours["group_id"]) == (made["id"], "1.5", "team")
    await api.post(f"/tokens/{ours['id']}/revoke")
    assert (await proxy.ask("GET", f"/api/tokens/{made['id']}"))["status"] == 2
