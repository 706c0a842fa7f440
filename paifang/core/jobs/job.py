"""What a job is, and how to ask for one.

A job is an async function that does its work in steps. A finished step is not run again when
the job is taken over from a worker that died; a step that was in progress is. So a step is
idempotent: one transaction, or one effect on the outside with an idempotency key, never both.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import outbox

DEFAULT: Final = "default"
COMPUTE: Final = "compute"

Scalar = str | int | float | bool | None
JobFunction = Callable[..., Awaitable[None]]

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


@dataclass(frozen=True)
class Job:
    """A kind of background work; :func:`job` makes one from a function."""

    name: str
    """``<module>.<what>``. It is in the database: keep it when the function moves."""
    function: JobFunction
    compute: bool = False
    """It burns CPU, so it never runs in a process that also relays calls."""
    tries: int = 1
    """How often a failing step is tried before the job fails."""
    backoff: float = 1.0
    """Seconds before the second try of a step, doubled for each further one."""
    cron: str | None = None
    """When it starts by itself, in UTC; None only when asked for."""

    @property
    def queue(self) -> str:
        """The queue it waits in: ``default`` or ``compute``."""
        return COMPUTE if self.compute else DEFAULT

    def every(self, cron: str) -> "Job":
        """This job, started by itself once at each time of ``cron`` (UTC), whatever the number
        of processes. Times missed while nothing ran are made up for by one start.

        ``jobs=(clean_up.every("0 3 * * *"),)`` in a module's manifest.

        Raises:
            ValueError: not a cron expression, or the job takes arguments.
        """
        # croniter ships no types; a megabyte, for whoever has something to start by the clock.
        from croniter import croniter  # type: ignore[import-untyped]  # noqa: PLC0415  # see above

        if not croniter.is_valid(cron):
            raise ValueError(f"job {self.name}: {cron!r} is not a cron expression")
        self.check({})
        return replace(self, cron=cron)

    def check(self, arguments: dict[str, Any]) -> None:
        """Refuse arguments that the function doesn't take or that JSON doesn't keep.

        Raises:
            ValueError: it names the job and the argument.
        """
        try:
            inspect.signature(self.function).bind(None, **arguments)
        except TypeError as error:
            raise ValueError(f"job {self.name}: {error}") from error
        for name, value in arguments.items():
            if not isinstance(value, Scalar):
                raise ValueError(
                    f"job {self.name}: {name} is a {type(value).__name__}; "
                    "arguments are ids: text, numbers, true, false or none"
                )


def job(
    name: str, *, compute: bool = False, tries: int = 1, backoff: float = 1.0
) -> Callable[[JobFunction], Job]:
    """Make a job of an async function ``(run, *, ids...) -> None``.

    Args:
        name: ``<module>.<what>``, stable and unique.
        compute: It burns CPU: it runs in worker processes only, one at a time in each.
        tries: How often a failing step is tried before the job fails.
        backoff: Seconds before the second try, doubled for each further one.

    Raises:
        ValueError: the name is not of that form, or the function is not async.
    """
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise ValueError(f"a job's name is <module>.<what>, up to 100 characters, not {name!r}")

    def make(function: JobFunction) -> Job:
        if not inspect.iscoroutinefunction(function):
            raise ValueError(f"job {name} must be an async function")
        return Job(name, function, compute=compute, tries=tries, backoff=backoff)

    return make


def enqueue(session: AsyncSession, job: Job, /, **arguments: Scalar) -> str:
    """Ask for a job in the caller's transaction: it runs if and only if that is committed.

    Works in any process, also in one that runs no jobs: a worker finds the row within 2 s.

    Args:
        session: The caller's transaction.
        job: What to run.
        arguments: Ids the function takes, as keywords.

    Returns:
        The job's id.

    Raises:
        ValueError: the function does not take these arguments.
    """
    job.check(arguments)
    return outbox.add(session, job=job.name, arguments=dict(arguments))
