"""Tests talk to this machine alone: any other address is refused before a packet leaves.

The guard is an audit hook of the interpreter, so it sees every connection and name look-up made
through Python's ``socket``, asyncio's own loop included, and ``uvloop``'s ``create_connection``.
It can't see what C libraries connect by themselves (``psycopg``'s libpq, the model engine) and
what child processes do.

Names under ``.invalid`` (RFC 6761: they never exist) fail as they do everywhere, without asking
a name server.
"""

import ipaddress
import socket
import sys
from typing import Any

import pytest

OWN_NAMES = {"localhost", "ip6-localhost", socket.gethostname()}


class OutsideConnection(RuntimeError):
    """A test tried to leave this machine. Not an OSError: code under test handles those."""


def check(host: object) -> None:
    """Refuse a host that is not this machine.

    Raises:
        OutsideConnection: it is another machine.
        socket.gaierror: a name under ``.invalid``.
    """
    if host is None:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    name = name.rstrip(".").lower()
    if not name or name in OWN_NAMES or name.endswith(".localhost"):
        return
    if name.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        raise OutsideConnection(f"a test looked up {name!r}; tests use loopback only") from None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if not (mapped.is_loopback or mapped.is_unspecified):
        raise OutsideConnection(f"a test connected to {name}; tests use loopback only")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        # Unix sockets have a path, netlink has numbers; neither leaves the machine.
        if isinstance(address, tuple) and address and isinstance(address[0], str | bytes):
            check(address[0])
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        if not _is_address(host):  # an address is only parsed; connecting to it is what counts
            check(host)


def _is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _guard_uvloop() -> None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return
    original = uvloop.Loop.create_connection

    async def create_connection(
        self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        check(host)
        return await original(self, factory, host, port, **options)

    setattr(uvloop.Loop, "create_connection", create_connection)  # noqa: B010 - a patch, plainly


def pytest_configure(config: pytest.Config) -> None:
    """Put the guard in place, where tests run."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        sys.addaudithook(_audit)
        _guard_uvloop()
