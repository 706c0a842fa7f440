"""``/api/option``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.gateway.compat.envelope import (
    TAG,
    Envelope,
    EnvelopeRoute,
    answer,
    body_of,
    reader,
)
from paifang.modules.gateway.compat.options import service as proxy
from paifang.modules.gateway.compat.options.schemas import OptionIn, OptionsIn, as_text
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
READ = require(GatewayPermission.AIPROXY_USE)
WRITE = require(GatewayPermission.AIPROXY_USE)


@router.get("/api/option/", dependencies=[READ])
@router.get("/api/option", dependencies=[READ], include_in_schema=False)
async def list_options(request: Request, session: Db) -> Envelope[dict[str, str]]:
    """All options, as text."""
    return answer(proxy.shown(_settings(request), await prices.current_prices(session)))


@router.put("/api/option/", dependencies=[WRITE], openapi_extra=body_of(OptionIn))
@router.put("/api/option", dependencies=[WRITE], include_in_schema=False)
async def set_option(
    request: Request,
    sent: Annotated[OptionIn, Depends(reader(OptionIn))],
    session: Db,
    caller: Caller,
) -> Envelope[None]:
    """Set one option."""
    wanted = {sent.key: as_text(sent.value)}
    await proxy.change(session, actor=caller, settings=_settings(request), wanted=wanted)
    return answer(None)


@router.put("/api/option/batch", dependencies=[WRITE], openapi_extra=body_of(OptionsIn))
async def set_options(
    request: Request,
    sent: Annotated[OptionsIn, Depends(reader(OptionsIn))],
    session: Db,
    caller: Caller,
) -> Envelope[None]:
    """Set several options: all of them, or none."""
    wanted = {key: as_text(value) for key, value in sent.root.items()}
    await proxy.change(session, actor=caller, settings=_settings(request), wanted=wanted)
    return answer(None)


def _settings(request: Request) -> GatewaySettings:
    runtime: Runtime = request.app.state.runtime
    return runtime.settings.area(GatewaySettings)
