"""The HTTP of logs."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from paifang.core.auth import Caller, Principal, principal, require
from paifang.core.db.request import Db
from paifang.core.errors import Unauthenticated
from paifang.core.hot import HotDb, hot_json, shown
from paifang.core.runtime import Runtime
from paifang.modules.gateway.logs import export, finding, service, tail
from paifang.modules.gateway.logs.errors import TimeTooLong
from paifang.modules.gateway.logs.schemas import (
    Deleted,
    LogExport,
    LogFilter,
    LogPage,
    LogRead,
    LogTail,
    Moment,
    Text,
)
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(prefix="/gateway/logs", tags=["logs"])

READ = require(GatewayPermission.LOGS_READ)
WRITE = require(GatewayPermission.LOGS_WRITE)

MAX_EXPORT = timedelta(days=100)
MAX_BATCHES = 50
"""Half a million rows in one request; more is for the daily clean-up, or for asking again."""


def _currency(request: Request) -> str:
    runtime: Runtime = request.app.state.runtime
    return runtime.settings.area(GatewaySettings).currency


@router.get("", dependencies=[READ], response_model=LogPage)
async def list_logs(
    request: Request, on: HotDb, caller: Caller, wanted: Annotated[LogFilter, Query()]
) -> Any:
    """Finished calls that the caller sees, newest first: all of the groups they manage, those of
    their own tokens in others. For the next page, give `next` as `before`.
    """
    rows, following = await finding.find(
        on, caller=caller.only_mine(wanted.mine), **wanted.filters()
    )
    currency = _currency(request)
    for row in rows:
        row["currency"] = currency
    return hot_json({"items": shown(rows, LogRead), "next": following})


@router.get(
    "/export",
    dependencies=[READ],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "A table, UTF-8"}},
)
async def export_logs(
    request: Request, caller: Caller, wanted: Annotated[LogExport, Query()]
) -> StreamingResponse:
    """Finished calls as CSV, newest first, of at most 100 days and 200,000 calls."""
    if wanted.started_to - wanted.started_from > MAX_EXPORT:
        raise TimeTooLong(f"Export at most {MAX_EXPORT.days} days at once.")
    runtime: Runtime = request.app.state.runtime
    lines = export.lines(
        runtime.db,
        caller=caller.only_mine(wanted.mine),
        currency=_currency(request),
        channels=caller.may(GatewayPermission.CHANNELS_READ),
        filters=wanted.filters(),
    )
    headers = {"Content-Disposition": 'attachment; filename="logs.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/tail",
    dependencies=[READ],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events, as they come"}},
)
async def tail_logs(
    request: Request, caller: Caller, wanted: Annotated[LogTail, Query()]
) -> StreamingResponse:
    """Calls as they are logged, as server-sent events: `log` with what the list shows; `skipped`
    where there were too many to show; `end` with a reason. Open it again with `after`, the id of
    the last one. Within two seconds of a call's end; at most 5 minutes.
    """
    runtime: Runtime = request.app.state.runtime

    async def renew() -> Principal | None:
        request.state.principal = None
        try:
            found = await principal(request)
        except Unauthenticated:
            return None
        return found.only_mine(wanted.mine) if found.may(GatewayPermission.LOGS_READ) else None

    tail.watchers(runtime).check()
    filters = wanted.filters()
    after = filters.pop("after")
    stream = tail.events(
        runtime,
        renew=renew,
        caller=caller.only_mine(wanted.mine),
        currency=_currency(request),
        after=after,
        filters=filters,
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get("/{request_id}", dependencies=[READ])
async def get_log(request: Request, session: Db, caller: Caller, request_id: Text) -> LogRead:
    """One call, by the `x-request-id` its client got."""
    log = await service.get(session, caller=caller, request_id=request_id)
    shown = LogRead.of(log, _currency(request))
    if caller.may(GatewayPermission.CHANNELS_READ):
        return shown
    return shown.model_copy(update=finding.HIDDEN)


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
            count = await service.prune(session, caller=caller, older_than=before)
        deleted += count
        if count < service.PRUNE_BATCH:
            return Deleted(deleted=deleted, more=False)
    return Deleted(deleted=deleted, more=True)
