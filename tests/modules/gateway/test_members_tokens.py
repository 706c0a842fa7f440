"""Tokens of members: whose they are, what they may do, and that they stop with their person."""

import hashlib
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy import delete, func, select

from modules.gateway.people import People, Person, code, made
from modules.gateway.test_teams import join, team
from paifang.core.db import Database
from paifang.core.pagination import PageQuery
from paifang.core.runtime import Runtime
from paifang.core.scope import EVERYTHING, Scope, unscoped, visible
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.members.models import GroupMember
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.relay.snapshot import Snapshot
from paifang.modules.gateway.relay.snapshot import Token as RelayToken
from paifang.modules.gateway.snapshot.loader import load
from paifang.modules.gateway.tokens import reading
from paifang.modules.gateway.tokens.models import Token


async def token(person: Person, group: str, name: str, **more: Any) -> dict[str, Any]:
    body = {"group_id": group, "name": name, **more}
    return made(await person.api.post("/tokens", json=body))


async def snapshot(runtime: Runtime, db: Database) -> Snapshot:
    return await load(db, runtime.secrets)


def of(found: Snapshot, key: str) -> RelayToken:
    return found.tokens[hashlib.sha256(key.encode()).digest()]


async def names(person: Person) -> list[str]:
    return sorted(t["name"] for t in (await person.api.get("/tokens")).json()["items"])


async def test_members_see_their_own_tokens_and_managers_all_of_the_group(
    people: People, db: Database
) -> None:
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    group, other = await team(ann), await team(cyd)
    await join(db, ann, group, bob, "manager")
    await join(db, ann, group, cyd, "member")
    for person, name in ((ann, "a"), (bob, "b"), (cyd, "c")):
        await token(person, group, name)
    await token(cyd, other, "c2")
    assert await names(ann) == await names(bob) == ["a", "b", "c"]
    assert await names(cyd) == ["c", "c2"]
    hers = (await ann.api.get(f"/tokens?user_id={ann.id}")).json()["items"][0]
    assert (hers["user_id"], hers["user_name"]) == (str(ann.id), "Ann")
    for method, path in (
        ("GET", f"/tokens/{hers['id']}"),
        ("POST", f"/tokens/{hers['id']}/revoke"),
        ("POST", f"/tokens/{hers['id']}/rotate"),
        ("POST", f"/tokens/{hers['id']}/take-over"),
        ("DELETE", f"/tokens/{hers['id']}"),
    ):
        assert code(await cyd.api.request(method, path)) == (404, "token_not_found")
    assert (await bob.api.patch(f"/tokens/{hers['id']}", json={"rpm": 5})).status_code == 200
    look = await people.make("look", grants={"gateway.tokens:read": EVERYTHING})
    assert (await look.api.get(f"/tokens/{hers['id']}")).status_code == 200
    refused = await look.api.post(f"/tokens/{hers['id']}/revoke")
    assert code(refused) == (403, "token_not_yours")


async def test_mine_leaves_out_what_only_a_role_shows(people: People, db: Database) -> None:
    ann = await people.make("ann")
    boss = await people.make("boss", grants={"gateway.tokens:read": EVERYTHING})
    joined, own = await team(ann), await team(boss)
    await join(db, ann, joined, boss, "member")
    await token(ann, joined, "a")
    await token(boss, joined, "b")
    await token(boss, own, "c")

    async def seen(query: str = "") -> list[str]:
        found = made(await boss.api.get(f"/tokens{query}"), 200)
        return sorted(t["name"] for t in found["items"])

    assert await seen() == ["a", "b", "c"]
    assert await seen("?mine=true") == ["b", "c"]
    assert await seen(f"?mine=true&group_id={joined}") == ["b"]


async def test_a_token_goes_no_further_than_its_group(
    people: People, db: Database, api: httpx.AsyncClient, runtime: Runtime
) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    made(await api.patch(f"/groups/{group}", json={"models": ["m1", "m2"], "quota": "5"}), 200)
    beyond = await ann.api.post(
        "/tokens", json={"group_id": group, "name": "a", "models": ["m1", "m9"], "quota": "6"}
    )
    assert beyond.status_code == 422
    assert [error["field"] for error in beyond.json()["errors"]] == ["models", "quota"]
    one = await token(ann, group, "one", models=["m1"], quota="5")
    everything = await token(ann, group, "all")
    assert (await ann.api.patch(f"/tokens/{one['id']}", json={"models": ["m9"]})).status_code == 422
    # What stays as it is is not asked again, and what is named beyond the group is not called.
    made(await api.patch(f"/groups/{group}", json={"models": ["m2"]}), 200)
    made(await ann.api.patch(f"/tokens/{one['id']}", json={"name": "One"}), 200)
    found = await snapshot(runtime, db)
    assert of(found, one["key"]).models == frozenset()
    assert of(found, everything["key"]).models == {"m2"}
    made(await api.patch(f"/groups/{group}", json={"models": None}), 200)
    found = await snapshot(runtime, db)
    assert of(found, one["key"]).models == {"m1"}
    assert of(found, everything["key"]).models is None


async def test_whoever_leaves_or_is_removed_loses_their_tokens_at_once(
    people: People, db: Database, runtime: Runtime
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    made_there = await token(bob, group, "b")
    assert of(await snapshot(runtime, db), made_there["key"]).status == "enabled"
    place = f"/groups/{group}/members/{bob.id}"
    assert made(await bob.api.delete(place), 200) == {"tokens_stopped": 1}
    assert of(await snapshot(runtime, db), made_there["key"]).status == "stopped"
    assert code(await bob.api.get(f"/tokens/{made_there['id']}")) == (404, "token_not_found")
    assert (await ann.api.get(f"/tokens/{made_there['id']}")).json()["state"] == "stopped"
    assert (await ann.api.get("/tokens?state=stopped")).json()["total"] == 1
    # Coming back sets nothing free.
    await join(db, ann, group, bob, "member")
    assert of(await snapshot(runtime, db), made_there["key"]).status == "stopped"
    assert code(await bob.api.post(f"/tokens/{made_there['id']}/take-over")) == (
        403,
        "role_too_low",
    )
    taken = made(await ann.api.post(f"/tokens/{made_there['id']}/take-over"), 200)
    assert (taken["state"], taken["user_name"]) == ("enabled", "Ann")
    assert of(await snapshot(runtime, db), made_there["key"]).status == "enabled"


async def test_whoever_is_disabled_can_call_nowhere_until_they_are_enabled_again(
    people: People, db: Database, runtime: Runtime, api: httpx.AsyncClient
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    own = made(await bob.api.put("/groups/personal"), 200)["id"]
    theirs, mine = await token(bob, group, "b"), await token(bob, own, "b")
    by_key = made(await api.post("/tokens", json={"group_id": own, "name": "key"}))
    await people.set_status(bob, "disabled")
    found = await snapshot(runtime, db)
    assert of(found, theirs["key"]).status == of(found, mine["key"]).status == "stopped"
    assert not found.groups[own].enabled  # what others made for them stops with it
    assert of(found, by_key["key"]).group is found.groups[own]
    assert found.groups[group].enabled
    assert (await ann.api.get(f"/tokens/{theirs['id']}")).json()["state"] == "stopped"
    await people.set_status(bob, "active")
    found = await snapshot(runtime, db)
    assert of(found, theirs["key"]).status == of(found, mine["key"]).status == "enabled"


async def test_tokens_of_people_who_are_gone_stay_stopped(
    people: People, db: Database, runtime: Runtime
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    own = made(await bob.api.put("/groups/personal"), 200)["id"]
    theirs, mine = await token(bob, group, "b"), await token(bob, own, "b")
    async with db.transaction() as session:
        await session.execute(unscoped(delete(User).where(User.id == bob.id), "a test"))
    found = await snapshot(runtime, db)
    assert of(found, theirs["key"]).status == of(found, mine["key"]).status == "stopped"
    assert not found.groups[own].enabled
    assert [m["name"] for m in (await ann.api.get(f"/groups/{group}/members")).json()] == ["Ann"]
    made(await ann.api.post(f"/tokens/{theirs['id']}/take-over"), 200)
    assert of(await snapshot(runtime, db), theirs["key"]).status == "enabled"


async def test_what_a_group_has_left_is_split_among_its_tokens(
    people: People, db: Database, runtime: Runtime, api: httpx.AsyncClient
) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    made(await api.patch(f"/groups/{group}", json={"quota": "9"}), 200)
    keys = [(await token(ann, group, f"t{number}"))["key"] for number in range(3)]
    capped = await token(ann, group, "capped", quota="1")
    off = await token(ann, group, "off")
    made(await ann.api.patch(f"/tokens/{off['id']}", json={"status": "disabled"}), 200)
    found = await snapshot(runtime, db)
    shares = [of(found, key).quota for key in keys]
    assert shares == [2_250_000_000] * 3
    assert of(found, capped["key"]).quota == 1_000_000_000
    assert of(found, keys[0]).group.unpriced == "block"  # what has no price would count nowhere


async def test_who_has_nothing_to_spend_may_call_what_costs_nothing(
    people: People, db: Database, runtime: Runtime, api: httpx.AsyncClient
) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    made(await api.patch(f"/groups/{group}", json={"quota": "0", "models": None}), 200)
    key = (await token(ann, group, "a"))["key"]
    for name, provider, models in (
        ("local", "local", ["tiny", "priced"]),
        ("far", "openai", ["gift", "dear", "unpriced"]),
    ):
        url = "local:tiny" if provider == "local" else "http://127.0.0.1:9/v1"
        body = {"name": name, "provider": provider, "base_url": url, "models": models}
        made(await api.post("/channels", json=body))
    for model, price in (("gift", "0"), ("dear", "1"), ("priced", "1")):
        made(await api.post("/prices", json={"model": model, "input": price, "output": price}))
    found = of(await snapshot(runtime, db), key)
    assert found.models == {"tiny", "gift"}
    assert found.quota is None
    assert found.group.unpriced == "allow"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=strategies.data())
async def test_lists_show_what_visible_says(
    people: People, db: Database, data: strategies.DataObject
) -> None:
    """The two ways to the same rows agree, whoever asks, in every order."""
    await agree(people, db, data.draw(strategies.randoms(use_true_random=False)))


_number = iter(range(10**6))


async def agree(people: People, db: Database, random: Any) -> None:
    mark = next(_number)
    departments = [await people.department(f"d{mark}-{n}") for n in range(2)]
    crowd = [
        await people.make(f"p{mark}-{n}", department=random.choice([None, *departments]))
        for n in range(3)
    ]
    for owner in crowd[:2]:
        group = await team(owner, f"T{mark}")
        for person in crowd:
            if person is not owner and random.random() < 0.6:
                await join_directly(db, group, person, random.choice(["member", "manager"]))
                await token(person, group, f"t{person.id}")
        await token(owner, group, "o")
    scope = Scope(departments=frozenset(random.sample(departments, random.randint(0, 2))))
    permission = GatewayPermission.TOKENS_READ
    for person in crowd:
        caller = person.principal
        grants = {**caller.grants, permission.value: scope}
        asking = type(caller)(
            id=caller.id, name=caller.name, user_id=caller.user_id, grants=grants
        ).under(permission)
        statement = visible(select(Token.id), asking)
        async with db.reading() as session:
            expected = set(await session.scalars(statement))
            for sort in ("", "name"):
                paging = PageQuery(page=1, page_size=100, sort=sort)
                page = await reading.list_page(session, caller=asking, paging=paging)
                assert {row["id"] for row in page.items} == expected
                assert page.total == len(expected)


async def join_directly(db: Database, group: str, person: Person, role: str) -> None:
    async with db.transaction() as session:
        session.add(GroupMember(group_id=group, user_id=person.id, role=role))


async def test_a_page_of_tokens_takes_two_statements_whoever_asks(
    people: People, db: Database, query_count: Any, api: httpx.AsyncClient
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    for number in range(5):
        await token(ann, group, f"t{number}")
    await token(bob, group, "b")
    for client, total, statements in ((api, 6, 1), (ann.api, 6, 2), (bob.api, 1, 2)):
        with query_count(db) as queries:
            found = made(await client.get("/tokens?page_size=2"), 200)
        assert (found["total"], len(queries)) == (total, statements)
    beyond = made(await ann.api.get("/tokens?page=9&page_size=2"), 200)
    assert (beyond["items"], beyond["total"]) == ([], 6)
    async with db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Token)) == 6


async def test_whoever_is_in_no_group_sees_nothing(people: People, api: httpx.AsyncClient) -> None:
    made(await api.post("/tokens", json={"group_id": "g", "name": "a"}), 404)
    made(await api.post("/groups", json={"id": "g"}))
    made(await api.post("/tokens", json={"group_id": "g", "name": "a"}))
    ann = await people.make("ann")
    for path in ("/groups", "/tokens", "/tokens?sort=name", "/logs"):
        found = made(await ann.api.get(path), 200)
        assert found["items"] == []
    assert made(await ann.api.get("/usage"), 200)["series"][0]["totals"]["calls"] == 0
    assert made(await ann.api.get("/invitations"), 200) == []
