"""Every command with its options, as ``--help`` says them."""

import inspect
from collections.abc import Iterator

import click

from paifang.cli import main
from scripts.reference.markdown import code, page, table

INTRODUCTION = """
In a checkout the command is `.venv/bin/paifang`. Every command has `--help`; what a script would
want to read has `--json`. A refusal goes to standard error with exit status 1, a wrong option
with 2. Settings come from [variables](settings.md).
"""


def write() -> str:
    """The page."""
    return page("Commands", INTRODUCTION, *(_section(*found) for found in walk(main, "paifang")))


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command and all below it, each with its whole name."""
    context = click.Context(command, info_name=path)
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from walk(child, f"{path} {name}")


def _section(path: str, command: click.Command, context: click.Context) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"## {path}", f"```text\n{usage}\n```", inspect.cleandoc(command.help or "")]
    options = [
        record
        for param in command.get_params(context)
        if isinstance(param, click.Option)
        and "--help" not in param.opts
        and (record := param.get_help_record(context)) is not None
    ]
    if options:
        parts.append(table(["Option", "What it does"], [[code(o), text] for o, text in options]))
    if isinstance(command, click.Group):
        names = [f"{path} {name}" for name in command.list_commands(context)]
        links = [f"[`{name}`](#{name.replace(' ', '-')})" for name in names]
        parts.append("Commands: " + ", ".join(links) + ".")
    return "\n\n".join(parts)
