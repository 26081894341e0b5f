"""A server that can be kept: it is healthy, counts requests, and does nothing else."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNT = [0]


class Handler(BaseHTTPRequestHandler):
    """`/health`, `/metrics` as vLLM writes them, and anything else as a request."""

    def do_GET(self) -> None:
        """Answer, and count what is no question about the server itself."""
        COUNT[0] += self.path not in ("/health", "/metrics")
        body = f'vllm:request_success_total{{finished_reason="stop"}} {COUNT[0]}.0\n'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


if __name__ == "__main__":
    if "--break" in sys.argv:
        raise SystemExit("ValueError: no memory is left")
    port = next(word for word in sys.argv if word.startswith("--port=")).partition("=")[2]
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever(0.05)
