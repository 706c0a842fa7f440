"""What a running process holds: made once at the start, handed to whoever needs it."""

import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paifang.core.db.engine import Database
from paifang.core.exchange import Handler
from paifang.core.module import Authenticator, Module, Place
from paifang.core.secrets import Secrets
from paifang.core.settings import CoreSettings

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

ROLES = frozenset({"gateway", "console", "worker"})
"""What a process can be: ``up`` is all of them, ``serve --only`` one."""


@dataclass
class Runtime:
    """The parts of one process. ``request.app.state.runtime`` in a route."""

    settings: CoreSettings
    db: Database
    secrets: Secrets
    modules: tuple[Module, ...] = ()
    roles: frozenset[str] = ROLES
    authenticators: tuple[Authenticator | Place, ...] = ()
    parts: dict[type, Any] = field(default_factory=dict)
    """What modules keep here, by class: the gateway's relay, for one."""
    ready: dict[str, Callable[[], Awaitable[str]]] = field(default_factory=dict)
    """What ``/readyz`` asks: a name and a function that returns an empty string when all is
    well, else the reason why not."""
    dispensable: set[str] = field(default_factory=set)
    """Names in ``ready`` that are told, but without which this process serves all the same."""
    drains: list[Callable[[float], Coroutine[Any, Any, None]]] = field(default_factory=list)
    """Called at SIGTERM with the seconds that running work may still take."""
    hot: dict[bytes, Handler] = field(default_factory=dict)
    """Paths that our own server hands to these directly; see :mod:`paifang.core.exchange`. Their
    modules answer them as ASGI applications as well, for any other server."""
    collectors: "list[Callable[[], Collector]]" = field(default_factory=list)
    """What ``/metrics`` shows: each is made when somebody asks, and Prometheus's client is not
    imported before."""
    notes: list[str] = field(default_factory=list)
    """Lines for the person who started it, printed once it listens; may hold a fresh token."""
    first_start: bool = False
    """Whether this process may make what a first start makes: ``up`` does, ``serve`` does not."""
    port: int = 0
    """The port it listens on, when it does; the settings may have said "any"."""
    refusal: str = ""
    """Why this process may not start, once a part has refused it."""
    draining: bool = False
    """True once SIGTERM has come: not ready, no new work."""

    @property
    def base_url(self) -> str:
        """The address to print and put into links, with the real port."""
        settings = self.settings
        if self.port and not settings.public_url:
            return dataclasses.replace(settings, port=self.port).base_url
        return settings.base_url
