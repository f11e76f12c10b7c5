"""Images whose score is known without a model, and runs over them that may be killed."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faprompt.data.inputs import to_image
from faprompt.detection.look import Look
from faprompt.detection.prediction import Engine, Prediction, Reading, Seen, predict
from faprompt.errors import CheckpointError
from faprompt.scale.engines import Engine as Doer
from faprompt.scale.engines import LocalEngine, Work
from faprompt.scale.model import Model
from faprompt.scale.plan import Plan
from faprompt.scale.predicting import Predicting, ShardPredictor
from faprompt.scale.region_files import write_region_files
from faprompt.scale.run import Summary, do_pending, finish, open_run
from faprompt.scale.sources import list_inputs
from faprompt.scale.store import Store

BAD = (3, 17)
"""Numbers of images that are none."""


class GreyDetector:
    """Scores an image by its mean grey value; waits as long as a model would compute."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batch_size = 3

    def predict(
        self, source: Iterable[Any], *, look: Look | None = None, **how: Any
    ) -> Iterator[Prediction]:
        engine = Engine(
            read=self._read,
            score=self._score,
            to_original=lambda values, size: np.full(size[::-1], values[0, 0], np.float32),
            colour_limits=(0.0, 1.0),
            batch_size=self.batch_size,
            grid=1,
            input_size=1,
            precision="fp32",
        )
        found = predict(source, engine, Reading(**how), look)
        assert not isinstance(found, Prediction)
        return found

    def _read(self, source: Any, limit: int) -> tuple[Image.Image, Any]:
        image = to_image(source, limit)
        return image, np.asarray(image, dtype=np.float32) / 255

    def _score(self, pixels: Any, **_: Any) -> list[Seen]:
        time.sleep(self.seconds)
        return [
            Seen(image_score=float(p.mean()), anomaly_map=np.full((1, 1), p.mean(), np.float32))
            for p in pixels
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class GreyPredicting(Predicting):
    """The real recipe with that detector for a model."""

    seconds: float = 0.0
    pids: str | None = None
    """Folder where every worker writes down its process number."""
    refuse: str | None = None
    """What loading the model fails with."""
    dies: bool = False
    """Whether every worker dies at its first task."""

    def build(self) -> Work:
        if self.refuse:
            raise CheckpointError(self.refuse)
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.pids:
            Path(self.pids).mkdir(exist_ok=True)
            Path(self.pids, str(os.getpid())).touch()
        return ShardPredictor(self, GreyDetector(self.seconds))  # type: ignore[arg-type]


def grey(number: int) -> int:
    """Grey value of an image."""
    return (37 * number) % 256


def draw_images(folder: Path, count: int, bad: Iterable[int] = BAD) -> list[Path]:
    """Small images of one grey value each; some are no images."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        if number in bad:
            path.write_bytes(b"not an image")
        else:
            Image.new("RGB", (6, 4), (grey(number),) * 3).save(path)
    return paths


def plan_of(inputs: Iterable[str], out: Path | str, *, shard_size: int = 4) -> Plan:
    """Claim and plan a run."""
    store = Store(out)
    names = list(inputs)
    return open_run(
        store,
        {"kind": "grey", "inputs": names},
        lambda: ({"path": name} for name in list_inputs(names, exclude=store.root)),
        shard_size=shard_size,
    )


def recipe_of(out: Path | str, plan: Plan, **changes: Any) -> GreyPredicting:
    """How the shards of a plan are scored."""
    settings: dict[str, Any] = {
        "out": Store(out).root,
        "plan": plan,
        "model": Model(name="grey", sha256="", weights=None, device="cpu", precision="fp32"),
        "batch_size": None,
        "workers": 2,
        "max_pixels": 10**6,
        "map_format": None,
    }
    return GreyPredicting(**settings | changes)


def whole_run(
    inputs: Iterable[str],
    out: Path | str,
    engine: Doer | None = None,
    *,
    shard_size: int = 4,
    **changes: Any,
) -> Summary:
    """All that a command does."""
    plan = plan_of(inputs, out, shard_size=shard_size)
    recipe = recipe_of(out, plan, **changes)
    do_pending(Store(out), plan, recipe, engine or LocalEngine())
    summary = finish(Store(out), plan)
    if recipe.regions:
        write_region_files(Store(out), plan)
    return summary
