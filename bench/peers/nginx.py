"""nginx ``proxy_pass`` with keep-alive on both sides: the limit for a proxy that only forwards."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from process import PROXY_CPU, Child, free_port, wait_for

from peers import Contestant

_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    keepalive_timeout 75;
    tcp_nodelay on;
    upstream double {{
        server 127.0.0.1:{upstream};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://double;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffering {buffering};
        }}
    }}
}}
"""


class Nginx(Contestant):
    """One worker, no log, no checks."""

    name = "nginx"
    about = "`proxy_pass` with keep-alive on both sides, unbuffered, one worker"
    leaves_out = "no token, no limits, no metering, no log"
    buffering = "off"  # a gateway for streams must pass them on as they come

    def __init__(self) -> None:
        super().__init__()
        self.program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")

    def version(self) -> str:
        """As nginx says it."""
        if self.program is None:
            return ""
        said = subprocess.run([self.program, "-v"], capture_output=True, text=True, check=True)
        found = re.search(r"nginx/(\S+)", said.stderr)
        return found.group(1) if found else "unknown"

    def start(self, upstream: int, folder: Path) -> None:
        """A configuration of our own, nothing of the system's."""
        assert self.program is not None
        self.port = free_port()
        # A worker must be able to reach the folder, which is private to whoever runs this.
        user = "user root;" if os.geteuid() == 0 else ""
        conf = folder / "nginx.conf"
        conf.write_text(
            _CONF.format(
                folder=folder,
                upstream=upstream,
                port=self.port,
                user=user,
                buffering=self.buffering,
            )
        )
        self.child = Child(
            [self.program, "-c", str(conf), "-p", str(folder), "-e", f"{folder}/nginx-error.log"],
            cpu=PROXY_CPU,
            log=folder / "nginx.log",
        )
        wait_for(self.port, self.child)
