"""Runs the application: listens, serves, and on SIGTERM finishes what it has begun."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import uvicorn
from starlette.types import ASGIApp

from paifang.app import Application
from paifang.core.exchange import Handler
from paifang.core.headers import call_headers
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.hotpath import hot_protocol
from paifang.protocol import ForwardedHeaders

log = logging.getLogger("paifang.server")

WRITE_TIMEOUT = 60.0
"""Seconds a client may take nothing of what is sent to it before its connection is dropped.

A client that never reads would else keep its answer in memory, and a stream's upstream busy, for
ever. The kernel watches it (``TCP_USER_TIMEOUT``, on Linux alone), which costs a call nothing.
"""


class AddressInUseError(Exception):
    """Somebody else listens there; the message says where and what to do."""


class _Server(uvicorn.Server):
    """Uvicorn's server with our way of handling signals: drain first, then exit with 0."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            # The application did not start and has logged why; end like any other server.
            self.should_exit = True
            return
        if self.started and self._on_started is not None:
            self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn would stop listening at once and raise the signal again at the end.
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        AddressInUseError: the address is taken, or is none of this machine's.
    """
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _name, address = infos[0]
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":  # connections inherit it
            milliseconds = int(WRITE_TIMEOUT * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        sock.bind(address)
    except OSError as error:
        raise AddressInUseError(
            f"can't listen on {host}:{port}: {error.strerror or error}. "
            "Is Paifang running already? --port picks another one."
        ) from error
    sock.listen(2048)
    sock.setblocking(False)
    return sock


def configure(
    app: ASGIApp, settings: CoreSettings, hot: Mapping[bytes, Handler] = MappingProxyType({})
) -> uvicorn.Config:
    """How uvicorn serves an application, and paths that do not go through it, here."""
    forwarded = ForwardedHeaders(app, settings.trusted_proxies)
    return uvicorn.Config(
        forwarded,
        interface="asgi3",
        http=hot_protocol(hot, forwarded, call_headers(https=settings.by_https)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # ours are around the application
        # The drain has waited already; this is for connections that are slow to close.
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )


async def serve(
    runtime: Runtime, sock: socket.socket, *, started: Callable[[], None] | None = None
) -> bool:
    """Serve until SIGTERM or SIGINT; False when the start failed.

    On the first signal the process is no longer ready, refuses new calls and lets running ones
    finish for ``drain_seconds``; a second signal ends it at once.
    """
    server = _Server(configure(Application(runtime), runtime.settings, runtime.hot), started)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            server.force_exit = True
            server.should_exit = True
        stop.set()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, on_signal)

    def worth_a_line(_record: logging.LogRecord) -> bool:
        return not runtime.refusal  # a refused start is told once, by the command

    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.addFilter(worth_a_line)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await _drain(runtime, server)
            server.should_exit = True
        await serving
    finally:
        stopping.cancel()
        uvicorn_log.removeFilter(worth_a_line)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signal_number)
    return server.started


async def _drain(runtime: Runtime, server: uvicorn.Server) -> None:
    seconds = runtime.settings.drain_seconds
    log.info("draining", extra={"seconds": seconds})
    runtime.draining = True
    drains = [asyncio.create_task(drain(seconds)) for drain in runtime.drains]
    while drains and not server.force_exit:
        _done, waiting = await asyncio.wait(drains, timeout=0.1)
        drains = list(waiting)
    for drain in drains:
        drain.cancel()


def run(
    runtime: Runtime, sock: socket.socket, *, started: Callable[[], None] | None = None
) -> bool:
    """:func:`serve` on a fresh uvloop, in a process that does nothing else."""

    def settled() -> None:
        # What is there now stays: modules, routes, the first snapshot. Frozen, the garbage
        # collector does not walk through it again and again while calls wait.
        gc.collect()
        gc.freeze()
        if started is not None:
            started()

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(serve(runtime, sock, started=settled))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
