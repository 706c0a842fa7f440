"""Hashing with argon2id, on a few threads of its own: many sign-ins must not starve the rest."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from paifang.core.runtime import Runtime
from paifang.modules.accounts.passwords.errors import HashingBusy
from paifang.modules.accounts.passwords.rules import normalized
from paifang.modules.accounts.settings import AccountsSettings

T = TypeVar("T")

FLOORS = {1: 46, 2: 19}
"""Fewest MiB by passes (OWASP ASVS 5, appendix C); with more passes the setting's own least."""
WAITING = 100
"""Passwords that may wait for a thread; more are answered 503."""


def too_weak(settings: AccountsSettings) -> str:
    """What is wrong with the settings of argon2id; empty when nothing is."""
    least = FLOORS.get(settings.argon2_passes, 12)
    if settings.argon2_memory_mib >= least:
        return ""
    return f"{settings.argon2_passes} passes need at least {least} MiB"


class Hasher:
    """Hashes and checks passwords. One per process.

    Attributes:
        calls: How many times argon2id has run, for tests of equal work.
    """

    def __init__(self, settings: AccountsSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_mib * 1024,
            parallelism=1,
            hash_len=32,
            salt_len=16,
            type=Type.ID,
        )
        self._pool = ThreadPoolExecutor(settings.hashing_threads, "paifang-passwords")
        self._running = 0
        self._most = settings.hashing_threads + WAITING
        self._dummy: str | None = None
        self.calls = 0

    async def hash(self, password: str) -> str:
        """A hash to store. Raises :class:`HashingBusy`."""
        return await self._run(partial(self._hasher.hash, normalized(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; without a hash as much work, and False.

        Raises:
            HashingBusy: too many are waiting.
        """
        if stored is None:
            if self._dummy is None:
                self._dummy = await self._run(partial(self._hasher.hash, secrets.token_urlsafe(32)))
                self.calls -= 1  # it is made once, not for this one
            await self._run(partial(self._check, self._dummy, normalized(password)))
            return False
        return await self._run(partial(self._check, stored, normalized(password)))

    def is_old(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: "partial[T]") -> T:
        if self._running >= self._most:
            raise HashingBusy("Try again in a moment.", headers={"Retry-After": "2"})
        self._running += 1
        self.calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def hasher_of(runtime: Runtime) -> Hasher:
    """The process's hasher; made when it is first needed."""
    found = runtime.parts.get(Hasher)
    if found is None:
        found = runtime.parts[Hasher] = Hasher(runtime.settings.area(AccountsSettings))
    hasher: Hasher = found
    return hasher
