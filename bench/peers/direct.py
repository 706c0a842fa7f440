"""No proxy at all: what load generator and upstream manage by themselves."""

from pathlib import Path

from peers import Contestant


class Direct(Contestant):
    """The load generator calls the upstream double."""

    name = "direct"
    about = "no proxy: what load generator and upstream double manage on the core they share"
    leaves_out = "everything"

    def version(self) -> str:
        """Always there."""
        return "-"

    def start(self, upstream: int, folder: Path) -> None:
        """Nothing to start."""
        del folder
        self.port = upstream
