"""The contestants: one small file each.

A contestant is a :class:`Contestant`: :meth:`~Contestant.start` brings it up in front of the
upstream double, :attr:`~Contestant.port` and :attr:`~Contestant.key` say how to call it, and
:meth:`~Contestant.stop` ends it. :data:`CONTESTANTS` in ``run.py`` lists them.
"""

from abc import ABC, abstractmethod
from pathlib import Path

from process import Child


class Contestant(ABC):
    """A proxy, ready to be measured."""

    name = ""
    about = ""
    """What it does and what it leaves out, for the results."""

    def __init__(self) -> None:
        self.port = 0
        self.key = "none"
        """The bearer token that clients send."""
        self.child: Child | None = None
        """The process under test; None when there is none."""

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
