"""The models that somebody may call, with what they cost."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.gateway.groups.models import Group, GroupKind
from paifang.modules.gateway.members.models import groups_of
from paifang.modules.gateway.newcomers import for_newcomers
from paifang.modules.gateway.prices import service
from paifang.modules.gateway.prices.service import ServedModel

Allowed = tuple[list[str] | None, int | None]
"""Models and quota of a group."""


async def offered(session: AsyncSession, *, caller: Principal) -> list[ServedModel]:
    """The served models that one of the caller's groups may call, by name; all of them to whoever
    reads the prices of everything. A person without a group of their own yet is told what it will
    be allowed.
    """
    served = await service.served_models(session)
    if caller.scope.everything:
        return served
    groups = await _groups(session, caller)
    return [model for model in served if any(_allows(group, model) for group in groups)]


async def _groups(session: AsyncSession, caller: Principal) -> Sequence[Allowed]:
    if caller.user_id is None:
        return ()
    statement = unscoped(
        select(Group.models, Group.quota, Group.kind).where(
            Group.id.in_(groups_of(caller.user_id)), Group.status == "enabled"
        ),
        "they are the caller's own",
    )
    rows = (await session.execute(statement)).all()
    found: list[Allowed] = [(row.models, row.quota) for row in rows]
    if not any(row.kind == GroupKind.PERSONAL for row in rows):
        allowance = await for_newcomers(session)
        found.append((allowance.models, allowance.quota))
    return found


def _allows(group: Allowed, served: ServedModel) -> bool:
    """As the relay decides it: nothing to spend leaves what costs nothing."""
    models, quota = group
    if models is not None and served.model not in models:
        return False
    return quota is None or (served.free if quota == 0 else served.free or served.price is not None)
