"""What a caller reaches, found first, so that a page of a long list is read in order from an index.

:func:`~paifang.core.scope.visible` says the same in one condition. Over a long table databases
answer that by looking at every row; asked for one group after the other they look at twenty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BindParameter, Select, Uuid, bindparam, false, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from paifang.core.auth import Principal
from paifang.core.hot import HotSelect
from paifang.core.scope import Scope, visible
from paifang.modules.gateway.members.models import (
    MANAGING,
    GroupMember,
    GroupRole,
    groups_of,
    groups_owned_in,
)

S = TypeVar("S", bound=Select[Any])

MOST = 16
"""Groups that are asked for one by one; whoever reaches more is answered by the one condition."""
_SIZES = (1, 2, 4, 8, MOST)
_DEPARTMENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Reach:
    """The groups of which a caller sees all, and whether there are some where they see a part."""

    everything: bool = False
    wide: bool = False
    """Too many groups: only the one condition tells them."""
    managed: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    """Groups where the caller is a plain member."""
    user_id: UUID | None = None
    departments: tuple[UUID, ...] = ()

    @property
    def shape(self) -> tuple[str, int, int]:
        """What of it changes a statement's text."""
        if self.everything:
            return "all", 0, 0
        if self.wide:
            return "wide", _size(len(self.departments), _DEPARTMENTS), int(self.user_id is not None)
        return "keys", _size(len(self.managed), _SIZES), int(bool(self.joined))

    @property
    def values(self) -> dict[str, Any]:
        """The values that belong to :attr:`shape`."""
        kind, size, _ = self.shape
        found: dict[str, Any] = {"caller_id": self.user_id}
        if kind == "keys":
            found |= {
                f"group_{at}": self.managed[min(at, len(self.managed) - 1)] for at in range(size)
            }
        elif kind == "wide":
            last = len(self.departments) - 1
            found |= {f"department_{at}": self.departments[min(at, last)] for at in range(size)}
        return found


def _size(count: int, sizes: Sequence[int]) -> int:
    """The next larger of a few sizes: few shapes, each compiled once."""
    return next((size for size in sizes if size >= count), sizes[-1]) if count else 0


def _build(departments: int, person: int) -> Select[Any]:
    parts = []
    if person:
        mine = GroupMember.user_id == the_caller()
        parts.append(select(GroupMember.group_id, GroupMember.role).where(mine).limit(MOST * 2))
    if departments:
        owned = groups_owned_in(_bound(departments)).distinct().limit(MOST * 2).subquery()
        parts.append(select(owned.c.group_id, bindparam("as_owner", "owner")))
    # SQLite takes no LIMIT in a part of a compound; each is a table of its own.
    tables = [part.subquery() for part in parts]
    return select(union_all(*(select(*table.c) for table in tables)).subquery())


def _bound(count: int) -> Any:
    return [bindparam(f"department_{at}", type_=Uuid()) for at in range(count)]


_REACH = HotSelect(_build)


async def reach(on: AsyncSession | AsyncConnection, caller: Principal) -> Reach:
    """What the caller reaches under the route's permission, with at most one statement."""
    scope = caller.scope
    if scope.everything:
        return Reach(everything=True)
    person = caller.user_id if scope.own else None
    departments = tuple(sorted(scope.departments))[: _DEPARTMENTS[-1]]
    if person is None and not departments:
        return Reach()
    wide = Reach(wide=True, user_id=person, departments=departments)
    _, size, has_person = wide.shape
    rows = await _REACH.rows(on, size, has_person, **wide.values)
    managed = {group for group, role in rows if role in MANAGING}
    joined = {group for group, role in rows if role not in MANAGING} - managed
    if len(rows) > MOST:
        return wide
    return Reach(
        managed=tuple(sorted(managed)),
        joined=tuple(sorted(joined)),
        user_id=person,
        departments=departments,
    )


def the_caller() -> BindParameter[UUID]:
    """The caller's id, bound later; everywhere of one type, or it is not what a driver takes."""
    return bindparam("caller_id", type_=Uuid())


def caller_of(shape: tuple[str, int, int]) -> Principal:
    """A caller whose id and departments are bound later, for :func:`visible` in a hot select."""
    _, size, person = shape
    scope = Scope(departments=frozenset(_bound(size)), own=bool(person))
    bound: Any = the_caller() if person else None
    return Principal(id="", name="", user_id=bound, grants={"": scope}, needed="")


def plain_member() -> Select[str]:
    """The groups in which the bound caller is a plain member."""
    caller: Any = the_caller()
    return groups_of(caller).where(GroupMember.role == GroupRole.MEMBER)


def narrowed(
    statement: S,
    shape: tuple[str, int, int],
    *,
    group: Any,
    key: Any,
    mine: Callable[[], Any],
    filters: Sequence[Any] = (),
    first: int | Any = None,
) -> S:
    """The statement, kept to what a caller reaches.

    Args:
        statement: A select of a scoped model; ``filters`` are applied here.
        shape: :attr:`Reach.shape`.
        group: The model's column with the group.
        key: A unique column that an index has behind the group: rows are wanted by it, downwards.
        mine: Makes the condition for the caller's own rows in groups where they are a plain
            member.
        filters: Further conditions.
        first: How many rows are wanted at most, when they are wanted in the key's order. None:
            in any other order, or counted.
    """
    kind, size, joined = shape
    statement = statement.where(*filters)
    if kind == "all":
        return statement
    if kind == "wide":
        return visible(statement, caller_of(shape))
    names = [bindparam(f"group_{at}", type_=group.type) for at in range(size)]
    if size == 1 and not joined:
        return statement.where(group == names[0])
    conditions = [group == name for name in names]
    if joined:
        conditions.append(mine())
    if first is None or len(conditions) <= 1:
        return statement.where(_any(group, names, mine if joined else None))
    parts = [
        select(
            select(key.label("key"))
            .where(condition, *filters)
            .order_by(key.desc())
            .limit(first)
            .subquery()
            .c.key
        )
        for condition in conditions
    ]
    return statement.where(key.in_(select(union_all(*parts).subquery().c.key)))


def _any(group: Any, names: Sequence[Any], mine: Callable[[], Any] | None) -> Any:
    parts = [group.in_(names)] if names else []
    return or_(false(), *parts, *([mine()] if mine else []))
