"""A desk in a process of its own, with the model of ``desks`` that waits for a file to appear."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from desks import API, GreyModel, let_pass, served
from patience import PATIENCE, until

from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.serving import bind, serve

LATER = signal.SIGUSR1
"""On this signal, the time that a silent client gets passes at once."""
SOURCES = Path(__file__).parents[2] / "src"


@dataclass
class Running:
    """A started desk."""

    process: "subprocess.Popen[str]"
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Status and JSON of one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, f"{API}{path}", body, {"Content-Type": kind})
            reply = connection.getresponse()
            content = reply.read()
            return reply.status, json.loads(content) if content else None
        finally:
            connection.close()

    def send(self, path: str, *files: tuple[str, bytes], field: str = "files") -> tuple[int, Any]:
        """Upload files."""
        head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="%s"\r\n\r\n'
        body = b"".join((head % name).encode() + content + b"\r\n" for name, content in files)
        return self.ask("POST", path, body + b"--b--\r\n", "multipart/form-data; boundary=b")


@contextmanager
def running(root: Path, gate: Path, **limits: Any) -> Iterator[Running]:
    """A desk that is ready; killed at the end if it still runs."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCES), *sys.path])}
    command = [sys.executable, __file__, str(root), str(gate), json.dumps(limits)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the process did not start"
        yield Running(process, int(line))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class FileGate:
    """Opens when a file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def wait(self, _: float) -> bool:
        return bool(until(self.path.exists, "the gate's file"))


def main() -> None:
    root, gate, limits = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    model = GreyModel()
    model.gate = FileGate(gate)  # type: ignore[assignment]
    desk = Desk(root, [served(model)], limits=Limits(**limits))
    signal.signal(LATER, lambda *_: let_pass(desk.limits.idle_seconds))
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    serve(create_app(desk), bound, desk.limits, ready=lambda: print(port, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
