"""Is this process alive, is it ready, and what does it count: ``/livez /readyz /metrics``."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from paifang.core.auth import public
from paifang.core.errors import Unauthenticated
from paifang.core.runtime import Runtime

health_router = APIRouter(tags=["health"])

READY_TIMEOUT = 2.0
DISPENSABLE_TIMEOUT = 0.5
"""For a part that does not decide: whoever asks must not give up waiting for it."""
FRESH_SECONDS = 1.0
"""How long the answer of a part is good for: anybody may ask, as often as they like."""


class Health(BaseModel):
    """Whether the process can take work, and for each part why not."""

    status: str
    """``ok``, ``draining`` or ``unavailable``."""
    parts: dict[str, str]
    """Part to ``ok`` or the reason."""


class Readiness:
    """What the parts of a process have answered lately. Whoever asks meanwhile waits along."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[float, str]] = {}
        self._asking = asyncio.Lock()

    async def parts(self, runtime: Runtime) -> dict[str, str]:
        """Each part to ``ok`` or the reason, at most :data:`FRESH_SECONDS` old."""
        async with self._asking:
            for name, ask in runtime.ready.items():
                at, _state = self._answers.get(name, (float("-inf"), ""))
                if time.monotonic() - at >= FRESH_SECONDS:
                    seconds = DISPENSABLE_TIMEOUT if name in runtime.dispensable else READY_TIMEOUT
                    state = await _answer(ask, seconds)
                    self._answers[name] = (time.monotonic(), state)
            return {name: self._answers[name][1] for name in runtime.ready}


async def _answer(ask: Callable[[], Awaitable[str]], seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            return await ask() or "ok"
    except TimeoutError:
        return f"no answer within {seconds:g} s"


@health_router.get("/livez", dependencies=[public()])
async def livez() -> Health:
    """Whether the process runs. It asks nothing else, so that a slow database kills nobody."""
    return Health(status="ok", parts={})


@health_router.get(
    "/readyz", dependencies=[public()], responses={503: {"model": Health}}, response_model=Health
)
async def readyz(request: Request) -> Response:
    """Whether the process can take work; 503 while it drains or a part it needs is away."""
    runtime: Runtime = request.app.state.runtime
    readiness: Readiness = runtime.parts.setdefault(Readiness, Readiness())
    parts = await readiness.parts(runtime)
    well = all(state == "ok" or name in runtime.dispensable for name, state in parts.items())
    status = "draining" if runtime.draining else "ok" if well else "unavailable"
    return JSONResponse({"status": status, "parts": parts}, 200 if status == "ok" else 503)


@health_router.get(
    "/metrics",
    dependencies=[public()],
    response_class=Response,
    responses={401: {"description": "The metrics key is missing or wrong."}},
)
async def metrics(request: Request) -> Response:
    """Counters in Prometheus's text format, for whoever sends the metrics key as a bearer."""
    runtime: Runtime = request.app.state.runtime
    _scheme, _, candidate = request.headers.get("authorization", "").partition(" ")
    key = runtime.settings.metrics_key.get_secret_value()
    allowed = (
        hmac.compare_digest(candidate.encode(), key.encode())
        if key
        else runtime.secrets.is_admin_key(candidate)
    )
    if not allowed:
        raise Unauthenticated(
            "Send PAIFANG_METRICS_KEY, or the administrator key when there is none, as a bearer."
        )
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    for collector in runtime.collectors:
        registry.register(collector)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
