"""What commands share: the runtime they work on, and output for people or for scripts."""

import asyncio
import functools
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import orjson

from paifang.core.auth import Principal
from paifang.core.errors import AppError
from paifang.core.pagination import TOTAL_LIMIT, Page, PageQuery
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings

P = ParamSpec("P")
T = TypeVar("T")

OPERATOR = Principal(id="command-line", name="Command line", kind="operator", all_permissions=True)
"""Who acts when a command changes something: whoever may read the home folder's keys."""


Opener = Callable[[], Awaitable[Runtime]]
"""In ``click``'s context object: loads the settings and opens the runtime when a command needs
it. Fails when the database is not at this version's schema."""


def runtime_command(
    function: Callable[Concatenate[Runtime, P], Awaitable[None]],
) -> Callable[P, None]:
    """Turn ``async def command(runtime, *, ...)`` into a function for ``@click.command()``.

    A refusal (:class:`~paifang.core.errors.AppError`) becomes a message and exit status 1.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        opener: Opener | None = click.get_current_context().find_root().obj
        if opener is None:
            raise click.ClickException("this command must be started by `paifang`")

        async def main() -> None:
            runtime = await opener()
            try:
                await function(runtime, *args, **kwargs)
            finally:
                await runtime.db.close()

        try:
            asyncio.run(main())
        except AppError as error:
            raise click.ClickException(_told(error)) from error

    return run


def _told(error: AppError) -> str:
    """The refusal as lines; one wrong field is in its detail already."""
    fields = [f"  {e['field']}: {e['message']}" for e in error.errors]
    return "\n".join([error.detail, *fields] if len(fields) > 1 else [error.detail])


def invocation(home: Path) -> str:
    """How to call this Paifang on this installation, for lines that people copy."""
    started = Path(sys.argv[0])
    found = shutil.which("paifang")
    if started.name != "paifang":
        words = [sys.executable, "-m", "paifang"]
    elif found is not None and Path(found).resolve() == started.resolve():
        words = ["paifang"]
    else:
        words = [str(started)]
    if home != CoreSettings.home:
        words += ["--home", str(home)]
    return shlex.join(words)


ROWS = 100
"""Rows of a page that a command lists."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
page_option = click.option(
    "--page",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    help=f"{ROWS} rows a page.",
)


def page_query(page: int, sort: str = "") -> PageQuery:
    """The page of a list that :data:`page_option` asks for."""
    return PageQuery(page=page, page_size=ROWS, sort=sort)


def print_list(
    found: Page[T],
    shown: Callable[[T], Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """A page of a list: as JSON in full, or as a table of some of its columns."""
    rows = [shown(item) for item in found.items]
    if as_json:
        print_json(rows)
        return
    print_table(columns, ([row[column] for column in columns] for row in rows))
    print_rest(found)


def print_rest(found: Page[Any]) -> None:
    """Say, beside the output, that a page is not the whole list."""
    if found.total > found.page * found.page_size:
        total = f"more than {TOTAL_LIMIT}" if found.total > TOTAL_LIMIT else str(found.total)
        click.echo(f"{total} in all: --page {found.page + 1} shows more.", err=True)


def print_json(value: Any) -> None:
    """Indented JSON on standard output; dates and UUIDs as text."""
    click.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table, columns as wide as their widest cell."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [
        max([len(header), *(len(row[i]) for row in cells)]) for i, header in enumerate(headers)
    ]
    for row in [list(headers), *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
