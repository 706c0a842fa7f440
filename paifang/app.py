"""One ASGI application: ``/v1`` to the relay, ``/api`` to FastAPI, ``/`` to the pages.

What a role needs and no other does is imported where that role begins: a process that only
relays calls knows neither FastAPI nor the job engine.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paifang.core import events
from paifang.core.db import Database
from paifang.core.errors import StartRefused
from paifang.core.events import Events
from paifang.core.headers import SecurityHeaders
from paifang.core.jobs import COMPUTE, DEFAULT
from paifang.core.logs import AccessLogMiddleware, RequestIdMiddleware
from paifang.core.module import Module, load
from paifang.core.runtime import ROLES, Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings
from paifang.health.app import HealthApp
from paifang.registry import MODULES

log = logging.getLogger("paifang.app")


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
    # One that only relays calls publishes nothing, and has no use for what handles it.
    events.install(partial(Events, modules) if roles == {"gateway"} else Events(modules))
    return Runtime(
        settings=settings,
        db=Database.from_settings(settings),
        secrets=open_secrets(settings),
        modules=modules,
        roles=roles,
        authenticators=tuple(a for m in modules for a in m.authenticators),
    )


class Application:
    """The whole of one process as an ASGI callable; its lifespan starts and stops the modules."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        # A process without the console answers about its health and nothing else here: what
        # manages the gateway must not be reachable wherever the gateway is.
        self._api = _api(runtime) if "console" in runtime.roles else None
        rest = self._api or HealthApp(runtime)
        https = runtime.settings.by_https
        self._rest: ASGIApp = RequestIdMiddleware(
            AccessLogMiddleware(SecurityHeaders(rest, https=https))
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
            await self._rest(scope, receive, send)
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
                await self._start_jobs()
            for module in self.runtime.modules:
                for start in load(module.starts):
                    self._stops.append(await start(self.runtime))
            if self._api is not None:
                await build_routes(self._api)
            self._mounts = [
                (prefix, mounted)
                for module in self.runtime.modules
                for prefix, factory in module.mounts.items()
                if (mounted := load([factory])[0](self.runtime)) is not None
            ]
        except BaseException:
            await self.stop()
            raise

    async def _start_jobs(self) -> None:
        from paifang.core.jobs.service import Jobs  # noqa: PLC0415  # a worker's alone
        from paifang.core.mail import MAIL_JOBS  # noqa: PLC0415  # the same

        # Jobs that compute stay away from a process that relays calls.
        queues = (DEFAULT,) if "gateway" in self.runtime.roles else (DEFAULT, COMPUTE)
        jobs = Jobs(self.runtime, queues=queues, extra=MAIL_JOBS)
        await jobs.start()
        self._stops.append(jobs.stop)

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
        except StartRefused as refused:
            # For a person, and no failure of ours: the command says it, without a stack.
            self.runtime.refusal = str(refused)
            await send({"type": "lifespan.startup.failed", "message": str(refused)})
            return
        except Exception as error:
            log.exception("the start failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def build_routes(api: ASGIApp) -> None:
    """Have FastAPI build now what it otherwise builds at the first request.

    That takes half a second, in which the event loop serves nobody: neither whoever asks first nor
    the calls that the relay passes on beside them.
    """
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v1",  # nothing is there, so each router is asked
        "raw_path": b"/api/v1",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
        "server": None,
        "state": {},
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        """Nobody listens."""

    await api(scope, receive, send)


def _api(runtime: Runtime) -> ASGIApp:
    from paifang.api import create_api  # noqa: PLC0415  # the console's alone
    from paifang.core.guard import BodyGuard  # noqa: PLC0415  # the same

    api = create_api(runtime.modules)
    api.state.runtime = runtime
    settings = runtime.settings
    return BodyGuard(api, settings.max_api_body_bytes, settings.api_body_timeout)
