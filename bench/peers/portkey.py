"""Portkey's gateway, which ``make peers`` installs."""

import json
import shutil
import subprocess
from pathlib import Path

from process import HERE, PEERS, PROXY_CPU, Child, free_port, own_environment, wait_for

from peers import Contestant

_PACKAGE = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"


class Portkey(Contestant):
    """One Node process; where to forward to is said in each request's headers."""

    name = "portkey"
    about = "its open gateway on Node, one process; parses the request and hands it on"
    leaves_out = "checks no key of its own, no limits, no metering, no log"
    patience = 2.0
    warm_up = 14.0  # until V8 has compiled what is hot
    must_stream = False  # on Node 20 it answers a stream with an error of its own

    def __init__(self) -> None:
        super().__init__()
        self.node = shutil.which("node")

    def version(self) -> str:
        """Of the package and of Node."""
        package = _PACKAGE / "package.json"
        if self.node is None or not package.exists():
            return ""
        said = subprocess.run([self.node, "--version"], capture_output=True, text=True, check=True)
        return f"{json.loads(package.read_text())['version']} on Node {said.stdout.strip()[1:]}"

    def start(self, upstream: int, folder: Path) -> None:
        """On the loopback alone: it would listen everywhere."""
        assert self.node is not None
        self.port = free_port()
        self.headers = {
            "Authorization": "Bearer sk-upstream-0123456789",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
        }
        command = [
            self.node, "--require", str(HERE / "peers" / "loopback.cjs"),
            str(_PACKAGE / "build" / "start-server.js"), f"--port={self.port}", "--headless",
        ]  # fmt: skip
        environment = own_environment(folder, NODE_ENV="production")
        self.child = Child(command, cpu=PROXY_CPU, log=folder / "portkey.log", env=environment)
        wait_for(self.port, self.child)
