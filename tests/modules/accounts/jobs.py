"""Runs what was asked for, as a worker would: the real jobs, step by step, without the engine."""

import threading
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, select

from paifang.core.jobs import Run
from paifang.core.module import load
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime


async def work(runtime: Runtime) -> list[str]:
    """Run the jobs of accounts that wait, each twice, because a step may be repeated.

    Returns:
        Their names.
    """
    known = {job.name: job for module in runtime.modules for job in load(module.jobs)}
    async with runtime.db.transaction() as session:
        waiting = list(await session.scalars(select(Outbox).order_by(Outbox.id)))
        waiting = [entry for entry in waiting if entry.job in known]
        await session.execute(delete(Outbox).where(Outbox.id.in_([entry.id for entry in waiting])))
    for entry in waiting:
        for attempt in (1, 2):
            run = Run(
                known[entry.job],
                id=str(entry.id),
                attempt=attempt,
                runtime=runtime,
                checkpoint=_always,
                stopping=threading.Event(),
            )
            await known[entry.job].function(run, **entry.arguments)
    return [entry.job for entry in waiting]


async def _always(_name: str, attempts: Callable[[], Awaitable[Any]]) -> Any:
    return await attempts()
