"""Calls to other services: only hosts that are named may be anywhere."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from doubles.certificates import Certificates
from paifang.core import outbound
from paifang.core.outbound import OutboundError, call, is_public

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


class Server:
    """Answers every request with the same bytes, and remembers their heads."""

    def __init__(self, answer: bytes, delay: float = 0.0) -> None:
        self.answer, self.delay = answer, delay
        self.heads: list[bytes] = []
        self.port = 0

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(self.delay)
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server(OK)
    listening = await asyncio.start_server(found.client, "127.0.0.1", 0)
    found.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield found


async def test_a_host_that_is_named_may_be_anywhere_and_no_other(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/"
    answer = await call("GET", url, trusted={"127.0.0.1"}, seconds=5)
    assert (answer.status, answer.json()) == (200, {})
    with pytest.raises(OutboundError, match="without https"):
        await call("GET", url, trusted=set(), seconds=5)
    for host in ("127.0.0.1", "[::1]", "localhost", "[::ffff:127.0.0.1]"):
        with pytest.raises(OutboundError):
            await call("GET", f"https://{host}:{server.port}/", trusted=set(), seconds=5)
    assert len(server.heads) == 1


async def test_a_redirect_is_an_answer_and_no_proxy_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answer = b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"
    url = f"http://127.0.0.1:{server.port}/"
    assert (await call("GET", url, trusted={"127.0.0.1"}, seconds=5)).status == 302
    assert len(server.heads) == 1


async def test_an_answer_has_a_size_and_a_time(server: Server) -> None:
    url = f"http://127.0.0.1:{server.port}/"
    server.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (outbound.LARGEST + 1)
    with pytest.raises(OutboundError, match="over"):
        await call("GET", url, trusted={"127.0.0.1"}, seconds=5)
    server.answer, server.delay = OK, 2.0
    with pytest.raises(OutboundError, match="within"):
        await call("GET", url, trusted={"127.0.0.1"}, seconds=0.1)
    server.answer, server.delay = b"nonsense\r\n\r\n", 0.0
    with pytest.raises(OutboundError):
        await call("GET", url, trusted={"127.0.0.1"}, seconds=5)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names mean, for this test."""
    meaning: dict[str, list[str]] = {}
    original = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        if host not in meaning:
            return await original(self, host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in meaning[host]]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return meaning


async def test_a_name_that_means_a_private_address_is_not_called(
    names: dict[str, list[str]],
) -> None:
    names["idp.example"] = ["8.8.8.8", "10.0.0.5"]
    with pytest.raises(OutboundError, match="not at a public address"):
        await call("GET", "https://idp.example/", trusted=set(), seconds=5)
    with pytest.raises(OutboundError, match="not known"):
        await call("GET", "https://nowhere.invalid/", trusted=set(), seconds=5)


async def test_the_address_that_was_looked_at_is_called_and_the_certificate_is_the_names(
    names: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(tmp_path)
    trusting = httpx.create_ssl_context()
    trusting.load_verify_locations(certificates.authority)
    monkeypatch.setattr(outbound, "_context", lambda: trusting)
    monkeypatch.setattr(outbound, "is_public", lambda _: True)  # the loopback, for once
    served = Server(OK)
    context = certificates.server("idp.example")
    listening = await asyncio.start_server(served.client, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        names["idp.example"] = names["other.example"] = ["127.0.0.1"]
        url = f"https://idp.example:{port}/x"
        answer = await call("POST", url, trusted=set(), seconds=5, form={"a": "b"})
        assert answer.status == 200
        assert f"Host: idp.example:{port}".encode() in served.heads[0]
        with pytest.raises(OutboundError, match=r"other\.example can't be reached"):
            await call("GET", f"https://other.example:{port}/", trusted=set(), seconds=5)
        assert len(served.heads) == 1
