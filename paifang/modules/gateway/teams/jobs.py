"""What becomes of groups when somebody is gone for good."""

from uuid import UUID

from paifang.core.auth import Principal
from paifang.core.jobs import Run, job
from paifang.modules.gateway.teams import leaving

KEEPER = Principal(id="clean-up", name="Clean-up", kind="operator", all_permissions=True)


@job("gateway.forget_person", tries=5)
async def forget_person(run: Run, *, user_id: str) -> None:
    """Take a person whose account is deleted out of their groups, and delete their personal one.
    Their tokens have stopped already: the relay asks for the status of each token's person.
    """
    await run.step(_forget, user_id)


async def _forget(run: Run, user_id: str) -> None:
    async with run.transaction() as session:
        await leaving.forget(session, actor=KEEPER, user_id=UUID(user_id))
