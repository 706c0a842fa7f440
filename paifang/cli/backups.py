"""``backup`` and ``restore``."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from paifang import backup as backups
from paifang.cli.opening import (
    existing_runtime,
    load_settings,
    need_database,
    option_home,
    plain_errors,
    runtime_from,
)
from paifang.core.runtime import Runtime


def _run(open_: Callable[[], Runtime], work: Callable[[Runtime], Awaitable[None]]) -> None:
    async def main() -> None:
        runtime = open_()
        try:
            await work(runtime)
        finally:
            await runtime.db.close()

    with plain_errors(backups.BackupError):
        asyncio.run(main())


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def backup(ctx: click.Context, file: Path | None) -> None:
    """Write the database, the keys and the stored files into one FILE.

    Paifang may be running. The file holds secrets: keep it like a key. It can be restored into
    any of the supported databases.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = file or Path(f"paifang-{moment}.tar.gz")

    async def work(runtime: Runtime) -> None:
        await need_database(runtime)
        await backups.backup(runtime, target, say=click.echo)

    _run(lambda: existing_runtime(option_home(ctx)), work)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def restore(ctx: click.Context, file: Path) -> None:
    """Fill an empty database and home folder from a backup FILE.

    Nothing that exists is overwritten: pick a fresh --home, or an empty PAIFANG_DB_URL.
    """
    settings = load_settings({"PAIFANG_HOME": option_home(ctx)})
    with plain_errors(backups.BackupError):
        backups.check_home(settings.home)
    _run(
        lambda: runtime_from(settings),
        lambda runtime: backups.restore(runtime, file, say=click.echo),
    )
