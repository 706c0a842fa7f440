"""Finding tokens as AI Proxy's API asks for them, and reading its changes."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import visible
from paifang.modules.gateway.compat.errors import TokenSpent
from paifang.modules.gateway.compat.lists import Paging, fetch, moment_or_never, ordering
from paifang.modules.gateway.compat.tokens.schemas import HIDDEN, STATES, ProxyToken, TokenIn
from paifang.modules.gateway.compat.values import invalid, moment, nanos
from paifang.modules.gateway.tokens import keys, service
from paifang.modules.gateway.tokens.models import Token

COMPATIBLE_PREFIX = "sk-"
"""That service's front end puts it before every key it shows."""
NAMES = {"networks": "subnet", "expires_at": "expired_at", "group_id": "group"}
"""Fields of a token as this API calls them."""
ORDERS = {
    "id": Token.number,
    "name": Token.name,
    "group": Token.group_id,
    "used_amount": Token.used,
    "request_count": Token.requests,
    "created_at": Token.created_at,
    "expired_at": moment_or_never(Token.expires_at),
    "accessed_at": moment_or_never(Token.last_used_at),
}


async def find(
    session: AsyncSession,
    *,
    caller: Principal,
    paging: Paging,
    group: str | None = None,
    status: int | None = None,
    keyword: str | None = None,
    name: str | None = None,
    key: str | None = None,
) -> tuple[list[Token], int]:
    """A page of tokens and their bounded total.

    Args:
        session: Any session.
        caller: Whoever asks.
        paging: Which page, in which order.
        group: Of one group.
        status: A number of :data:`STATES`; None or 0: any.
        keyword: Part of the name, the group, or what is shown of the key.
        name: The whole name.
        key: The whole key, or what is shown of it.

    Raises:
        Invalid: there is no such status or order.
    """
    order = (ordering(paging.order, ORDERS), Token.number)
    statement = visible(select(Token), caller).order_by(*order)
    if group:
        statement = statement.where(Token.group_id == group)
    if status:
        if status not in STATES:
            raise invalid("status", "use 1 enabled, 2 disabled, 3 expired or 4 exhausted")
        statement = statement.where(or_(*(service.in_state(state) for state in STATES[status])))
    if name:
        statement = statement.where(Token.name == name)
    if key:
        statement = statement.where(_has_key(key))
    if keyword:
        parts = [_has_key(keyword)]
        parts += [
            column.icontains(keyword, autoescape=True) for column in (Token.name, Token.group_id)
        ]
        statement = statement.where(or_(*parts))
    return await fetch(session, statement, paging)


def _has_key(text: str) -> ColumnElement[bool]:
    """That a token has this key, or shows this of it."""
    text = text.removeprefix(COMPATIBLE_PREFIX)
    if keys.looks_like_key(text):
        return Token.digest == keys.digest(text)
    first, hidden, last = text.partition(HIDDEN)
    if hidden:
        return and_(Token.prefix == first, Token.last_four == last)
    return or_(Token.prefix.icontains(text, autoescape=True), Token.last_four == text)


def new_values(sent: TokenIn) -> dict[str, Any]:
    """What was sent for a new token, as the service takes it.

    Raises:
        Invalid: there is no name, or a moment is beyond the calendar.
    """
    if not sent.name:
        raise invalid("name", "is missing")
    return {"name": sent.name, **_values(sent)}


def changes(sent: TokenIn, token: Token) -> dict[str, Any]:
    """What was sent that differs from what is shown: a front end sends whole rows back, and an
    expiry that has passed meanwhile is no change.

    Raises:
        Invalid: a moment is beyond the calendar.
    """
    shown = ProxyToken.of(token).model_dump()
    same = {name for name in sent.model_fields_set if getattr(sent, name) == shown[name]}
    kept = TokenIn.model_construct(
        sent.model_fields_set - same, **{name: getattr(sent, name) for name in TokenIn.model_fields}
    )
    values = _values(kept)
    if "name" in kept.model_fields_set:
        values["name"] = sent.name or ""
    return values


def may_be_enabled(token: Token) -> None:
    """Refuse to enable what would still be refused.

    Raises:
        TokenSpent: it is expired or exhausted.
    """
    if token.state == "expired":
        raise TokenSpent("The token has expired. Set a later expired_at first, or 0 for never.")
    if token.state == "exhausted":
        raise TokenSpent("The token's quota is used up. Set a larger one first, or 0 for no limit.")


def _values(sent: TokenIn) -> dict[str, Any]:
    """The fields that were sent, but for the name, as the service takes them."""
    values: dict[str, Any] = {}
    if "subnet" in sent.model_fields_set:
        parts = (part.strip() for part in (sent.subnet or "").split(","))
        values["networks"] = [part for part in parts if part]
    if "models" in sent.model_fields_set:
        values["models"] = sent.models or None
    if "expired_at" in sent.model_fields_set:
        values["expires_at"] = moment("expired_at", sent.expired_at or 0)
    if "quota" in sent.model_fields_set:
        values["quota"] = nanos(sent.quota) if sent.quota else None
    return values
