"""A batch of rows from a segment of the journal. To be called in a thread, beside the relay.

Both share one interpreter, so the work is done in pieces with rests in between: it may take its
time, and nobody's call waits for more than a piece of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paifang.modules.gateway.logs.columns import Columns, columns_from, columns_of, joined
from paifang.modules.gateway.logs.pace import Pace
from paifang.modules.gateway.logs.rows import Row, row_of
from paifang.modules.gateway.logs.store import Batch, Rows
from paifang.modules.gateway.relay import journal as segments

PIECE = 64
"""Records that are decoded at a stretch: a quarter of a millisecond."""

PART = 256
"""Records that are read, and rows that are prepared, at a stretch: about the same."""

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of the journal that make a batch, however few records they are: they are held in memory
several times over."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that no log can hold."""

    data: bytes
    reason: str


def read(
    path: Path, name: str, offset: int, size: int, *, rows: Rows, rest: float
) -> tuple[Batch, list[Rejected]]:
    """Up to ``size`` records from an offset on.

    Args:
        path: The segment.
        name: What its position is stored under.
        offset: 0, or the end of an earlier batch.
        size: Records at most.
        rows: Where to put them; none yet.
        rest: How long to rest in between, as a multiple of the work.

    Raises:
        OSError: the segment can't be read.
    """
    rejected: list[Rejected] = []
    pace = Pace(rest)
    end, left, last = offset, size, False
    while left and not last and end - offset < MAX_BYTES:
        asked = min(PART, left)
        records, end = segments.read(path, end, asked)
        left -= len(records)
        last = len(records) < asked
        pieces = []
        for start in range(0, len(records), PIECE):
            pace.rest()
            piece = records[start : start + PIECE]
            pieces.append(columns_of(piece) or _one_by_one(piece, rejected))
        pace.rest()
        rows.add(joined(pieces))
    return Batch(segment=name, start=offset, end=end, last=last, rows=rows), rejected


def raw(path: Path, offset: int) -> bytes:
    """The one record at an offset."""
    (record,), _end = segments.read(path, offset, 1)
    return record


def _one_by_one(records: Sequence[bytes], rejected: list[Rejected]) -> Columns:
    rows: list[Row] = []
    for data in records:
        try:
            rows.append(row_of(data))
        except ValueError as error:
            rejected.append(Rejected(data, str(error)))
    return columns_from(rows)
