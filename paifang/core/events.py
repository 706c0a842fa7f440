"""Events: news that other features may want, carried by jobs.

An event is a frozen dataclass of ids. Publishing it asks for one job per subscriber, in the
publisher's transaction: the news travels if and only if the change is committed, and each
subscriber is retried on its own. It arrives a moment later; ask for what must be true at once.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.jobs.job import Job, enqueue
from paifang.core.module import Module, Place, load


class Events:
    """Which jobs handle which event, from the modules' manifests.

    Raises:
        ValueError: an event is not a dataclass, or a subscriber does not take its fields.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._jobs: dict[type, tuple[Job, ...]] = {}
        for module in modules:
            self._add(module.subscribers)

    def _add(self, subscribers: Mapping[type, tuple[Job | Place, ...]]) -> None:
        for event, jobs in subscribers.items():
            if not dataclasses.is_dataclass(event):
                raise ValueError(f"the event {event.__qualname__} is not a dataclass")
            loaded = load(jobs)
            for job in loaded:
                # A value of the right kind, to see whether the names fit.
                job.check({field.name: "" for field in dataclasses.fields(event)})
            self._jobs[event] = self._jobs.get(event, ()) + loaded

    def subscribers(self, event: type) -> tuple[Job, ...]:
        """The jobs that handle an event."""
        return self._jobs.get(event, ())


class _Installed:
    events: Events | None = None
    make: Callable[[], Events] | None = None


def install(events: Events | Callable[[], Events] | None) -> None:
    """Set the process's subscriptions, once at its start; None takes them away (in tests).

    A function makes them when the first event is published: a process that may never do so does
    not import what handles them.
    """
    _Installed.events = events if isinstance(events, Events) else None
    _Installed.make = None if events is None or isinstance(events, Events) else events


def _installed() -> Events | None:
    if _Installed.events is None and _Installed.make is not None:
        _Installed.events = _Installed.make()
    return _Installed.events


def publish(session: AsyncSession, event: Any, /) -> list[str]:
    """Tell the subscribers of an event, in the caller's transaction.

    Returns:
        The ids of the jobs that will handle it.

    Raises:
        RuntimeError: :func:`install` was not called; the news would have been lost.
        ValueError: a field is not text, a number, true, false or None.
    """
    installed = _installed()
    if installed is None:
        raise RuntimeError("events.install() must come first: nobody would hear of this event")
    # Not asdict: a field that is a record of its own is to be refused, not unfolded.
    arguments = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return [enqueue(session, job, **arguments) for job in installed.subscribers(type(event))]
