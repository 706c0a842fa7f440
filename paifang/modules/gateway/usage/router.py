"""The API of usage: charts and overviews."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db import utc_now
from paifang.core.db.request import Db
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.usage import service
from paifang.modules.gateway.usage.figures import Sums
from paifang.modules.gateway.usage.periods import Period
from paifang.modules.gateway.usage.schemas import (
    ChannelHealth,
    OverviewRead,
    TopRead,
    UsageNarrow,
    UsageQuery,
    UsageRead,
    UsageSeries,
    UsageSums,
)

router = APIRouter(prefix="/gateway", tags=["usage"])
READ = require(GatewayPermission.USAGE_READ)
CHANNELS = require(GatewayPermission.CHANNELS_READ)
TOP = 5
MANY_CHANNELS = 1000


@router.get("/usage", dependencies=[READ])
async def get_usage(
    request: Request, session: Db, caller: Caller, wanted: Annotated[UsageQuery, Query()]
) -> UsageRead:
    """What calls came to, by hour or day, in all or by model, group, token or channel: in the
    groups that the caller manages all of it, in others what their own tokens did. Usage stays when
    logs are deleted.
    """
    period = wanted.period()
    found = await service.series(
        session,
        caller=caller.only_mine(wanted.mine),
        period=period,
        by=None if wanted.by == "none" else wanted.by,
        wanted=wanted.wanted(),
        limit=wanted.limit,
        latency=wanted.latency,
    )
    return UsageRead(
        currency=_currency(request),
        step=wanted.step,
        tz=wanted.tz,
        steps=[period.start(at) for at in period.buckets()],
        series=[UsageSeries.of(one, period) for one in found],
    )


@router.get("/overview", dependencies=[READ])
async def get_overview(
    request: Request, session: Db, caller: Caller, wanted: Annotated[UsageNarrow, Query()]
) -> OverviewRead:
    """A period at a glance: its sums beside those of the period before, its course, and what cost
    most.
    """
    period, narrow = wanted.period(), wanted.wanted()
    caller = caller.only_mine(wanted.mine)
    course = await service.series(
        session, caller=caller, period=period, by=None, wanted=narrow, limit=0, latency=True
    )
    shown = UsageSeries.of(course[0], period)
    before = await service.totals(session, caller=caller, period=period.before(), wanted=narrow)
    kinds = ["model", "group", "token"]
    if caller.may(GatewayPermission.CHANNELS_READ):
        kinds.append("channel")
    tops: dict[str, list[TopRead]] = {"channel": []}
    for by in kinds:
        found = await service.top(
            session, caller=caller, period=period, by=by, wanted=narrow, limit=TOP, latency=True
        )
        tops[by] = [
            TopRead(key=one.key or "", label=one.label, totals=UsageSums.of(one.totals))
            for one in found
        ]
    return OverviewRead(
        currency=_currency(request),
        step=wanted.step,
        tz=wanted.tz,
        steps=[period.start(at) for at in period.buckets()],
        totals=shown.totals,
        before=UsageSums.of(before),
        points=shown.points,
        models=tops["model"],
        groups=tops["group"],
        tokens=tops["token"],
        channels=tops["channel"],
    )


@router.get("/channels/health", dependencies=[CHANNELS])
async def list_channel_health(session: Db, caller: Caller) -> list[ChannelHealth]:
    """How each channel that was asked in the last day did: calls, errors, how long they took. What
    its last test said is with the channel itself.
    """
    now = utc_now()
    found = {}
    for name, hours in (("hour", 1), ("day", 24)):
        period = Period.of(now - timedelta(hours=hours), now, "hour", "UTC")
        found[name] = await service.top(
            session,
            caller=caller,
            period=period,
            by="channel",
            wanted={},
            limit=MANY_CHANNELS,
            latency=True,
        )
    lately = {one.key: one.totals for one in found["hour"]}
    return [
        ChannelHealth(
            channel_id=one.key,
            name=one.label,
            hour=UsageSums.of(lately.get(one.key, Sums())),
            day=UsageSums.of(one.totals),
        )
        for one in found["day"]
        if one.key
    ]


def _currency(request: Request) -> str:
    currency: str = request.app.state.runtime.settings.area(GatewaySettings).currency
    return currency
