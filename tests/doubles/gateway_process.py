"""A gateway in a process of its own, looked at from outside: what it holds, logs and records."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from doubles.installation import ADMIN_KEY, UP, clean_environment
from paifang.cli.banner import LAST_LINE

TESTS = Path(__file__).parents[1]
START_SECONDS = 60.0

Row = sqlite3.Row


@dataclass(frozen=True)
class Held:
    """What a gateway holds at a moment."""

    sockets: int
    """Open sockets: listening, of clients, of upstreams."""
    others: int
    """Other descriptors, those of the database and the journal left out: they have pools."""
    tasks: Mapping[str, int]
    """Tasks on the event loop by name."""
    in_flight: int
    """Calls, as ``/metrics`` has it."""


class Gateway:
    """``paifang up`` in a process of its own. Synchronous, so that it outlives a test's loop."""

    program = "doubles.watched_gateway"
    """The module that is run."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = variables
        self.log: list[str] = []
        self.at_rest = Held(0, 0, {}, 0)
        """What it holds when nothing goes on."""
        self.spare_tokens: list[tuple[str, str]] = []
        """Ids and keys of tokens that a test has done with."""
        self.database = folder / "fire.db"
        self._window = folder / "window"
        self._listening = threading.Event()
        environment = {
            **clean_environment(),
            "PYTHONPATH": f"{TESTS}:{TESTS.parent}",
            "PAIFANG_ENV": "test",
            "PAIFANG_HOME": str(folder / "home"),
            "PAIFANG_PORT": "0",
            "PAIFANG_ADMIN_KEY": ADMIN_KEY,
            "PAIFANG_DB_URL": f"sqlite+aiosqlite:///{self.database}",
            "PAIFANG_LOG_FORMAT": "json",
            "PAIFANG_GATEWAY_WELCOME": "false",
            "PAIFANG_GATEWAY_FLUSH_SECONDS": "0.02",
            **variables,
        }
        command = [sys.executable, "-m", self.program, str(self._window), "up"]
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or not self.url:
            self.kill()
            raise AssertionError("it did not start:\n" + "".join(self.log))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    @property
    def port(self) -> int:
        """It listens there, on the loopback."""
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self.kill()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if found := UP.search(line):
                self.url = found.group(1)
            if line.strip() == LAST_LINE:
                self._listening.set()
        self._listening.set()

    # What it holds.

    def held(self) -> Held:
        """What it holds now. The question itself is not counted."""
        # First, and its connection is gone when the rest is looked at.
        in_flight = int(self.metric("paifang_gateway_calls_in_flight"))
        tasks = self._ask_window()
        descriptors = self.descriptors()
        sockets = sum(name.startswith("socket:") for name in descriptors)
        ours = (str(self.folder), "/dev/null")
        others = sum(not name.startswith(("socket:", *ours)) for name in descriptors)
        return Held(sockets, others, tasks, in_flight)

    def descriptors(self) -> list[str]:
        """What the process has open."""
        found = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found.append(str(entry.readlink()))
            except FileNotFoundError:
                continue  # closed meanwhile
        return found

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; the connection is closed again."""
        asking = HTTPConnection("127.0.0.1", self.port, timeout=30)
        asking.request(
            "GET",
            "/metrics",
            headers={"authorization": f"Bearer {ADMIN_KEY}", "connection": "close"},
        )
        text = asking.getresponse().read().decode()
        asking.close()
        lines = (line for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def rss(self, which: str = "VmRSS") -> int:
        """Bytes of memory; ``VmHWM`` is the most since :meth:`forget_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{which}:\s+(\d+) kB", status)
        assert found is not None
        return int(found.group(1)) * 1024

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _ask_window(self) -> dict[str, int]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(30)
            asking.connect(str(self._window))
            data = b""
            while piece := asking.recv(65536):
                data += piece
        found: dict[str, int] = json.loads(data)
        return found

    # What it has recorded.

    def select(self, statement: str, *values: Any) -> list[Row]:
        """Rows of the database, read beside the gateway."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()
