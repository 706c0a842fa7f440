"""``up`` and ``serve``: the commands that run until they are stopped."""

import asyncio
import logging

import click

from paifang import checks, migrate, server
from paifang.cli.banner import print_banner
from paifang.cli.findings import print_findings
from paifang.cli.opening import load_settings, option_home, plain_errors, runtime_from
from paifang.core import logs
from paifang.core.runtime import ROLES, Runtime

_host = click.option(
    "--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]"
)
_port = click.option("--port", type=int, metavar="PORT", help="Port to listen on.  [default: 8000]")
_home = click.option("--home", metavar="FOLDER", help="Data folder.  [default: ./paifang-data]")


@click.command()
@_host
@_port
@_home
@click.pass_context
def up(ctx: click.Context, host: str | None, port: int | None, home: str | None) -> None:
    """Start everything on one port: gateway, console, jobs and local models.

    The first start makes the database, the administrator key and, for the local model,
    a channel and a token, and prints a curl line that works.
    """
    _run(ctx, host, port, home, ROLES)


@click.command()
@click.option(
    "--only",
    type=click.Choice(sorted(ROLES)),
    help="Serve one part: gateway (/v1), console (/api, pages) or worker (jobs).  [default: all]",
)
@_host
@_port
@_home
@click.pass_context
def serve(
    ctx: click.Context, only: str | None, host: str | None, port: int | None, home: str | None
) -> None:
    """Start one part, for an installation of several processes.

    Unlike `up` it makes nothing: run `paifang migrate` first.
    """
    _run(ctx, host, port, home, frozenset({only}) if only else ROLES, prepare=False)


def _run(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    home: str | None,
    roles: frozenset[str],
    *,
    prepare: bool = True,
) -> None:
    settings = load_settings(
        {
            "PAIFANG_HOST": host,
            "PAIFANG_PORT": None if port is None else str(port),
            "PAIFANG_HOME": home or option_home(ctx),
        }
    )
    with plain_errors():
        logs.configure(settings.log, env=settings.env)
    logs.hide_secrets(settings)
    # Its lines about starting and stopping repeat what the banner and the drain say.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    runtime = runtime_from(settings, roles)
    logs.hide(runtime.secrets.admin_key)
    try:
        sock = server.listen(settings.host, settings.port)
    except server.AddressInUseError as error:
        raise click.ClickException(str(error)) from error
    runtime.first_start = prepare
    runtime.port = sock.getsockname()[1]
    with plain_errors():
        asyncio.run(_prepare(runtime, migrating=prepare))
    if not server.run(runtime, sock, started=lambda: print_banner(runtime)):
        raise click.ClickException(runtime.refusal or "the start failed; the log above says why")


async def _prepare(runtime: Runtime, *, migrating: bool) -> None:
    if migrating:
        await migrate.upgrade_installation(runtime, say=lambda line: click.echo(line, err=True))
    findings = [f for f in await checks.check(runtime) if f.level == "error"]
    # The engine's connections belong to this loop; the server opens its own.
    await runtime.db.close()
    if findings:
        print_findings(findings)
        raise click.ClickException("Paifang does not start until this is right.")
