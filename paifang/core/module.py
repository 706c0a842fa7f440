"""What a module brings: one frozen record, no scanning, no patching at run time.

A part is in the manifest itself, or its place is: ``"paifang.modules.hello.greetings.jobs:JOBS"``.
Then it is imported by the processes that need it and by no other. :func:`load` makes the part of
either.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from uuid import UUID

    from fastapi import APIRouter, Request
    from sqlalchemy.ext.asyncio import AsyncSession

    from paifang.core.auth import Principal
    from paifang.core.jobs import Job
    from paifang.core.runtime import Runtime
    from paifang.core.scope import Scoped
    from paifang.core.settings import Section

T = TypeVar("T")

Place = str
"""Where a part is: ``package.file:name``."""

Authenticator = Callable[["Request", "Runtime"], Awaitable["Principal | None"]]
"""Looks at a request's credentials; None when they are not of its kind."""

Start = Callable[["Runtime"], Awaitable[Callable[[], Awaitable[None]]]]
"""Starts what a module runs beside requests and returns what stops it."""

PersonalData = Callable[["AsyncSession", "UUID"], Awaitable[Any]]
"""Reads what is kept of a person, by their user id, as JSON has it."""

Mount = Callable[["Runtime"], Any]
"""Makes an ASGI app; None in a process whose roles do not include it."""


def load(parts: Iterable[T | Place]) -> tuple[T, ...]:
    """The parts themselves, imported where they are given by their place.

    A place may name a tuple; then its entries are the parts.
    """
    found: list[T] = []
    for part in parts:
        named = resolve_name(part) if isinstance(part, str) else part
        found.extend(named if isinstance(named, tuple) else (named,))
    return tuple(found)


class MenuKind(StrEnum):
    """What an entry of the console's menu is."""

    DIRECTORY = "directory"
    """Holds others; shown when one of them is."""
    PAGE = "page"
    BUTTON = "button"
    """Something on a page that not everybody who sees the page may do."""
    LINK = "link"
    """Leads out of the console."""


@dataclass(frozen=True)
class Menu:
    """An entry of the console's menu. Its titles are in the pages' languages, by its name."""

    name: str
    """Dotted, unique: ``gateway.tokens``."""
    path: str = ""
    """Of a page: its path in the console, ``/gateway/tokens``. Of a link: its address."""
    icon: str = ""
    needs: StrEnum | None = None
    """The permission without which nobody sees it; a directory has none of its own."""
    kind: str = MenuKind.PAGE
    parent: str | None = None
    """Name of the directory it is in, or of a button's page; None: at the top."""
    sort: int = 0
    """Among its siblings, ascending; those of one number by their order in the manifests."""


@dataclass(frozen=True)
class Param:
    """A value that an administrator may change while Paifang runs."""

    name: str
    """``<module>.<name>``."""
    default: Any
    description: str = ""


@dataclass(frozen=True)
class Command:
    """A command below ``paifang``. It is imported when it is called, not when it is listed."""

    name: str
    help: str
    """The first line of what its ``--help`` says."""
    place: Place


@dataclass(frozen=True)
class Finding:
    """What a check or the doctor found."""

    level: str
    """``ok``, ``off`` (not used), ``warning`` or ``error``."""
    subject: str
    message: str
    """What is so."""
    advice: str = ""
    """What to do about it."""


Check = Callable[["Runtime"], Awaitable[list[Finding]]]


@dataclass(frozen=True)
class Module:
    """The manifest of a module: its ``module.py`` defines one, ``registry.py`` lists them."""

    name: str
    routers: "tuple[APIRouter | Place, ...]" = ()
    """Mounted under ``/api/v1``."""
    root_routers: "tuple[APIRouter | Place, ...]" = ()
    """Mounted at their own paths: APIs that imitate another service's."""
    permissions: type[StrEnum] | None = None
    """Each is shown to people in their language, by its value: the pages hold the titles."""
    member_permissions: tuple[StrEnum, ...] = ()
    """Those that the role ``member``, which everybody holds, gets when they are first known."""
    scoped: "Mapping[str, type[Scoped] | Place]" = field(default_factory=dict)
    """Models of which not everybody sees every row, by the word for one such row. A route names
    its id ``{<word>_id}``; "explain access" takes ``<word>:<id>``."""
    menu: tuple[Menu, ...] = ()
    jobs: "tuple[Job | Place, ...]" = ()
    subscribers: "Mapping[type, tuple[Job | Place, ...]]" = field(default_factory=dict)
    """Event class to the jobs that handle it."""
    params: tuple[Param, ...] = ()
    settings: "Mapping[str, type[Section] | Place]" = field(default_factory=dict)
    """Areas of settings by name."""
    commands: tuple[Command, ...] = ()
    mounts: Mapping[str, Mount | Place] = field(default_factory=dict)
    """Path prefix to a factory of what answers everything below it."""
    authenticators: tuple[Authenticator | Place, ...] = ()
    starts: tuple[Start | Place, ...] = ()
    personal_data: Mapping[str, PersonalData | Place] = field(default_factory=dict)
    """What people get who take their data with them, by a word for it."""
    checks: tuple[Check | Place, ...] = ()
    """For ``paifang check`` and ``doctor``."""
