"""Reads a command as it stands in a document, and says what is wrong with it."""

import re
import shlex
from collections.abc import Iterator

import click

from paifang.cli import main

_ENDS = {"...", "…", "|", "&&", "||", ";", ">", ">>", "<", "&"}


def commands_in(line: str) -> Iterator[list[str]]:
    """The words behind each ``paifang`` that is called in a line of shell."""
    for part in re.split(r"\||&&|;", line):
        words = _words(part)
        while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in {"sudo", "exec"}):
            words = words[1:]
        if words and words[0].rsplit("/", 1)[-1] == "paifang":
            yield words[1:]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # a quote that ends on another line
        return text.split()


def problem(words: list[str]) -> str:
    """What is wrong with a command's words; empty when nothing is. It ends at a ``...``."""
    command: click.Command = main
    path = "paifang"
    given = 0
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in _ENDS or word[0] in "[<":
            return ""
        if word.startswith("-") and word != "-":
            if wrong := _option(command, path, word, rest):
                return wrong
        elif isinstance(command, click.Group):
            child = command.get_command(click.Context(command), word)
            if child is None:
                return f"{path} has no command {word}"
            command, path, given = child, f"{path} {word}", 0
        else:
            given += 1
            if given > sum(isinstance(p, click.Argument) for p in command.params):
                return f"{path} takes no {word}"
    return ""


def _option(command: click.Command, path: str, word: str, rest: list[str]) -> str:
    name, equals, value = word.partition("=")
    if name in {"--help", "-h"}:
        return ""
    for option in command.params:
        if isinstance(option, click.Option) and name in (*option.opts, *option.secondary_opts):
            if not option.is_flag and not option.count:
                if not equals and not rest:
                    return ""  # named alone, to speak of it
                value = value if equals else rest.pop(0)
                if isinstance(option.type, click.Choice) and value not in option.type.choices:
                    return f"{path} {name} takes no {value}"
            return ""
    return f"{path} has no option {name}"
