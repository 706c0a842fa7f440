"""What becomes of groups when somebody joins Paifang, and when they are gone for good."""

from uuid import UUID

from paifang.core.auth import Principal
from paifang.core.jobs import Run, job
from paifang.modules.accounts.invitations.joining import groups_of
from paifang.modules.gateway.teams import joining, leaving

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


@job("gateway.join_groups", tries=5)
async def join_groups(run: Run, *, user_id: str, invitation_id: str | None) -> None:
    """Put somebody who was invited into the groups that the invitation names."""
    if invitation_id is not None:
        await run.step(_join, user_id, invitation_id)


async def _join(run: Run, user_id: str, invitation_id: str) -> None:
    async with run.transaction() as session:
        inviter, named = await groups_of(session, invitation_id=UUID(invitation_id))
        await joining.join(session, inviter=inviter, user_id=UUID(user_id), group_ids=named)
