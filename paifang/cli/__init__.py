"""The ``paifang`` command."""

from typing import Any

import click

from paifang import __version__
from paifang.cli.backups import backup, restore
from paifang.cli.maintenance import check, doctor, migrate_command, openapi
from paifang.cli.opening import opener
from paifang.cli.serving import serve, up
from paifang.registry import MODULES


class Commands(click.Group):
    """Commands in the order they were added: what a newcomer needs stands first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of addition."""
        del ctx
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
    ctx.obj = opener({"PAIFANG_HOME": home})


def _add(*commands: Any) -> None:
    for command in commands:
        main.add_command(command)


_add(up, serve, doctor, check, migrate_command, backup, restore, openapi)
for _module in MODULES:
    _add(*_module.commands)
