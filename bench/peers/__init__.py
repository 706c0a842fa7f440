"""The contestants: one small file each.

A contestant is a :class:`Contestant`: :meth:`~Contestant.start` brings it up in front of the
upstream double, :attr:`~Contestant.port` and :attr:`~Contestant.headers` say how to call it, and
:meth:`~Contestant.stop` ends it. ``CONTESTANTS`` in ``run.py`` lists them.
"""

from abc import ABC, abstractmethod
from pathlib import Path

from process import Child


class Contestant(ABC):
    """A proxy, ready to be measured."""

    name = ""
    about = ""
    """What it does."""
    leaves_out = ""
    """What it leaves out that others do."""
    exact = True
    """Whether it hands on the upstream's bytes; else it writes JSON of its own."""
    patience = 1.0
    """How many times longer its slices are: a slow one needs time for as honest a median."""
    warm_up = 1.0
    """Seconds of load before anything counts."""
    puts_off = 0.0
    """Seconds after a call that work of it may begin that was put off."""
    must_stream = True
    """Whether it is an error when it cannot."""
    starts = 3
    """How often its start is measured."""

    def __init__(self) -> None:
        self.port = 0
        self.headers = {"Authorization": "Bearer none"}
        """What clients send."""
        self.child: Child | None = None
        """The process under test; None when there is none."""
        self.cannot_stream = ""
        """Why it takes no part in the streams; found out when it is tried."""
        self.failed = ""
        """Why it takes no part at all: it did not start, or gave wrong answers from the start."""

    @abstractmethod
    def version(self) -> str:
        """Its version; empty when it is not installed here."""

    def prepare(self, upstream: int, folder: Path) -> None:
        """Whatever is needed once, before the first start."""
        del upstream, folder

    @abstractmethod
    def start(self, upstream: int, folder: Path) -> None:
        """Start it in front of this port, its files in this folder; return when it is ready."""

    def stop(self) -> None:
        """End what was started."""
        if self.child is not None:
            self.child.stop()
            self.child = None

    def bearer(self, key: str) -> None:
        """Let clients send this key."""
        self.headers = {"Authorization": f"Bearer {key}"}
