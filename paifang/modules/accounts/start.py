"""What accounts do when a process starts, and run beside requests."""

from collections.abc import Awaitable, Callable

from paifang.core.runtime import Runtime


async def start_accounts(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """Note who is here, and offer to make the first administrator; returns what stops it."""
    if "console" not in runtime.roles:
        return _nothing
    # Of the console alone: a process that only relays needs none of it.
    from paifang.modules.accounts.entry.seen import Seen  # noqa: PLC0415  # as just said
    from paifang.modules.accounts.passwords.hashing import Hasher  # noqa: PLC0415  # as just said

    if runtime.first_start:
        runtime.notes += await _offer(runtime)
    seen = runtime.parts[Seen] = Seen(runtime.db)
    seen.start()

    async def stop() -> None:
        await seen.stop()
        hasher: Hasher | None = runtime.parts.get(Hasher)
        if hasher is not None:
            hasher.close()

    return stop


async def _offer(runtime: Runtime) -> list[str]:
    """Lines with the set-up link, for whoever started Paifang, while there is no administrator."""
    from paifang.core.commands import invocation  # noqa: PLC0415  # of `up` alone
    from paifang.modules.accounts.sign_up import setup  # noqa: PLC0415  # of `up` alone

    async with runtime.db.transaction() as session:
        if await setup.is_set_up(session):
            return []
        link = await setup.make_link(session, runtime=runtime)
    command = f"{invocation(runtime.settings.home)} accounts setup-link"
    return [
        "Make yourself the administrator, within 30 minutes:",
        f"  {link}",
        f"Later `{command}` prints a new link.",
        "",
    ]


async def _nothing() -> None:
    """There is nothing to stop."""
