"""Lists: ``{items, total, page, page_size}`` with a bounded total, and cursors for logs."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.errors import Invalid

T = TypeVar("T")

TOTAL_LIMIT = 10_000
"""Counting stops here: an exact count of a large table costs more than the page itself."""


class Page(BaseModel, Generic[T]):
    """One page of a list: of read schemas on the wire, of models between services."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    total: int
    """How many there are, counted up to 10,000; more are reported as 10,001."""
    page: int
    page_size: int


class PageQuery(BaseModel):
    """Which page is wanted."""

    page: int
    page_size: int
    sort: str

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.page_size


def page_query(
    page: Annotated[int, Query(ge=1, le=1_000_000, description="From 1.")] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, description="Rows of a page.")] = 20,
    sort: Annotated[
        str, Query(max_length=64, description="A column; `-` in front sorts downwards.")
    ] = "",
) -> PageQuery:
    """The three parameters every list takes."""
    return PageQuery(page=page, page_size=page_size, sort=sort)


Paging = Annotated[PageQuery, Depends(page_query)]


def order_by(sort: str, columns: Mapping[str, Any], default: str) -> ColumnElement[Any]:
    """The ORDER BY for ``sort``, from the columns a list allows.

    Raises:
        Invalid: the column is not one of them.
    """
    wanted = sort or default
    name = wanted.removeprefix("-")
    if name not in columns:
        allowed = ", ".join(sorted(columns))
        raise Invalid(
            f"sort={name} is not possible; use one of: {allowed}.",
            errors=[{"field": "sort", "message": f"use one of: {allowed}"}],
        )
    column: ColumnElement[Any] = columns[name]
    return column.desc() if wanted.startswith("-") else column.asc()


async def bounded_total(session: AsyncSession, statement: Select[Any]) -> int:
    """Rows of ``statement``, counted up to one more than :data:`TOTAL_LIMIT`."""
    rows = statement.order_by(None).limit(TOTAL_LIMIT + 1).subquery()
    return (await session.execute(select(func.count()).select_from(rows))).scalar_one()


async def paginate(
    session: AsyncSession,
    statement: Select[Any],
    *,
    paging: PageQuery,
    read: Callable[[Any], T],
) -> Page[T]:
    """Run an ordered select of one entity as a page; ``read`` turns a row into its schema."""
    total = await bounded_total(session, statement)
    rows = await session.scalars(statement.limit(paging.page_size).offset(paging.offset))
    return Page(
        items=[read(row) for row in rows],
        total=total,
        page=paging.page,
        page_size=paging.page_size,
    )
