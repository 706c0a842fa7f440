"""Money as people and programs read it: decimal text in the metering currency."""

import re
from decimal import Decimal

from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT

_AMOUNT = re.compile(r"[0-9]{1,40}(\.[0-9]{1,18})?")
MAX_UNITS = 1_000_000_000
"""The largest amount: sums of many still fit a database's integer."""


def money_text(nanos: int) -> str:
    """Nanos as a decimal, exact and without needless zeros: ``0.00125``, ``3``."""
    sign = "-" if nanos < 0 else ""
    units, rest = divmod(abs(nanos), NANOS_PER_UNIT)
    return f"{sign}{units}.{rest:09d}".rstrip("0").rstrip(".") if rest else f"{sign}{units}"


def money_nanos(text: str) -> int:
    """Decimal text as nanos, exactly.

    Raises:
        ValueError: not an amount, negative, or finer than a nano; the message says which.
    """
    text = text.strip()
    if not _AMOUNT.fullmatch(text):
        raise ValueError("write an amount like 0.15: digits, and a point before the decimals")
    if Decimal(text) > MAX_UNITS:
        raise ValueError(f"an amount is at most {MAX_UNITS}")
    nanos = Decimal(text) * NANOS_PER_UNIT
    if nanos != int(nanos):
        raise ValueError("an amount has at most 9 decimals: amounts are kept in billionths")
    return int(nanos)
