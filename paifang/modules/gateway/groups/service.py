"""Making, changing and deleting groups. The only place that writes them."""

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version
from paifang.core.pagination import Page, PageQuery, bounded_total, order_by
from paifang.core.scope import unscoped, visible
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.changes import MAX_MODEL, MAX_MODELS, MAX_NANOS, Check, apply_changes
from paifang.modules.gateway.groups.errors import GroupIdTaken, GroupNotFound, GroupNotYours
from paifang.modules.gateway.groups.models import Group, GroupKind
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.models import GroupMember, GroupRole
from paifang.modules.gateway.newcomers import Allowance, for_newcomers
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens import service as tokens

SORTS = {
    "created_at": Group.created_at,
    "id": Group.id,
    "last_used_at": Group.last_used_at,
    "name": Group.name,
    "requests": Group.requests,
    "used": Group.used,
}
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class GroupChanges(TypedDict, total=False):
    """What of a group may be changed; a field that is left out stays."""

    name: str
    status: str
    unpriced: str
    models: Iterable[str] | None
    quota: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None


class GroupView(NamedTuple):
    """A group with what lists show beside it."""

    group: Group
    role: str | None
    """The caller's own in it."""
    members: int
    owner: str | None
    """Name of the one who has owned it longest."""


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    group_id: str | None = None,
    name: str | None = None,
    kind: str = GroupKind.SERVICE,
    owner_id: UUID | None = None,
    status: str = "enabled",
    unpriced: str = "allow",
    models: Iterable[str] | None = None,
    quota: int | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    concurrency: int | None = None,
    personal_of: UUID | None = None,
) -> Group:
    """Make a group.

    Args:
        session: The caller's transaction.
        actor: Whoever makes it.
        group_id: Its id; None makes one like ``g-k3v5q7x2ab``.
        name: For people to read; None: none but its id.
        kind: A :class:`GroupKind`.
        owner_id: The person who owns it; None: nobody does.
        status: ``enabled`` or ``disabled``.
        unpriced: A model without a price: ``allow`` or ``block``.
        models: Models its tokens may call; None means all.
        quota: Nanos it may spend in its life.
        rpm: Requests per minute.
        tpm: Model tokens per minute.
        concurrency: Calls in flight.
        personal_of: Whose personal group it is.

    Raises:
        Invalid: a value can't be right.
        GroupIdTaken: there is a group of that id.
        PersonNotFound: ``owner_id`` names no active person.
    """
    values = _checked(
        {
            "status": status,
            "unpriced": unpriced,
            "models": models,
            "quota": quota,
            "rpm": rpm,
            "tpm": tpm,
            "concurrency": concurrency,
        },
        group_id,
    )
    if name is not None:
        values |= _checked({"name": name})
    if group_id is None:
        group_id = "g-" + "".join(secrets.choice(_BASE32) for _ in range(10))
    else:
        taken = unscoped(select(Group.id).where(Group.id == group_id), "ids are everybody's")
        if await session.scalar(taken) is not None:
            raise GroupIdTaken(f"There is a group {group_id}. Choose another id.")
    group = Group(id=group_id, kind=kind, personal_of=personal_of, **values)
    session.add(group)
    # Now, so that its defaults can be read and a collision is met here.
    await session.flush()
    if owner_id is not None:
        await members.add(session, group_id=group_id, user_id=owner_id, role=GroupRole.OWNER)
        values["owner"] = str(owner_id)
    await changed(session, actor, "create", group, {"kind": kind, **values})
    return group


async def personal_group(session: AsyncSession, *, user_id: UUID, actor: Principal) -> Group:
    """A person's own group, made when it is first needed, with what newcomers may use.

    Raises:
        PersonNotFound: there is no active person of that id.
    """
    own = unscoped(select(Group).where(Group.personal_of == user_id), "it is the person's own")
    group = await session.scalar(own)
    if group is not None:
        return group
    allowance = await for_newcomers(session)
    try:
        # Another request of the same person may be making it: only our insert is undone then.
        async with session.begin_nested():
            return await create(
                session,
                actor=actor,
                kind=GroupKind.PERSONAL,
                owner_id=user_id,
                personal_of=user_id,
                **allowance._asdict(),
            )
    except IntegrityError:
        group = await session.scalar(own)
        if group is None:
            raise
        return group


def of_team(allowance: Allowance) -> Allowance:
    """What a team that people make may use: as each newcomer, but nothing to spend. Else whoever
    may spend a little would spend it once per team.
    """
    return allowance._replace(quota=None if allowance.quota is None else 0)


async def get(session: AsyncSession, *, caller: Principal, group_id: str) -> Group:
    """A group. Raises :class:`GroupNotFound`."""
    return await found(session, caller, group_id, lock=False)


async def view(session: AsyncSession, *, caller: Principal, group_id: str) -> GroupView:
    """A group as lists show it. Raises :class:`GroupNotFound`."""
    check = Check()
    check.group_id(group_id)
    row = None
    if not check.errors:
        statement = _viewed(caller).where(Group.id == group_id)
        row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise GroupNotFound
    return GroupView(*row)


async def list_page(
    session: AsyncSession,
    *,
    caller: Principal,
    paging: PageQuery,
    status: str | None = None,
    kind: str | None = None,
    search: str | None = None,
) -> Page[GroupView]:
    """A page of the groups that the caller sees, the newest first; ``search`` is a part of the id
    or of the name.
    """
    # The id breaks ties, so that no page repeats or misses a row.
    order = (order_by(paging.sort, SORTS, "-created_at"), Group.id)
    statement = _viewed(caller)
    if status is not None:
        statement = statement.where(Group.status == status)
    if kind is not None:
        statement = statement.where(Group.kind == kind)
    if search:
        statement = statement.where(
            or_(
                Group.id.icontains(search, autoescape=True),
                Group.name.icontains(search, autoescape=True),
            )
        )
    total = await bounded_total(session, statement.with_only_columns(Group.id))
    page = statement.order_by(*order).limit(paging.page_size).offset(paging.offset)
    rows = await session.execute(page)
    return Page(
        items=[GroupView(*row) for row in rows],
        total=total,
        page=paging.page,
        page_size=paging.page_size,
    )


def _viewed(caller: Principal) -> Select[Any]:
    """Groups with the caller's role, the number of members and the owner's name."""
    here = GroupMember.group_id == Group.id
    role: Any = literal(None)
    if caller.user_id is not None:
        role = (
            select(GroupMember.role)
            .where(here, GroupMember.user_id == caller.user_id)
            .scalar_subquery()
        )
    count = select(func.count()).select_from(GroupMember).where(here).scalar_subquery()
    owner = unscoped(
        select(User.display_name)
        .join(GroupMember, GroupMember.user_id == User.id)
        .where(here, GroupMember.role == GroupRole.OWNER)
        .order_by(GroupMember.created_at, GroupMember.user_id)
        .limit(1),
        "who sees a group sees who answers for it",
    ).scalar_subquery()
    columns = (role.label("role"), count.label("members"), owner.label("owner"))
    return visible(select(Group, *columns), caller)


async def update(
    session: AsyncSession, *, actor: Principal, group_id: str, **changes: Unpack[GroupChanges]
) -> Group:
    """Change a group.

    Raises:
        Invalid: a value can't be right.
        GroupNotFound: there is no such group.
        GroupNotYours: the caller sees it, and may not change it.
    """
    values = _checked(dict(changes))
    group = await found(session, actor, group_id, lock=True)
    changes_made = apply_changes(group, values)
    if changes_made:
        await session.flush()
        await changed(session, actor, "update", group, changes_made)
    return group


async def delete(session: AsyncSession, *, actor: Principal, group_id: str) -> int:
    """Delete a group with its tokens, in one transaction; returns how many tokens went.

    Its logs stay. Raises :class:`GroupNotFound` and :class:`GroupNotYours`.
    """
    # The lock comes first: a token that is being made in this group waits, and finds no group.
    group = await found(session, actor, group_id, lock=True)
    count = await tokens.delete_of_group(session, actor=actor, group_id=group.id)
    await session.delete(group)
    await changed(session, actor, "delete", group, {"tokens": count})
    return count


async def found(session: AsyncSession, caller: Principal, group_id: str, *, lock: bool) -> Group:
    """The group as the caller sees it under the route's permission.

    Raises:
        GroupNotFound: they do not see it at all.
        GroupNotYours: they see it only to read.
    """
    check = Check()
    check.group_id(group_id)
    # What can't be an id is not asked for: PostgreSQL refuses some characters with an error.
    if check.errors:
        raise GroupNotFound
    statement = visible(select(Group).where(Group.id == group_id), caller)
    group = await session.scalar(statement.with_for_update() if lock else statement)
    if group is not None:
        return group
    reader = caller.under(GatewayPermission.GROUPS_READ)
    if await session.scalar(visible(select(Group.id).where(Group.id == group_id), reader)) is None:
        raise GroupNotFound
    raise GroupNotYours


def _checked(values: dict[str, Any], group_id: str | None = None) -> dict[str, Any]:
    check = Check()
    if group_id is not None:
        check.group_id(group_id)
    if "status" in values:
        check.choice("status", values["status"], ("enabled", "disabled"))
    if "unpriced" in values:
        check.choice("unpriced", values["unpriced"], ("allow", "block"))
    if "name" in values:
        values["name"] = check.name(values["name"])
    if values.get("models") is not None:
        values["models"] = _models(check, values["models"])
    if "quota" in values:
        check.whole("quota", values["quota"], 0, MAX_NANOS)
    check.limits(values)
    check.done()
    return values


def _models(check: Check, value: Iterable[str]) -> list[str]:
    """Names of models, each once; none at all is possible: such a group can't call."""
    entries = list(value)
    if len(entries) > MAX_MODELS:
        check.wrong("models", f"name at most {MAX_MODELS} models, or null for all")
        return []
    named = (check.name(entry, f"models.{at}", MAX_MODEL) for at, entry in enumerate(entries))
    return list(dict.fromkeys(named))


async def changed(
    session: AsyncSession, actor: Principal, verb: str, group: Group, changes: dict[str, Any]
) -> None:
    """Write a change of a group into the audit trail, and have the relay know it."""
    audit.record(
        session,
        actor=actor,
        action=f"gateway.group.{verb}",
        subject_type="group",
        subject_id=group.id,
        changes=changes,
    )
    await bump_version(session, "gateway")
