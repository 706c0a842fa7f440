"""What access does when a process starts."""

from collections.abc import Awaitable, Callable

from paifang.core.runtime import Runtime


async def start_access(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """Make the built-in roles and give members what this version newly declares."""
    if "console" in runtime.roles:
        from paifang.modules.access.roles.service import seed  # noqa: PLC0415  # the console's

        await seed(runtime.db, runtime.modules)
    return _nothing


async def _nothing() -> None:
    return None
