"""The routers of AI Proxy v1, mounted at its own paths."""

import time

from fastapi import APIRouter
from pydantic import BaseModel

from paifang.core.auth import public
from paifang.modules.gateway.compat.channels.router import router as channels_router
from paifang.modules.gateway.compat.envelope import TAG, Envelope, EnvelopeRoute, answer
from paifang.modules.gateway.compat.groups.router import router as groups_router
from paifang.modules.gateway.compat.logs.router import router as logs_router
from paifang.modules.gateway.compat.options.router import router as options_router
from paifang.modules.gateway.compat.served.router import router as served_router
from paifang.modules.gateway.compat.tokens.router import router as tokens_router

status_router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
STARTED = time.time_ns() // 1_000_000
"""Unix milliseconds; this is imported when the process starts."""


class ProxyStatus(BaseModel):
    """That the service runs, and since when."""

    startTime: int  # noqa: N815  # that service's name


@status_router.get("/api/status", dependencies=[public()])
async def get_status() -> Envelope[ProxyStatus]:
    """Whether the service answers; needs no key."""
    return answer(ProxyStatus(startTime=STARTED))


routers = (
    status_router,
    served_router,
    groups_router,
    options_router,
    channels_router,
    tokens_router,
    logs_router,
)
