"""Tickets: a password was right, and a second factor is still to come. Signed, not stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from paifang.core.errors import Unauthenticated
from paifang.core.runtime import Runtime
from paifang.modules.accounts.sessions.jwt import Jwt, TokenError

SECONDS = 300


class TicketOver(Unauthenticated):
    """The ticket is no ticket of ours, or older than five minutes."""

    code = "ticket_over"
    title = "Too much time has passed; sign in again"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What has been proved so far."""

    user_id: UUID
    methods: tuple[str, ...]


def make(runtime: Runtime, *, user_id: UUID, methods: Sequence[str]) -> str:
    """A ticket for somebody who has one more thing to prove."""
    return _jwt(runtime).make({"sub": str(user_id), "amr": list(methods)}, now=time.time())


def read(runtime: Runtime, ticket: str) -> Ticket:
    """What a ticket says. Raises :class:`TicketOver`."""
    try:
        claims = _jwt(runtime).read(ticket, now=time.time())
        return Ticket(UUID(claims["sub"]), tuple(str(method) for method in claims["amr"]))
    except (TokenError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise TicketOver from error


def _jwt(runtime: Runtime) -> Jwt:
    key = runtime.secrets.derived("accounts.ticket")
    return Jwt(key, kind="ticket+jwt", audience="paifang/sign-in", seconds=SECONDS)
