"""Logs as CSV: streamed, a batch at a time, so that nothing grows with their number."""

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.hot import reading
from paifang.modules.gateway.logs import finding
from paifang.modules.gateway.money import money_text

MOST = 200_000
"""Rows of one export; the last line says so when there are more."""
BATCH = 500
COLUMNS = (
    "started_at",
    "request_id",
    "group_id",
    "token_name",
    "model",
    "channel_name",
    "endpoint",
    "stream",
    "status",
    "outcome",
    "error",
    "duration_ms",
    "first_byte_ms",
    "input",
    "cached_input",
    "cache_write",
    "output",
    "reasoning",
    "estimated",
    "cost",
    "currency",
    "unpriced",
    "ip",
)
HIDDEN = frozenset({"channel_name"})
"""Columns for those who may read channels."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def lines(
    database: Database,
    *,
    caller: Principal,
    currency: str,
    channels: bool,
    filters: Mapping[str, Any],
) -> AsyncIterator[bytes]:
    """The file, from the newest call to the oldest. Each batch is a statement of its own: no
    transaction stays open for as long as somebody downloads.

    Args:
        database: Where the logs are.
        caller: Whoever asks; only what they see is in it.
        currency: The metering currency, for the column beside the cost.
        channels: Whether it says which channel answered.
        filters: :class:`~.finding.Filters`.
    """
    names = [name for name in COLUMNS if channels or name not in HIDDEN]
    yield _line(names)
    before: int | None = None
    left = MOST
    while left > 0:
        async with reading(database) as connection:
            rows = await finding.rows(
                connection, caller=caller, limit=min(BATCH, left), before=before, **filters
            )
        if not rows:
            return
        yield b"".join(_line([_cell(name, row, currency) for name in names]) for row in rows)
        before, left = rows[-1]["id"], left - len(rows)
    yield _line([f"cut off after {MOST} rows; choose a shorter time"])


def _cell(name: str, row: Mapping[str, Any], currency: str) -> Any:
    if name == "currency":
        return currency
    value = row[name]
    if value is None:
        return ""
    if name == "cost":
        return money_text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a spreadsheet would take it for a formula
    return value


def _line(cells: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
