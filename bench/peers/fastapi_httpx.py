"""A plain FastAPI + httpx proxy on uvicorn: what many start with."""

import os
from importlib.metadata import version
from pathlib import Path

from process import HERE, PROXY_CPU, Child, free_port, python, wait_for

from peers import Contestant


class FastapiHttpx(Contestant):
    """One uvicorn worker with uvloop and httptools."""

    name = "fastapi+httpx"
    about = "FastAPI, Pydantic and httpx on uvicorn (uvloop, httptools), one worker; one key"
    leaves_out = "no limits, no metering, no log"
    patience = 2.0

    def version(self) -> str:
        """Of its parts."""
        return f"FastAPI {version('fastapi')}, httpx {version('httpx')}"

    def start(self, upstream: int, folder: Path) -> None:
        """One worker, without an access log."""
        self.port = free_port()
        self.bearer("sk-bench")
        command = python(
            "-m", "uvicorn", "fastapi_httpx_app:app", "--app-dir", HERE / "peers",
            "--host", "127.0.0.1", "--port", str(self.port), "--loop", "uvloop",
            "--http", "httptools", "--no-access-log", "--log-level", "warning",
        )  # fmt: skip
        env = {
            **os.environ,
            "BENCH_UPSTREAM": f"http://127.0.0.1:{upstream}",
            "BENCH_KEY": "sk-bench",
        }
        self.child = Child(command, cpu=PROXY_CPU, log=folder / "fastapi.log", env=env)
        wait_for(self.port, self.child)
