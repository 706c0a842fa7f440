"""Teams: who makes them, who may do what in them, and that nobody is left without an owner."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from modules.gateway.people import People, Person, code, made
from paifang.core import params
from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, utc_now
from paifang.core.mail import Mail
from paifang.core.scope import EVERYTHING, Scope, unscoped
from paifang.modules.access.roles.service import seed
from paifang.modules.accounts.invitations.models import Invitation
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.params import MEMBERS_PER_TEAM, TEAMS_PER_PERSON, TOKENS_PER_PERSON
from paifang.modules.gateway.teams import leaving
from paifang.modules.gateway.teams.jobs import join_groups
from paifang.registry import MODULES

OTHER = "01890000-0000-7000-8000-000000000000"


async def team(owner: Person, name: str = "Team") -> str:
    return str(made(await owner.api.post("/teams", json={"name": name}))["id"])


async def put(db: Database, param: Any, value: Any) -> None:
    async with db.transaction() as session:
        await params.put(session, param=param, value=value)


async def join(db: Database, owner: Person, group: str, person: Person, role: str) -> None:
    """Invite somebody and let them accept by their address."""
    email = f"{person.principal.name.lower()}@example.com"
    body = {"email": email, "role": role}
    made(await owner.api.post(f"/groups/{group}/invitations", json=body))
    (offer,) = made(await person.api.get("/invitations"), 200)
    joined = made(await person.api.post(f"/invitations/{offer['id']}/accept"), 200)
    assert joined["group_id"] == group


async def link_of(db: Database) -> str:
    async with db.reading() as session:
        mails = (await session.scalars(select(Mail).order_by(Mail.created_at))).all()
    found = re.search(r"/join#token=([\w-]+)", mails[-1].text)
    assert found
    return found[1]


async def roles(person: Person, group: str) -> dict[str, str]:
    found = made(await person.api.get(f"/groups/{group}/members"), 200)
    return {member["name"]: member["role"] for member in found}


async def test_whoever_makes_a_team_owns_it_and_nobody_else_sees_it(people: People) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann, "Blue")
    seen = made(await ann.api.get(f"/groups/{group}"), 200)
    assert (seen["name"], seen["kind"], seen["role"]) == ("Blue", "team", "owner")
    assert (seen["members"], seen["owner"]) == (1, "Ann")
    assert made(await ann.api.get("/groups"), 200)["total"] == 1
    assert made(await bob.api.get("/groups"), 200)["items"] == []
    for method, path, body in (
        ("GET", f"/groups/{group}", None),
        ("GET", f"/groups/{group}/members", None),
        ("GET", f"/groups/{group}/invitations", None),
        ("POST", f"/groups/{group}/invitations", {"email": "x@example.com"}),
        ("PUT", f"/groups/{group}/members/{bob.id}", {"role": "owner"}),
        ("DELETE", f"/groups/{group}/members/{bob.id}", None),
        ("POST", f"/groups/{group}/hand-over", {"user_id": str(bob.id)}),
        ("PATCH", f"/teams/{group}", {"name": "Mine"}),
        ("DELETE", f"/teams/{group}", None),
        ("POST", "/tokens", {"group_id": group, "name": "a"}),
    ):
        answer = await bob.api.request(method, path, json=body)
        assert code(answer) == (404, "group_not_found"), (method, path)


async def test_a_team_of_people_has_nothing_to_spend_until_it_is_given_something(
    people: People, api: httpx.AsyncClient
) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    assert made(await ann.api.get(f"/groups/{group}"), 200)["quota"] == "0"
    # What a group may do is not its members' to set, not even with all of its roles.
    for path in (f"/groups/{group}",):
        assert (await ann.api.patch(path, json={"quota": "5"})).status_code == 403
        assert (await ann.api.patch(path, json={"rpm": None})).status_code == 403
    assert (await ann.api.patch(f"/teams/{group}", json={"quota": "5"})).status_code == 422
    assert (await ann.api.post("/groups", json={"quota": "5"})).status_code == 403
    answer = made(await api.patch(f"/groups/{group}", json={"quota": "5", "models": ["a"]}), 200)
    assert (answer["quota"], answer["models"]) == ("5", ["a"])


async def test_people_make_as_many_teams_as_the_owner_allows(people: People, db: Database) -> None:
    ann = await people.make("ann")
    await put(db, TEAMS_PER_PERSON, 1)
    await team(ann)
    answer = await ann.api.post("/teams", json={"name": "Another"})
    assert code(answer) == (409, "too_many_teams")


async def test_a_personal_group_is_made_once_and_stays_with_its_person(
    people: People, api: httpx.AsyncClient
) -> None:
    ann = await people.make("ann")
    own = made(await ann.api.put("/groups/personal"), 200)
    assert made(await ann.api.put("/groups/personal"), 200)["id"] == own["id"]
    assert (own["kind"], own["role"], own["members"]) == ("personal", "owner", 1)
    group = own["id"]
    assert code(await api.put("/groups/personal")) == (409, "personal_group")
    for method, path, body in (
        ("POST", f"/groups/{group}/invitations", {"email": "x@example.com"}),
        ("DELETE", f"/groups/{group}/members/{ann.id}", None),
        ("PUT", f"/groups/{group}/members/{ann.id}", {"role": "member"}),
        ("POST", f"/groups/{group}/hand-over", {"user_id": str(ann.id)}),
        ("DELETE", f"/teams/{group}", None),
    ):
        answer = await ann.api.request(method, path, json=body)
        assert code(answer) == (409, "personal_group"), (method, path)


async def test_each_role_may_do_what_the_table_says(people: People, db: Database) -> None:
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    group = await team(ann)
    await join(db, ann, group, bob, "manager")
    await join(db, ann, group, cyd, "member")
    assert await roles(cyd, group) == {"Ann": "owner", "Bob": "manager", "Cyd": "member"}
    # Addresses are for those who invite.
    assert {m["email"] for m in (await cyd.api.get(f"/groups/{group}/members")).json()} == {None}
    assert "cyd@example.com" in (await bob.api.get(f"/groups/{group}/members")).text

    invite = f"/groups/{group}/invitations"
    low = (403, "role_too_low")
    assert code(await cyd.api.post(invite, json={"email": "x@example.com"})) == low
    assert code(await cyd.api.get(invite)) == low
    made(await bob.api.post(invite, json={"email": "x@example.com"}))
    assert code(await bob.api.post(invite, json={"email": "y@example.com", "role": "owner"})) == low
    assert code(await cyd.api.patch(f"/teams/{group}", json={"name": "No"})) == low
    assert (await bob.api.patch(f"/teams/{group}", json={"name": "Yes"})).status_code == 204
    role = {"role": "owner"}
    for person in (bob, cyd):
        place = f"/groups/{group}/members/{person.id}"
        assert code(await person.api.put(place, json=role)) == low
        assert code(await person.api.delete(f"/teams/{group}")) == low
        hand = {"user_id": str(person.id)}
        assert code(await person.api.post(f"/groups/{group}/hand-over", json=hand)) == low
    assert code(await cyd.api.delete(f"/groups/{group}/members/{bob.id}")) == low
    assert code(await bob.api.delete(f"/groups/{group}/members/{ann.id}")) == low
    assert (await bob.api.delete(f"/groups/{group}/members/{cyd.id}")).json() == {
        "tokens_stopped": 0
    }
    assert code(await ann.api.put(f"/groups/{group}/members/{cyd.id}", json=role)) == (
        404,
        "member_not_found",
    )
    assert (await ann.api.delete(f"/teams/{group}")).status_code == 204
    assert code(await ann.api.get(f"/groups/{group}")) == (404, "group_not_found")


async def test_the_last_owner_stays_until_somebody_else_owns_the_group(
    people: People, db: Database
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    mine = f"/groups/{group}/members/{ann.id}"
    last = (409, "last_owner")
    assert code(await ann.api.delete(mine)) == last
    assert code(await ann.api.put(mine, json={"role": "member"})) == last
    assert (
        await ann.api.post(f"/groups/{group}/hand-over", json={"user_id": str(bob.id)})
    ).status_code == 204
    assert await roles(ann, group) == {"Ann": "manager", "Bob": "owner"}
    await people.set_status(bob, "disabled")
    # Whoever is disabled can't be the owner that is left.
    made(await ann.api.delete(mine), 200)
    async with db.reading() as session:
        actions = (await session.scalars(select(AuditEntry.action))).all()
    assert {"gateway.group.hand_over", "gateway.group.member.leave"} <= set(actions)
    assert all(len(action) <= 64 for action in actions)


async def test_an_invitation_is_accepted_by_its_address_or_by_its_link_once(
    people: People, db: Database
) -> None:
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    eve = await people.make("eve", verified=False)
    group = await team(ann, "Blue")
    invite = f"/groups/{group}/invitations"
    made(await ann.api.post(invite, json={"email": " Bob@Example.com "}))
    first = await link_of(db)
    made(await ann.api.post(invite, json={"email": "bob@example.com", "role": "manager"}))
    second = await link_of(db)
    missing = (404, "group_invitation_not_found")
    # The second took the place of the first.
    assert code(await cyd.api.post("/invitations/look", json={"secret": first})) == missing
    seen = made(await cyd.api.post("/invitations/look", json={"secret": second}), 200)
    assert (seen["group"], seen["inviter"], seen["role"]) == ("Blue", "Ann", "manager")
    assert made(await cyd.api.get("/invitations"), 200) == []
    assert code(await cyd.api.post(f"/invitations/{seen['id']}/accept")) == missing
    assert code(await cyd.api.post(f"/invitations/{seen['id']}/decline")) == missing
    made(await cyd.api.post("/invitations/accept", json={"secret": second}), 200)
    assert await roles(cyd, group) == {"Ann": "owner", "Cyd": "manager"}
    assert code(await bob.api.post("/invitations/accept", json={"secret": second})) == missing
    # An address that nobody has proved is nobody's.
    made(await ann.api.post(invite, json={"email": "eve@example.com"}))
    assert made(await eve.api.get("/invitations"), 200) == []
    (open_one,) = made(await ann.api.get(invite), 200)
    assert code(await eve.api.post(f"/invitations/{open_one['id']}/accept")) == missing
    taken = await ann.api.post(invite, json={"email": "cyd@example.com"})
    assert code(taken) == (409, "already_member")
    assert (await ann.api.delete(f"{invite}/{open_one['id']}")).status_code == 204
    assert made(await ann.api.get(invite), 200) == []
    made(await ann.api.post(invite, json={"email": "bob@example.com"}))
    (offer,) = made(await bob.api.get("/invitations"), 200)
    assert (await bob.api.post(f"/invitations/{offer['id']}/decline")).status_code == 204
    assert made(await bob.api.get("/invitations"), 200) == []


async def test_a_team_has_room_for_so_many_and_no_address_that_is_none(
    people: People, db: Database
) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    await put(db, MEMBERS_PER_TEAM, 2)
    invite = f"/groups/{group}/invitations"
    assert (await ann.api.post(invite, json={"email": "not one"})).status_code == 422
    made(await ann.api.post(invite, json={"email": "a@example.com"}))
    answer = await ann.api.post(invite, json={"email": "b@example.com"})
    assert code(answer) == (409, "too_many_members")


async def test_the_console_sees_and_changes_what_its_scope_holds(
    people: People, db: Database
) -> None:
    east, west = await people.department("east"), await people.department("west")
    ann = await people.make("ann", department=east)
    bob = await people.make("bob", department=west)
    here = Scope(departments=frozenset({east}))
    held = ("groups:read", "groups:write", "teams:write", "tokens:read")
    boss = await people.make("boss", grants={f"gateway.{name}": here for name in held})
    mine, theirs = await team(ann, "East"), await team(bob, "West")
    assert [g["id"] for g in (await boss.api.get("/groups")).json()["items"]] == [mine]
    assert made(await boss.api.patch(f"/groups/{mine}", json={"rpm": 7}), 200)["rpm"] == 7
    answer = await boss.api.patch(f"/groups/{theirs}", json={"rpm": 7})
    assert code(answer) == (404, "group_not_found")
    # From outside of the group people are put into it, not invited.
    place = f"/groups/{mine}/members/{bob.id}"
    assert (await boss.api.put(place, json={"role": "manager"})).status_code == 204
    assert await roles(boss, mine) == {"Ann": "owner", "Bob": "manager"}
    missing = await boss.api.put(f"/groups/{mine}/members/{OTHER}", json={"role": "member"})
    assert code(missing) == (404, "no_such_person")
    # Seen, but not to be changed: 403, where what is not seen is 404.
    look = await people.make("look", grants={"gateway.groups:read": EVERYTHING})
    assert (await look.api.get("/groups")).json()["total"] == 2
    refused = await look.api.post(f"/groups/{mine}/invitations", json={"email": "x@example.com"})
    assert code(refused) == (403, "group_not_yours")
    refused = await look.api.post("/tokens", json={"group_id": mine, "name": "a"})
    assert code(refused) == (403, "token_not_yours")


async def test_mine_leaves_out_what_only_a_role_shows(
    people: People, db: Database, api: httpx.AsyncClient
) -> None:
    ann = await people.make("ann")
    boss = await people.make("boss", grants={"gateway.groups:read": EVERYTHING})
    theirs, joined = await team(ann, "Theirs"), await team(ann, "Joined")
    await join(db, ann, joined, boss, "member")
    own = await team(boss, "Own")

    async def ids(client: httpx.AsyncClient, query: str = "") -> set[str]:
        return {g["id"] for g in made(await client.get(f"/groups{query}"), 200)["items"]}

    assert await ids(boss.api) == {theirs, joined, own}
    assert await ids(boss.api, "?mine=true") == {joined, own}
    assert await ids(boss.api, "?mine=true&search=joi") == {joined}
    assert await ids(ann.api, "?mine=true") == await ids(ann.api) == {theirs, joined}
    assert await ids(api, "?mine=true") == set(), "a key is in no group"


async def test_a_page_of_groups_takes_two_statements(
    people: People, db: Database, query_count: Any
) -> None:
    ann = await people.make("ann")
    for number in range(4):
        await team(ann, f"Team {number}")
    with query_count(db) as queries:
        found = made(await ann.api.get("/groups?page_size=3&sort=name"), 200)
    assert len(queries) == 2
    assert [g["name"] for g in found["items"]] == ["Team 0", "Team 1", "Team 2"]
    assert found["total"] == 4


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_one_person_has_so_many_tokens_in_a_group(people: People, db: Database) -> None:
    ann = await people.make("ann")
    group = await team(ann)
    await put(db, TOKENS_PER_PERSON, 1)
    made(await ann.api.post("/tokens", json={"group_id": group, "name": "a"}))
    answer = await ann.api.post("/tokens", json={"group_id": group, "name": "b"})
    assert code(answer) == (409, "too_many_tokens")


async def test_whoever_is_gone_for_good_leaves_their_teams_to_others(
    people: People, db: Database, actor: Principal
) -> None:
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    group, alone = await team(ann), await team(ann, "Alone")
    own = made(await ann.api.put("/groups/personal"), 200)["id"]
    await join(db, ann, group, bob, "member")
    await join(db, ann, group, cyd, "manager")
    hers = made(await ann.api.post("/tokens", json={"group_id": group, "name": "a"}))
    async with db.reading() as session:
        data = await leaving.personal_data(session, ann.id)
    assert [g["id"] for g in data["groups"]] == sorted([group, alone, own])
    assert [t["name"] for t in data["tokens"]] == ["a"]
    await people.set_status(ann, "deleted")
    for _ in range(2):  # twice is once
        async with db.transaction() as session:
            await leaving.forget(session, actor=actor, user_id=ann.id)
    assert await roles(cyd, group) == {"Bob": "member", "Cyd": "owner"}
    assert (await cyd.api.get(f"/tokens/{hers['id']}")).json()["state"] == "stopped"
    async with db.reading() as session:
        statement = unscoped(select(Group.id), "a test")
        assert set(await session.scalars(statement)) == {group, alone}


class Run:
    """A job that runs its steps at once."""

    def __init__(self, db: Database) -> None:
        self.transaction = db.transaction

    async def step(self, function: Any, *arguments: Any) -> Any:
        return await function(self, *arguments)


async def invited(db: Database, inviter: str, person: Person, *groups: str) -> None:
    """Somebody joins with an invitation that names groups; the job comes twice."""
    invitation = Invitation(
        digest=f"{person.principal.name}-{inviter}",
        role_ids=[],
        group_ids=list(groups),
        invited_by=inviter,
        expires_at=utc_now(),
    )
    async with db.transaction() as session:
        session.add(invitation)
    for _ in range(2):
        await join_groups.function(
            Run(db), user_id=str(person.id), invitation_id=str(invitation.id)
        )


async def refusals(db: Database) -> set[tuple[str, str]]:
    statement = select(AuditEntry).where(AuditEntry.action == "gateway.group.join_refused")
    async with db.reading() as session:
        entries = (await session.scalars(statement)).all()
    return {(entry.subject_id, entry.changes["code"]) for entry in entries}


async def test_who_was_invited_into_groups_is_in_them(people: People, db: Database) -> None:
    await seed(db, MODULES)
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    group, full, others = await team(ann), await team(ann, "Full"), await team(cyd, "Others")
    await put(db, MEMBERS_PER_TEAM, 2)
    await join(db, ann, full, cyd, "member")
    await invited(db, str(ann.id), bob, group, full, others, "no-such-group", group)
    assert await roles(ann, group) == {"Ann": "owner", "Bob": "member"}
    assert await roles(ann, full) == {"Ann": "owner", "Cyd": "member"}
    assert await roles(cyd, others) == {"Cyd": "owner"}
    assert await refusals(db) == {
        (full, "too_many_members"),
        (others, "group_not_found"),
        ("no-such-group", "group_not_found"),
    }


async def test_the_wishes_of_who_is_gone_count_no_longer_and_those_of_a_key_do(
    people: People, db: Database
) -> None:
    await seed(db, MODULES)
    ann, bob, cyd = [await people.make(name) for name in ("ann", "bob", "cyd")]
    group, other = await team(ann), await team(ann, "Other")
    await join(db, ann, group, cyd, "owner")
    await people.set_status(ann, "disabled")
    await invited(db, str(ann.id), bob, group)
    assert await roles(cyd, group) == {"Ann": "owner", "Cyd": "owner"}
    assert await refusals(db) == {(group, "inviter_gone")}
    await invited(db, "administrator", bob, group, other)
    assert (await roles(bob, other))["Bob"] == "member"
    assert (await roles(bob, group))["Bob"] == "member"
    assert await refusals(db) == {(group, "inviter_gone")}
