"""Paifang as it ships, with everything on: the gateway alone, and all of it in one process."""

import os
import subprocess
import tomllib
from pathlib import Path

from process import HERE, PROXY_CPU, Child, free_port, python, wait_for

from peers import Contestant

TOKENS = 10_000

_ON = (
    "token by SHA-256, model list of the token, rpm, tpm and concurrency of token and group, "
    "quota, price, usage, journal, and the log into the database while it is measured"
)


class PaifangGateway(Contestant):
    """A fresh home folder on SQLite with :data:`TOKENS` tokens."""

    name = "paifang"
    about = f"`serve --only gateway` on SQLite, 10,000 tokens; {_ON}"
    leaves_out = "nothing"
    puts_off = 0.6  # logs are shipped twice a second
    arguments: tuple[str, ...] = ("serve", "--only", "gateway")
    root = HERE.parent
    """The working tree that is measured."""

    def version(self) -> str:
        """Of the working tree."""
        with (self.root / "pyproject.toml").open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])

    def prepare(self, upstream: int, folder: Path) -> None:
        """Migrate and fill the database."""
        home = folder / "home"
        home.mkdir()
        seeded = subprocess.run(
            python(HERE / "peers" / "paifang_seed.py", home, str(upstream), str(TOKENS)),
            env=self._environment(home),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if seeded.returncode:
            raise RuntimeError(f"the database could not be filled: {seeded.stderr[-2000:]}")
        self.bearer(seeded.stdout.split()[-1])

    def start(self, upstream: int, folder: Path) -> None:
        """Ready is what ``/readyz`` says."""
        del upstream
        self.port = free_port()
        env = {**self._environment(folder / "home"), "PAIFANG_PORT": str(self.port)}
        command = python("-m", "paifang", *self.arguments)
        self.child = Child(command, cpu=PROXY_CPU, log=folder / "paifang.log", env=env)
        wait_for(self.port, self.child, "/readyz")

    def _environment(self, home: Path) -> dict[str, str]:
        """Ours without settings of any other Paifang."""
        names = ("PAIFANG_", "ADMIN_KEY", "SQL_DSN", "REDIS_CONN_STRING")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(names)}
        path = os.pathsep.join([str(self.root), str(HERE)])
        ours = {"PAIFANG_ENV": "production", "PAIFANG_HOME": str(home), "PYTHONPATH": path}
        return {**kept, **ours}


class PaifangUp(PaifangGateway):
    """The same home, served by one process that does everything."""

    name = "paifang up"
    about = (
        "`up`: the same with console, pages, jobs and the manager of local models in the same "
        "process; no model is loaded"
    )
    arguments = ("up",)
