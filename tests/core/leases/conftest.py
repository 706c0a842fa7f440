"""What the database says, in tests of shared limits."""

import pytest

from core.leases.bed import Books


@pytest.fixture
def books() -> Books:
    """Of one test."""
    return Books()
