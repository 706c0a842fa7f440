"""Moments and amounts on their way between the two services."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core.errors import Invalid
from paifang.modules.gateway.changes import MAX_NANOS
from paifang.modules.gateway.compat import values

YEAR_9999 = 253_402_300_799_999


@given(st.integers(min_value=1, max_value=YEAR_9999))
def test_milliseconds_come_back_as_they_went(millis: int) -> None:
    at = values.moment("x", millis)
    assert at is not None
    assert at.tzinfo is UTC
    assert values.millis(at) == millis


def test_never_is_zero_or_the_year_one() -> None:
    assert values.moment("x", 0) is None
    assert values.moment("x", values.NEVER) is None
    assert values.millis(None) == values.millis(datetime(1, 1, 1, tzinfo=UTC)) == values.NEVER
    for beyond in (YEAR_9999 + 1, -(10**17), 2**63 - 1, 10**30):
        with pytest.raises(Invalid, match="x: must be unix milliseconds"):
            values.moment("x", beyond)


@given(st.integers(min_value=0, max_value=10**15))
def test_amounts_come_back_as_they_went(nanos: int) -> None:
    assert values.nanos(values.amount(nanos)) == nanos


@given(st.integers(min_value=0, max_value=10**15))
def test_prices_come_back_as_they_went(per_million: int) -> None:
    assert values.per_million(values.per_thousand(per_million)) == per_million


@given(st.floats(min_value=0, max_value=MAX_NANOS / 1e9, exclude_min=True))
def test_something_never_becomes_nothing(amount: float) -> None:
    assert values.nanos(amount) >= 1
