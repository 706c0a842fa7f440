"""The endpoints as routes of the API, so that its document names them."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from paifang.core.auth import public
from paifang.core.openapi import described
from paifang.health import answers

health_router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether the process can take work, and for each part why not."""

    status: str
    """``ok``, ``draining`` or ``unavailable``."""
    parts: dict[str, str]
    """Part to ``ok`` or the reason."""


@health_router.head("/livez", dependencies=[public()], include_in_schema=False)
@health_router.get("/livez", dependencies=[public()], response_model=Health)
async def livez(request: Request) -> Response:
    """Whether the process runs. It asks nothing else, so that a slow database kills nobody."""
    return await _response(request, answers.livez)


@health_router.head("/readyz", dependencies=[public()], include_in_schema=False)
@health_router.get(
    "/readyz", dependencies=[public()], responses={503: {"model": Health}}, response_model=Health
)
async def readyz(request: Request) -> Response:
    """Whether the process can take work; 503 while it drains or a part it needs is away."""
    return await _response(request, answers.readyz)


@health_router.head("/metrics", dependencies=[public()], include_in_schema=False)
@health_router.get(
    "/metrics",
    dependencies=[public()],
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"},
        **described((401,)),
    },
)
async def metrics(request: Request) -> Response:
    """Counters in Prometheus's text format, for whoever sends the metrics key as a bearer."""
    return await _response(request, answers.metrics)


async def _response(request: Request, endpoint: answers.Endpoint) -> Response:
    authorization = request.headers.get("authorization", "")
    answer = await endpoint(request.app.state.runtime, authorization)
    return Response(answer.body, answer.status, {"content-type": answer.media_type})
