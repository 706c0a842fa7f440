"""An upstream that always answers well, in a thread of its own: it outlives a test's loop."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from doubles.hostile_upstream import GOOD


class Steady:
    """The server. Each of its connections serves one call, so that none stays open."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(GOOD)))
                self.end_headers()
                self.wfile.write(GOOD)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
