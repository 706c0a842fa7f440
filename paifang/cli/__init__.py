"""The ``paifang`` command. What a command needs is imported when it is called."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import click

from paifang import __version__
from paifang.core.module import Command, load
from paifang.registry import MODULES

if TYPE_CHECKING:
    from paifang.core.runtime import Runtime

COMMANDS = (
    Command(
        "up",
        "Start everything on one port: gateway, console, jobs and local models.",
        "paifang.cli.serving:up",
    ),
    Command(
        "serve",
        "Start one part, for an installation of several processes.",
        "paifang.cli.serving:serve",
    ),
    Command(
        "doctor",
        "Say what is on, what is off and why, and what to do about it.",
        "paifang.cli.maintenance:doctor",
    ),
    Command(
        "check",
        "Assert what must be so before Paifang serves.",
        "paifang.cli.maintenance:check",
    ),
    Command(
        "migrate",
        "Bring the database to this version's schema.",
        "paifang.cli.maintenance:migrate_command",
    ),
    Command(
        "backup",
        "Write the database, the keys and the stored files into one FILE.",
        "paifang.cli.backups:backup",
    ),
    Command(
        "restore",
        "Fill an empty database and home folder from a backup FILE.",
        "paifang.cli.backups:restore",
    ),
    Command(
        "openapi",
        "Print the OpenAPI document of /api.",
        "paifang.cli.maintenance:openapi",
    ),
)
"""What a newcomer needs stands first; the modules' commands follow."""


class _Listed(click.Group):
    """Commands in the order they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of addition."""
        del ctx
        return list(self.commands)


class Commands(_Listed):
    """Commands that are imported when they are called. Their names and first lines are known."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it, if it is one."""
        del ctx
        places = [command.place for command in _commands() if command.name == cmd_name]
        found: tuple[click.Command, ...] = load(places)
        return found[0] if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing any."""
        _Listed(commands=self.commands).format_commands(ctx, formatter)


def _commands() -> tuple[Command, ...]:
    return (*COMMANDS, *(command for module in MODULES for command in module.commands))


@click.group(
    cls=Commands,
    commands={c.name: click.Command(c.name, help=c.help) for c in _commands()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", prog_name="paifang")
@click.option(
    "--home",
    metavar="FOLDER",
    help="Folder of everything that must survive a restart.  [default: ./paifang-data]",
)
@click.pass_context
def main(ctx: click.Context, home: str | None) -> None:
    """Paifang, the back office of a small internet service.

    Start with `paifang up`. Settings come from PAIFANG_* variables and .env files;
    `paifang doctor` says what is on, what is off and what to do about it.
    """

    def open_() -> "Awaitable[Runtime]":
        from paifang.cli.opening import open_existing  # noqa: PLC0415  # half of Paifang

        return open_existing(home)

    ctx.obj = open_
