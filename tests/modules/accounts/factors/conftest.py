"""Fixtures of the tests of factors."""

from uuid import UUID

import pytest

from modules.accounts.factors.people import Clock, add_person
from paifang.core.db import Database
from paifang.core.runtime import Runtime
from paifang.core.secrets import Secrets


@pytest.fixture
def secrets(runtime: Runtime) -> Secrets:
    """The keys of the test's installation."""
    return runtime.secrets


@pytest.fixture
async def mei(db: Database) -> UUID:
    """A person with a password and nothing else."""
    return await add_person(db)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands until it is moved."""
    clock = Clock()
    for part in ("totp", "ceremonies"):
        monkeypatch.setattr(f"paifang.modules.accounts.{part}.service.utc_now", clock)
    return clock
