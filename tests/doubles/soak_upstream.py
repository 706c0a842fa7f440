"""The OpenAI double for a load that lasts: it keeps numbers, not the calls.

Prints ``{"url": ...}``. Orders: ``report`` tells how it stands, ``left`` how much of each call
had been sent that its caller left. It ends when its input does.
"""

import asyncio
import contextlib
from typing import Any

import uvloop

from doubles.openai_answers import Seen
from doubles.openai_upstream import OpenAIDouble
from doubles.programs import orders, tell


class _Passing(list[Seen]):
    """Takes what the double sees, and keeps it only while its connection is on it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.now: dict[asyncio.Task[Any] | None, Seen] = {}

    def append(self, seen: Seen) -> None:
        self.calls += 1
        self.now[asyncio.current_task()] = seen


class SoakUpstream(OpenAIDouble):
    """Knows how many calls came, and of which their caller did not wait for the end."""

    def __init__(self) -> None:
        super().__init__()
        self.passing = self.requests = _Passing()
        self.left: dict[str, int] = {}
        """Pieces of content sent, by the request id that the gateway passes on."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            return await super()._exchange(reader, writer)
        finally:
            seen = self.passing.now.pop(asyncio.current_task(), None)
            if seen is not None and seen.disconnected.is_set():
                self.left[seen.headers["x-request-id"]] = seen.sent

    def report(self) -> dict[str, Any]:
        """How it stands."""
        return {
            "calls": self.passing.calls,
            "busy": len(self.passing.now),
            "connections": len(self._tasks),
        }


async def main() -> None:
    """Serve until the input ends."""
    async with SoakUpstream() as double:
        tell(url=double.url)
        async for order in orders():
            tell(**(double.left if order == "left" else double.report()))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
