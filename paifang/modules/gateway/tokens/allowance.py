"""What a group allows its tokens, and who may make one there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit, params
from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.gateway.changes import Check
from paifang.modules.gateway.members import service as members
from paifang.modules.gateway.money import money_text
from paifang.modules.gateway.params import TOKENS_PER_PERSON
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens.errors import GroupNotFound, TokenNotYours, TooManyTokens
from paifang.modules.gateway.tokens.models import Token


def _groups() -> FromClause:
    # By the foreign key: groups stand on tokens, so tokens import nothing of theirs.
    (key,) = Token.__table__.c.group_id.foreign_keys
    return key.column.table


async def of_group(
    session: AsyncSession,
    actor: Principal,
    group_id: str,
    *,
    make: bool = False,
    unpriced: str = "allow",
) -> Row[Any, Any]:
    """What the group allows, locked against deletion; it is made when it may be."""
    groups = _groups()
    check = Check()
    check.group_id(group_id, "group_id")
    if make:
        check.done()
    elif check.errors:
        raise GroupNotFound
    # The lock keeps the group from being deleted before this transaction ends.
    allowance = (
        select(groups.c.models, groups.c.quota)
        .where(groups.c.id == group_id)
        .with_for_update(read=True, key_share=True)
    )
    found = (await session.execute(allowance)).one_or_none()
    if found is not None:
        return found
    if not make or not actor.scope.everything:
        raise GroupNotFound(f"There is no group {group_id}.")
    made = {"id": group_id, "unpriced": unpriced, "name": "", "kind": "service"}
    await session.execute(insert(groups).values(**made))  # type: ignore[arg-type]  # it is a Table
    audit.record(
        session,
        actor=actor,
        action="gateway.group.create",
        subject_type="group",
        subject_id=group_id,
        changes={"unpriced": unpriced},
    )
    return (await session.execute(allowance)).one()


async def maker_of(session: AsyncSession, actor: Principal, group_id: str) -> UUID | None:
    """Whose a token that is made in a group will be; None where it is the group's alone.

    Raises:
        GroupNotFound: the caller does not see the group.
        TokenNotYours: they see it, and may make no tokens there.
        TooManyTokens: they have as many as a person may.
    """
    standing = await members.standing(session, caller=actor, group_id=group_id)
    if standing is None:
        reader = actor.under(GatewayPermission.GROUPS_READ)
        if await members.standing(session, caller=reader, group_id=group_id) is None:
            raise GroupNotFound(f"There is no group {group_id}.")
        raise TokenNotYours(f"You may see the group {group_id}, and make no tokens in it.")
    if actor.user_id is None:
        return None
    if await members.role_of(session, group_id=group_id, user_id=actor.user_id) is None:
        return None
    most = await params.get(session, param=TOKENS_PER_PERSON)
    held = unscoped(
        select(func.count())
        .select_from(Token)
        .where(
            Token.group_id == group_id, Token.user_id == actor.user_id, Token.status != "revoked"
        ),
        "they are the caller's own",
    )
    if (await session.execute(held)).scalar_one() >= most:
        raise TooManyTokens(f"You have {most} tokens in {group_id}. Delete one first.")
    return actor.user_id


def check_within(allowance: Row[Any, Any], values: Mapping[str, Any]) -> None:
    """Refuse what goes beyond what the group itself may do.

    A token that says nothing has all that its group has. What is not sent is not asked: the
    group's allowance may have shrunk since, and holds in any case.
    """
    check = Check()
    models, quota = values.get("models"), values.get("quota")
    if models is not None and allowance.models is not None:
        beyond = [model for model in models if model not in allowance.models]
        if beyond:
            check.wrong("models", f"the group may not call {', '.join(beyond[:5])}")
    if quota is not None and allowance.quota is not None and quota > allowance.quota:
        check.wrong("quota", f"the group's own is {money_text(allowance.quota)}")
    check.done()
