"""Signing in by another service, and linking accounts there. The only place that writes identities.

An identity is the pair of a service and its own lasting name for a person. A mail address is no
identity: it tells at most that there is an account to sign in to first, never that it is theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.admission import NeedsFactor, admit
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.errors import AwaitingApproval
from paifang.modules.accounts.entry.service import Entry, person
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.models import Identity
from paifang.modules.accounts.factors.notices import Change, tell
from paifang.modules.accounts.fields import as_email
from paifang.modules.accounts.identities import trips
from paifang.modules.accounts.identities.errors import (
    IdentityNotFound,
    IdentityNotLinked,
    IdentityRefused,
    IdentityTaken,
    IdentityWithoutEmail,
)
from paifang.modules.accounts.identities.exchange import Account
from paifang.modules.accounts.identities.id_tokens import LEEWAY
from paifang.modules.accounts.identities.trips import Back
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.sign_up.service import take_in
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User, UserStatus


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody who has signed in by another service, or nearly."""

    result: Entry | NeedsFactor
    next_path: str


async def sign_in(
    runtime: Runtime, *, browser: str, client: Client, locale: str, invitation: str | None
) -> Arrived:
    """Let in whoever the browser came back as. Who is new gets an account, if new people may.

    Args:
        runtime: This process.
        browser: The handle in its cookie.
        client: Where it is.
        locale: The language of a new person's mails.
        invitation: The token of an invitation, for a new person.

    Raises:
        CeremonyOver: it did not come back, or was here before.
        ProviderUnavailable, IdentityRefused: the service did not confirm anybody.
        IdentityNotLinked: there is an account with that address; the detail says how to link.
        IdentityWithoutEmail: a new person, of whom the service tells no verified address.
        RegistrationClosed, InvitationOver: a new person, who needs an invitation that holds.
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    back = await trips.fetch(runtime, purpose=trips.SIGN_IN, browser=browser)
    async with runtime.db.transaction() as session:
        user = await _known(session, back.account)
        if user is None:
            user = await _new(
                session,
                runtime=runtime,
                back=back,
                locale=locale,
                invitation=invitation,
            )
        if user.status != UserStatus.PENDING:
            result = await admit(
                session, runtime=runtime, user=user, methods=["oidc"], client=client
            )
            return Arrived(result, back.next_path)
    # Their account is kept, and they are told to wait for it.
    raise AwaitingApproval


async def link(
    runtime: Runtime, *, actor: Principal, user_id: UUID, browser: str, origin: Origin
) -> Identity:
    """Link the account that the browser came back from to its person.

    Raises:
        CeremonyOver: it did not come back, or as somebody else's.
        ProviderUnavailable, IdentityRefused: the service did not confirm anybody.
        IdentityTaken: it is linked already, here or to another person.
    """
    back = await trips.fetch(runtime, purpose=trips.LINK, browser=browser)
    _check_whose(back, user_id, actor.session_id)
    async with runtime.db.transaction() as session:
        user = await users.by_id(session, user_id=user_id, lock=True)
        if user is None:
            raise IdentityNotFound
        if await _known(session, back.account) is not None:
            raise IdentityTaken(
                "It signs in to an account here already, yours or another. Remove it there first."
            )
        identity = await _linked(session, actor=actor, user=user, back=back)
        await tell(
            session,
            base_url=runtime.base_url,
            user=user,
            change=Change.IDENTITY_LINKED,
            origin=origin,
        )
    return identity


async def reauthenticated(
    runtime: Runtime, *, browser: str, user_id: UUID, session_id: UUID
) -> None:
    """Check that the browser came back as its own person, by an account that is linked.

    Raises:
        CeremonyOver: it did not come back, or as somebody else's.
        ProviderUnavailable: the service did not answer.
        IdentityRefused: it is another account, or they signed in there long ago.
    """
    back = await trips.fetch(runtime, purpose=trips.REAUTHENTICATE, browser=browser)
    _check_whose(back, user_id, session_id)
    async with runtime.db.transaction() as session:
        user = await _known(session, back.account)
    if user is None or user.id != user_id:
        raise IdentityRefused("It is another account than the one that is linked to yours.")
    since = back.account.signed_in_at
    if since is not None and since < back.begun - LEEWAY:
        raise IdentityRefused("You signed in there long ago, and it did not ask you again.")


async def list_of(session: AsyncSession, *, user_id: UUID) -> Sequence[Identity]:
    """A person's accounts at other services, the oldest first."""
    found = select(Identity).where(Identity.user_id == user_id)
    return (await session.scalars(found.order_by(Identity.created_at, Identity.id))).all()


async def unlink(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    user_id: UUID,
    identity_id: UUID,
    origin: Origin,
) -> None:
    """Let an account at another service sign its person in no more.

    Raises:
        IdentityNotFound: the person has none such.
        LastWayIn: it is the only way to sign in.
    """
    identity = await session.get(Identity, identity_id)
    if identity is None or identity.user_id != user_id:
        raise IdentityNotFound
    await factors.check_not_last(session, user_id=user_id)
    await session.delete(identity)
    _record(session, actor, "unlink", identity)
    user = await users.by_id(session, user_id=user_id)
    if user is not None:
        await tell(
            session,
            base_url=runtime.base_url,
            user=user,
            change=Change.IDENTITY_UNLINKED,
            origin=origin,
        )


async def _known(session: AsyncSession, account: Account) -> User | None:
    """The person of an account at another service; it notes that it was used."""
    identity = await session.scalar(
        select(Identity).where(
            Identity.issuer == account.issuer, Identity.subject == account.subject
        )
    )
    if identity is None:
        return None
    identity.used_at = utc_now()
    identity.label = account.label
    return await users.by_id(session, user_id=identity.user_id, lock=True)


async def _new(
    session: AsyncSession,
    *,
    runtime: Runtime,
    back: Back,
    locale: str,
    invitation: str | None,
) -> User:
    account = back.account
    name = trips.provider_of(runtime, back.provider_id).name
    email = _address(account.email)
    if email is None:
        raise IdentityWithoutEmail(
            f"{name} tells no mail address that it has verified. Sign up with an address and a "
            f"password, then link {name} on your security page."
        )
    found = await users.by_email(session, email=email)
    # One that waits for its address to be verified has nothing that anybody could have prepared.
    if found is not None and found.email_verified_at is not None:
        raise IdentityNotLinked(
            f"There is an account with the address that {name} tells. Sign in to it as you always "
            f"do (or ask for a new password), then link {name} on your security page: an address "
            "alone opens nobody's account."
        )
    user = await take_in(
        session,
        runtime=runtime,
        email=email,
        display_name=account.name,
        locale=locale,
        invitation=invitation,
    )
    await _linked(session, actor=person(user), user=user, back=back)
    return user


def _address(email: str | None) -> str | None:
    """A verified address, if mail can be sent to it."""
    try:
        return None if email is None else as_email(email)
    except ValueError:
        return None


async def _linked(session: AsyncSession, *, actor: Principal, user: User, back: Back) -> Identity:
    identity = Identity(
        user_id=user.id,
        issuer=back.account.issuer,
        subject=back.account.subject,
        provider=back.provider_id,
        label=back.account.label,
        used_at=utc_now(),
    )
    session.add(identity)
    await session.flush()
    _record(session, actor, "link", identity)
    return identity


def _check_whose(back: Back, user_id: UUID, session_id: UUID | None) -> None:
    """Refuse what another person's session, in the same browser, has begun."""
    if back.user_id != user_id or back.session_id != session_id:
        raise IdentityRefused("Another session began this. Begin again.")


def _record(session: AsyncSession, actor: Principal, verb: str, identity: Identity) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.identity.{verb}",
        subject_type="user",
        subject_id=str(identity.user_id),
        changes={"issuer": identity.issuer, "subject": identity.subject},
    )
