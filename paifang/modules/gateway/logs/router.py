"""The HTTP of logs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.gateway.logs import service
from paifang.modules.gateway.logs.schemas import Deleted, LogFilter, LogPage, LogRead, Moment, Text
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(prefix="/gateway/logs", tags=["logs"])

READ = require(GatewayPermission.LOGS_READ)
WRITE = require(GatewayPermission.LOGS_WRITE)

MAX_BATCHES = 50
"""Half a million rows in one request; more is for the daily clean-up, or for asking again."""


def _currency(request: Request) -> str:
    runtime: Runtime = request.app.state.runtime
    return runtime.settings.area(GatewaySettings).currency


@router.get("", dependencies=[READ])
async def list_logs(
    request: Request, session: Db, wanted: Annotated[LogFilter, Query()]
) -> LogPage:
    """Finished calls, newest first. For the next page, give ``next`` as ``before``."""
    rows, following = await service.find(session, **wanted.model_dump())
    currency = _currency(request)
    return LogPage(items=[LogRead.of(row, currency) for row in rows], next=following)


@router.get("/{request_id}", dependencies=[READ])
async def get_log(request: Request, session: Db, request_id: Text) -> LogRead:
    """One call, by the ``x-request-id`` its client got."""
    log = await service.get(session, request_id=request_id)
    return LogRead.of(log, _currency(request))


@router.delete("", dependencies=[WRITE])
async def delete_logs(
    request: Request,
    caller: Caller,
    before: Annotated[Moment, Query(description="Delete logs of calls that started before this.")],
) -> Deleted:
    """Delete old logs. What was spent stays counted."""
    runtime: Runtime = request.app.state.runtime
    deleted = 0
    # One transaction per batch: a single one would keep every other writer waiting.
    for number in range(MAX_BATCHES):
        async with runtime.db.transaction() as session:
            if number == 0:
                service.record_deletion(session, actor=caller, before=before)
            count = await service.prune(session, older_than=before)
        deleted += count
        if count < service.PRUNE_BATCH:
            return Deleted(deleted=deleted, more=False)
    return Deleted(deleted=deleted, more=True)
