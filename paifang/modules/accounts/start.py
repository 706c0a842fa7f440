"""What accounts run beside requests."""

from collections.abc import Awaitable, Callable

from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.seen import Seen
from paifang.modules.accounts.passwords.hashing import Hasher


async def start_accounts(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """Note who is here, where there is a console; returns what stops it."""
    if "console" not in runtime.roles:
        return _nothing
    seen = runtime.parts[Seen] = Seen(runtime.db)
    seen.start()

    async def stop() -> None:
        await seen.stop()
        hasher: Hasher | None = runtime.parts.get(Hasher)
        if hasher is not None:
            hasher.close()

    return stop


async def _nothing() -> None:
    """There is nothing to stop."""
