"""What most fault tests begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble


@pytest.fixture
async def double() -> AsyncIterator[OpenAIDouble]:
    """An upstream."""
    async with OpenAIDouble() as made:
        yield made


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """On SQLite; its calls are in the database a tenth of a second after their end."""
    return Installation(
        tmp_path,
        PAIFANG_DB_URL=f"sqlite:///{tmp_path / 'paifang.db'}",
        PAIFANG_GATEWAY_WELCOME="false",
        PAIFANG_GATEWAY_FLUSH_SECONDS="0.1",
    )
