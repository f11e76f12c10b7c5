"""A folder served over HTTP by this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Flaky(_Silent):
    """Is too busy for the first request of a file called ``flaky``, and for all of ``dead``."""

    asked: set[str]

    def do_GET(self) -> None:
        first = self.path not in self.asked
        self.asked.add(self.path)
        if "dead" in self.path or ("flaky" in self.path and first):
            self.send_error(503)
            return
        super().do_GET()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """URL of the folder, without a slash at the end."""
    handler = type("Handler", (Flaky,), {"asked": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
