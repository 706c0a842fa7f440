"""Child processes of the benchmark: pinned, measured, and ended by id."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

HERE = Path(__file__).parent
PEERS = HERE.parent / "build" / "peers"
"""Where ``make peers`` installs them."""
CPUS: list[int] = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
PROXY_CPU = CPUS[0] if len(CPUS) > 1 else None
"""Where the proxy under test runs; None when there is only one core, and nothing is pinned."""
LOAD_CPU = CPUS[1] if len(CPUS) > 1 else None
"""Where the load generator and the upstream double run."""


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def _on(cpu: int | None) -> Iterator[None]:
    """What is started meanwhile inherits this core."""
    if cpu is None:
        yield
        return
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)


def busy_seconds() -> float:
    """CPU time that everybody together has used on the cores that we use."""
    cores = psutil.cpu_times(percpu=True)
    used = [core for number, core in enumerate(cores) if number in CPUS[:2] or not CPUS]
    return sum(core.user + core.nice + core.system for core in used)


def _cpu_seconds(process: psutil.Process) -> float:
    if sys.platform == "linux":
        # The clock of a process, as clock_getcpuclockid(3) names it: nanoseconds, where what
        # psutil reads is in hundredths of a second.
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return times.user + times.system


class Child:
    """A process of ours and whatever it starts.

    Args:
        command: What to run.
        cpu: The core it is pinned to.
        log: Its standard error goes here (and its output, unless ``talk``).
        talk: Its standard input and output are pipes.
        env: Its environment; by default ours.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cpu: int | None,
        log: Path,
        talk: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        with log.open("ab") as out, _on(cpu):
            self.popen = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else out,
                stderr=out,
                text=talk,
                bufsize=1 if talk else -1,
                env=None if env is None else dict(env),
                cwd=log.parent,
            )
        self.process = psutil.Process(self.popen.pid)

    def tree(self) -> list[psutil.Process]:
        """The process and its descendants."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def cpu_seconds(self) -> float:
        """CPU time the tree has used so far."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                total += _cpu_seconds(process)
        return total

    def descriptors(self, *, but: int) -> int:
        """Open descriptors of the tree, without connections to this port, and each file once."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                links = process.net_connections("tcp")
                files = [file.path for file in process.open_files()]
                total += process.num_fds() - (len(files) - len(set(files)))
                total -= sum(1 for link in links if link.raddr and link.raddr.port == but)
        return total

    def rss(self) -> int:
        """Bytes of resident memory of the tree; shared pages count in each process."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def hear(self) -> str:
        """Read a line of its standard output."""
        assert self.popen.stdout is not None
        line: str = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.command} ended: {self.last_words()}")
        return line

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-1500:]

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for whatever is left of the tree."""
        tree = self.tree()
        if self.popen.poll() is None:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()


def get(port: int, path: str = "/") -> str:
    """The body of an answer with status 200. Raises ``OSError`` for any other."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(request.encode())
        head, _, body = sock.recv(65_536).decode(errors="replace").partition("\r\n\r\n")
    if not head.startswith("HTTP/1.1 200"):
        raise OSError(f"{path}: {head[:100]!r}")
    return body


def wait_for(port: int, child: Child, path: str = "", seconds: float = 120.0) -> None:
    """Wait until the port accepts, and, with a path, answers GET with 200.

    Raises ``RuntimeError`` when the child ends first or the time is up.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.popen.poll() is not None:
            raise RuntimeError(f"{child.command} ended: {child.last_words()}")
        with contextlib.suppress(OSError):
            if path:
                get(port, path)
            else:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        time.sleep(0.01)
    raise RuntimeError(f"{child.command} is not ready after {seconds:g} s: {child.last_words()}")


def own_environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment for somebody else's program: nothing of ours but the way to programs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        **more,
    }


def python(*arguments: str | Path) -> list[str]:
    """This interpreter on a file beside us."""
    return [sys.executable, *map(str, arguments)]
