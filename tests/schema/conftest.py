"""The API in this process, whose upstreams nobody answers for."""

from collections.abc import Iterator

import pytest

from counts import is_long
from modules.accounts import conftest as accounts
from paifang.app import open_runtime
from paifang.core import events
from paifang.core.settings import CoreSettings
from paifang.modules.accounts.passwords.hashing import hasher_of
from plugins import sockets
from schema.house import House

settings = accounts.settings
"""A fixture: cheap hashes, easy challenges."""

KINDS = ["sqlite", "postgresql", "mariadb"]


@pytest.fixture(params=KINDS if is_long() else KINDS[:1])
def database_kind(request: pytest.FixtureRequest) -> str:
    """SQLite for everybody's runs, all of them for the long one."""
    return str(request.param)


@pytest.fixture
def house(settings: CoreSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """An installation, and its callers."""
    monkeypatch.setattr(sockets, "check", _only_here(sockets.check))
    runtime = open_runtime(settings)
    made = House(runtime)
    yield made
    made.close()
    hasher_of(runtime).close()
    events.install(None)


def _only_here(check):
    """Addresses of upstreams are made up here: nobody answers there."""

    def refuse(host: object) -> None:
        try:
            check(host)
        except sockets.OutsideConnection:
            raise ConnectionRefusedError(f"nobody answers at {host!r}") from None

    return refuse
