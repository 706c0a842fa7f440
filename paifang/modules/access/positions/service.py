"""Positions and who has them. The only place that writes them."""

from collections.abc import Collection, Iterable
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.changes import Check, apply_changes
from paifang.core.errors import Invalid
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.access.changed import changed
from paifang.modules.access.positions.errors import (
    PositionCodeTaken,
    PositionInUse,
    PositionNotFound,
)
from paifang.modules.access.positions.models import Position, UserPosition

SORTS = {
    "code": Position.code,
    "created_at": Position.created_at,
    "name": Position.name,
    "sort": Position.sort,
}
STATUSES = ("enabled", "disabled")


class PositionChanges(TypedDict, total=False):
    """What of a position may be changed; a field that is left out stays."""

    name: str
    description: str
    status: str
    sort: int


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    code: str,
    name: str,
    description: str = "",
    status: str = "enabled",
    sort: int = 0,
) -> Position:
    """Make a position.

    Raises:
        Invalid: a value can't be right.
        PositionCodeTaken: there is one of that code.
    """
    values = _checked(
        {"name": name, "description": description, "status": status, "sort": sort},
    )
    taken = PositionCodeTaken(f"There is a position {code}. Choose another code.")
    if await session.scalar(select(Position.id).where(Position.code == code)) is not None:
        raise taken
    position = Position(code=code, **values)
    session.add(position)
    try:
        await session.flush()
    except IntegrityError as error:
        raise taken from error
    await _changed(session, actor, "create", position, {"code": code, **values})
    return position


async def get(session: AsyncSession, *, position_id: UUID) -> Position:
    """A position. Raises :class:`PositionNotFound`."""
    position = await session.get(Position, position_id)
    if position is None:
        raise PositionNotFound
    return position


async def list_page(
    session: AsyncSession,
    *,
    paging: PageQuery,
    status: str | None = None,
    search: str | None = None,
) -> Page[Position]:
    """A page of positions in their order; ``search`` is a part of the code or name."""
    statement = select(Position).order_by(order_by(paging.sort, SORTS, "sort"), Position.id)
    if status is not None:
        statement = statement.where(Position.status == status)
    if search:
        statement = statement.where(
            or_(*(c.icontains(search, autoescape=True) for c in (Position.code, Position.name)))
        )
    return await paginate(session, statement, paging=paging, read=lambda position: position)


async def update(
    session: AsyncSession,
    *,
    actor: Principal,
    position_id: UUID,
    **changes: Unpack[PositionChanges],
) -> Position:
    """Change a position.

    Raises:
        Invalid: a value can't be right.
        PositionNotFound: there is no such position.
    """
    values = _checked(dict(changes))
    position = await get(session, position_id=position_id)
    made = apply_changes(position, values)
    if made:
        await session.flush()
        await _changed(session, actor, "update", position, made)
    return position


async def delete(session: AsyncSession, *, actor: Principal, position_id: UUID) -> None:
    """Delete a position that nobody has.

    Raises:
        PositionNotFound: there is no such position.
        PositionInUse: somebody has it; the error says how many.
    """
    position = await get(session, position_id=position_id)
    had = select(func.count()).where(UserPosition.position_id == position.id)
    count = await session.scalar(had) or 0
    if count:
        raise PositionInUse(
            f"{position.name} is the position of {count} people. Give them another first.",
            errors=[{"field": "people", "message": str(count)}],
        )
    await session.delete(position)
    try:
        await session.flush()
    except IntegrityError as error:
        raise PositionInUse("Somebody was given this position a moment ago.") from error
    await _changed(session, actor, "delete", position, {"code": position.code})


async def positions_of(
    session: AsyncSession, *, user_ids: Iterable[UUID]
) -> dict[UUID, list[Position]]:
    """The positions of people, in their order; one statement for all of them."""
    wanted = list(user_ids)
    found: dict[UUID, list[Position]] = {user_id: [] for user_id in wanted}
    if not wanted:
        return found
    rows = await session.execute(
        select(UserPosition.user_id, Position)
        .join(Position, Position.id == UserPosition.position_id)
        .where(UserPosition.user_id.in_(wanted))
        .order_by(Position.sort, Position.code)
    )
    for user_id, position in rows:
        found[user_id].append(position)
    return found


async def set_positions(
    session: AsyncSession, *, actor: Principal, user_id: UUID, position_ids: Collection[UUID]
) -> list[Position]:
    """Give a person exactly these positions.

    Raises:
        Invalid: one of them does not exist, or is disabled and new to the person.
    """
    wanted = {
        p.id: p
        for p in await session.scalars(select(Position).where(Position.id.in_(position_ids)))
    }
    had = {p.id: p for p in (await positions_of(session, user_ids=[user_id]))[user_id]}
    errors = [
        {"field": f"position_ids.{place}", "message": message}
        for place, position_id in enumerate(position_ids)
        if (message := _refused(wanted.get(position_id), had))
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    added, removed = wanted.keys() - had.keys(), had.keys() - wanted.keys()
    if removed:
        await session.execute(
            delete_rows(UserPosition).where(
                UserPosition.user_id == user_id, UserPosition.position_id.in_(removed)
            )
        )
    session.add_all(UserPosition(user_id=user_id, position_id=p) for p in added)
    if added or removed:
        await session.flush()
        await changed(
            session,
            actor=actor,
            action="position.assign",
            subject_id=user_id,
            changes={
                "added": sorted(wanted[p].code for p in added),
                "removed": sorted(had[p].code for p in removed),
            },
            rights=False,
        )
    return sorted(wanted.values(), key=lambda p: (p.sort, p.code))


async def forget(session: AsyncSession, *, user_ids: Collection[UUID]) -> None:
    """Take every position from people who are about to be deleted."""
    await session.execute(delete_rows(UserPosition).where(UserPosition.user_id.in_(user_ids)))


def _refused(position: Position | None, had: Collection[UUID]) -> str:
    if position is None:
        return "there is no such position"
    if position.status != "enabled" and position.id not in had:
        return f"{position.name} is disabled"
    return ""


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    check = Check()
    if "name" in values:
        values["name"] = check.name(values["name"])
    if "status" in values:
        check.choice("status", values["status"], STATUSES)
    check.done()
    return values


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, position: Position, changes: dict[str, Any]
) -> None:
    await changed(
        session,
        actor=actor,
        action=f"position.{verb}",
        subject_id=position.id,
        changes=changes,
        rights=False,
    )
