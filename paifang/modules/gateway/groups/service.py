"""Making, changing and deleting groups. The only place that writes them."""

import secrets
from typing import Any, TypedDict, Unpack

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.gateway.changes import Check, apply_changes
from paifang.modules.gateway.groups.errors import GroupIdTaken, GroupNotFound
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.tokens import service as tokens

SORTS = {
    "created_at": Group.created_at,
    "id": Group.id,
    "last_used_at": Group.last_used_at,
    "requests": Group.requests,
    "used": Group.used,
}
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class GroupChanges(TypedDict, total=False):
    """What of a group may be changed; a field that is left out stays."""

    status: str
    unpriced: str
    rpm: int | None
    tpm: int | None
    concurrency: int | None


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    group_id: str | None = None,
    status: str = "enabled",
    unpriced: str = "allow",
    rpm: int | None = None,
    tpm: int | None = None,
    concurrency: int | None = None,
) -> Group:
    """Make a group.

    Args:
        session: The caller's transaction.
        actor: Whoever makes it.
        group_id: Its id; None makes one like ``g-k3v5q7x2ab``.
        status: ``enabled`` or ``disabled``.
        unpriced: A model without a price: ``allow`` or ``block``.
        rpm: Requests per minute.
        tpm: Model tokens per minute.
        concurrency: Calls in flight.

    Raises:
        Invalid: a value can't be right.
        GroupIdTaken: there is a group of that id.
    """
    values = _checked(
        {
            "status": status,
            "unpriced": unpriced,
            "rpm": rpm,
            "tpm": tpm,
            "concurrency": concurrency,
        },
        group_id,
    )
    if group_id is None:
        group_id = "g-" + "".join(secrets.choice(_BASE32) for _ in range(10))
    elif await session.get(Group, group_id) is not None:
        raise GroupIdTaken(f"There is a group {group_id}. Choose another id.")
    group = Group(id=group_id, **values)
    session.add(group)
    # Now, so that its defaults can be read and a collision is met here.
    await session.flush()
    await _changed(session, actor, "create", group, values)
    return group


async def get(session: AsyncSession, *, group_id: str) -> Group:
    """A group. Raises :class:`GroupNotFound`."""
    return await _found(session, group_id, lock=False)


async def list_page(
    session: AsyncSession,
    *,
    paging: PageQuery,
    status: str | None = None,
    search: str | None = None,
) -> Page[Group]:
    """A page of groups, the newest first; ``search`` is a part of the id."""
    # The id breaks ties, so that no page repeats or misses a row.
    statement = select(Group).order_by(order_by(paging.sort, SORTS, "-created_at"), Group.id)
    if status is not None:
        statement = statement.where(Group.status == status)
    if search:
        statement = statement.where(Group.id.icontains(search, autoescape=True))
    return await paginate(session, statement, paging=paging, read=lambda group: group)


async def update(
    session: AsyncSession, *, actor: Principal, group_id: str, **changes: Unpack[GroupChanges]
) -> Group:
    """Change a group.

    Raises:
        Invalid: a value can't be right.
        GroupNotFound: there is no such group.
    """
    values = _checked(dict(changes))
    group = await _found(session, group_id, lock=True)
    changed = apply_changes(group, values)
    if changed:
        await session.flush()
        await _changed(session, actor, "update", group, changed)
    return group


async def delete(session: AsyncSession, *, actor: Principal, group_id: str) -> int:
    """Delete a group with its tokens, in one transaction; returns how many tokens went.

    Its logs stay. Raises :class:`GroupNotFound`.
    """
    # The lock comes first: a token that is being made in this group waits, and finds no group.
    group = await _found(session, group_id, lock=True)
    count = await tokens.delete_of_group(session, actor=actor, group_id=group.id)
    await session.delete(group)
    await _changed(session, actor, "delete", group, {"tokens": count})
    return count


async def _found(session: AsyncSession, group_id: str, *, lock: bool) -> Group:
    check = Check()
    check.group_id(group_id)
    # What can't be an id is not asked for: PostgreSQL refuses some characters with an error.
    group = None if check.errors else await session.get(Group, group_id, with_for_update=lock)
    if group is None:
        raise GroupNotFound
    return group


def _checked(values: dict[str, Any], group_id: str | None = None) -> dict[str, Any]:
    check = Check()
    if group_id is not None:
        check.group_id(group_id)
    if "status" in values:
        check.choice("status", values["status"], ("enabled", "disabled"))
    if "unpriced" in values:
        check.choice("unpriced", values["unpriced"], ("allow", "block"))
    check.limits(values)
    check.done()
    return values


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, group: Group, changes: dict[str, Any]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"gateway.group.{verb}",
        subject_type="group",
        subject_id=group.id,
        changes=changes,
    )
    await bump_version(session, "gateway")
