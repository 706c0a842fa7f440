"""One real Paifang for a file of stories."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from doubles.openai_upstream import OpenAIDouble
from doubles.stepped_clock import Clock, SteppedInstallation
from e2e.stories.house import SETTINGS, House, open_house


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """The clock of the file's site; it goes on only."""
    return Clock(tmp_path_factory.mktemp("clock") / "clock")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    reference: None,
    tmp_path_factory: pytest.TempPathFactory,
    browser: Browser,
    upstream: OpenAIDouble,
    clock: Clock,
) -> AsyncIterator[House]:
    """A site on SQLite, by the clock."""
    installation = SteppedInstallation(tmp_path_factory.mktemp("house"), clock, **SETTINGS)
    async with open_house(installation, browser, upstream.url) as house:
        yield house
