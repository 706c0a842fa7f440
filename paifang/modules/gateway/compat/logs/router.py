"""``/api/logs``, and ``/api/log`` for those of one group."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, Principal, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.gateway.compat.envelope import TAG, Envelope, EnvelopeRoute, answer
from paifang.modules.gateway.compat.groups.service import check_group
from paifang.modules.gateway.compat.lists import Paging, Whole
from paifang.modules.gateway.compat.logs import service as proxy
from paifang.modules.gateway.compat.logs.schemas import (
    GroupLogFilter,
    GroupLogSearch,
    LogFilter,
    LogSearch,
    Narrowed,
    ProxyLogs,
    ProxyStat,
    StatFilter,
)
from paifang.modules.gateway.compat.values import GroupId, amount, invalid, moment
from paifang.modules.gateway.logs import service
from paifang.modules.gateway.permissions import GatewayPermission

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
READ = require(GatewayPermission.AIPROXY_USE)
WRITE = require(GatewayPermission.AIPROXY_USE)

MAX_BATCHES = 50
"""Half a million rows in one request; more is for the daily clean-up, or for asking again."""


@router.get("/api/logs/", dependencies=[READ])
@router.get("/api/logs", dependencies=[READ], include_in_schema=False)
async def list_logs(
    session: Db, caller: Caller, wanted: Annotated[LogFilter, Query()]
) -> Envelope[ProxyLogs]:
    """Finished calls, the newest first."""
    return answer(await _list(session, caller, wanted, wanted.group))


@router.get("/api/logs/search", dependencies=[READ])
async def search_logs(
    session: Db, caller: Caller, wanted: Annotated[LogSearch, Query()]
) -> Envelope[ProxyLogs]:
    """Finished calls by a keyword."""
    return answer(await _list(session, caller, wanted, wanted.group_id))


@router.get("/api/logs/stat", dependencies=[READ])
async def sum_logs(
    session: Db, caller: Caller, wanted: Annotated[StatFilter, Query()]
) -> Envelope[ProxyStat]:
    """What calls cost together."""
    cost = await proxy.total_cost(session, caller=caller, **_narrowed(wanted), group=wanted.group)
    return answer(ProxyStat(quota=amount(cost)))


@router.get("/api/logs/consume_error", dependencies=[READ])
async def list_consume_errors(wanted: Annotated[Paging, Query()]) -> Envelope[ProxyLogs]:
    """Calls that could not be charged: none, because a call is logged and charged in one step."""
    del wanted
    return answer(ProxyLogs(logs=[], total=0))


@router.delete("/api/logs/", dependencies=[WRITE])
@router.delete("/api/logs", dependencies=[WRITE], include_in_schema=False)
async def delete_logs(
    request: Request,
    caller: Caller,
    timestamp: Annotated[Whole, Query(description="Unix milliseconds.")] = None,
) -> Envelope[int]:
    """Delete logs of calls that began before a moment; says how many. What was spent stays
    counted.
    """
    if not timestamp or (before := moment("timestamp", timestamp)) is None:
        raise invalid("timestamp", "is required, in unix milliseconds")
    runtime: Runtime = request.app.state.runtime
    deleted = 0
    # One transaction per batch: a single one would keep every other writer waiting.
    for number in range(MAX_BATCHES):
        async with runtime.db.transaction() as session:
            if number == 0:
                service.record_deletion(session, actor=caller, before=before)
            count = await service.prune(session, older_than=before, caller=caller)
        deleted += count
        if count < service.PRUNE_BATCH:
            break
    return answer(deleted)


@router.get("/api/log/{group_id}", dependencies=[READ])
async def list_group_logs(
    session: Db, caller: Caller, group_id: GroupId, wanted: Annotated[GroupLogFilter, Query()]
) -> Envelope[ProxyLogs]:
    """Finished calls of a group, the newest first."""
    await check_group(session, caller, group_id)
    return answer(await _list(session, caller, wanted, group_id))


@router.get("/api/log/{group_id}/search", dependencies=[READ])
async def search_group_logs(
    session: Db, caller: Caller, group_id: GroupId, wanted: Annotated[GroupLogSearch, Query()]
) -> Envelope[ProxyLogs]:
    """Finished calls of a group by a keyword."""
    await check_group(session, caller, group_id)
    return answer(await _list(session, caller, wanted, group_id))


def _narrowed(wanted: Narrowed) -> dict[str, Any]:
    start = moment("start_timestamp", wanted.start_timestamp or 0)
    end = moment("end_timestamp", wanted.end_timestamp or 0)
    if start is not None and end is not None and end < start:
        raise invalid("end_timestamp", "must not be before start_timestamp")
    return {
        "start": start,
        "end": end,
        "token_name": wanted.token_name,
        "model": wanted.model_name,
        "channel": wanted.channel,
        "endpoint": wanted.endpoint,
    }


async def _list(
    session: AsyncSession, caller: Principal, wanted: GroupLogFilter, group: str | None
) -> ProxyLogs:
    logs, total = await proxy.find(
        session,
        caller=caller,
        paging=wanted,
        **_narrowed(wanted),
        group=group,
        token=wanted.token_id,
        code=wanted.code,
        content=wanted.content,
        keyword=wanted.keyword if isinstance(wanted, GroupLogSearch) else None,
    )
    return ProxyLogs(logs=logs, total=total)
