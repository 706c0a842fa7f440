"""``/api/groups`` and ``/api/group``, on every database."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from paifang.core.audit import AuditEntry
from paifang.core.db import Database, utc_now
from paifang.modules.gateway.compat.values import NEVER
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.tokens.models import Token


async def test_a_group_is_made_shown_changed_and_deleted(proxy: Any, db: Database) -> None:
    made = await proxy.ask("POST", "/api/group/", {"id": "ns-admin", "qpm": 60})
    shown = await proxy.ask("GET", "/api/group/ns-admin")
    assert made == shown
    created = shown.pop("created_at")
    assert abs(created - utc_now().timestamp() * 1000) < 60_000
    assert shown == {
        "id": "ns-admin",
        "status": 1,
        "used_amount": 0.0,
        "qpm": 60,
        "request_count": 0,
        "accessed_at": NEVER,
    }
    assert await proxy.ask("POST", "/api/group/ns-admin/status", {"status": 2}) is None
    assert await proxy.ask("POST", "/api/group/ns-admin/qpm", {"qpm": 0}) is None
    shown = await proxy.ask("GET", "/api/group/ns-admin")
    assert (shown["status"], shown["qpm"]) == (2, 0)
    async with db.reading() as session:
        group = await session.get(Group, "ns-admin")
        assert group is not None
        assert (group.status, group.rpm) == ("disabled", None)
    assert "status" in await proxy.refused("POST", "/api/group/ns-admin/status", {"status": 3})
    assert await proxy.ask("DELETE", "/api/group/ns-admin") is None
    assert "no such group" in await proxy.refused("GET", "/api/group/ns-admin")
    assert "no such group" in await proxy.refused("DELETE", "/api/group/ns-admin")
    async with db.reading() as session:
        actions = list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        actors = set(await session.scalars(select(AuditEntry.actor_id)))
    assert actions == [f"gateway.group.{v}" for v in ("create", "update", "update", "delete")]
    assert actors == {"administrator"}


async def test_an_id_is_taken_once(proxy: Any) -> None:
    await proxy.ask("POST", "/api/group", {"id": "a"})
    assert "There is a group a" in await proxy.refused("POST", "/api/group/", {"id": "a"})


async def test_deleting_a_group_deletes_its_tokens_with_it(proxy: Any, db: Database) -> None:
    for group in ("a", "b"):
        for name in ("one", "two"):
            await proxy.ask("POST", f"/api/token/{group}", {"name": name}, auto_create_group="true")
    await proxy.ask("DELETE", "/api/group/a")
    found = await proxy.ask("GET", "/api/tokens/")
    assert found["total"] == 2
    assert {token["group"] for token in found["tokens"]} == {"b"}
    async with db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Token)) == 2


async def test_groups_are_paged_ordered_and_searched(
    proxy: Any, db: Database, query_count: Any
) -> None:
    for number in range(12):
        await proxy.ask("POST", "/api/group/", {"id": f"team-{number:02}"})
    async with db.transaction() as session:
        await session.execute(
            update(Group).where(Group.id == "team-05").values(used=2_500_000_000, requests=7)
        )
        await session.execute(
            update(Group).where(Group.id.in_(["team-01", "team-02"])).values(status="disabled")
        )

    async def ids(path: str = "/api/groups/", **query: Any) -> list[str]:
        return [group["id"] for group in (await proxy.ask("GET", path, **query))["groups"]]

    with query_count(db) as queries:
        found = await proxy.ask("GET", "/api/groups")
    assert len(queries) == 2
    assert found["total"] == 12
    assert [group["id"] for group in found["groups"]] == [
        f"team-{number:02}" for number in range(11, 1, -1)
    ]
    assert await ids(p=2) == ["team-01", "team-00"]
    assert await ids(p=3) == []
    # As that service reads them: nothing below the first page, ten rows unless told, a hundred
    # at the most.
    assert await ids(p=0, per_page=1) == await ids(p=-1, per_page=1) == ["team-11"]
    assert await ids(p="", per_page="", order="") == await ids()
    assert len(await ids(per_page=1000)) == 12
    assert await ids(order="id", per_page=2) == ["team-00", "team-01"]
    assert await ids(order="id-asc", per_page=2) == ["team-00", "team-01"]
    assert await ids(order="used_amount-desc", per_page=1) == ["team-05"]
    assert await ids(order="request_count-desc", per_page=1) == ["team-05"]
    assert await ids(order="created_at", per_page=2) == ["team-00", "team-01"]
    assert "used_amount" in await proxy.refused("GET", "/api/groups/", order="digest")
    assert "order" in await proxy.refused("GET", "/api/groups/", order="id-up")
    search = "/api/groups/search"
    assert await ids(search, keyword="M-1") == ["team-11", "team-10"]
    assert await ids(search, keyword="%") == []
    assert await ids(search, status=2) == ["team-02", "team-01"]
    assert await ids(search, keyword="02", status=1) == []
    assert "status" in await proxy.refused("GET", search, status=9)
    used = (await proxy.ask("GET", "/api/group/team-05"))["used_amount"]
    assert used == pytest.approx(2.5)
