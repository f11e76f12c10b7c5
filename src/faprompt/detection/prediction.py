"""What is said of one image, and how a stream of images becomes a stream of that.

Free of torch and OpenCV: the detector and the exported models' runtime share it.
Shapes: B images, S input side in pixels, H x W the original image.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.loading import in_groups, map_ordered
from faprompt.detection import rendering
from faprompt.errors import FAPromptError, NumericError

OnError = Callable[[Any, FAPromptError], None]
Pixels = TypeVar("Pixels")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the detector says of one image."""

    image_score: float
    """In [0, 1]; larger is more anomalous."""
    anomaly_map: NDArray[np.float32]
    """(H, W) of the original image, in [0, 1]."""
    path: str | None
    """Where the image came from, if it came from a file."""
    milliseconds: float
    """Share of the time of its batch, reading not counted."""
    image: Image.Image = field(repr=False)
    """The image as it was seen: upright, RGB."""
    colour_limits: tuple[float, float] = field(repr=False)
    """Anomaly values at which colour starts and is full."""

    def overlay(self) -> Image.Image:
        """The heat map over the image, on a colour scale that is the same for all images."""
        return rendering.overlay(self.image, self.anomaly_map, self.colour_limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a model says of one square input."""

    image_score: float
    """In [0, 1]."""
    anomaly_map: NDArray[np.float32]
    """(S, S), in [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine(Generic[Pixels]):
    """What a model has to offer for :func:`predict`."""

    read: Callable[[Any, int], tuple[Image.Image, Pixels]]
    """Source and largest number of pixels to the image (RGB) and its input (3, S, S)."""
    score: Callable[[Sequence[Pixels]], Sequence[Seen]]
    """What the model says of B inputs (3, S, S), in their order."""
    to_original: Callable[[NDArray[np.float32], tuple[int, int]], NDArray[np.float32]]
    """Resizes a map (S, S) to (width, height)."""
    colour_limits: tuple[float, float]
    batch_size: int
    """Images at once, unless told."""
    precision: str
    """Of the model, for errors: fp32, bf16, fp16 or int8."""


@dataclass(frozen=True, slots=True)
class _Read(Generic[Pixels]):
    source: Any
    image: Image.Image
    pixels: Pixels


def predict(
    source: Any,
    engine: Engine[Pixels],
    *,
    batch_size: int | None,
    workers: int,
    max_pixels: int,
    on_error: OnError | None,
) -> Prediction | Iterator[Prediction]:
    """Score one image, or a stream of them; see :meth:`faprompt.Detector.predict`."""

    def read(item: Any) -> _Read[Pixels]:
        return _Read(item, *engine.read(item, max_pixels))

    if _is_one_image(source):
        return next(_predictions([read(source)], 1, engine, None))
    size = batch_size or engine.batch_size
    results = map_ordered(read, source, workers=workers, ahead=max(1, workers, size))
    return _predictions(_usable(results, on_error), size, engine, on_error)


def _is_one_image(source: Any) -> bool:
    """Tell one image from an iterable of images; texts, arrays and tensors are iterable, too."""
    if isinstance(source, str | Path | Image.Image | np.ndarray):
        return True
    torch = sys.modules.get("torch")  # whoever has a tensor has imported it
    return torch is not None and isinstance(source, torch.Tensor)


def _usable(
    results: Iterable[tuple[Any, _Read[Pixels] | FAPromptError]], on_error: OnError | None
) -> Iterator[_Read[Pixels]]:
    for source, result in results:
        if isinstance(result, _Read):
            yield result
        else:
            refuse(source, result, on_error)


def refuse(source: Any, error: FAPromptError, on_error: OnError | None) -> None:
    """Tell of an item that cannot be used, or raise its error where nobody wants to be told."""
    if on_error is None:
        raise error
    on_error(source, error)


def overflow(
    image_score: float, anomaly_map: NDArray[np.float32], *, source: Any, precision: str
) -> NumericError | None:
    """The error of an image whose numbers are not finite; None where they are.

    Args:
        image_score: As the model gave it.
        anomaly_map: Of any shape.
        source: What was predicted; named where it is a path.
        precision: Of the model.
    """
    if math.isfinite(image_score) and np.isfinite(anomaly_map).all():
        return None
    name = str(source) if isinstance(source, str | Path) else "image"
    return NumericError(
        f"{name}: the model's numbers are not finite in {precision}: "
        + (
            "its weights are damaged"
            if precision == "fp32"
            else "they overflowed; use fp32 (--precision fp32, also for an export)"
        )
    )


def _predictions(
    items: Iterable[_Read[Pixels]],
    batch_size: int,
    engine: Engine[Pixels],
    on_error: OnError | None,
) -> Iterator[Prediction]:
    for group in in_groups(items, batch_size):
        started = time.perf_counter()
        seen = engine.score([item.pixels for item in group])
        elapsed = (time.perf_counter() - started) * 1000 / len(group)
        for item, one in zip(group, seen, strict=True):
            if error := overflow(
                one.image_score,
                one.anomaly_map,
                source=item.source,
                precision=engine.precision,
            ):
                refuse(item.source, error, on_error)
                continue
            yield Prediction(
                image_score=one.image_score,
                anomaly_map=engine.to_original(one.anomaly_map, item.image.size),
                path=str(item.source) if isinstance(item.source, str | Path) else None,
                milliseconds=elapsed,
                image=item.image,
                colour_limits=engine.colour_limits,
            )
