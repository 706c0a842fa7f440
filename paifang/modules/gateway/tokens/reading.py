"""Lists of tokens, each with the person it belongs to and whether it works at this moment."""

from typing import Any

from sqlalchemy import Boolean, Integer, Select, and_, bindparam, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.hot import HotSelect
from paifang.core.pagination import TOTAL_LIMIT, Page, PageQuery, order_by
from paifang.core.scope import unscoped
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.members.reach import narrowed, plain_member, reach, the_caller
from paifang.modules.gateway.tokens.models import Token
from paifang.modules.gateway.tokens.service import in_state, person_stands

SORTS = {
    "created_at": Token.created_at,
    "expires_at": Token.expires_at,
    "group_id": Token.group_id,
    "last_used_at": Token.last_used_at,
    "name": Token.name,
    "number": Token.number,
    "requests": Token.requests,
    "used": Token.used,
}
NEWEST = "-number"
COLUMNS = {column.key: column for column in Token.__table__.columns if column.key != "digest"}
"""What is shown of a row."""

TokenRow = dict[str, Any]
"""A token by the names of its columns, with ``user_name`` and ``state``."""

_FILTERS = {
    "group_id": lambda: Token.group_id == bindparam("wanted_group"),
    "status": lambda: Token.status == bindparam("wanted_status"),
    "search": lambda: or_(
        func.lower(Token.name).like(bindparam("like"), escape="/"),
        func.lower(Token.prefix).like(bindparam("like"), escape="/"),
        Token.last_four == bindparam("wanted_last_four"),
    ),
    "user_id": lambda: Token.user_id == bindparam("wanted_user"),
}


def _conditions(filters: tuple[str, ...]) -> list[Any]:
    found = []
    for name in filters:
        kind, _, state = name.partition(":")
        found.append(in_state(state, bindparam("now")) if kind == "state" else _FILTERS[kind]())
    return found


def _build(what: str, shape: tuple[str, int, int], filters: tuple[str, ...], sort: str) -> Any:
    def kept(statement: Select[Any], first: Any = None) -> Select[Any]:
        return narrowed(
            statement,
            shape,
            group=Token.group_id,
            key=Token.number,
            mine=lambda: and_(Token.user_id == the_caller(), Token.group_id.in_(plain_member())),
            filters=_conditions(filters),
            first=first,
        )

    counted = (
        kept(unscoped(select(Token.number), "narrowed below")).limit(TOTAL_LIMIT + 1).subquery()
    )
    if what == "count":
        return select(func.count()).select_from(counted)
    total = select(func.count()).select_from(counted).scalar_subquery()
    page = unscoped(
        select(
            *COLUMNS.values(),
            User.display_name.label("user_name"),
            type_coerce(person_stands(), Boolean).label("stands"),
            total.label("total"),
        ).outerjoin(User, User.id == Token.user_id),
        "narrowed below; a test compares it with visible()",
    )
    # The number breaks ties, so that no page repeats or misses a row.
    order = [order_by(sort, SORTS, NEWEST)]
    if sort not in {"", NEWEST}:
        order.append(Token.number.desc())
    first = bindparam("first", type_=Integer) if sort in {"", NEWEST} else None
    return (
        kept(page, first)
        .order_by(*order)
        .limit(bindparam("limit", type_=Integer))
        .offset(bindparam("offset", type_=Integer))
    )


_LIST = HotSelect(_build)
_NAMES = (*COLUMNS, "user_name", "stands", "total")


async def list_page(
    on: AsyncSession | AsyncConnection,
    *,
    caller: Principal,
    paging: PageQuery,
    group_id: str | None = None,
    status: str | None = None,
    state: str | None = None,
    search: str | None = None,
    user_id: Any = None,
) -> Page[TokenRow]:
    """A page of the tokens that the caller sees, the newest first.

    Args:
        on: A session, or a connection for reading.
        caller: Whoever asks.
        paging: Which page; sorts by :data:`SORTS`.
        group_id: Of one group.
        status: As decided: ``enabled``, ``disabled`` or ``revoked``.
        state: As it is now: a status, ``stopped``, ``expired`` or ``exhausted``.
        search: Part of the name, of the key's first characters, or its last four.
        user_id: Of one person.
    """
    order_by(paging.sort, SORTS, NEWEST)  # refuses what it can't sort by
    found = await reach(on, caller)
    given = {"group_id": group_id, "status": status, "search": search, "user_id": user_id}
    filters = [name for name, value in given.items() if value is not None and value != ""]
    if state is not None:
        filters.append(f"state:{state}")
    shape = (found.shape, tuple(filters), paging.sort)
    values = found.values | {
        "wanted_group": group_id,
        "wanted_status": status,
        "wanted_user": user_id,
        "like": f"%{_escaped((search or '').lower())}%",
        "wanted_last_four": search,
        "now": utc_now(),
        "first": paging.offset + paging.page_size,
        "limit": paging.page_size,
        "offset": paging.offset,
    }
    rows = await _LIST.rows(on, "page", *shape, **values)
    if rows:
        total = rows[0][-1]
    elif paging.page == 1:
        total = 0
    else:
        total = (await _LIST.rows(on, "count", *shape, **values))[0][0]
    return Page(
        items=[shown(dict(zip(_NAMES, row, strict=True))) for row in rows],
        total=total,
        page=paging.page,
        page_size=paging.page_size,
    )


def _escaped(text: str) -> str:
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def shown(row: TokenRow) -> TokenRow:
    """The row with its state."""
    row["state"] = state_of(row, stands=row["stands"])
    return row


def state_of(row: TokenRow, *, stands: bool) -> str:
    """As :attr:`Token.state`, with what is known of its person."""
    if row["status"] != "enabled":
        return str(row["status"])
    if row["stopped_at"] is not None or not stands:
        return "stopped"
    if row["expires_at"] is not None and row["expires_at"] <= utc_now():
        return "expired"
    if row["quota"] is not None and row["used"] >= row["quota"]:
        return "exhausted"
    return "enabled"


async def read(session: AsyncSession, token: Token) -> TokenRow:
    """A token that was just changed or found, as lists show it."""
    row: TokenRow = {name: getattr(token, name) for name in COLUMNS}
    statement = unscoped(
        select(User.display_name, person_stands())
        .select_from(Token)
        .outerjoin(User, User.id == Token.user_id)
        .where(Token.id == token.id),
        "whoever sees the token sees whose it is",
    )
    row["user_name"], row["stands"] = (await session.execute(statement)).one()
    return shown(row)
