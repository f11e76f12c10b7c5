"""Desks for tests: a model that anybody can compute in their head, pictures, a client."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from patience import PATIENCE, until
from PIL import Image

from faprompt.data.images import open_image
from faprompt.deploy.server.app import create_app
from faprompt.deploy.server.desk import Desk
from faprompt.deploy.server.limits import Limits
from faprompt.deploy.server.models import ServedModel
from faprompt.detection.look import Look
from faprompt.detection.prediction import Prediction
from faprompt.detection.station import Station
from faprompt.errors import DataError, FAPromptError

API = "/api/v1"


class GreyModel:
    """The map is the grey value, the score its largest value; it can be held at a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        """Set while a group is with the model."""
        self.groups: list[list[str]] = []
        """Names of the files of each group."""
        self.crash_on: set[int] = set()
        """Widths of images that are a fault of the program."""

    def score_settings(self, look: Look) -> dict[str, Any]:
        return look.settings()

    def predict(
        self,
        source: Iterable[Any],
        *,
        max_pixels: int = 0,
        on_error: Callable[[Any, FAPromptError], None] | None = None,
        **_: Any,
    ) -> Iterator[Prediction]:
        paths = list(source)
        self.groups.append([Path(path).name for path in paths])
        self.busy.set()
        assert self.gate.wait(PATIENCE)
        usable = []
        for path in paths:
            try:
                usable.append((path, open_image(path, max_pixels)))
            except DataError as error:
                assert on_error is not None
                on_error(path, error)
        if any(image.width in self.crash_on for _, image in usable):
            raise RuntimeError("a fault of the model")
        for path, image in usable:
            values = np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
            yield Prediction(
                image_score=float(values.max()),
                anomaly_map=values,
                path=str(path),
                milliseconds=1.0,
                image=image,
                colour_limits=(0.4, 0.6),
            )


def served(predictor: Any, name: str = "grey", digit: str = "a") -> ServedModel:
    return ServedModel(
        name=name,
        sha256=digit * 64,
        identity={
            "model_sha256": digit * 64,
            "backbone": "none",
            "precision": "float32",
            "input_size": 64,
        },
        batch_size=4,
        predictor=predictor,
    )


def png(value: int, size: tuple[int, int] = (12, 8)) -> bytes:
    """A grey picture (width, height) as a file."""
    buffer = io.BytesIO()
    Image.new("L", size, value).save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def client_of(
    root: Path,
    *models: ServedModel,
    key: str | None = None,
    stations: Sequence[Station] = (),
    **limits: Any,
) -> Iterator[TestClient]:
    """A client of a new desk, which ends with the block."""
    desk = Desk(root, list(models), stations=stations, limits=Limits(**limits))
    app = create_app(desk, key=key)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def new_batch(client: TestClient, **values: Any) -> str:
    reply = client.post(f"{API}/batches", json={"name": "batch", **values})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def send(client: TestClient, batch: str, *files: tuple[str, bytes], **params: Any) -> Any:
    """The whole answer to an upload."""
    parts = [("files", file) for file in files]
    return client.post(f"{API}/batches/{batch}/images", files=parts, params=params)


def let_pass(seconds: float) -> None:
    """Let time pass at once for the event loop that runs: what it was to wait for is over."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


def finished_items(client: TestClient, batch: str) -> list[dict[str, Any]]:
    """All items of a batch, in the order in which they came, once none waits."""

    def ended() -> bool:
        counts = client.get(f"{API}/batches/{batch}").json()["counts"]
        return not counts["waiting"] + counts["running"]

    until(ended, "a finished batch")
    items = client.get(f"{API}/batches/{batch}/items", params={"polygons": True}).json()["items"]
    return sorted(items, key=lambda item: item["created"])
