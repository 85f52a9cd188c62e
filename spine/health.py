"""Health and metrics over HTTP, on a port of their own: ``/health/live``, ``/health/ready``, ``/metrics``."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from spine.progress import Progress
from spine.telemetry import metrics


class HealthServer:
    """Serves from its own thread. ``port`` is the one taken: 0 asks for a free one."""

    def __init__(self, progress: Progress, port: int, host: str = "127.0.0.1") -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(progress))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(progress: Progress) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, metrics().text(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path in ("/health/live", "/health/ready"):
                why = progress.live() if self.path.endswith("live") else progress.ready()
                self._answer(503 if why else 200, (why or "ok").encode(), "text/plain; charset=utf-8")
            else:
                self._answer(404, b"not found", "text/plain; charset=utf-8")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests for health are not logged."""

    return Handler
