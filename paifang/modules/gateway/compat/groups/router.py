"""``/api/groups`` and ``/api/group``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, Principal, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.core.scope import visible
from paifang.modules.gateway.compat.envelope import (
    TAG,
    Envelope,
    EnvelopeRoute,
    answer,
    body_of,
    reader,
)
from paifang.modules.gateway.compat.groups.schemas import (
    GroupIn,
    GroupSearch,
    ProxyGroup,
    ProxyGroups,
    QpmIn,
    StatusIn,
)
from paifang.modules.gateway.compat.lists import Paging, fetch, moment_or_never, ordering
from paifang.modules.gateway.compat.values import GroupId, status_word
from paifang.modules.gateway.groups import service
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
READ = require(GatewayPermission.AIPROXY_USE)
WRITE = require(GatewayPermission.AIPROXY_USE)

ORDERS = {
    "id": Group.id,
    "status": Group.status,
    "used_amount": Group.used,
    "request_count": Group.requests,
    "created_at": Group.created_at,
    "accessed_at": moment_or_never(Group.last_used_at),
}


@router.get("/api/groups/", dependencies=[READ])
@router.get("/api/groups", dependencies=[READ], include_in_schema=False)
async def list_groups(
    session: Db, caller: Caller, wanted: Annotated[Paging, Query()]
) -> Envelope[ProxyGroups]:
    """Groups."""
    return answer(await _list(session, caller, GroupSearch(**dict(wanted))))


@router.get("/api/groups/search", dependencies=[READ])
async def search_groups(
    session: Db, caller: Caller, wanted: Annotated[GroupSearch, Query()]
) -> Envelope[ProxyGroups]:
    """Groups by a part of their id, and by status."""
    return answer(await _list(session, caller, wanted))


@router.post("/api/group/", dependencies=[WRITE], openapi_extra=body_of(GroupIn))
@router.post("/api/group", dependencies=[WRITE], include_in_schema=False)
async def create_group(
    request: Request,
    sent: Annotated[GroupIn, Depends(reader(GroupIn))],
    session: Db,
    caller: Caller,
) -> Envelope[ProxyGroup]:
    """Make a group."""
    runtime: Runtime = request.app.state.runtime
    group = await service.create(
        session,
        actor=caller,
        group_id=sent.id,
        rpm=sent.qpm or None,
        unpriced=runtime.settings.area(GatewaySettings).unpriced,
    )
    return answer(ProxyGroup.of(group))


@router.get("/api/group/{group_id}", dependencies=[READ])
async def get_group(session: Db, caller: Caller, group_id: GroupId) -> Envelope[ProxyGroup]:
    """One group."""
    return answer(ProxyGroup.of(await service.get(session, caller=caller, group_id=group_id)))


@router.delete("/api/group/{group_id}", dependencies=[WRITE])
async def delete_group(session: Db, caller: Caller, group_id: GroupId) -> Envelope[None]:
    """Delete a group with its tokens, which stop working at once; its logs stay."""
    await service.delete(session, actor=caller, group_id=group_id)
    return answer(None)


@router.post("/api/group/{group_id}/status", dependencies=[WRITE], openapi_extra=body_of(StatusIn))
async def set_group_status(
    sent: Annotated[StatusIn, Depends(reader(StatusIn))],
    session: Db,
    caller: Caller,
    group_id: GroupId,
) -> Envelope[None]:
    """Enable or disable a group."""
    word = status_word(sent.status)
    await service.update(session, actor=caller, group_id=group_id, status=word)
    return answer(None)


@router.post("/api/group/{group_id}/qpm", dependencies=[WRITE], openapi_extra=body_of(QpmIn))
async def set_group_qpm(
    sent: Annotated[QpmIn, Depends(reader(QpmIn))], session: Db, caller: Caller, group_id: GroupId
) -> Envelope[None]:
    """Set how many requests a minute a group may make."""
    await service.update(session, actor=caller, group_id=group_id, rpm=sent.qpm or None)
    return answer(None)


async def _list(session: AsyncSession, caller: Principal, wanted: GroupSearch) -> ProxyGroups:
    order = (ordering(wanted.order, ORDERS), Group.id)
    statement = visible(select(Group), caller).order_by(*order)
    if wanted.keyword:
        statement = statement.where(Group.id.icontains(wanted.keyword, autoescape=True))
    if wanted.status:
        statement = statement.where(Group.status == status_word(wanted.status))
    rows, total = await fetch(session, statement, wanted)
    return ProxyGroups(groups=[ProxyGroup.of(row) for row in rows], total=total)
