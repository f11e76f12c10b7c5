"""A GPU gets the next batch before the results of one are used: order, bounds, equal results."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from bright import BrightModel
from PIL import Image
from torch import Tensor

from faprompt.clip.compute import to_host
from faprompt.data.datasets import load_dataset
from faprompt.data.loading import overlapped
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import Settings, evaluate
from faprompt.detection.prediction import Engine, Prediction, Reading, Seen, predict
from faprompt.errors import DataError

ALTERNATING = ["begin 0", "finish 0", "begin 1", "finish 1", "begin 2", "finish 2"]
OVERLAPPED = ["begin 0", "begin 1", "finish 0", "begin 2", "finish 1", "finish 2"]


class Events(list[str]):
    """What happened, in its order."""

    def begin(self, number: int) -> Callable[[], int]:
        self.append(f"begin {number}")

        def finish() -> int:
            self.append(f"finish {number}")
            return number

        return finish


@pytest.mark.parametrize(("ahead", "expected"), [(0, ALTERNATING), (1, OVERLAPPED)])
def test_order_of_beginnings_and_ends(ahead: int, expected: list[str]) -> None:
    events = Events()
    found = list(overlapped(events.begin, range(3), ahead=ahead))
    assert found == [(0, 0), (1, 1), (2, 2)]
    assert events == expected


@pytest.mark.parametrize("ahead", [0, 1, 2, 5])
def test_what_was_begun_before_a_failure_is_handed_over_first(ahead: int) -> None:
    def items() -> Iterator[int]:
        yield from range(2)
        raise DataError("2.png: damaged")

    results = overlapped(Events().begin, items(), ahead=ahead)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(DataError, match=r"2\.png"):
        next(results)
    with pytest.raises(ZeroDivisionError):  # of the beginning itself
        list(overlapped(lambda n: lambda value=1 // n: value, [1, 0], ahead=ahead))  # type: ignore[misc]


def test_endless_items_are_begun_one_ahead() -> None:
    events = Events()
    results = overlapped(events.begin, itertools.count(), ahead=1)
    assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
    assert events[-2:] == ["begin 3", "finish 2"]


class Launching(BrightModel):
    """That model, computing beside the thread that asks."""

    def __init__(self) -> None:
        super().__init__()
        self.events = Events()

    def launch(self, pixels: Sequence[Any], **asked: Any) -> Callable[[], list[Seen]]:
        finish, seen = self.events.begin(len(self.batches)), self.score(pixels, **asked)

        def waited() -> list[Seen]:
            finish()
            return seen

        return waited

    def launching(self) -> Engine[Any]:
        return replace(self.engine(batch_size=2), launch=self.launch)


def pictures(count: int) -> list[Any]:
    values = np.random.default_rng(0).integers(0, 255, (count, 40, 48, 3), dtype=np.uint8)
    return list(values)


def reading(workers: int) -> Reading:
    return Reading(batch_size=None, workers=workers, max_pixels=10**6, on_error=None)


def streamed(sources: Any, engine: Engine[Any], workers: int) -> Iterator[Prediction]:
    found = predict(sources, engine, reading(workers))
    assert not isinstance(found, Prediction)
    return found


@pytest.mark.parametrize(("workers", "expected"), [(0, ALTERNATING), (2, OVERLAPPED)])
def test_predictions_are_the_same_and_in_order(workers: int, expected: list[str]) -> None:
    model = Launching()
    found = list(streamed(pictures(5), model.launching(), workers))
    assert model.events == expected
    assert model.batches == [2, 2, 1]
    plain = list(streamed(pictures(5), BrightModel().engine(batch_size=2), workers))
    assert [p.image_score for p in found] == [p.image_score for p in plain]
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
    assert all(p.milliseconds > 0 for p in found)


def test_one_image_is_not_waited_for_by_another() -> None:
    model = Launching()
    assert isinstance(predict(pictures(1)[0], model.launching(), reading(2)), Prediction)
    assert model.events == ["begin 0", "finish 0"]


def test_a_bad_image_costs_no_prediction_before_it(tmp_path: Path) -> None:
    found = streamed([*pictures(2), tmp_path / "none.png"], Launching().launching(), 2)
    assert len([next(found), next(found)]) == 2
    with pytest.raises(DataError, match=r"none\.png"):
        next(found)


class Beside:
    """A detector as on a GPU."""

    batch_size = 1
    overlaps = True

    def __init__(self, detector: Detector) -> None:
        self.detector, self.events = detector, Events()

    @property
    def input_size(self) -> int:
        return self.detector.input_size

    def read(self, source: Any) -> tuple[Image.Image, Tensor]:
        return self.detector.read(source)

    def score(self, _: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError("this would wait")

    def launch(self, pixels: Tensor) -> Callable[[], tuple[Tensor, ...]]:
        finish = self.events.begin(sum("begin" in event for event in self.events))
        wait = self.detector.launch(pixels)

        def waited() -> tuple[Tensor, ...]:
            finish()
            return wait()

        return waited


def test_evaluation_is_the_same(detector: Detector, folder: Path) -> None:
    dataset, beside = load_dataset(folder), Beside(detector)
    found, plain = (
        evaluate(model, dataset, Settings(batch_size=1, workers=2)) for model in (beside, detector)
    )
    assert beside.events[:3] == ["begin 0", "begin 1", "finish 0"]
    assert len(beside.events) == 2 * found.images
    assert [c.scores for c in found.classes] == [c.scores for c in plain.classes]
    assert found.mean() == plain.mean()


def test_nothing_is_begun_ahead_on_a_cpu(detector: Detector) -> None:
    assert not detector.overlaps
    assert detector.engine().launch is None


class OnGpu:
    """A tensor that says what it is asked for."""

    device = torch.device("cuda:0")

    def __init__(self, events: Events) -> None:
        self.events = events

    def to(self, device: str, *, non_blocking: bool) -> str:
        assert (device, non_blocking) == ("cpu", True)
        self.events.append("copy")
        return "copied"


def test_results_of_a_gpu_are_copied_behind_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events()
    event = SimpleNamespace(
        record=lambda stream: events.append(f"mark on {stream}"),
        synchronize=lambda: events.append("wait"),
    )
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    wait = to_host(OnGpu(events), OnGpu(events))  # type: ignore[arg-type]
    assert events == ["copy", "copy", "mark on stream of cuda:0"], "nothing waits"
    assert [str(copy) for copy in wait()] == ["copied", "copied"]
    assert events[3:] == ["wait"]
    tensor = torch.ones(2)
    assert to_host(tensor)()[0] is tensor, "nothing to do on a CPU"
