"""Tests can't leave this machine."""

import asyncio
import http.client
import socket
from collections.abc import Callable

import pytest
import uvloop

from plugins.sockets import OutsideConnection, check

# From the block that documents use (RFC 5737); a guard that fails must not reach anybody.
OUTSIDE = "192.0.2.1"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_is_refused_before_a_packet_leaves(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as client, pytest.raises(OutsideConnection, match=OUTSIDE):
        client.connect((OUTSIDE, 9))


def test_a_datagram_is_refused() -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as client,
        pytest.raises(OutsideConnection, match=OUTSIDE),
    ):
        client.sendto(b"x", (OUTSIDE, 9))


def test_a_name_look_up_is_refused() -> None:
    with pytest.raises(OutsideConnection, match="example"):
        http.client.HTTPConnection("example.com", timeout=1).request("GET", "/")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_both_event_loops_refuse(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def connect() -> None:
        async with asyncio.timeout(5):
            await asyncio.open_connection(OUTSIDE, 9)

    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(OutsideConnection):
        runner.run(connect())


def test_a_name_that_never_exists_fails_as_everywhere() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("upstream.invalid", 80)


@pytest.mark.parametrize(
    "host", [None, "", "localhost", b"localhost", "127.0.0.1", "127.8.9.1", "::1", "0.0.0.0"]
)
def test_this_machine_is_allowed(host: object) -> None:
    check(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "fe80::1%eth0", "2001:db8::1", "::ffff:192.0.2.1"])
def test_other_machines_are_not(host: str) -> None:
    with pytest.raises(OutsideConnection):
        check(host)


def test_a_loopback_connection_works() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()
