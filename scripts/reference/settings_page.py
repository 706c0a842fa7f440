"""Every setting: its variable, its default and what it does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from paifang.core.settings import ALIASES, PREFIX, settings_class
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
    model = settings_class(settings_areas())
    own = [
        row(f"{PREFIX}{name.upper()}", field)
        for name, field in model.model_fields.items()
        if area_of(field) is None
    ]
    parts.append(_section("The process", "", own))
    for title, text, fields in _areas(model, PREFIX, ""):
        parts.append(_section(title, text, [row(name, field) for name, field in fields]))
    aliases = [[code(alias), code(name)] for alias, name in ALIASES.items()]
    parts.append(
        "## Names of AI Proxy\n\nTaken when the setting itself is not given, so that a deployment "
        "of that service keeps its environment.\n\n" + table(["Variable", "Stands for"], aliases)
    )
    return page("Settings", *parts)


def area_of(field: FieldInfo) -> type[BaseModel] | None:
    """The class of a field that is an area of settings; None for a setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def row(name: str, field: FieldInfo) -> list[str]:
    """One setting of a table."""
    return [code(name), default_of(field), _values_of(field), field.description or ""]


def _areas(
    model: type[BaseModel], prefix: str, above: str
) -> Iterator[tuple[str, str, list[tuple[str, FieldInfo]]]]:
    for name, field in model.model_fields.items():
        kind = area_of(field)
        if kind is None:
            continue
        title = f"{above}{name}"
        inner = f"{prefix}{name.upper()}_"
        own = [
            (f"{inner}{n.upper()}", f) for n, f in kind.model_fields.items() if area_of(f) is None
        ]
        yield title, prose(kind.__doc__), own
        yield from _areas(kind, inner, f"{title}.")


def _section(title: str, text: str, rows: list[list[str]]) -> str:
    shown = table(["Variable", "Default", "Values", "What it does"], rows)
    return "\n\n".join(part for part in (f"## {title}", text, shown) if part)


def default_of(field: FieldInfo) -> str:
    """The default as one would write it."""
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, float):
        return code(f"{value:g}")
    return code(value.as_posix() if isinstance(value, Path) else str(value))


def _values_of(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(kind))
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for kind_of_rule, sign, name in (
            (Ge, "≥", "ge"),
            (Gt, ">", "gt"),
            (Le, "≤", "le"),
            (Lt, "<", "lt"),
        )
        if isinstance(rule, kind_of_rule)
    ]
    word = {bool: "switch", int: "whole number", float: "number", Path: "folder"}
    if kind == Path | None:
        return "folder"
    text = word.get(kind, "text") if isinstance(kind, type) else "text"
    return f"{text}, {', '.join(bounds)}" if bounds else text
