"""Every setting: its variable, its default and what it does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from paifang.core.settings import (
    ALIASES,
    PREFIX,
    Secret,
    Section,
    Setting,
    areas,
    own,
    settings_class,
)
from paifang.registry import settings_areas
from scripts.reference.markdown import code, page, prose, table

INTRODUCTION = """
Each setting is an environment variable. Sources, strongest first: an option of the command
(`--host`, `--port`, `--home`), the process environment, `.env.<environment>` in the working
directory (`.env.development`, `.env.test` or `.env.production`, by `PAIFANG_ENV`), `.env` there.

A `PAIFANG_` variable that is in no table below stops the start with a message that names the
nearest right one. A value that can't be right does the same; all wrong ones are named at once. An
empty variable means "not set".

Switches take `true` and `false`. Secrets (keys, URLs with passwords) are masked in the logs.
"""


def write() -> str:
    """The page."""
    parts = [INTRODUCTION]
    everything = settings_class(settings_areas())
    parts.append(_section("The process", "", _rows(everything, PREFIX)))
    for title, area, prefix in _areas(everything, PREFIX, ""):
        parts.append(_section(title, prose(area.__doc__), _rows(area, prefix)))
    aliases = [[code(alias), code(name)] for alias, name in ALIASES.items()]
    parts.append(
        "## Names of AI Proxy\n\nTaken when the setting itself is not given, so that a deployment "
        "of that service keeps its environment.\n\n" + table(["Variable", "Stands for"], aliases)
    )
    return page("Settings", *parts)


def _rows(section: type[Section], prefix: str) -> list[list[str]]:
    return [
        [
            code(f"{prefix}{name.upper()}"),
            default_of(known),
            _values_of(kind, known),
            known.description,
        ]
        for name, kind, known in own(section)
    ]


def _areas(
    section: type[Section], prefix: str, above: str
) -> Iterator[tuple[str, type[Section], str]]:
    for name, area in areas(section):
        inner = f"{prefix}{name.upper()}_"
        yield f"{above}{name}", area, inner
        yield from _areas(area, inner, f"{above}{name}.")


def _section(title: str, text: str, rows: list[list[str]]) -> str:
    shown = table(["Variable", "Default", "Values", "What it does"], rows)
    return "\n\n".join(part for part in (f"## {title}", text, shown) if part)


def default_of(known: Setting) -> str:
    """The default as one would write it."""
    value = known.default
    if isinstance(value, Secret):
        value = value.get_secret_value()
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, float):
        return code(f"{value:g}")
    return code(value.as_posix() if isinstance(value, Path) else str(value))


def _values_of(kind: Any, known: Setting) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(kind))
    signs = (("≥", known.ge), (">", known.gt), ("≤", known.le), ("<", known.lt))
    bounds = [f"{sign} {limit}" for sign, limit in signs if limit is not None]
    word = {bool: "switch", int: "whole number", float: "number", Path: "folder"}
    if kind == Path | None:
        return "folder"
    text = word.get(kind, "text") if isinstance(kind, type) else "text"
    return f"{text}, {', '.join(bounds)}" if bounds else text
