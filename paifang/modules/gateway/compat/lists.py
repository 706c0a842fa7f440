"""Lists as AI Proxy v1 pages, orders and filters them."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy import ColumnElement, Select, func
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.pagination import bounded_total
from paifang.modules.gateway.compat.values import EPOCH, invalid
from paifang.modules.gateway.fields import Search

T = TypeVar("T")

PER_PAGE = 10
MAX_PER_PAGE = 100


def _blank(value: Any) -> Any:
    return None if value == "" else value


Text = Annotated[Search | None, BeforeValidator(_blank)]
"""A filter; empty is as good as absent."""
Whole = Annotated[
    Annotated[int, Field(gt=-(2**63), lt=2**63)] | None,
    BeforeValidator(_blank),
]
"""A number to filter by; empty and 0 are as good as absent."""
Millis = Annotated[Whole, Field(description="Unix milliseconds.")]


class Paging(BaseModel):
    """Which page is wanted, and in which order."""

    p: Whole = Field(None, description="The page, from 1.")
    per_page: Whole = Field(None, description=f"Rows of a page: {PER_PAGE}, or up to 100.")
    order: Text = Field(None, description="A field, and `-desc` behind it to sort downwards.")

    @property
    def limit(self) -> int:
        """Rows of a page."""
        if self.per_page is None or self.per_page <= 0:
            return PER_PAGE
        return min(self.per_page, MAX_PER_PAGE)

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return min(max(self.p or 1, 1), 1_000_000) * self.limit - self.limit


def ordering(
    order: str | None, columns: Mapping[str, Any], default: str = "id-desc"
) -> ColumnElement[Any]:
    """The ORDER BY for ``used_amount`` or ``used_amount-desc``.

    Raises:
        Invalid: not one of the columns, or another direction.
    """
    name, _, direction = (order or default).partition("-")
    if name not in columns or direction not in {"", "asc", "desc"}:
        names = ", ".join(sorted(columns))
        raise invalid("order", f"use one of {names}, and -desc behind it to sort downwards")
    column: ColumnElement[Any] = columns[name]
    return column.desc() if direction == "desc" else column.asc()


def moment_or_never(column: Any) -> ColumnElement[Any]:
    """A moment to order by: never is before everything, where PostgreSQL has it at the end."""
    return func.coalesce(column, EPOCH)


async def fetch(session: AsyncSession, statement: Select[T], paging: Paging) -> tuple[list[T], int]:
    """The rows of a page and the bounded total, in two statements."""
    total = await bounded_total(session, statement)
    rows = await session.scalars(statement.limit(paging.limit).offset(paging.offset))
    return list(rows), total
