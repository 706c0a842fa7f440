"""The two roles that are always there, and what new versions add to the second."""

import logging
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import params
from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.module import Module
from paifang.modules.access.changed import changed
from paifang.modules.access.params import MEMBER_OFFERED
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    MEMBER,
    DataScope,
    Role,
    RolePermission,
)

log = logging.getLogger("paifang.access")

START = Principal(id="start", name="Start", kind="operator", all_permissions=True)

_BUILT_IN = {
    ADMINISTRATOR: ("Administrator", DataScope.ALL),
    MEMBER: ("Member", DataScope.SELF),
}
"""Name and data scope by code; the pages translate the names."""


async def ensure_built_in(session: AsyncSession, modules: Iterable[Module]) -> bool:
    """Make the built-in roles where they are missing, and give members what is newly declared.

    A member permission is given once, when it is first known: one that an administrator took away
    stays away. True when something was written.
    """
    declared = [p.value for module in modules for p in module.member_permissions]
    offered = await params.get(session, param=MEMBER_OFFERED)
    new = [permission for permission in declared if permission not in offered]
    found = {role.code: role for role in await session.scalars(select(Role).where(Role.built_in))}
    missing = [code for code in _BUILT_IN if code not in found]
    if not missing and not new:
        return False
    for code in missing:
        name, data_scope = _BUILT_IN[code]
        found[code] = Role(code=code, name=name, data_scope=data_scope, built_in=True)
        session.add(found[code])
    await session.flush()
    member = found[MEMBER]
    held = set(
        await session.scalars(
            select(RolePermission.permission).where(RolePermission.role_id == member.id)
        )
    )
    session.add_all(
        RolePermission(role_id=member.id, permission=permission)
        for permission in new
        if permission not in held
    )
    await params.put(session, param=MEMBER_OFFERED, value=[*offered, *new])
    await changed(
        session,
        actor=START,
        action="role.built_in",
        subject_id=member.id,
        changes={"made": missing, "added": new},
    )
    return True


async def seed(database: Database, modules: Iterable[Module]) -> None:
    """What a start does: :func:`ensure_built_in`, beside other processes that start as well."""
    modules = tuple(modules)
    for attempt in range(3):
        try:
            async with database.transaction() as session:
                if await ensure_built_in(session, modules):
                    log.info("the built-in roles are up to date")
        except IntegrityError:
            # Another process made the same at the same moment; now it is there to be found.
            if attempt == 2:
                raise
        else:
            return
