"""Signing in by password: as much work and the same answer, whoever is or is not there.

The password is checked between two transactions, not inside of one: it takes a while, and SQLite
has one writer. The try is counted and committed before.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.service import ADDRESS_FACTOR, Throttles
from paifang.modules.accounts.entry import admission
from paifang.modules.accounts.entry import service as entry
from paifang.modules.accounts.entry.admission import NeedsFactor
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.devices import DeviceCookies
from paifang.modules.accounts.entry.service import Entry
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_in.errors import WrongCredentials
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User

PASSWORD = "password"  # noqa: S105  # the name of a method


async def by_password(
    runtime: Runtime, *, email: str, password: str, challenge: str | None, client: Client
) -> Entry | NeedsFactor:
    """Sign somebody in who knows their password, or ask for their second factor.

    Raises:
        WrongCredentials: the two don't go together; what was tried has been counted.
        TooManyAttempts, ChallengeRequired: tries fail too often.
        AccountDisabled, AwaitingApproval: the password was right.
        HashingBusy: too many people sign in.
    """
    async with runtime.db.transaction() as session:
        tried = await _count(session, runtime, email, challenge, client)
        user = await users.by_email(session, email=email)
    stored = None if user is None else user.password_hash
    hasher = hasher_of(runtime)
    if not await hasher.verify(stored, password) or user is None or stored is None:
        await _note_failure(runtime, user, client)
        raise WrongCredentials
    fresh = await hasher.hash(password) if hasher.is_old(stored) else None
    async with runtime.db.transaction() as session:
        found = await users.by_id(session, user_id=user.id, lock=True)
        if found is None or found.password_hash != stored:
            raise WrongCredentials  # it was changed in between
        entry.need_active(found)
        if fresh is not None:
            found.password_hash = fresh
        await _forgive(session, runtime, tried)
        return await admission.admit(
            session, runtime=runtime, user=found, methods=[PASSWORD], client=client
        )


async def check_own(runtime: Runtime, *, user_id: UUID, password: str, client: Client) -> bool:
    """Whether a password is the one of a person who is signed in; tries count.

    Raises:
        TooManyAttempts: tries fail too often.
    """
    throttles = Throttles(runtime.secrets, runtime.settings.area(AccountsSettings))
    key = throttles.key("own", str(user_id))
    async with runtime.db.transaction() as session:
        await throttles.count(session, key)
        user = await users.by_id(session, user_id=user_id)
    stored = None if user is None else user.password_hash
    right = await hasher_of(runtime).verify(stored, password)
    if right:
        async with runtime.db.transaction() as session:
            await throttles.clear(session, key)
    else:
        await _note_failure(runtime, user, client)
    return right


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a try was counted on."""

    throttles: Throttles
    subject: str
    address: str | None


async def _count(
    session: AsyncSession, runtime: Runtime, email: str, challenge: str | None, client: Client
) -> _Tried:
    """Count the try: from a known device on that alone, so that no stranger slows its person."""
    settings = runtime.settings.area(AccountsSettings)
    throttles = Throttles(runtime.secrets, settings)
    address = users.folded(email)
    user = await users.by_email(session, email=email)
    known = user is not None and DeviceCookies(runtime.secrets).knows(client.device, user.id)
    if known:
        subject = throttles.device(client.device.id, address)
        failures = await throttles.count(session, subject)
        if failures < settings.delay_after:
            return _Tried(throttles, subject, None)
        # Somebody has copied the cookie, or sits at the device: it is a stranger's then.
        await throttles.give_back(session, subject)
    place = throttles.address(client.address)
    from_here = await throttles.count(session, place, factor=ADDRESS_FACTOR)
    subject = throttles.account(address)
    failures = await throttles.count(session, subject)
    after = settings.challenge_after
    if failures >= after or from_here >= after * ADDRESS_FACTOR:
        await throttles.need_proof(session, challenge)
    return _Tried(throttles, subject, place)


async def _forgive(session: AsyncSession, runtime: Runtime, tried: _Tried) -> None:
    del runtime
    await tried.throttles.clear(session, tried.subject)
    if tried.address is not None:
        await tried.throttles.give_back(session, tried.address)


async def _note_failure(runtime: Runtime, user: User | None, client: Client) -> None:
    """Write down that somebody tried; of an account that is not there as well."""
    async with runtime.db.transaction() as session:
        audit.record(
            session,
            actor=Principal(id="nobody", name="Nobody"),
            action="accounts.sign_in.fail",
            subject_type="user",
            subject_id="unknown" if user is None else str(user.id),
            changes={"address": client.address},
        )
