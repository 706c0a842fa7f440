"""Values as AI Proxy v1 writes them: milliseconds, floats of the currency, numbers for statuses."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from fastapi import Path
from pydantic import Field

from paifang.core.errors import Invalid
from paifang.modules.gateway.fields import Search
from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT

NEVER = -62_135_596_800_000
"""Milliseconds of year 1: what that service shows for a moment that never was or comes."""
ENABLED = 1
DISABLED = 2

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Number = Annotated[int, Path(ge=1, lt=2**63, description="The integer id.")]
GroupId = Annotated[Search, Path()]
Status = Annotated[int, Field(description="1 enabled, 2 disabled.")]


def millis(at: datetime | None) -> int:
    """A moment in unix milliseconds; :data:`NEVER` for None."""
    return NEVER if at is None else (at - EPOCH) // _MILLISECOND


def moment(field: str, value: int) -> datetime | None:
    """The moment of unix milliseconds; None for 0 and for :data:`NEVER`.

    Raises:
        Invalid: beyond the calendar.
    """
    if value in {0, NEVER}:
        return None
    try:
        return EPOCH + value * _MILLISECOND
    except OverflowError:
        raise invalid(field, "must be unix milliseconds, or 0 for never") from None


def amount(nanos: int) -> float:
    """Nanos in the metering currency."""
    return nanos / NANOS_PER_UNIT


def nanos(value: float) -> int:
    """An amount of the metering currency in nanos: the nearest, and never nothing for something."""
    exact = Decimal(repr(value)) * NANOS_PER_UNIT
    whole = int(exact.to_integral_value(ROUND_HALF_EVEN))
    return max(1, whole) if value > 0 else whole


def per_thousand(per_million: int) -> float:
    """A price in nanos per million model tokens, as that service writes it: per thousand."""
    return float(Decimal(per_million) / (1000 * NANOS_PER_UNIT))


def per_million(per_thousand_: float) -> int:
    """The reverse of :func:`per_thousand`."""
    return nanos(per_thousand_ * 1000) if per_thousand_ else 0


def status_number(status: str) -> int:
    """``enabled`` as a number; everything else is disabled."""
    return ENABLED if status == "enabled" else DISABLED


def status_word(number: int) -> str:
    """The status of a number.

    Raises:
        Invalid: neither 1 nor 2.
    """
    if number not in {ENABLED, DISABLED}:
        raise invalid("status", f"use {ENABLED} (enabled) or {DISABLED} (disabled)")
    return "enabled" if number == ENABLED else "disabled"


def invalid(field: str, message: str) -> Invalid:
    """A refusal of one field."""
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
