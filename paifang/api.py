"""The API: every module's routes in one FastAPI application. It holds no state of a process."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from paifang import __version__
from paifang.core.http import install_error_handlers
from paifang.core.module import Module, load
from paifang.core.openapi import Responses, refusals, truthful_openapi
from paifang.health.router import health_router
from paifang.pages import install_missing_page, pages_router
from paifang.registry import MODULES

API_PREFIX = "/api/v1"
DESCRIPTION = """
The back office of a small internet service: what manages it.

Models are called at `/v1`, which speaks OpenAI's API and is not in this document.
[The first page](/) shows a call; `docs/guides/gateway.md` tells how calls are routed, limited and
metered.
""".strip()


def routers(modules: Iterable[Module] = MODULES) -> Iterator[tuple[str, APIRouter]]:
    """Every router of the API with the prefix it is mounted under."""
    yield "", health_router
    for module in modules:
        for router in load(module.routers):
            yield API_PREFIX, router
        for router in load(module.root_routers):
            yield "", router
    yield "", pages_router


def create_api(modules: Iterable[Module] = MODULES) -> FastAPI:
    """The FastAPI application with every module's routes."""
    api = FastAPI(
        title="Paifang",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,  # served by our own pages, which declare their access
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
    )
    install_error_handlers(api)
    install_missing_page(api)
    for prefix, router in list(routers(modules)):  # all of them: their refusals are known then
        api.include_router(router, prefix=prefix, responses=_refusals(prefix, router))
    truthful_openapi(api)
    return api


def _refusals(prefix: str, router: APIRouter) -> Responses | None:
    imitates = hasattr(router.route_class, "refusals")
    return refusals(router) if prefix or imitates else None


def operation_id(route: APIRoute) -> str:
    """What a route is called in the OpenAPI document: its first tag and its function's name."""
    tag = str(route.tags[0]) if route.tags else "root"
    return f"{tag}.{route.name}"


def openapi(modules: Iterable[Module] = MODULES) -> dict[str, Any]:
    """The OpenAPI document, the contract of ``/api``."""
    return create_api(modules).openapi()
