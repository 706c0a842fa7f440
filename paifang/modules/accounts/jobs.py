"""Cleaning up: what has ended or means nothing any more."""

from paifang.core.jobs import Run, job
from paifang.modules.accounts.challenges import service as challenges
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sign_up import service as sign_up


@job("accounts.clean_up", tries=3)
async def clean_up(run: Run) -> None:
    """Delete what is of no use any more; runs every night."""
    await run.step(_sessions)
    await run.step(_links)
    await run.step(_throttles)
    await run.step(_unconfirmed)


async def _sessions(run: Run) -> int:
    async with run.transaction() as session:
        return await sessions.forget_ended(session)


async def _links(run: Run) -> int:
    async with run.transaction() as session:
        return await links.forget_old(session)


async def _throttles(run: Run) -> int:
    async with run.transaction() as session:
        return await challenges.forget_old(session)


async def _unconfirmed(run: Run) -> int:
    async with run.transaction() as session:
        return await sign_up.forget_unconfirmed(session)


JOBS = (clean_up.every("41 3 * * *"),)
