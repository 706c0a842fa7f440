"""Background work of the logs."""

from datetime import timedelta

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.jobs import Run, job
from paifang.modules.gateway.logs import service
from paifang.modules.gateway.settings import GatewaySettings

CLEANER = Principal(id="clean-up", name="Clean-up", kind="operator", all_permissions=True)
"""The daily job, to which every log is visible."""


@job("gateway.prune_logs", tries=3)
async def prune_logs(run: Run) -> None:
    """Delete logs older than ``PAIFANG_GATEWAY_LOG_DAYS``, batch by batch."""
    while await run.step(_prune_batch) == service.PRUNE_BATCH:
        pass
    await run.step(_prune_positions)


async def _prune_batch(run: Run) -> int:
    days = run.runtime.settings.area(GatewaySettings).log_days
    if days == 0:
        return 0
    async with run.transaction() as session:
        return await service.prune(
            session, caller=CLEANER, older_than=utc_now() - timedelta(days=days)
        )


async def _prune_positions(run: Run) -> int:
    async with run.transaction() as session:
        return await service.prune_positions(session, older_than=utc_now() - timedelta(days=365))


JOBS = (prune_logs.every("17 3 * * *"),)
