"""Why somebody may or may not, and that a change of rights acts on the next request."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from doubles.callers import authorization
from modules.access.people import AsPerson, People, client_of, wrong_fields
from paifang.core.db import Database
from paifang.core.runtime import Runtime

READ = "access.departments:read"


async def explain(api: httpx.AsyncClient, user_id: UUID, **params: Any) -> dict[str, Any]:
    answer = await api.get(
        "/explain", params={"user_id": str(user_id), "permission": READ, **params}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {role["code"]: role["verdict"] for role in found["roles"]}


async def test_each_role_says_what_it_grants_and_the_union_is_told(
    api: httpx.AsyncClient, people: People
) -> None:
    sales, far = await people.department("sales"), await people.department("far")
    roles = [
        await people.role("team", READ, scope="department"),
        await people.role("chosen", READ, scope="chosen", departments=(far,)),
        await people.role("off", READ, scope="all", status="disabled"),
        await people.role("other", "access.roles:read", scope="all"),
    ]
    await people.role("helps", READ, scope="all")
    ada = await people.person("ada", *roles, department=sales)
    found = await explain(api, ada)
    assert (found["allowed"], found["why"], found["person"]["status"]) == (
        True,
        "granted",
        "active",
    )
    assert verdicts(found) == {
        "team": "grants",
        "chosen": "grants",
        "off": "disabled",
        "other": "does_not_grant",
        "member": "does_not_grant",
    }
    assert found["scope"] == {
        "everything": False,
        "own": True,
        "departments": sorted([str(sales), str(far)]),
    }
    assert [role["code"] for role in found["others"]] == ["helps", "administrator"]
    assert {role["held"] for role in found["roles"]} == {"assigned", "everybody"}


async def test_why_somebody_may_not(api: httpx.AsyncClient, people: People) -> None:
    off = await people.role("off", READ, status="disabled")
    on = await people.role("on", READ)
    cases = {
        "no_role_grants_it": await people.person("ada"),
        "only_disabled_roles": await people.person("bob", off),
        "not_active": await people.person("eve", on, status="disabled"),
    }
    for why, user_id in cases.items():
        found = await explain(api, user_id)
        assert (found["allowed"], found["why"]) == (False, why)
    assert (await explain(api, cases["no_role_grants_it"]))["scope"]["own"] is False


async def test_whether_somebody_sees_one_row_and_through_which_role(
    api: httpx.AsyncClient, people: People
) -> None:
    sales, far = await people.department("sales"), await people.department("far")
    team = await people.role("team", READ, scope="department")
    everything = await people.role("all", READ, scope="all")
    ada = await people.person("ada", team, department=sales)
    bob = await people.person("bob", department=sales)
    eve = await people.person("eve", team, everything, department=far)
    none = await people.person("none", department=far)

    async def seen(who: UUID, subject: str) -> tuple[str, list[str]]:
        found = (await explain(api, who, subject=subject))["subject"]
        assert found["visible"] is bool(found["roles"])
        return found["why"], found["roles"]

    assert await seen(ada, f"user:{ada}") == ("own", ["team"])
    assert await seen(ada, f"user:{bob}") == ("department", ["team"])
    assert await seen(ada, f"user:{eve}") == ("outside", [])
    assert await seen(ada, f"department:{sales}") == ("department", ["team"])
    assert await seen(eve, f"user:{bob}") == ("everything", ["all"])
    assert await seen(none, f"user:{bob}") == ("not_allowed", [])


async def test_an_explanation_tells_nothing_about_whom_the_caller_does_not_see(
    api: httpx.AsyncClient, people: People, as_person: AsPerson
) -> None:
    sales, far = await people.department("sales"), await people.department("far")
    role = await people.role("lead", "access.explain:read", scope="department")
    ada = await people.person("ada", role, department=sales)
    bob = await people.person("bob", department=sales)
    eve = await people.person("eve", department=far)
    caller = await as_person(ada)

    async def asked(**params: Any) -> httpx.Response:
        return await caller.get("/explain", params={"permission": READ, **params})

    assert (await asked(user_id=str(bob))).status_code == 200
    for hidden in (eve, uuid4()):
        answer = await asked(user_id=str(hidden))
        assert (answer.status_code, answer.json()["code"]) == (404, "person_not_found")
        answer = await asked(user_id=str(bob), subject=f"user:{hidden}")
        assert (answer.status_code, answer.json()["code"]) == (404, "subject_not_found")
    assert (await asked(user_id=str(bob), subject="user:x")).status_code == 404
    assert wrong_fields(await asked(user_id=str(bob), subject="thing:1")) == ["subject"]
    assert wrong_fields(await asked(user_id=str(bob), permission="no:such")) == ["permission"]


async def test_me_is_what_the_caller_holds(
    api: httpx.AsyncClient, people: People, as_person: AsPerson
) -> None:
    sales = await people.department("sales")
    role = await people.role("team", READ, "gone.since:read", scope="department")
    caller = await as_person(await people.person("ada", role, department=sales))
    mine = (await caller.get("/me")).json()
    assert mine["administrator"] is False
    assert READ in mine["permissions"]
    assert "access.self:use" in mine["permissions"]
    assert "gone.since:read" not in mine["permissions"]
    scope = {"everything": False, "own": True, "departments": [str(sales)]}
    assert mine["scopes"][READ] == scope
    boss = (await api.get("/me")).json()
    assert boss["administrator"] is True
    assert boss["scopes"]["access.roles:write"]["everything"] is True


async def test_a_change_acts_on_the_next_request_in_every_process(
    runtime: Runtime, people: People, api: httpx.AsyncClient
) -> None:
    sales = await people.department("sales")
    role = await people.role("reader", READ, scope="department")
    ada = await people.person("ada", role, department=sales)
    other = replace(runtime, db=Database(runtime.db.url), parts={})
    async with client_of(other, authorization(ada)) as caller:

        async def departments() -> int | list[str]:
            answer = await caller.get("/departments")
            if answer.status_code != 200:
                return answer.status_code
            return [node["name"] for node in answer.json()]

        try:
            assert await departments() == ["sales"]
            await api.patch(f"/roles/{role}", json={"data_scope": "self"})
            assert await departments() == []
            await api.patch(f"/roles/{role}", json={"data_scope": "all"})
            far = (await api.post("/departments", json={"name": "far"})).json()["id"]
            assert await departments() == ["far", "sales"]
            chosen = {"data_scope": "chosen", "department_ids": [far]}
            await api.patch(f"/roles/{role}", json=chosen)
            assert await departments() == ["far"]
            await api.patch(f"/roles/{role}", json={"status": "disabled"})
            assert await departments() == 403
            await api.patch(
                f"/roles/{role}", json={"status": "enabled", "data_scope": "department_and_below"}
            )
            await api.post(f"/departments/{far}/move", json={"parent_id": str(sales)})
            answer = (await caller.get("/departments")).json()
            assert [node["name"] for node in answer[0]["children"]] == ["far"]
            await api.put(f"/roles/{role}/permissions", json={"permissions": []})
            assert await departments() == 403
        finally:
            await other.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_only_who_may_asks_about_others(
    people: People, as_person: AsPerson, seeded: None
) -> None:
    ada = await people.person("ada")
    caller = await as_person(ada)
    params = {"user_id": str(ada), "permission": READ}
    assert (await caller.get("/explain", params=params)).status_code == 403
    assert (await caller.get("/me")).status_code == 200
