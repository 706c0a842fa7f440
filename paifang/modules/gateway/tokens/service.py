"""Making, changing and ending tokens. The only place that writes them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, and_, insert, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version, next_number, utc_now
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.gateway.changes import MAX_NANOS, Check, apply_changes, as_json
from paifang.modules.gateway.tokens import keys
from paifang.modules.gateway.tokens.errors import (
    GroupNotFound,
    TokenNameTaken,
    TokenNotFound,
    TokenRevoked,
)
from paifang.modules.gateway.tokens.models import Token

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


class TokenChanges(TypedDict, total=False):
    """What of a token may be changed; a field that is left out stays."""

    name: str
    status: str
    models: Iterable[str] | None
    networks: Iterable[str]
    expires_at: datetime | None
    quota: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    group_id: str,
    name: str,
    models: Iterable[str] | None = None,
    networks: Iterable[str] = (),
    expires_at: datetime | None = None,
    quota: int | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    concurrency: int | None = None,
    auto_create_group: bool = False,
    group_unpriced: str = "allow",
) -> tuple[Token, str]:
    """Make a token. Its key is returned here and nowhere else.

    Args:
        session: The caller's transaction.
        actor: Whoever makes it.
        group_id: The group it belongs to.
        name: Unique in the group.
        models: Models it may call; None means all.
        networks: CIDR blocks and addresses it may be used from; none means any.
        expires_at: In the future; None means never.
        quota: Nanos it may spend in its life.
        rpm: Requests per minute.
        tpm: Model tokens per minute.
        concurrency: Calls in flight.
        auto_create_group: Make the group when there is none of that id.
        group_unpriced: The policy of a group that is made: ``allow`` or ``block``.

    Raises:
        Invalid: a value can't be right.
        GroupNotFound: there is no such group.
        TokenNameTaken: the group has a token of that name.
    """
    values = _checked(
        {
            "name": name,
            "models": models,
            "networks": networks,
            "expires_at": expires_at,
            "quota": quota,
            "rpm": rpm,
            "tpm": tpm,
            "concurrency": concurrency,
        }
    )
    group_id = await _group(
        session, actor, group_id, make=auto_create_group, unpriced=group_unpriced
    )
    await _name_is_free(session, group_id, values["name"])
    key = keys.make_key()
    token = Token(
        number=await next_number(session, "tokens"),
        group_id=group_id,
        **values,
        **_shown_of(key),
        created_by=actor.id,
    )
    session.add(token)
    # Now, so that its defaults can be read and a collision is met here.
    await session.flush()
    made = {"group_id": group_id, "prefix": token.prefix, "last_four": token.last_four, **values}
    _record(session, actor, "create", token.id, {k: as_json(v) for k, v in made.items()})
    await bump_version(session, "gateway")
    return token, key


async def get(session: AsyncSession, *, token_id: UUID) -> Token:
    """A token. Raises :class:`TokenNotFound`."""
    token = await session.get(Token, token_id)
    if token is None:
        raise TokenNotFound
    return token


async def find_by_number(
    session: AsyncSession, *, number: int, group_id: str | None = None
) -> Token:
    """A token by its number, of one group or of any. Raises :class:`TokenNotFound`."""
    statement = select(Token).where(Token.number == number)
    if group_id is not None:
        statement = statement.where(Token.group_id == group_id)
    # More than a bigint is no number, and PostgreSQL's driver refuses it with an error of its own.
    token = await session.scalar(statement) if 0 < number < 2**63 else None
    if token is None:
        raise TokenNotFound
    return token


async def list_page(
    session: AsyncSession,
    *,
    paging: PageQuery,
    group_id: str | None = None,
    status: str | None = None,
    state: str | None = None,
    search: str | None = None,
) -> Page[Token]:
    """A page of tokens, the newest first.

    Args:
        session: Any session.
        paging: Which page; sorts by :data:`SORTS`.
        group_id: Of one group.
        status: As decided: ``enabled``, ``disabled`` or ``revoked``.
        state: As it is now: a status, ``expired`` or ``exhausted``.
        search: Part of the name, of the key's first characters, or its last four.
    """
    # The number breaks ties, so that no page repeats or misses a row.
    order = (order_by(paging.sort, SORTS, "-number"), Token.number.desc())
    statement = select(Token).order_by(*order)
    if group_id is not None:
        statement = statement.where(Token.group_id == group_id)
    if status is not None:
        statement = statement.where(Token.status == status)
    if state is not None:
        statement = statement.where(in_state(state))
    if search:
        statement = statement.where(
            or_(
                Token.name.icontains(search, autoescape=True),
                Token.prefix.icontains(search, autoescape=True),
                Token.last_four == search,
            )
        )
    return await paginate(session, statement, paging=paging, read=lambda token: token)


async def update(
    session: AsyncSession, *, actor: Principal, token_id: UUID, **changes: Unpack[TokenChanges]
) -> Token:
    """Change a token.

    Raises:
        Invalid: a value can't be right.
        TokenNotFound: there is no such token.
        TokenNameTaken: the group has another token of that name.
        TokenRevoked: revoked tokens stay as they are.
    """
    values = _checked(dict(changes))
    token = await _locked(session, token_id)
    if token.status == "revoked":
        raise TokenRevoked
    if values.get("name", token.name) != token.name:
        await _name_is_free(session, token.group_id, values["name"], but=token.id)
    changed = apply_changes(token, values)
    if changed:
        await _changed(session, actor, "update", token, changed)
    return token


async def revoke(session: AsyncSession, *, actor: Principal, token_id: UUID) -> Token:
    """End a token for ever; its row stays, to be seen. Twice is once.

    Raises :class:`TokenNotFound`.
    """
    token = await _locked(session, token_id)
    if token.status != "revoked":
        changed = apply_changes(token, {"status": "revoked", "revoked_at": utc_now()})
        await _changed(session, actor, "revoke", token, changed)
    return token


async def rotate(session: AsyncSession, *, actor: Principal, token_id: UUID) -> tuple[Token, str]:
    """Give a token a new key; the old one stops at once.

    Raises:
        TokenNotFound: there is no such token.
        TokenRevoked: it is revoked.
    """
    token = await _locked(session, token_id)
    if token.status == "revoked":
        raise TokenRevoked
    key = keys.make_key()
    changed = apply_changes(token, _shown_of(key))
    del changed["digest"]
    await _changed(session, actor, "rotate", token, changed)
    return token, key


async def delete(session: AsyncSession, *, actor: Principal, token_id: UUID) -> None:
    """Delete a token. Its logs stay. Raises :class:`TokenNotFound`."""
    token = await _locked(session, token_id)
    await session.delete(token)
    _record(session, actor, "delete", token.id, {"group_id": token.group_id, "name": token.name})
    await bump_version(session, "gateway")


async def delete_of_group(session: AsyncSession, *, actor: Principal, group_id: str) -> int:
    """Delete all tokens of a group; returns how many.

    The caller holds a lock on the group and counts the version up.
    """
    tokens = (
        await session.execute(select(Token.id, Token.name).where(Token.group_id == group_id))
    ).all()
    for token_id, name in tokens:
        _record(session, actor, "delete", token_id, {"group_id": group_id, "name": name})
    await session.execute(delete_rows(Token).where(Token.group_id == group_id))
    return len(tokens)


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    check = Check()
    rules: dict[str, Callable[[Any], Any]] = {
        "name": check.name,
        "status": lambda value: check.choice("status", value, ("enabled", "disabled")),
        "models": check.models,
        "networks": check.networks,
        "expires_at": lambda value: check.future("expires_at", value),
        "quota": lambda value: check.whole("quota", value, 0, MAX_NANOS),
    }
    for field, rule in rules.items():
        if field in values:
            values[field] = rule(values[field])
    check.limits(values)
    check.done()
    return values


def _shown_of(key: str) -> dict[str, str]:
    return {
        "digest": keys.digest(key),
        "prefix": key[: keys.SHOWN_LENGTH],
        "last_four": key[-4:],
    }


def _groups() -> FromClause:
    # By the foreign key: groups stand on tokens, so tokens import nothing of theirs.
    (key,) = Token.__table__.c.group_id.foreign_keys
    return key.column.table


async def _group(
    session: AsyncSession, actor: Principal, group_id: str, *, make: bool, unpriced: str
) -> str:
    """The group, locked against deletion and made when it may be; its id."""
    groups = _groups()
    check = Check()
    check.group_id(group_id, "group_id")
    if make:
        check.done()
    elif check.errors:
        raise GroupNotFound
    # The lock keeps the group from being deleted before this transaction ends.
    found: str | None = await session.scalar(
        select(groups.c.id)
        .where(groups.c.id == group_id)
        .with_for_update(read=True, key_share=True)
    )
    if found is not None:
        return found
    if not make:
        raise GroupNotFound(f"There is no group {group_id}.")
    await session.execute(insert(groups).values(id=group_id, unpriced=unpriced))  # type: ignore[arg-type]  # it is a Table
    audit.record(
        session,
        actor=actor,
        action="gateway.group.create",
        subject_type="group",
        subject_id=group_id,
        changes={"unpriced": unpriced},
    )
    return group_id


async def _name_is_free(
    session: AsyncSession, group_id: str, name: str, but: UUID | None = None
) -> None:
    statement = select(Token.id).where(Token.group_id == group_id, Token.name == name)
    holder = await session.scalar(statement)
    if holder is not None and holder != but:
        raise TokenNameTaken(f"The group {group_id} has a token named {name!r}. Choose another.")


async def _locked(session: AsyncSession, token_id: UUID) -> Token:
    """The token, locked until the transaction ends, so that nothing undoes a revocation."""
    token = await session.get(Token, token_id, with_for_update=True)
    if token is None:
        raise TokenNotFound
    return token


def in_state(state: str) -> ColumnElement[bool]:
    """That a token is in a state at this moment, as :attr:`Token.state` says it."""
    now = utc_now()
    enabled = Token.status == "enabled"
    expired = and_(Token.expires_at.is_not(None), Token.expires_at <= now)
    alive = or_(Token.expires_at.is_(None), Token.expires_at > now)
    exhausted = and_(Token.quota.is_not(None), Token.used >= Token.quota)
    paid = or_(Token.quota.is_(None), Token.used < Token.quota)
    return {
        "enabled": and_(enabled, alive, paid),
        "expired": and_(enabled, expired),
        "exhausted": and_(enabled, alive, exhausted),
    }.get(state, Token.status == state)


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, token: Token, changes: dict[str, Any]
) -> None:
    await session.flush()
    _record(session, actor, verb, token.id, changes)
    await bump_version(session, "gateway")


def _record(
    session: AsyncSession, actor: Principal, verb: str, token_id: UUID, changes: dict[str, Any]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"gateway.token.{verb}",
        subject_type="token",
        subject_id=str(token_id),
        changes=changes,
    )
