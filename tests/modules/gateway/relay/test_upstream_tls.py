"""The upstream pool over TLS: verification, server names, reuse and truncation."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doubles.raw_upstream import LOOPS
from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream import Pool, Response, Target, UpstreamError

TIMEOUTS = Timeouts(connect=5, first_byte=5, idle=5)


class Sides(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """Contexts of a server called ``localhost`` and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return Sides(server, ssl.create_default_context(cafile=str(file)))


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Any:
    def run(story: Awaitable[Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(asyncio.wait_for(story, 20))

    return run


async def with_server(
    script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext,
    story: Callable[[int], Awaitable[None]],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    await story(server.sockets[0].getsockname()[1])
    server.close()


async def ask(pool: Pool, host: str, port: int) -> Response:
    target = Target.parse(f"https://{host}:{port}")
    return await pool.request(target, b"POST", "/", [], b"x" * 100_000, TIMEOUTS)


async def two_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(2):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(100_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"y" * 300_000)
    await reader.read()


def test_verified_connection_names_its_server_and_is_reused(sides: Sides, run: Any) -> None:
    names: list[str | None] = []
    sides.server.sni_callback = lambda _socket, name, _context: names.append(name)

    async def story(port: int) -> None:
        pool = Pool(ssl_context=sides.client)
        for _ in range(2):
            response = await ask(pool, "localhost", port)
            assert await response.read(300_000) == b"y" * 300_000
            next(iter(pool._open))._idle_since -= 10  # probed before it is used again
        assert pool.open_connections == 1
        await pool.close()
        assert pool.open_connections == 0

    run(with_server(two_answers, sides.server, story))
    assert names == ["localhost"]


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", True), ("localhost", False)])
def test_wrong_name_or_unknown_issuer_is_tls_and_not_sent(
    sides: Sides, run: Any, host: str, trusted: bool
) -> None:
    async def story(port: int) -> None:
        pool = Pool(ssl_context=sides.client) if trusted else Pool()
        with pytest.raises(UpstreamError) as caught:
            await ask(pool, host, port)
        assert (caught.value.kind, caught.value.sent) == ("tls", False)
        assert pool.open_connections == 0

    run(with_server(two_answers, sides.server, story))


def test_server_without_tls_is_tls(sides: Sides, run: Any) -> None:
    async def story() -> None:
        async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        pool = Pool(ssl_context=sides.client)
        with pytest.raises(UpstreamError) as caught:
            await ask(pool, "localhost", server.sockets[0].getsockname()[1])
        assert (caught.value.kind, caught.value.sent) == ("tls", False)
        server.close()

    run(story())


def test_handshake_that_never_ends_is_timeout_connect(sides: Sides, run: Any) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            pool = Pool(ssl_context=sides.client)
            target = Target.parse(f"https://localhost:{listener.getsockname()[1]}")
            with pytest.raises(UpstreamError) as caught:
                await pool.request(target, b"GET", "/", [], b"", Timeouts(0.1, 5, 5))
            assert (caught.value.kind, caught.value.sent) == ("timeout_connect", False)
            assert pool.open_connections == 0

    run(story())


@pytest.mark.parametrize("clean", [True, False], ids=["close_notify", "cut_off"])
def test_body_until_the_end_needs_a_close_notify(sides: Sides, run: Any, clean: bool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(100_000)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        if not clean:  # TCP ends, TLS does not: what a man in the middle can do
            await asyncio.sleep(0.05)
            wire = writer.get_extra_info("socket")
            with socket.socket(fileno=socket.dup(wire.fileno())) as twin:
                twin.shutdown(socket.SHUT_WR)
            await reader.read()

    async def story(port: int) -> None:
        pool = Pool(ssl_context=sides.client)
        response = await ask(pool, "localhost", port)
        if clean:
            assert await response.read(9) == b"abc"
        else:
            with pytest.raises(UpstreamError) as caught:
                await response.read(9)
            assert caught.value.kind == "reset"
        await pool.close()

    run(with_server(script, sides.server, story))
