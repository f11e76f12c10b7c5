"""The steps of ``faprompt demo`` and the files they leave. Imports torch.

demo.json        what was asked for: the same request continues, another one starts anew
auxiliary/       rendered data that prompts are learned on, MVTec layout
cache/           features of it
run/             the training run
fresh/maps/      heat maps of the examples, with the prompts just learned
shipped/maps/    the same with the prompts to compare with
scores.csv       a row per example
index.html       the page
"""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import Evaluation, Settings, evaluate
from faprompt.detection.outputs import save_image
from faprompt.detection.prediction import Prediction
from faprompt.files import parse_json, refuse_foreign, write_text
from faprompt.method.checkpoint import Header
from faprompt.pretrain.dataset import render_dataset
from faprompt.pretrain.renderer import RENDERER_VERSION

IMAGE_SIDE = 256
"""Of the auxiliary images, in pixels: what the embedded backbone reads."""
COLUMNS = ("path", "kind", "label", "type", "score_fresh", "score_shipped")
PRODUCTS = ("auxiliary", "run", "fresh", "shipped", "scores.csv", "index.html")


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Paths of one demo."""

    root: Path

    @property
    def auxiliary(self) -> Path:
        """Rendered training data."""
        return self.root / "auxiliary"

    @property
    def cache(self) -> Path:
        """Features."""
        return self.root / "cache"

    @property
    def run(self) -> Path:
        """The training run."""
        return self.root / "run"

    @property
    def scores(self) -> Path:
        """The table."""
        return self.root / "scores.csv"

    @property
    def page(self) -> Path:
        """What to look at."""
        return self.root / "index.html"

    def maps(self, name: str) -> Path:
        """Heat maps of ``fresh`` or ``shipped`` prompts."""
        return self.root / name / "maps"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What one set of prompts says of the examples."""

    header: Header
    """Of the prompts."""
    evaluation: Evaluation
    predictions: tuple[Prediction, ...]
    """In the order of the data set's samples."""


def claim(folder: DemoFolder, request: Mapping[str, Any]) -> None:
    """Make the folder this request's: what another request left there is taken away.

    Raises:
        OutputError: the folder holds other things than a demo.
    """
    record, stale = folder.root / "demo.json", folder.root / ".stale"
    refuse_foreign(folder.root, record.name, kind="a demo")
    if record.exists() and _read(record) != json.loads(json.dumps(request)):
        stale.mkdir(exist_ok=True)
        for name in PRODUCTS:  # moved first: a folder is whole or not there
            if (folder.root / name).exists():
                (folder.root / name).replace(_free(stale / name))
    shutil.rmtree(stale, ignore_errors=True)
    write_text(record, json.dumps(request, indent=2, sort_keys=True) + "\n")


def _read(record: Path) -> object:
    try:
        return parse_json(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # as good as another request


def _free(path: Path) -> Path:
    while path.exists():
        path = path.with_name(f"{path.name}-")
    return path


def render_auxiliary(folder: DemoFolder, images: int, seed: int) -> None:
    """Render the training data, whole or not at all, unless it is there."""
    if folder.auxiliary.is_dir():
        return
    partial = folder.root / ".auxiliary"
    shutil.rmtree(partial, ignore_errors=True)
    with _one_thread():
        render_dataset(partial, split="train", count=images, size=IMAGE_SIDE, seed=seed)
    partial.replace(folder.auxiliary)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The renderer's many small steps cost ten times as much where two threads share each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def auxiliary_facts(images: int, seed: int) -> dict[str, Any]:
    """What decides the training data."""
    return {"images": images, "side": IMAGE_SIDE, "seed": seed, "renderer": RENDERER_VERSION}


def examples() -> Dataset:
    """The images that ship with the package, of kinds that no training used."""
    return load_dataset(Path(str(files("faprompt").joinpath("assets", "examples"))))


def score(
    detector: Detector,
    dataset: Dataset,
    *,
    workers: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Scored:
    """Evaluate and predict; ``progress`` hears of every image twice."""
    found = evaluate(detector, dataset, Settings(workers=workers), progress=progress)
    predictions = []
    paths = (sample.image_path for sample in dataset.samples)
    for prediction in detector.predict(paths, workers=workers):
        predictions.append(prediction)
        progress(1)
    return Scored(header=detector.header, evaluation=found, predictions=tuple(predictions))


def write_maps(folder: Path, dataset: Dataset, scored: Scored) -> None:
    """Heat maps over their images, named by kind, type and image."""
    for sample, prediction in zip(dataset.samples, scored.predictions, strict=True):
        name = f"{sample.image_path.stem}.png"
        save_image(folder / sample.class_name / sample.anomaly_type / name, prediction.overlay())


def write_scores(path: Path, dataset: Dataset, fresh: Scored, shipped: Scored) -> None:
    """A row per example, most anomalous first within its kind."""
    rows = [
        (
            str(sample.image_path),
            sample.class_name,
            sample.label,
            sample.anomaly_type,
            new.image_score,
            old.image_score,
        )
        for sample, new, old in zip(
            dataset.samples, fresh.predictions, shipped.predictions, strict=True
        )
    ]
    rows.sort(key=lambda row: (row[1], -row[4]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_text(path, text.getvalue())
