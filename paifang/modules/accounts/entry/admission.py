"""The last step of every way in: in, or first the second factor, or first setting one up."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import tickets
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.service import Entry, let_in, need_active
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import SecondFactorThere
from paifang.modules.accounts.factors.tries import tried
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User

SETTABLE = ("totp", "passkey")
"""What somebody may set up who needs a second factor."""


@dataclass(frozen=True, slots=True)
class NeedsFactor:
    """So far all was right; one of these is still to be shown, or set up."""

    ticket: str
    factors: list[str]
    set_up: bool
    """Whether there is none yet, and the rule of this installation asks for one."""


async def admit(
    session: AsyncSession,
    *,
    runtime: Runtime,
    user: User,
    methods: Sequence[str],
    client: Client,
) -> Entry | NeedsFactor:
    """Let somebody in who has proved who they are, unless more is asked of them.

    For every way in but a passkey, which is two factors by itself.

    Args:
        session: The caller's transaction.
        runtime: This process.
        user: Whoever it is; checked.
        methods: By what they have proved it.
        client: Where they are.

    Raises:
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    need_active(user)
    wanted = await factors.methods_of(session, user_id=user.id)
    set_up = not wanted and await factors.is_required(session, user_id=user.id)
    if wanted or set_up:
        ticket = tickets.make(runtime, user_id=user.id, methods=methods)
        return NeedsFactor(ticket, wanted or list(SETTABLE), set_up)
    return await let_in(session, runtime=runtime, user=user, methods=methods, client=client)


Prove = Callable[[AsyncSession, User], Awaitable[None]]
"""Looks at what was shown, in the transaction that lets the person in; raises when it is wrong."""


async def with_second(
    runtime: Runtime, *, ticket: str, method: str, client: Client, prove: Prove
) -> Entry:
    """Let somebody in who has a ticket, and has shown a second factor.

    Raises:
        TicketOver: it is none of ours, or too old.
        TooManyAttempts: tries fail too often.
        WrongProof: ``prove`` said so.
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    known = tickets.read(runtime, ticket)

    async def check(session: AsyncSession) -> Entry:
        user = await users.by_id(session, user_id=known.user_id, lock=True)
        if user is None:
            raise tickets.TicketOver
        need_active(user)
        await prove(session, user)
        return await let_in(
            session,
            runtime=runtime,
            user=user,
            methods=[*known.methods, method],
            client=client,
        )

    return await tried(runtime, user_id=known.user_id, address=client.address, check=check)


async def without_factor(session: AsyncSession, *, runtime: Runtime, ticket: str) -> User:
    """The person of a ticket who has no second factor yet, and may set a first one up with it.

    Their row is held until the commit.

    Raises:
        TicketOver: it is none of ours, or too old.
        SecondFactorThere: they have one; a ticket is not enough to add another.
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    known = tickets.read(runtime, ticket)
    user = await users.by_id(session, user_id=known.user_id, lock=True)
    if user is None:
        raise tickets.TicketOver
    need_active(user)
    if await factors.methods_of(session, user_id=user.id):
        raise SecondFactorThere
    return user
