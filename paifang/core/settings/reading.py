"""Reads the settings from where they are given."""

import dataclasses
import functools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from paifang.core.settings.areas import CoreSettings
from paifang.core.settings.fields import Section, Setting, areas, own

PREFIX = "PAIFANG_"

ALIASES = {
    "ADMIN_KEY": "PAIFANG_ADMIN_KEY",
    "SQL_DSN": "PAIFANG_DB_URL",
    "REDIS_CONN_STRING": "PAIFANG_REDIS_URL",
}
"""Names that AI Proxy deployments already have in their environment."""


class SettingsError(Exception):
    """A setting is unknown or its value can't be right; the message names it."""


def variables(section: type[Section], prefix: str = PREFIX) -> Iterator[tuple[str, Setting]]:
    """Each setting's variable and what is known of it, areas included."""
    for name, _kind, known in own(section):
        yield f"{prefix}{name.upper()}", known
    for name, area in areas(section):
        yield from variables(area, f"{prefix}{name.upper()}_")


def settings_class(areas: Mapping[str, type[Section]]) -> type[CoreSettings]:
    """The settings with the areas that modules bring, e.g. ``{"gateway": GatewaySettings}``."""
    return _settings_class(tuple(areas.items()))


@functools.cache
def _settings_class(areas: tuple[tuple[str, type[Section]], ...]) -> type[CoreSettings]:
    fields = [(name, kind, kind()) for name, kind in areas]
    made = dataclasses.make_dataclass("Settings", fields, bases=(CoreSettings,), frozen=True)
    return cast("type[CoreSettings]", made)


def load(
    areas: Mapping[str, type[Section]] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> CoreSettings:
    """Read the settings.

    Args:
        areas: Areas that modules bring.
        environ: Instead of the process environment.
        folder: Where the ``.env`` files are; the working directory by default.
        overrides: Values by variable name that beat every source (command-line options).

    Raises:
        SettingsError: a variable is unknown or holds what can't be right; all of them are named.
    """
    process = _without_links(os.environ if environ is None else environ)
    given = {k: str(v) for k, v in (overrides or {}).items() if v is not None}
    folder = folder or Path()
    shared = _read_env_file(folder / ".env")
    env = {**shared, **process, **given}.get(PREFIX + "ENV") or "development"
    values = {**shared, **_read_env_file(folder / f".env.{env}"), **process, **given}
    for alias, name in ALIASES.items():
        if alias in values and name not in values:
            values[name] = values[alias]

    kind = settings_class(areas or {})
    known = dict(variables(kind))
    problems = [
        _unknown(name, known) for name in values if name.startswith(PREFIX) and name not in known
    ]
    settings = _made(kind, PREFIX, values, problems)
    if problems:
        raise SettingsError("\n".join(problems))
    return cast("CoreSettings", settings)


def _made(
    section: type[Section], prefix: str, values: Mapping[str, str], problems: list[str]
) -> Section:
    """A section with what is given for it; what is wrong is added to ``problems``."""
    found: dict[str, Any] = {}
    for name, kind, known in own(section):
        variable = f"{prefix}{name.upper()}"
        # An empty variable means "not set": compose files and CI pass those along.
        if text := values.get(variable):
            try:
                found[name] = known.read(kind, text)
            except ValueError as error:
                problems.append(f"{variable}: {error}")
    for name, area in areas(section):
        found[name] = _made(area, f"{prefix}{name.upper()}_", values, problems)
    return section(**found)


# Kubernetes tells every container of a service named "paifang" where it is, in variables of just
# our form.
_LINK = re.compile(r"PAIFANG_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)")


def _without_links(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not _LINK.fullmatch(name)
        and not (name == "PAIFANG_PORT" and value.startswith(("tcp://", "udp://")))
    }


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  # most processes have no such file

    try:
        return {k: v for k, v in dotenv_values(path).items() if v is not None}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start})") from error


def _unknown(name: str, known: Mapping[str, object]) -> str:
    import difflib  # noqa: PLC0415  # only to say what is wrong

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "docs/reference/settings.md lists them all"
    return f"{name}: there is no such setting; {hint}"
