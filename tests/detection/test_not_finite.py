"""Numbers that are not finite are an error of their image, and never a score."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faprompt.data.datasets import load_dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.prediction import Engine, Prediction, Reading, Seen, predict
from faprompt.errors import DataError, NumericError

PICTURE = Image.new("RGB", (4, 4))


def engine(values: Sequence[float], *, in_map: bool, precision: str = "fp16") -> Engine[int]:
    """A model that gives image i the score (or a pixel of its map) ``values[i]``."""

    def score(
        pixels: Sequence[int],
        *,
        keep: NDArray[np.bool_] | None = None,
        responses: bool = False,
    ) -> list[Seen]:
        found = []
        for number in pixels:
            anomaly_map = np.full((2, 2), 0.5, np.float32)
            anomaly_map[1, 1] = values[number] if in_map else 0.5
            image_score = 0.5 if in_map else values[number]
            found.append(Seen(image_score=image_score, anomaly_map=anomaly_map))
        return found

    def keep(anomaly_map: NDArray[np.float32], _: tuple[int, int]) -> NDArray[np.float32]:
        return anomaly_map

    return Engine(
        read=lambda item, _: (PICTURE, int(Path(item).stem)),
        score=score,
        to_original=keep,
        colour_limits=(0, 1),
        batch_size=2,
        grid=2,
        input_size=2,
        precision=precision,
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("in_map", [True, False])
def test_only_the_image_that_overflowed_is_left_out(bad: float, in_map: bool) -> None:
    failed: list[tuple[Any, str]] = []
    paths = [Path(f"{i}.png") for i in range(5)]
    stream = predict(
        paths,
        engine([0.1, bad, 0.2, 0.3, bad], in_map=in_map),
        Reading(
            batch_size=None,
            workers=0,
            max_pixels=99,
            on_error=lambda source, error: failed.append((source, str(error))),
        ),
    )
    assert not isinstance(stream, Prediction)
    assert [prediction.path for prediction in stream] == ["0.png", "2.png", "3.png"]
    assert [source for source, _ in failed] == [paths[1], paths[4]]
    assert failed[0][1] == (
        "1.png: the model's numbers are not finite in fp16: they overflowed; use fp32 "
        "(--precision fp32, also for an export)"
    )


@pytest.mark.parametrize("many", [True, False])
def test_without_a_listener_it_is_raised(many: bool) -> None:
    source = ["0.png"] if many else "0.png"
    model = engine([float("nan")], in_map=False, precision="fp32")
    reading = Reading(batch_size=1, workers=0, max_pixels=9, on_error=None)
    with pytest.raises(NumericError, match=r"0\.png: .* not finite in fp32: its weights are dam"):
        list(predict(source, model, reading))  # type: ignore[arg-type]


def test_a_detector_whose_tower_overflows_says_so(detector: Detector) -> None:
    proj = detector.backbone.clip.visual.proj
    before = proj.detach().clone()
    try:
        with torch.no_grad():
            proj.fill_(3e38)
        with pytest.raises(NumericError, match="image: the model's numbers are not finite in fp32"):
            detector.predict(np.zeros((8, 8, 3), np.uint8))
    finally:
        with torch.no_grad():
            proj.copy_(before)


class Overflowing:
    """A detector that loses one image of a data set."""

    batch_size = 2
    precision = "bf16"
    input_size = 64

    def __init__(self, detector: Detector, lost: float) -> None:
        self.detector, self.lost = detector, lost

    def read(self, source: Any) -> tuple[Image.Image, Tensor]:
        image, pixels = self.detector.read(source)
        return image, torch.full_like(pixels, self.lost) if source.stem == "1" else pixels

    def score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self.detector.score(pixels)


def test_evaluation_counts_what_overflowed_as_unreadable(detector: Detector, folder: Path) -> None:
    dataset = load_dataset(folder)
    found = evaluate(Overflowing(detector, float("inf")), dataset)
    assert found.images == 2
    assert {Path(path).name for path in found.unreadable} == {"1.png"}
    assert all("not finite in bf16" in reason for reason in found.unreadable.values())
    assert len(found.unreadable) == 2
    every = replace(dataset, samples=dataset.samples[1::2])
    with pytest.raises(DataError, match="no readable labelled images"):
        evaluate(Overflowing(detector, float("nan")), every)
