"""One ASGI application: ``/v1`` to the relay, ``/api`` to FastAPI, ``/`` to the pages."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from paifang import __version__
from paifang.core import events
from paifang.core.db import Database
from paifang.core.events import Events
from paifang.core.guard import BodyGuard
from paifang.core.http import SecurityHeaders, install_error_handlers
from paifang.core.jobs import COMPUTE, DEFAULT, Jobs
from paifang.core.logs import AccessLogMiddleware, RequestIdMiddleware
from paifang.core.mail import MAIL_JOBS
from paifang.core.module import Module
from paifang.core.openapi import PROBLEMS, truthful_openapi
from paifang.core.runtime import ROLES, Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings
from paifang.health import health_router
from paifang.pages import pages_router
from paifang.registry import MODULES

log = logging.getLogger("paifang.app")

API_PREFIX = "/api/v1"


def open_runtime(
    settings: CoreSettings,
    *,
    modules: tuple[Module, ...] = MODULES,
    roles: frozenset[str] = ROLES,
) -> Runtime:
    """What a process needs before it serves: home folder, keys, a database (not connected yet).

    Raises:
        SecretsError, UnsupportedDatabaseError: a setting can't be right.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    events.install(Events(modules))
    return Runtime(
        settings=settings,
        db=Database.from_settings(settings),
        secrets=open_secrets(settings),
        modules=modules,
        roles=roles,
        authenticators=tuple(a for m in modules for a in m.authenticators),
    )


def routers(
    modules: Iterable[Module] = MODULES, *, console: bool = True
) -> Iterator[tuple[str, APIRouter]]:
    """Every router of the API with the prefix it is mounted under.

    A process without the console answers about its health and nothing else here: what manages
    the gateway must not be reachable wherever the gateway is.
    """
    yield "", health_router
    if not console:
        return
    for module in modules:
        for router in module.routers:
            yield API_PREFIX, router
        for router in module.root_routers:
            yield "", router
    yield "", pages_router


def create_api(modules: Iterable[Module] = MODULES, *, console: bool = True) -> FastAPI:
    """The FastAPI application with every module's routes. It holds no state of a process."""
    api = FastAPI(
        title="Paifang",
        version=__version__,
        description="The back office of a small internet service.",
        openapi_url=None,  # served by our own pages, which declare their access
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
    install_error_handlers(api)
    for prefix, router in routers(modules, console=console):
        api.include_router(router, prefix=prefix, responses=PROBLEMS if prefix else None)
    truthful_openapi(api)
    return api


def _operation_id(route: APIRoute) -> str:
    tag = str(route.tags[0]) if route.tags else "root"
    return f"{tag}.{route.name}"


class Application:
    """The whole of one process as an ASGI callable; its lifespan starts and stops the modules."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.api = create_api(runtime.modules, console="console" in runtime.roles)
        self.api.state.runtime = runtime
        settings = runtime.settings
        https = settings.public_url.lower().startswith("https://")
        guarded = BodyGuard(self.api, settings.max_api_body_bytes)
        self._api: ASGIApp = RequestIdMiddleware(
            AccessLogMiddleware(SecurityHeaders(guarded, https=https))
        )
        self._mounts: list[tuple[str, ASGIApp]] = []
        self._stops: list[Callable[[], Awaitable[None]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path. The mounts come first: the relay is the hot path."""
        if scope["type"] == "http":
            path = scope["path"]
            for prefix, mounted in self._mounts:
                if path.startswith(prefix):
                    await mounted(scope, receive, send)
                    return
            await self._api(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            # No WebSockets yet: refuse the handshake.
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def start(self) -> None:
        """Start every module; if one fails, those before it are stopped again."""
        self.runtime.ready["database"] = self._database_ready
        if self.runtime.roles == {"gateway"}:
            # It serves from its snapshot and writes to its journal.
            self.runtime.dispensable.add("database")
        try:
            if "worker" in self.runtime.roles:
                jobs = Jobs(self.runtime, queues=self._queues(), extra=MAIL_JOBS)
                await jobs.start()
                self._stops.append(jobs.stop)
            for module in self.runtime.modules:
                for start in module.starts:
                    self._stops.append(await start(self.runtime))
        except BaseException:
            await self.stop()
            raise
        self._mounts = [
            (prefix, mounted)
            for module in self.runtime.modules
            for prefix, factory in module.mounts.items()
            if (mounted := factory(self.runtime)) is not None
        ]

    def _queues(self) -> tuple[str, ...]:
        """Jobs that compute stay away from a process that relays calls."""
        return (DEFAULT,) if "gateway" in self.runtime.roles else (DEFAULT, COMPUTE)

    async def _database_ready(self) -> str:
        try:
            await self.runtime.db.ping()
        except Exception as error:  # noqa: BLE001  # whatever the driver raises: it is not ready
            return f"the database does not answer ({type(error).__name__})"
        return ""

    async def stop(self) -> None:
        """Stop the modules, last first, and close the database. One failure stops no other."""
        self.runtime.draining = True
        while self._stops:
            try:
                await self._stops.pop()()
            except Exception:
                log.exception("a part did not stop cleanly")
        await self.runtime.db.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            log.exception("the start failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def openapi(modules: Iterable[Module] = MODULES) -> dict[str, Any]:
    """The OpenAPI document, the contract of ``/api``."""
    return create_api(modules).openapi()
