"""People in the console: what an administrator sees, does, and may not do."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from modules.accounts.people import PASSWORD, People, code, sign_in, solved, use
from paifang.core.db import read_version
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.modules.access.departments.models import Department
from paifang.modules.access.roles.models import ADMINISTRATOR, Role, RolePermission, UserRole

Browser = Callable[..., httpx.AsyncClient]
USERS = "/accounts/users"


@pytest.fixture
async def boss(people: People, browser: Browser) -> httpx.AsyncClient:
    """A browser of an administrator."""
    await people.make("boss@example.org", administrator=True)
    client = browser()
    assert (await sign_in(client, "boss@example.org")).status_code == 200
    return client


async def role_with(runtime: Runtime, *permissions: str, scope: str = "all") -> UUID:
    async with runtime.db.transaction() as session:
        role = Role(code=f"r{len(permissions)}{scope}"[:64], name="Role", data_scope=scope)
        session.add(role)
        await session.flush()
        session.add_all(RolePermission(role_id=role.id, permission=p) for p in permissions)
    return role.id


async def department(runtime: Runtime, name: str) -> UUID:
    async with runtime.db.transaction() as session:
        made = Department(name=name, path="")
        session.add(made)
        await session.flush()
        made.path = f"/{made.id.hex}/"
    return made.id


async def helper(
    people: People, browser: Browser, runtime: Runtime, scope: str = "all", **more: Any
) -> httpx.AsyncClient:
    """A browser of somebody who looks after people without being an administrator."""
    role_id = await role_with(runtime, "accounts.users:read", "accounts.users:write", scope=scope)
    user = await people.make("helper@example.org", **more)
    async with runtime.db.transaction() as session:
        session.add(UserRole(user_id=user.id, role_id=role_id))
    client = browser()
    await sign_in(client, "helper@example.org")
    return client


async def test_a_list_is_filtered_sorted_and_counted(
    people: People, boss: httpx.AsyncClient, runtime: Runtime
) -> None:
    place = await department(runtime, "Here")
    await people.make("ann@example.org", department_id=place)
    await people.make("bob@example.org", status="disabled", display_name="100%_Bob")
    await people.make("gone@example.org", status="deleted")

    async def emails(query: str) -> list[str]:
        answer = await boss.get(f"{USERS}?{query}")
        assert answer.status_code == 200, answer.text
        return [row["email"] for row in answer.json()["items"]]

    assert await emails("sort=email") == ["ann@example.org", "bob@example.org", "boss@example.org"]
    assert await emails("sort=-email&page_size=1&page=2") == ["bob@example.org"]
    assert await emails("status=disabled") == ["bob@example.org"]
    assert await emails("search=ANN@") == ["ann@example.org"]
    assert await emails("search=0%25_b") == ["bob@example.org"]
    assert await emails(f"department_id={place}") == ["ann@example.org"]
    async with runtime.db.reading() as session:
        role = await session.scalar(select(Role.id).where(Role.code == ADMINISTRATOR))
    assert await emails(f"role_id={role}") == ["boss@example.org"]
    assert code(await boss.get(f"{USERS}?sort=password_hash")) == (422, "invalid")
    assert code(await boss.get(f"{USERS}?stat=active")) == (422, "invalid")


async def test_who_awaits_approval_is_told_apart_from_whose_address_is_not_confirmed(
    people: People, boss: httpx.AsyncClient
) -> None:
    await people.make("waits@example.org", status="pending")
    await people.make("comes@example.org", status="pending")
    await people.change("comes@example.org", email_verified_at=None)

    async def emails(status: str) -> list[str]:
        answer = await boss.get(f"{USERS}?status={status}&sort=email")
        assert answer.status_code == 200, answer.text
        return [user["email"] for user in answer.json()["items"]]

    assert await emails("awaiting") == ["waits@example.org"]
    assert await emails("unconfirmed") == ["comes@example.org"]
    assert await emails("pending") == ["comes@example.org", "waits@example.org"]


async def test_a_page_takes_as_many_statements_however_many_people(
    people: People,
    boss: httpx.AsyncClient,
    runtime: Runtime,
    query_count: Callable[..., Any],
) -> None:
    await boss.get(USERS)
    for place in range(7):
        await people.make(f"p{place}@example.org", password=None)
    with query_count(runtime.db) as queries:
        assert len((await boss.get(USERS)).json()["items"]) == 8
    assert len(queries) == 5, "who is calling, how many, the page, their roles, their positions"


async def test_somebody_is_made_with_roles_and_invited(
    people: People, boss: httpx.AsyncClient, browser: Browser, runtime: Runtime
) -> None:
    role_id = await role_with(runtime, "gateway.groups:read")
    body = {"email": "Zoe@example.org", "display_name": "Zoe", "role_ids": [str(role_id)]}
    made = await boss.post(USERS, json=body)
    assert made.status_code == 201, made.text
    user = made.json()["user"]
    assert (user["status"], user["has_password"], len(user["roles"])) == ("pending", False, 1)
    assert code(await boss.post(USERS, json=body)) == (409, "email_taken")
    [mail] = await people.mails("zoe@example.org")
    assert mail.template == "invitation"
    client = browser()
    token = made.json()["invitation_link"].partition("#invitation=")[2]
    answer = await client.post(
        "/auth/sign-up",
        json={
            "email": "zoe@example.org",
            "password": PASSWORD,
            "display_name": "Zoe Z.",
            "invitation": token,
            "challenge": await solved(client),
        },
    )
    assert answer.status_code == 200, answer.text
    use(client, answer)
    assert answer.json()["user"]["id"] == user["id"]
    assert (await client.get("/gateway/groups")).status_code == 200
    assert (await boss.get(f"{USERS}/{user['id']}")).json()["display_name"] == "Zoe Z."


async def test_disabling_acts_on_the_next_request_and_is_told(
    people: People, boss: httpx.AsyncClient, browser: Browser, runtime: Runtime
) -> None:
    user = await people.make()
    client = browser()
    await sign_in(client)
    async with runtime.db.reading() as session:
        before = [await read_version(session, name) for name in ("access", "gateway")]
    answer = await boss.post(f"{USERS}/{user.id}/disable", json={"reason": "spam"})
    assert answer.status_code == 204
    assert code(await client.get("/account")) == (401, "session_ended")
    assert code(await sign_in(client)) == (403, "account_disabled")
    shown = (await boss.get(f"{USERS}/{user.id}")).json()
    assert (shown["status"], shown["status_reason"]) == ("disabled", "spam")
    async with runtime.db.reading() as session:
        after = [await read_version(session, name) for name in ("access", "gateway")]
    assert all(now > then for now, then in zip(after, before, strict=True))
    assert (await boss.post(f"{USERS}/{user.id}/enable")).status_code == 204
    assert code(await client.get("/account")) == (401, "session_ended"), "they sign in anew"
    assert (await sign_in(client)).status_code == 200


async def test_a_change_of_roles_acts_on_the_next_request(
    people: People, boss: httpx.AsyncClient, browser: Browser, runtime: Runtime
) -> None:
    user = await people.make()
    role_id = await role_with(runtime, "gateway.channels:read")
    client = browser()
    await sign_in(client)
    assert code(await client.get("/gateway/channels")) == (403, "forbidden")
    path = f"{USERS}/{user.id}/roles"
    assert (await boss.put(path, json={"role_ids": [str(role_id)]})).status_code == 200
    assert (await client.get("/gateway/channels")).status_code == 200
    assert (await boss.put(path, json={"role_ids": []})).json()["roles"] == []
    assert code(await client.get("/gateway/channels")) == (403, "forbidden")


async def test_a_kick_ends_every_session_of_somebody_at_once(
    people: People, boss: httpx.AsyncClient, browser: Browser
) -> None:
    user = await people.make()
    one, two, three = browser(), browser(), browser()
    for client in (one, two, three):
        await sign_in(client)
    listed = (await boss.get(f"{USERS}/{user.id}/sessions")).json()
    assert len(listed) == 3
    [own] = [s for s in (await one.get("/account/sessions")).json() if s["current"]]
    path = f"{USERS}/{user.id}/sessions/{own['id']}"
    assert (await boss.delete(path)).status_code == 204
    assert code(await one.get("/account")) == (401, "session_ended")
    assert (await two.get("/account")).status_code == 200
    assert (await boss.post(f"{USERS}/{user.id}/sign-out")).status_code == 204
    assert code(await two.get("/account")) == (401, "session_ended")
    assert code(await three.post("/auth/refresh")) == (401, "session_ended")


async def test_the_last_administrator_stays(
    people: People, boss: httpx.AsyncClient, browser: Browser
) -> None:
    me = (await boss.get("/account")).json()["id"]
    for answer in (
        await boss.put(f"{USERS}/{me}/roles", json={"role_ids": []}),
        await boss.delete("/account"),
    ):
        assert code(answer) == (409, "last_administrator")
    for path in (f"{USERS}/{me}/disable",):
        assert code(await boss.post(path)) == (409, "not_yourself")
    other = await people.make("second@example.org", administrator=True)
    second = browser()
    await sign_in(second, "second@example.org")
    assert (await second.post(f"{USERS}/{me}/disable")).status_code == 204
    assert code(await second.delete("/account")) == (409, "last_administrator")
    assert str(other.id) == (await second.get("/account")).json()["id"]


async def test_who_is_outside_of_the_scope_is_not_there(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    here, there = await department(runtime, "Here"), await department(runtime, "There")
    near = await people.make("near@example.org", department_id=here)
    far = await people.make("far@example.org", department_id=there)
    client = await helper(people, browser, runtime, "department", department_id=here)
    listed = (await client.get(f"{USERS}?sort=email")).json()["items"]
    assert [row["email"] for row in listed] == ["helper@example.org", "near@example.org"]
    assert (await client.patch(f"{USERS}/{near.id}", json={"phone": "+886 2 1"})).status_code == 200
    gone = (404, "user_not_found")
    assert code(await client.get(f"{USERS}/{far.id}")) == gone
    assert code(await client.patch(f"{USERS}/{far.id}", json={"phone": "+886 2 1"})) == gone
    assert code(await client.delete(f"{USERS}/{far.id}")) == gone
    for path in ("disable", "enable", "approve", "sign-out"):
        assert code(await client.post(f"{USERS}/{far.id}/{path}")) == gone
    assert code(await client.put(f"{USERS}/{far.id}/roles", json={"role_ids": []})) == gone
    assert code(await client.put(f"{USERS}/{far.id}/positions", json={"position_ids": []})) == gone
    assert code(await client.get(f"{USERS}/{far.id}/sessions")) == gone
    body = {"ids": [str(near.id), str(far.id)], "action": "disable"}
    assert code(await client.post(f"{USERS}/batch", json=body)) == gone
    kept = await people.get("near@example.org")
    assert kept is not None
    assert kept.status == "active", "all of it, or nothing"
    exported = (await client.get(f"{USERS}/export")).text
    assert "near@example.org" in exported
    assert "far@example.org" not in exported


async def test_nobody_decides_about_who_holds_more(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    boss = await people.make("boss@example.org", administrator=True)
    client = await helper(people, browser, runtime)
    beyond = (403, "beyond_your_own")
    assert code(await client.post(f"{USERS}/{boss.id}/disable")) == beyond
    assert code(await client.post(f"{USERS}/{boss.id}/sign-out")) == beyond
    assert code(await client.delete(f"{USERS}/{boss.id}")) == beyond
    async with runtime.db.reading() as session:
        role = await session.scalar(select(Role.id).where(Role.code == ADMINISTRATOR))
    ann = await people.make()
    body = {"role_ids": [str(role)]}
    assert code(await client.put(f"{USERS}/{ann.id}/roles", json=body)) == beyond
    new = {"email": "n@example.org", "display_name": "N", **body}
    assert code(await client.post(USERS, json=new)) == beyond
    assert await people.get("n@example.org") is None


async def test_several_at_once(people: People, boss: httpx.AsyncClient) -> None:
    made = [await people.make(f"p{place}@example.org") for place in range(3)]
    ids = [str(user.id) for user in made]
    for action, status in (("disable", "disabled"), ("enable", "active")):
        body = {"ids": ids, "action": action}
        assert (await boss.post(f"{USERS}/batch", json=body)).status_code == 204
        shown = (await boss.get(f"{USERS}?status={status}&search=p")).json()["items"]
        assert {row["id"] for row in shown} >= set(ids)
    body = {"ids": ids, "action": "promote"}
    assert code(await boss.post(f"{USERS}/batch", json=body)) == (422, "invalid")


async def test_a_deleted_account_keeps_nothing_personal_and_its_address_is_free(
    people: People, boss: httpx.AsyncClient, browser: Browser, runtime: Runtime
) -> None:
    user = await people.make(phone="+886 2 1234")
    client = browser()
    await sign_in(client)
    assert (await boss.delete(f"{USERS}/{user.id}")).status_code == 204
    assert code(await client.get("/account")) == (401, "session_ended")
    assert code(await boss.get(f"{USERS}/{user.id}")) == (404, "user_not_found")
    left = await people.get(f"deleted-{user.id.hex}@invalid")
    assert left is not None
    assert (left.display_name, left.phone, left.password_hash) == ("Deleted", None, None)
    assert await people.get("ann@example.org") is None
    assert (await people.make()).id != user.id


async def test_an_export_is_a_table_without_formulas(
    people: People, boss: httpx.AsyncClient
) -> None:
    await people.make("eve@example.org", display_name="=HYPERLINK(1)")
    answer = await boss.get(f"{USERS}/export?search=eve")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    lines = answer.text.lstrip("\ufeff").splitlines()
    assert lines[0].startswith("id,email,display_name")
    assert len(lines) == 2
    assert "'=HYPERLINK(1)" in lines[1]


async def test_who_may_come_in_and_with_what_is_decided_in_the_console(
    boss: httpx.AsyncClient, browser: Browser
) -> None:
    path = "/accounts/settings"
    found = (await boss.get(path)).json()
    assert found == {
        "registration": "invitation",
        "new_person": {
            "models": [],
            "local_models": True,
            "rpm": 20,
            "tpm": 40000,
            "concurrency": 2,
            "quota": "0",
        },
    }
    found["registration"] = "open"
    found["new_person"] |= {"models": ["gpt-x"], "quota": "2.5", "rpm": None}
    assert (await boss.put(path, json=found)).json() == found
    assert (await boss.get(path)).json() == found
    assert (await browser().get("/auth/policy")).json()["registration"] == "open"
    for wrong in ({"registration": "all"}, {"new_person": {**found["new_person"], "rpm": 0}}):
        assert code(await boss.put(path, json={**found, **wrong})) == (422, "invalid")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_others_are_told_when_an_account_ends(
    people: People, boss: httpx.AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    from paifang.modules.accounts.users import service  # noqa: PLC0415  # to listen there

    monkeypatch.setattr(service.events, "publish", lambda _session, event: heard.append(event))
    user = await people.make()
    await boss.post(f"{USERS}/{user.id}/disable")
    await boss.delete(f"{USERS}/{user.id}")
    assert [type(event).__name__ for event in heard] == ["UserDisabled", "UserDeleted"]
    assert {event.user_id for event in heard} == {str(user.id)}
    async with runtime.db.reading() as session:
        assert list(await session.scalars(select(Outbox))) == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_member_sees_nobody(people: People, browser: Browser) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    for path in (USERS, "/accounts/invitations", "/accounts/settings"):
        assert code(await client.get(path)) == (403, "forbidden")
