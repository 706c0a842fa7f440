"""Counting tries and asking for proofs of work. The only place that writes throttles.

A try is counted before it is looked at and taken back when it was right. So any number of tries at
the same moment are as many as they are.
"""

import hmac
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import Table, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import utc_now
from paifang.core.db.rows import make_unless_there
from paifang.core.secrets import Secrets
from paifang.modules.accounts.challenges import proof
from paifang.modules.accounts.challenges.errors import ChallengeRequired, TooManyAttempts
from paifang.modules.accounts.challenges.models import Throttle
from paifang.modules.accounts.settings import AccountsSettings

_THROTTLES: Table = Throttle.__table__  # type: ignore[assignment]  # a mapped table is a Table
FORGOTTEN = timedelta(hours=24)
"""A count that was not touched for so long begins anew."""
ADDRESS_FACTOR = 4
"""Whole schools share an address, so it gets so many times the tries of an account."""


@dataclass(frozen=True, slots=True)
class Throttles:
    """What counts and asks, with this installation's keys and settings."""

    secrets: Secrets
    settings: AccountsSettings

    def key(self, kind: str, value: str) -> str:
        """The key of a throttle: its kind and a keyed digest of what it is about."""
        digest = hmac.digest(self.secrets.derived("accounts.throttle"), value.encode(), "sha256")
        return f"{kind}:{digest[:24].hex()}"

    def account(self, email: str) -> str:
        """Of tries to an account from devices that are not known to it; it need not exist."""
        return self.key("account", email)

    def device(self, device: str, email: str) -> str:
        """Of tries to an account from a device on which its person has signed in before."""
        return self.key("device", f"{device}:{email}")

    def address(self, address: str) -> str:
        """Of tries from an address; of IPv6 a household's block counts as one."""
        try:
            found = ip_address(address)
        except ValueError:
            return self.key("address", address)
        if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
            return self.key("address", str(ip_network((found, 64), strict=False)))
        mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
        return self.key("address", str(mapped or found))

    async def count(self, session: AsyncSession, key: str, *, factor: int = 1) -> int:
        """Count a try that is about to be made; how many failed before it.

        Commit before the try is looked at, else parallel ones don't see each other.

        Raises:
            TooManyAttempts: its time has not come; it does not count, then.
        """
        row = await _locked(session, key)
        now = utc_now()
        if row.updated_at < now - FORGOTTEN:
            row.failures = 0
        if row.until > now:
            raise TooManyAttempts(row.until)
        before = row.failures
        row.failures += 1
        row.until = now + self.delay(row.failures, factor)
        row.updated_at = now
        await session.flush()
        return before

    def delay(self, failures: int, factor: int = 1) -> timedelta:
        """How long the next try waits after so many failures."""
        beyond = failures - self.settings.delay_after * factor
        if beyond < 0:
            return timedelta()
        longest = self.settings.delay_max_seconds
        return timedelta(seconds=min(longest, 2 ** min(beyond, 1 + int(math.log2(longest)))))

    async def clear(self, session: AsyncSession, key: str) -> None:
        """Forget the failures: the try was right."""
        await session.execute(delete(Throttle).where(Throttle.key == key))

    async def give_back(self, session: AsyncSession, key: str) -> None:
        """Take back one try: it was right, but what failed before still counts.

        Of an address: who has an account of their own could else forget their guesses at others.
        """
        await session.execute(
            update(Throttle)
            .where(Throttle.key == key, Throttle.failures > 0)
            .values(failures=Throttle.failures - 1, until=utc_now())
        )

    async def allow(
        self, session: AsyncSession, key: str, *, times: int, window: timedelta
    ) -> bool:
        """Whether something may happen once more: at most so many times in a window.

        For mails to an address, and for what an address may ask for without a failure.
        """
        row = await _locked(session, key)
        now = utc_now()
        if row.until <= now:
            row.failures, row.until = 0, now + window
        row.updated_at = now
        if row.failures >= times:
            return False
        row.failures += 1
        await session.flush()
        return True

    # --- proof of work ---

    @property
    def challenging(self) -> bool:
        """Whether proofs of work are asked for at all."""
        return self.settings.challenge_number > 0

    def challenge(self) -> dict[str, Any]:
        """A challenge to solve."""
        return proof.make(
            self.secrets.derived("accounts.challenge"),
            number=self.settings.challenge_number,
            seconds=CHALLENGE_SECONDS,
            now=time.time(),
        )

    async def need_proof(self, session: AsyncSession, solution: str | None) -> None:
        """Take a solution, once.

        Raises:
            ChallengeRequired: there is none, or it does not count; the refusal brings a challenge.
        """
        if not self.challenging:
            return
        if not solution:
            raise ChallengeRequired(self.challenge())
        try:
            challenge, expires = proof.verify(
                self.secrets.derived("accounts.challenge"), solution, now=time.time()
            )
        except proof.ProofError as error:
            raise ChallengeRequired(self.challenge(), f"The solution is {error}.") from error
        spent = Throttle(
            key=f"spent:{challenge}"[:80], failures=1, until=datetime.fromtimestamp(expires, UTC)
        )
        try:
            async with session.begin_nested():
                session.add(spent)
        except IntegrityError:
            raise ChallengeRequired(self.challenge(), "The solution was used before.") from None


CHALLENGE_SECONDS = 600
"""How long a solution is accepted."""


async def _locked(session: AsyncSession, key: str) -> Throttle:
    found = await session.get(Throttle, key, with_for_update=True, populate_existing=True)
    if found is not None:
        return found
    now = utc_now()
    new = {"key": key, "failures": 0, "until": now, "updated_at": now}
    await make_unless_there(session, _THROTTLES, "key", new)
    return await session.get_one(Throttle, key, populate_existing=True)


async def forget_old(session: AsyncSession) -> int:
    """Delete the rows that mean nothing any more; how many."""
    now = utc_now()
    gone = await session.execute(
        delete(Throttle).where(Throttle.until < now, Throttle.updated_at < now - FORGOTTEN)
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
