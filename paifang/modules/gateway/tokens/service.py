"""Making, changing and ending tokens. The only place that writes them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version, next_number, utc_now
from paifang.core.scope import unscoped, visible
from paifang.modules.accounts.users.models import User, UserStatus
from paifang.modules.gateway.changes import MAX_NANOS, Check, apply_changes, as_json
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.members.models import GroupMember, GroupRole
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens import allowance, keys
from paifang.modules.gateway.tokens.errors import (
    TokenNameTaken,
    TokenNotFound,
    TokenNotYours,
    TokenRevoked,
)
from paifang.modules.gateway.tokens.models import Token


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
        GroupNotFound: there is no such group, for this caller.
        TokenNotYours: the caller sees the group, and may make no tokens in it.
        TooManyTokens: the caller has as many in it as a person may.
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
    allowed = await allowance.of_group(
        session, actor, group_id, make=auto_create_group, unpriced=group_unpriced
    )
    maker = await allowance.maker_of(session, actor, group_id)
    allowance.check_within(allowed, values)
    await _name_is_free(session, group_id, values["name"])
    key = keys.make_key()
    token = Token(
        number=await next_number(session, "tokens"),
        group_id=group_id,
        **values,
        **_shown_of(key),
        created_by=actor.id,
        user_id=maker,
    )
    session.add(token)
    # Now, so that its defaults can be read and a collision is met here.
    await session.flush()
    made = {"group_id": group_id, "prefix": token.prefix, "last_four": token.last_four, **values}
    _record(session, actor, "create", token.id, {k: as_json(v) for k, v in made.items()})
    await bump_version(session, "gateway")
    return token, key


async def get(session: AsyncSession, *, caller: Principal, token_id: UUID) -> Token:
    """A token. Raises :class:`TokenNotFound`."""
    statement = visible(select(Token).where(Token.id == token_id), caller)
    token = await session.scalar(statement)
    if token is None:
        raise TokenNotFound
    return token


async def find_by_number(
    session: AsyncSession, *, caller: Principal, number: int, group_id: str | None = None
) -> Token:
    """A token by its number, of one group or of any. Raises :class:`TokenNotFound`."""
    statement = visible(select(Token).where(Token.number == number), caller)
    if group_id is not None:
        statement = statement.where(Token.group_id == group_id)
    # More than a bigint is no number, and PostgreSQL's driver refuses it with an error of its own.
    token = await session.scalar(statement) if 0 < number < 2**63 else None
    if token is None:
        raise TokenNotFound
    return token


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
    token = await _locked(session, actor, token_id)
    if token.status == "revoked":
        raise TokenRevoked
    if {"models", "quota"} & changes.keys():
        allowed = await allowance.of_group(session, actor, token.group_id)
        allowance.check_within(allowed, values)
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
    token = await _locked(session, actor, token_id)
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
    token = await _locked(session, actor, token_id)
    if token.status == "revoked":
        raise TokenRevoked
    key = keys.make_key()
    changed = apply_changes(token, _shown_of(key))
    del changed["digest"]
    await _changed(session, actor, "rotate", token, changed)
    return token, key


async def delete(session: AsyncSession, *, actor: Principal, token_id: UUID) -> None:
    """Delete a token. Its logs stay. Raises :class:`TokenNotFound`."""
    token = await _locked(session, actor, token_id)
    await session.delete(token)
    _record(session, actor, "delete", token.id, {"group_id": token.group_id, "name": token.name})
    await bump_version(session, "gateway")


async def take_over(session: AsyncSession, *, actor: Principal, token_id: UUID) -> Token:
    """Answer for a token from now on; one that its person's leaving has stopped works again.

    It becomes the caller's own, or, from outside of the group, the group's alone. Its key stays:
    whoever had it still knows it.

    Raises:
        TokenNotFound: there is no such token.
        TokenRevoked: it is revoked.
        RoleTooLow: the caller is no owner of the group.
    """
    token = await _locked(session, actor, token_id)
    standing = await members.standing(session, caller=actor, group_id=token.group_id)
    members.check_rank(standing or GroupRole.MEMBER, GroupRole.OWNER)
    if token.status == "revoked":
        raise TokenRevoked
    role = await members.role_of(session, group_id=token.group_id, user_id=actor.user_id)
    person = None if role is None else actor.user_id
    changed = apply_changes(token, {"user_id": person, "stopped_at": None})
    if changed:
        await _changed(session, actor, "take_over", token, changed)
    return token


async def stop_of_member(session: AsyncSession, *, group_id: str, user_id: UUID) -> int:
    """Stop the tokens of a person who leaves a group; says how many.

    The caller holds a lock on the group, records it, and counts the version up.
    """
    statement = unscoped(
        update_rows(Token)
        .where(Token.group_id == group_id, Token.user_id == user_id, Token.stopped_at.is_(None))
        .values(stopped_at=utc_now(), updated_at=Token.updated_at),
        "whoever may take a person out of a group ends what they have there",
    )
    stopped = await session.execute(statement)
    return int(stopped.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


async def delete_of_group(session: AsyncSession, *, actor: Principal, group_id: str) -> int:
    """Delete all tokens of a group; returns how many.

    The caller holds a lock on the group and counts the version up.
    """
    rows = unscoped(
        select(Token.id, Token.name).where(Token.group_id == group_id),
        "they go with their group, which the caller may delete",
    )
    tokens = (await session.execute(rows)).all()
    for token_id, name in tokens:
        _record(session, actor, "delete", token_id, {"group_id": group_id, "name": name})
    await session.execute(
        unscoped(delete_rows(Token).where(Token.group_id == group_id), "they go with their group")
    )
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


async def _name_is_free(
    session: AsyncSession, group_id: str, name: str, but: UUID | None = None
) -> None:
    statement = unscoped(
        select(Token.id).where(Token.group_id == group_id, Token.name == name),
        "names are unique in a group, whoever sees them",
    )
    holder = await session.scalar(statement)
    if holder is not None and holder != but:
        raise TokenNameTaken(f"The group {group_id} has a token named {name!r}. Choose another.")


async def _locked(session: AsyncSession, actor: Principal, token_id: UUID) -> Token:
    """The token, locked until the transaction ends, so that nothing undoes a revocation.

    Raises:
        TokenNotFound: the caller does not see it.
        TokenNotYours: they see it, and may not change it.
    """
    statement = visible(select(Token).where(Token.id == token_id), actor)
    token: Token | None = await session.scalar(statement.with_for_update())
    if token is not None:
        return token
    reader = actor.under(GatewayPermission.TOKENS_READ)
    if await session.scalar(visible(select(Token.id).where(Token.id == token_id), reader)) is None:
        raise TokenNotFound
    raise TokenNotYours


def person_stands() -> ColumnElement[bool]:
    """That a token has no person, or one who is active and in its group."""
    member = unscoped(
        select(User.id)
        .join(GroupMember, GroupMember.user_id == User.id)
        .where(
            GroupMember.group_id == Token.group_id,
            GroupMember.user_id == Token.user_id,
            User.status == UserStatus.ACTIVE,
        )
        .correlate(Token),
        "only whether there is one is asked",
    )
    return or_(Token.user_id.is_(None), member.exists())


def in_state(state: str, at: Any = None) -> ColumnElement[bool]:
    """That a token is in a state, as :func:`~.reading.state_of` says it; ``at``, by default now,
    is a moment or what is bound to one.
    """
    now = utc_now() if at is None else at
    works = and_(Token.stopped_at.is_(None), person_stands())
    enabled = and_(Token.status == "enabled", works)
    expired = and_(Token.expires_at.is_not(None), Token.expires_at <= now)
    alive = or_(Token.expires_at.is_(None), Token.expires_at > now)
    exhausted = and_(Token.quota.is_not(None), Token.used >= Token.quota)
    paid = or_(Token.quota.is_(None), Token.used < Token.quota)
    return {
        "enabled": and_(enabled, alive, paid),
        "stopped": and_(Token.status == "enabled", not_(works)),
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
