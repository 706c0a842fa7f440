"""What a module brings: one frozen record, no scanning, no patching at run time."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request

from paifang.core.settings import Section

if TYPE_CHECKING:
    import click

    from paifang.core.auth import Principal
    from paifang.core.jobs import Job
    from paifang.core.runtime import Runtime

Authenticator = Callable[[Request, "Runtime"], Awaitable["Principal | None"]]
"""Looks at a request's credentials; None when they are not of its kind."""

Start = Callable[["Runtime"], Awaitable[Callable[[], Awaitable[None]]]]
"""Starts what a module runs beside requests and returns what stops it."""


@dataclass(frozen=True)
class Menu:
    """An entry of the console's menu."""

    name: str
    """Dotted, unique: ``gateway.tokens``."""
    path: str
    icon: str
    needs: StrEnum
    """The permission without which nobody sees it."""


@dataclass(frozen=True)
class Param:
    """A value that an administrator may change while Paifang runs."""

    name: str
    """``<module>.<name>``."""
    default: Any
    description: str = ""


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
    routers: tuple[APIRouter, ...] = ()
    """Mounted under ``/api/v1``."""
    root_routers: tuple[APIRouter, ...] = ()
    """Mounted at their own paths: APIs that imitate another service's."""
    permissions: type[StrEnum] | None = None
    menu: tuple[Menu, ...] = ()
    jobs: tuple["Job", ...] = ()
    subscribers: Mapping[type, tuple["Job", ...]] = field(default_factory=dict)
    """Event class to the jobs that handle it."""
    params: tuple[Param, ...] = ()
    settings: Mapping[str, type[Section]] = field(default_factory=dict)
    """Areas of settings by name."""
    commands: tuple["click.Command", ...] = ()
    mounts: Mapping[str, Callable[["Runtime"], Any]] = field(default_factory=dict)
    """Path prefix to a factory of an ASGI app that answers everything below it; the factory
    returns None in a process whose roles do not include it."""
    authenticators: tuple[Authenticator, ...] = ()
    starts: tuple[Start, ...] = ()
    checks: tuple[Check, ...] = ()
    """For ``paifang check`` and ``doctor``."""
