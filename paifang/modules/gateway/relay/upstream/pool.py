"""Connections to upstreams, kept open between requests."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Sequence

from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream.connection import Connection, Key
from paifang.modules.gateway.relay.upstream.errors import UpstreamError
from paifang.modules.gateway.relay.upstream.race import first_of
from paifang.modules.gateway.relay.upstream.response import Response
from paifang.modules.gateway.relay.upstream.target import Target

_OWN = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
"""Headers that frame the message: the pool writes them, and ignores what a caller gives."""

NEXT_ADDRESS = 0.5
"""Seconds that one of several addresses may be silent before the next is tried beside it (RFC
8305): a host's IPv6 may lead nowhere while its IPv4 works. TLS's handshake is in them."""


class Pool:
    """A pool of HTTP/1.1 connections, for one event loop.

    The connection used last is used next, so that surplus ones age and are closed.

    A request is never sent twice. A pooled connection that its upstream has closed is noticed
    before anything is written (the event loop reports the close, and the kernel is asked before
    each use), and the request goes out on another one. If the close crosses with our
    bytes on the wire, the caller gets ``reset`` with ``sent=True``: the upstream may have begun
    a generation, and repeating a POST would pay for it twice (RFC 9110, 9.2.2). Whether to try
    elsewhere is the caller's decision.
    """

    def __init__(
        self,
        *,
        max_idle_per_host: int = 256,
        idle_seconds: float = 30.0,
        max_header_bytes: int = 65536,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Make an empty pool.

        Args:
            max_idle_per_host: Free connections kept for one host and port.
            idle_seconds: How long a free connection is kept.
            max_header_bytes: Largest head of an answer, interim ones included.
            ssl_context: For https; by default one that verifies against the system's roots.
        """
        self.max_idle_per_host = max_idle_per_host
        self.idle_seconds = idle_seconds
        self.max_header_bytes = max_header_bytes
        self._ssl_context = ssl_context
        self._idle: dict[Key, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._closed = False
        self._empty: asyncio.Event | None = None
        self._lookups: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def request(  # noqa: PLR0917 - the order is that of a request on the wire
        self,
        target: Target,
        method: bytes,
        path: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        timeouts: Timeouts,
    ) -> Response:
        """Send a request and wait for the head of the answer.

        ``path`` goes behind the target's own. ``Host`` and ``Content-Length`` are set here; they,
        ``Transfer-Encoding`` and ``Connection`` are ignored in ``headers``. The answer must be
        closed. Raises :class:`UpstreamError` when there is no answer, and ``ValueError`` for a
        method, path or header that would break the request's framing.
        """
        head = request_head(target, method, path, headers)
        if body or method not in {b"GET", b"HEAD"}:
            head += b"Content-Length: %d\r\n" % len(body)
        return await self.send(
            target.key, head + b"\r\n", body, timeouts, bodyless=method == b"HEAD"
        )

    async def send(
        self, key: Key, head: bytes, body: bytes, timeouts: Timeouts, *, bodyless: bool = False
    ) -> Response:
        """:meth:`request` with a head that is ready: its framing is the caller's business.

        ``bodyless``: the answer has no body whatever it says, as after a HEAD.
        """
        connection = self._take(key)
        if connection is not None:
            try:
                return await connection.exchange(
                    head,
                    body,
                    bodyless=bodyless,
                    first_byte=timeouts.first_byte,
                    idle=timeouts.idle,
                )
            except UpstreamError as error:
                if error.sent:
                    raise
                # It broke in the moment before the request went out: a fresh one, once.
        connection = await self._connect(key, timeouts.connect)
        return await connection.exchange(
            head, body, bodyless=bodyless, first_byte=timeouts.first_byte, idle=timeouts.idle
        )

    async def close(self) -> None:
        """Drop every connection; answers in progress break off. Returns when all are closed."""
        self._closed = True
        self._empty = asyncio.Event()
        for connection in list(self._open):
            connection.fail("reset", "the relay is shutting down")
        if self._open:
            await self._empty.wait()

    @property
    def open_connections(self) -> int:
        """Sockets open, busy or free."""
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        """Free connections waiting for a request."""
        return sum(map(len, self._idle.values()))

    def _take(self, key: Key) -> Connection | None:
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if connection.usable():
                return connection
            connection.drop()
        return None

    async def _connect(self, key: Key, timeout: float) -> Connection:  # noqa: ASYNC109 - a setting
        host, port, _tls = key
        self._check_open()
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                if len(addresses) == 1:
                    connection = await self._dial(key, addresses[0])
                else:
                    ways = [functools.partial(self._dial, key, address) for address in addresses]
                    connection = await first_of(ways, NEXT_ADDRESS, Connection.drop)
        except OSError as error:  # TimeoutError and ssl.SSLError are kinds of it
            raise _connect_error(error, f"{host}:{port}", timeout) from error
        if not connection.closed:
            # Only now: uvloop calls no connection_lost for a connect that was cancelled.
            self._open.add(connection)
        try:
            self._check_open()  # it may have been closed meanwhile
        except UpstreamError:
            connection.drop()
            raise
        return connection

    async def _dial(self, key: Key, address: str) -> Connection:
        host, port, tls = key
        loop = asyncio.get_running_loop()
        connection = Connection(self, key, loop)
        try:
            await loop.create_connection(
                lambda: connection,
                address,
                port,
                ssl=self._tls() if tls else None,
                server_hostname=host if tls else None,
            )
        except BaseException:  # cancelled, mostly
            connection.drop()
            raise
        return connection

    async def _addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host. One look-up at a time for each: it keeps a thread busy, which
        nothing can stop, and there are few of them.
        """
        asking = self._lookups.get((host, port))
        if asking is None:
            loop = asyncio.get_running_loop()
            asking = loop.create_task(_look_up(host, port))
            self._lookups[host, port] = asking
            asking.add_done_callback(lambda done: self._looked_up(host, port, done))
        return await asyncio.shield(asking)

    def _looked_up(self, host: str, port: int, done: asyncio.Future[list[str]]) -> None:
        del self._lookups[host, port]
        if not done.cancelled():
            done.exception()  # whoever waited for it may have given up

    def _check_open(self) -> None:
        if self._closed:
            raise UpstreamError("connect", "the relay is shutting down", sent=False)

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    # For connections.

    def keep(self, connection: Connection) -> bool:
        """Take a free connection back; False when there is no room for it."""
        idle = self._idle.get(connection.key)
        if idle is None:
            idle = self._idle[connection.key] = []
        if self._closed or len(idle) >= self.max_idle_per_host:
            return False
        idle.append(connection)
        return True

    def dropped(self, connection: Connection) -> None:
        """The connection is of no more use."""
        idle = self._idle.get(connection.key)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[connection.key]

    def lost(self, connection: Connection) -> None:
        """The connection's socket is closed."""
        self._open.discard(connection)
        if not self._open and self._empty is not None:
            self._empty.set()


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _connect_error(error: OSError, name: str, seconds: float) -> UpstreamError:
    """What an error met while connecting means."""
    if isinstance(error, TimeoutError):
        return UpstreamError(
            "timeout_connect", f"no connection to {name} in {seconds:g} s", sent=False
        )
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        return UpstreamError("tls", f"no TLS with {name}: {why}", sent=False)
    why = error.strerror or type(error).__name__
    return UpstreamError("connect", f"no connection to {name}: {why}", sent=False)


def request_head(
    target: Target, method: bytes, path: str, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The lines of a request's head, without its length and the empty line at its end.

    ``path`` goes behind the target's own; see :meth:`Pool.request` for the headers. Raises
    ``ValueError`` for what would break the request's framing.
    """
    path = target.path + path
    if not method.isalpha() or not path.startswith("/"):
        raise ValueError("a request needs a method of letters and a path that begins with /")
    line = path.encode("ascii")
    if any(not 0x21 <= byte <= 0x7E for byte in line) or b"#" in line:
        raise ValueError("a request's path must be percent-encoded and without a fragment")
    lines = [b"%b: %b\r\n" % pair for pair in headers if pair[0].lower() not in _OWN]
    block = b"".join(lines)
    if block.count(b"\r") != len(lines) or block.count(b"\n") != len(lines) or b"\0" in block:
        raise ValueError("a header must not hold line breaks or NUL")
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b" % (method, line, target.host_header, block)
