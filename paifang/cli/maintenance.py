"""Commands that look after an installation."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from paifang import checks, migrate
from paifang.cli.findings import print_findings
from paifang.cli.opening import (
    existing_runtime,
    load_settings,
    option_home,
    plain_errors,
    runtime_from,
)
from paifang.core.commands import json_option, print_json
from paifang.core.module import Finding
from paifang.core.runtime import Runtime
from paifang.doctor import diagnose


async def _closing(runtime: Runtime, findings: list[Finding]) -> list[Finding]:
    await runtime.db.close()
    return findings


def _report(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        print_findings(findings)
    if any(f.level == "error" for f in findings):
        raise SystemExit(1)


@click.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Assert what must be so before Paifang serves.

    Every route declares who may call it, permissions and menus fit, the database is at this
    version's schema. Exit status 1 when something is wrong.
    """

    async def run() -> list[Finding]:
        runtime = existing_runtime(option_home(ctx))
        return await _closing(runtime, await checks.check(runtime))

    with plain_errors():
        findings = asyncio.run(run())
    _report(findings, as_json=as_json)
    if not as_json:
        click.echo("All checks passed.")


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Say what is on, what is off and why, and what to do about it."""

    async def run() -> list[Finding]:
        runtime = existing_runtime(option_home(ctx))
        return await _closing(runtime, await diagnose(runtime))

    with plain_errors():
        findings = asyncio.run(run())
    _report(findings, as_json=as_json)


@click.command("migrate")
@click.pass_context
def migrate_command(ctx: click.Context) -> None:
    """Bring the database to this version's schema.

    An SQLite database is backed up first. A database made by a newer version is refused.
    """
    from paifang.modules.access.roles.service import seed  # noqa: PLC0415  # for this command alone

    async def run() -> bool:
        settings = load_settings({"PAIFANG_HOME": option_home(ctx)})
        runtime = runtime_from(settings)
        try:
            changed = await migrate.upgrade(
                runtime.db, backups=settings.home / "backups", say=click.echo
            )
            # For the commands that make people before anything serves.
            await seed(runtime.db, runtime.modules)
        finally:
            await runtime.db.close()
        return changed

    with plain_errors():
        changed = asyncio.run(run())
    click.echo("The database is up to date." if changed else "Nothing to do: up to date already.")


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
def openapi(output: Path | None) -> None:
    """Print the OpenAPI document of /api."""
    from paifang.api import openapi as write  # noqa: PLC0415  # the other commands need no API

    document = orjson.dumps(write(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if output is None:
        click.echo(document, nl=False)
        return
    try:
        output.write_bytes(document)
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error
