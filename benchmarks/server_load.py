"""A desk under load: throughput, latency, memory, and whether every image is answered once.

Starts `faprompt serve` with the shipped model and asks it with 1, 8 and 64 clients at a time; then,
as often, kills it with SIGKILL in the middle of uploads, starts it again and counts what came of
them. With --json, a run that was ended goes on after the last round that it finished.
Linux only (/proc is where the process's memory is read, by its own /metrics).
"""

import argparse
import hashlib
import http.client
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from machine import arguments, machine, report
from PIL import Image

from faprompt.data.images import MAX_PIXELS, open_image
from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.models import ServedModel
from faprompt.deploy.server.serving import address, bind, serve
from faprompt.detection.prediction import Prediction
from faprompt.errors import FAPromptError

API = "/api/v1"
KIND = "multipart/form-data; boundary=b"
CLIENTS = (1, 8, 64)
SAMPLES = 20
"""Times that memory is read per round."""
PATIENCE = 120.0
"""Seconds without any progress after which something is taken as lost."""
MOST_GROWTH = 1.1
"""Of memory over a round, last over first."""


class Clock:
    """When to begin nothing more."""

    def __init__(self, minutes: float = float("inf")) -> None:
        self.end = time.monotonic() + 60 * minutes

    def check(self) -> None:
        """Raise TimeoutError once the time is up."""
        if time.monotonic() > self.end:
            raise TimeoutError("the time is up")


def picture(number: int) -> bytes:
    """A small PNG, different for every number."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def body(content: bytes, field_name: str, name: str) -> bytes:
    """A multipart body with one file."""
    head = f'Content-Disposition: form-data; name="{field_name}"; filename="{name}"'
    return f"--b\r\n{head}\r\n\r\n".encode() + content + b"\r\n--b--\r\n"


class Client:
    """One connection that is kept open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=PATIENCE
        )

    def ask(self, method: str, path: str, data: bytes | None = None, kind: str = KIND) -> Any:
        """The answer's status, headers and bytes."""
        self.connection.request(method, path, data, {"Content-Type": kind})
        reply = self.connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def json(self, method: str, path: str, data: bytes | None = None, kind: str = KIND) -> Any:
        """The answer's content; over a full queue the request waits as it is told to."""
        while True:
            status, headers, content = self.ask(method, path, data, kind)
            if status != 503:
                return json.loads(content)
            time.sleep(float(headers["Retry-After"]))

    def memory(self) -> float:
        """Resident memory of the service in MB."""
        text = self.ask("GET", "/metrics")[2].decode()
        rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
        return float(dict(rows)["process_resident_memory_bytes"]) / 1e6


@dataclass
class Round:
    """What the clients of one round saw."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Answers that were not to the image that was sent, or none."""
    took: float = 0.0

    def row(self, clients: int) -> dict[str, Any]:
        """As a row of the report."""
        ordered = sorted(self.seconds)
        return {
            "clients": clients,
            "requests": len(ordered),
            "images/s": len(ordered) / self.took,
            "p50 ms": 1000 * statistics.median(ordered),
            "p99 ms": 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
            "wrong or lost": len(self.wrong),
            "memory MB, first": self.memory[0],
            "last": self.memory[-1],
            "peak": max(self.memory),
        }


def together(clients: int, work: Callable[[], None]) -> None:
    """Run work in several threads; an error in one is an error here."""
    errors: list[BaseException] = []

    def safely() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=safely) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def scoring(
    url: str, *, clients: int, requests: int, first: int = 0, clock: Clock | None = None
) -> Round:
    """Every client scores one image after the other until all requests are made."""
    seen, numbers, lock = Round(), iter(range(first, first + requests)), threading.Lock()
    every = max(1, requests // SAMPLES)

    def work() -> None:
        client = Client(url)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            if clock is not None:
                clock.check()
            content = picture(number)
            started = time.perf_counter()
            reply = client.json("POST", f"{API}/score", body(content, "file", f"{number}.png"))
            seen.seconds.append(time.perf_counter() - started)
            if reply.get("sha256") != hashlib.sha256(content).hexdigest():
                seen.wrong.append(str(reply))
            if number % every == 0:
                seen.memory.append(client.memory())

    started = time.perf_counter()
    together(clients, work)
    seen.took = time.perf_counter() - started
    return seen


def uploading(url: Callable[[], str], batch: str, *, clients: int, images: int) -> None:
    """Send images into a batch; after a lost connection the same one again."""
    numbers, lock = iter(range(images)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            data = body(picture(number), "files", f"{number}.png")
            until_accepted(url, f"{API}/batches/{batch}/images?unique=true", data)

    together(clients, work)


def until_accepted(url: Callable[[], str], path: str, data: bytes) -> None:
    """Ask again until the image was taken, wherever the service is by then."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            reply = Client(url()).json("POST", path, data)
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
            continue
        if reply.get("items"):
            return
        time.sleep(0.1)
    raise TimeoutError(path)


def tally(url: str, batch: str, images: int) -> dict[str, int]:
    """How many images are in a batch once, doubled, lost, or not done, after all were scored."""
    client = Client(url)
    counts, deadline = None, 0.0
    while (found := client.json("GET", f"{API}/batches/{batch}"))["status"] == "running":
        if found["counts"] != counts:
            counts, deadline = found["counts"], time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            raise TimeoutError("images still wait")
        time.sleep(0.1)
    rows: list[dict[str, Any]] = []
    change, more = 0, True
    while more:
        reply = client.json("GET", f"{API}/batches/{batch}/items?after={change}")
        rows, change, more = rows + reply["items"], reply["change"], reply["more"]
    copies = Counter(row["sha256"] for row in rows)
    sent = {hashlib.sha256(picture(number)).hexdigest() for number in range(images)}
    return {
        "images": images,
        "once": sum(copies[each] == 1 for each in sent),
        "lost": len(sent - set(copies)),
        "doubled": sum(number > 1 for number in copies.values()),
        "not done": sum(row["status"] != "done" for row in rows),
    }


class StandIn:
    """A model that costs next to nothing: what is measured is the service."""

    def predict(
        self,
        source: Iterable[Any],
        *,
        max_pixels: int = MAX_PIXELS,
        on_error: Callable[[Any, FAPromptError], None] | None = None,
        **_: Any,
    ) -> Iterator[Prediction]:
        """The map is the grey value."""
        for path in source:
            try:
                image = open_image(path, max_pixels)
            except FAPromptError as error:
                if on_error is None:
                    raise
                on_error(path, error)
                continue
            values = np.asarray(image.convert("L"), dtype=np.float32) / np.float32(256)
            yield Prediction(
                image_score=float(values.max()),
                anomaly_map=values,
                path=str(path),
                milliseconds=0.0,
                image=image,
                colour_limits=(0.999, 1.0),
            )


def serve_stand_in(folder: str) -> None:
    """What `faprompt serve` does, with the stand-in."""
    identity = {"model_sha256": "0" * 64, "backbone": "", "precision": "", "input_size": 64}
    model = ServedModel(
        name="stand-in", sha256="0" * 64, identity=identity, batch_size=4, predictor=StandIn()
    )
    made, bound = Desk(Path(folder), [model]), bind("127.0.0.1", 0)
    where = address(bound)
    serve(create_app(made), bound, made.limits, ready=lambda: print(f"at - {where}", flush=True))


@contextmanager
def desk(folder: str, *, stand_in: bool = False) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A desk that is ready: its address and process."""
    code = "from faprompt.cli.main import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--desk", folder]
    if stand_in:
        command = [sys.executable, __file__, "--serve", folder]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2], process
    finally:
        process.terminate()
        process.wait()


def new_batch(url: str) -> str:
    """A batch to upload into."""
    data = b'{"name": "load"}'
    return str(Client(url).json("POST", f"{API}/batches", data, "application/json")["id"])


def killed(folder: str, *, clients: int, images: int, stand_in: bool = False) -> dict[str, int]:
    """Upload, kill the service in the middle, start it again, and count."""
    now_at: list[str] = []
    with desk(folder, stand_in=stand_in) as (url, process):
        now_at.append(url)
        batch = new_batch(url)
        sending = threading.Thread(
            target=lambda: uploading(lambda: now_at[-1], batch, clients=clients, images=images)
        )
        sending.start()
        counts: dict[str, int] = {}
        while sum(counts.values()) <= images // 3:
            time.sleep(0.02)
            counts = Client(url).json("GET", f"{API}/batches/{batch}")["counts"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    with desk(folder, stand_in=stand_in) as (url, _):
        now_at.append(url)
        sending.join()
        return {"clients": clients, "killed after": sum(counts.values())} | tally(
            url, batch, images
        )


class Results:
    """Figures so far, and in a file where one is named."""

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = {"settings": settings, "machine": machine()}
        if path is not None and path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if any(found.get(name) != self.content[name] for name in self.content):
                raise SystemExit(f"{path}: of other settings or another commit; remove it")
            self.content = found

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """What was found, a row per number of clients."""
        rows: list[dict[str, Any]] = self.content.setdefault(kind, [])
        return rows

    def missing(self, kind: str) -> list[tuple[int, int]]:
        """Numbers of clients that are still to do, each with its place in the list."""
        done = {row["clients"] for row in self.rows(kind)}
        return [(place, each) for place, each in enumerate(CLIENTS) if each not in done]

    def add(self, kind: str, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows(kind).append(row)
        print(f"{kind}: {row}", flush=True)
        if self.path is not None:
            text = json.dumps(self.content, indent=1) + "\n"
            self.path.write_text(text, encoding="utf-8")

    def faults(self) -> list[dict[str, Any]]:
        """Rows that must not be."""
        rounds, kills = self.rows("rounds"), self.rows("kills")
        wrong = [row for row in rounds if row["wrong or lost"]]
        grown = [row for row in rounds if row["last"] > MOST_GROWTH * row["memory MB, first"]]
        lost = [row for row in kills if row["once"] != row["images"] or row["not done"]]
        return wrong + grown + lost


def measure(results: Results, options: argparse.Namespace) -> None:
    """Every round that is missing, then every kill."""
    clock, each = Clock(options.minutes), options.requests // len(CLIENTS)
    with tempfile.TemporaryDirectory() as name:
        if missing := results.missing("rounds"):
            with desk(f"{name}/desk", stand_in=options.stand_in) as (url, _):
                scoring(url, clients=8, requests=min(100, each), first=10**6)  # not counted
                for place, clients in missing:
                    last = place == len(CLIENTS) - 1
                    count = options.requests - place * each if last else each
                    made = scoring(
                        url, clients=clients, requests=count, first=place * each, clock=clock
                    )
                    results.add("rounds", made.row(clients))
        for place, clients in results.missing("kills"):
            clock.check()
            folder, images = f"{name}/{place}", options.images // len(CLIENTS)
            row = killed(folder, clients=clients, images=images, stand_in=options.stand_in)
            results.add("kills", row)


def main() -> None:
    """All rounds, then the kills; exits with 1 where an image was lost or doubled."""
    parser = arguments(__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="in all, over all rounds")
    parser.add_argument("--images", type=int, default=600, help="uploaded around the kills")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after that")
    parser.add_argument("--stand-in", action="store_true", help="a model that costs nothing")
    parser.add_argument("--serve", metavar="FOLDER", help="be the service with the stand-in")
    options = parser.parse_args()
    if options.serve:
        serve_stand_in(options.serve)
        return
    names = ("requests", "images", "stand_in")
    results = Results(options.json, {name: getattr(options, name) for name in names})
    try:
        measure(results, options)
    except TimeoutError as error:
        raise SystemExit(f"{error}; with --json the same command goes on") from None
    what = "a model that costs nothing" if options.stand_in else "tiny"
    report(f"the desk under load, 64 x 64 pixels, {what}", results.rows("rounds"), None)
    report("after SIGKILL and a new start", results.rows("kills"), None)
    if faults := results.faults():
        raise SystemExit(f"lost, doubled, not scored, or memory grew: {faults}")


if __name__ == "__main__":
    main()
