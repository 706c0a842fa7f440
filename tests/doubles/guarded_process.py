"""A process that takes its place among the gateway processes and does nothing else.

python -m doubles.guarded_process URL HOME
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import make_url

from paifang.core.db import Database
from paifang.modules.gateway.processes.guard import Guard


async def _main(url: str, home: str) -> None:
    guard = Guard(database=Database(make_url(url)), home=Path(home), shares="")
    await guard.enter()
    print(guard.id, flush=True)  # noqa: T201  # whoever started it reads this
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
