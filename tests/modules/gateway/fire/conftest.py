"""One gateway per test process, and a bed in it for each test."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from doubles import hanging_names as names
from doubles.certificates import Certificates
from doubles.gateway_process import Gateway
from doubles.hasty_gateway import HastyGateway
from doubles.installation import ADMIN_KEY
from doubles.steady_upstream import Steady
from modules.gateway.fire.bed import Bed, client, prepare


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that the gateway trusts, and what it has signed."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def steady() -> Iterator[Steady]:
    """An upstream that is always well."""
    upstream = Steady()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, steady: Steady
) -> Iterator[Gateway]:
    """A gateway with the group ``fire``, the priced model ``chat`` and the free model ``steady``.

    It trusts the authority of the tests and, where there is a C compiler, knows names that
    nobody ever answers for (``*.hangs.invalid``).
    """
    folder = tmp_path_factory.mktemp("gateway")
    started = Gateway(
        folder, SSL_CERT_FILE=str(certificates.authority), **names.hanging_names(folder)
    )
    try:
        prepare(started, steady)
        yield started
    finally:
        started.kill()


@pytest.fixture
def hanging_names(gateway: Gateway) -> None:
    """The gateway knows such names; else the test ends here."""
    if "LD_PRELOAD" not in gateway.variables:
        pytest.skip("not run: a C compiler, for names that nobody answers for")


@pytest.fixture(scope="session")
def hasty_gateway(
    tmp_path_factory: pytest.TempPathFactory, steady: Steady
) -> Iterator[HastyGateway]:
    """A gateway that does not wait long for its clients."""
    started = HastyGateway(tmp_path_factory.mktemp("hasty"))
    try:
        prepare(started, steady)
        yield started
    finally:
        started.kill()


@pytest.fixture
async def bed(gateway: Gateway, steady: Steady) -> AsyncIterator[Bed]:
    """The gateway with a key of this test's own; afterwards everything must be as it was."""
    async with _bed(gateway, steady) as made:
        yield made


@pytest.fixture
async def hasty_bed(hasty_gateway: HastyGateway, steady: Steady) -> AsyncIterator[Bed]:
    """The same in the gateway that does not wait long."""
    async with _bed(hasty_gateway, steady) as made:
        yield made


@contextlib.asynccontextmanager
async def _bed(gateway: Gateway, steady: Steady) -> AsyncIterator[Bed]:
    async with client(f"{gateway.url}/api/v1/gateway", ADMIN_KEY) as admin:
        admin.headers["connection"] = "close"
        made = Bed(gateway, steady, client(gateway.url), admin, log_start=len(gateway.log))
        made.key = await made.first_token()
        async with made.http:
            made.http.headers["authorization"] = f"Bearer {made.key}"
            made.http.event_hooks["request"] = [made.count]
            yield made
        for channel_id in made.channel_ids:
            assert (await admin.delete(f"/channels/{channel_id}")).is_success
        await made.finish()
