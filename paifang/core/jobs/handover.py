"""What the engine and those around it tell each other, free of the engine itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Running:
    """A job that some worker has, dead or alive."""

    id: str
    name: str
    queue: str
    worker: str
    run: str
    """Names this run of it: the worker and when it got the job."""


@dataclass(frozen=True)
class Handover:
    """A row of the outbox, free of the session that read it."""

    id: str
    job: str
    arguments: dict[str, Any]
