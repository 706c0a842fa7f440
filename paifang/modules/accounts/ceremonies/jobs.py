"""Background work of ceremonies."""

from paifang.core.jobs import Run, job
from paifang.modules.accounts.ceremonies import service


@job("accounts.sweep_ceremonies")
async def sweep_ceremonies(run: Run) -> None:
    """Delete the ceremonies that nobody has ended in time."""
    await run.step(_sweep)


async def _sweep(run: Run) -> None:
    async with run.transaction() as session:
        await service.sweep(session)


JOBS = (sweep_ceremonies.every("11 * * * *"),)
