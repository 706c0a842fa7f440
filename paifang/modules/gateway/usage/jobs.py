"""Background work of usage."""

import time

from paifang.core.jobs import Run, job
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.usage import rolling


@job("gateway.sum_usage", tries=3)
async def sum_usage(run: Run) -> None:
    """Sum finished calls up by the hour, for charts."""
    while await run.step(_piece) == rolling.PIECE:
        pass


async def _piece(run: Run) -> int:
    async with run.transaction() as session:
        return await rolling.roll(session)


@job("gateway.prune_usage", tries=3)
async def prune_usage(run: Run) -> None:
    """Drop sums older than ``PAIFANG_GATEWAY_USAGE_DAYS``."""
    await run.step(_prune)


async def _prune(run: Run) -> int:
    days = run.runtime.settings.area(GatewaySettings).usage_days
    if days == 0:
        return 0
    async with run.transaction() as session:
        return await rolling.forget(session, before_hour=int(time.time() // 3600) - days * 24)


JOBS = (sum_usage.every("*/5 * * * *"), prune_usage.every("41 3 * * *"))
