"""What is said of one image, and how a stream of images becomes a stream of that.

Free of torch and OpenCV: the detector and the exported models' runtime share it.
Shapes: B images, S input side in pixels, H x W the original image, G patches along a side,
L = G * G patches, K abnormality prompts.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.loading import in_groups, map_ordered, overlapped
from faprompt.detection import rendering
from faprompt.detection.areas import counting_patches
from faprompt.detection.decision import Decision
from faprompt.detection.look import Look
from faprompt.detection.map_files import peaks
from faprompt.errors import DataError, FAPromptError, NumericError

OnError = Callable[[Any, FAPromptError], None]
Pixels = TypeVar("Pixels")
Input_contra = TypeVar("Input_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the detector says of one image."""

    image_score: float
    """In [0, 1]; larger is more anomalous."""
    anomaly_map: NDArray[np.float32]
    """(H, W) of the original image, in [0, 1]; of an image of more than ``max_pixels`` a
    ``numpy.memmap`` of an unnamed file, which goes with the array."""
    path: str | None
    """Where the image came from, if it came from a file."""
    milliseconds: float
    """Share of the time of its batch, reading not counted; on a GPU that works ahead, of the time
    that the batch was begun and waited for in."""
    image: Image.Image = field(repr=False)
    """The image as it was seen: upright, RGB; reduced to 2048 pixels if it was read by windows."""
    colour_limits: tuple[float, float] = field(repr=False)
    """Anomaly values at which colour starts and is full."""
    responses: NDArray[np.float32] | None = field(default=None, repr=False)
    """(K, G, G): share of each abnormality prompt in the response of every patch, adding up to 1;
    None unless asked for (``Look.responses``)."""
    decision: Decision | None = None
    """OK, UNSURE or NG; None without a station."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the original image."""
        height, width = self.anomaly_map.shape
        return width, height

    def overlay(self) -> Image.Image:
        """The heat map over ``image``, on a colour scale that is the same for all images."""
        values = peaks(self.anomaly_map, self.image.size)
        return rendering.overlay(self.image, values, self.colour_limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a model says of one square input."""

    image_score: float
    """In [0, 1]."""
    anomaly_map: NDArray[np.float32]
    """(S, S), in [0, 1]."""
    responses: NDArray[np.float32] | None = None
    """(K, G, G), where asked for; see ``Prediction``."""


class Score(Protocol[Input_contra]):
    """What the model says of B inputs, in their order."""

    def __call__(
        self,
        pixels: Sequence[Input_contra],
        *,
        keep: NDArray[np.bool_] | None = None,
        responses: bool = False,
    ) -> "Sequence[Seen]":
        """Inputs (3, S, S); ``keep`` (B, L) says which patches count, None: all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine(Generic[Pixels]):
    """What a model has to offer for :func:`predict`."""

    read: Callable[[Any, int], tuple[Image.Image, Pixels]]
    """Source and largest number of pixels to the image (RGB) and its input (3, S, S)."""
    score: Score[Pixels]
    to_original: Callable[[NDArray[np.float32], tuple[int, int]], NDArray[np.float32]]
    """Resizes a map (S, S) to (width, height)."""
    colour_limits: tuple[float, float]
    batch_size: int
    """Images at once, unless told."""
    grid: int
    """G, patches along a side of the input."""
    input_size: int
    """S."""
    precision: str
    """Of the model, for errors: fp32, bf16, fp16 or int8."""
    decide: Callable[[float], Decision] | None = None
    """Judges an image score, where there is a station."""
    launch: Callable[..., Callable[[], Sequence[Seen]]] | None = None
    """Where the model computes beside this thread (on a GPU): begins what ``score`` does, and
    returns what waits for it. Where sources are read ahead, the next batch is begun before the
    results of one are used."""


@dataclass(frozen=True, slots=True)
class _Read(Generic[Pixels]):
    source: Any
    image: Image.Image
    pixels: Pixels
    counting: NDArray[np.bool_] | None
    """Which of the image's pixels count, (H, W); None: all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How sources are read; see :meth:`faprompt.Detector.predict`."""

    batch_size: int | None
    workers: int
    max_pixels: int
    on_error: OnError | None


def predict(
    source: Any, engine: Engine[Pixels], reading: Reading, look: Look | None = None
) -> Prediction | Iterator[Prediction]:
    """Score one image, or a stream of them; see :meth:`faprompt.Detector.predict`."""
    look = look or Look()
    if look.tiling is not None:
        return _by_windows(source, engine, reading, look)

    def read(item: Any) -> _Read[Pixels]:
        image, pixels = engine.read(item, reading.max_pixels)
        return _Read(item, image, pixels, counting_of(item, image.size, look))

    if _is_one_image(source):
        alone = replace(reading, batch_size=1, on_error=None)
        return next(_predictions([read(source)], engine, alone, look))
    size, workers = reading.batch_size or engine.batch_size, reading.workers
    results = map_ordered(read, source, workers=workers, ahead=max(1, workers, size))
    return _predictions(_usable(results, reading.on_error), engine, reading, look)


def _by_windows(
    source: Any, engine: Engine[Pixels], reading: Reading, look: Look
) -> Prediction | Iterator[Prediction]:
    from faprompt.detection.tiled import predict_tiled  # which needs what is defined here

    if _is_one_image(source):
        return next(predict_tiled([source], engine, replace(reading, on_error=None), look))
    return predict_tiled(source, engine, reading, look)


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


def counting_of(source: Any, size: tuple[int, int], look: Look) -> NDArray[np.bool_] | None:
    """Which pixels of an image of (width, height) count, (H, W); None: all.

    Raises:
        DataError: none does, or a mask does not fit; the message names the source.
    """
    if look.areas is None:
        return None
    try:
        return look.areas.counting(size)
    except DataError as error:
        raise DataError(f"{path_of(source) or 'image'}: {error}") from error


def path_of(source: Any) -> str | None:
    """Where an image comes from, if it comes from a file."""
    return str(source) if isinstance(source, str | Path) else None


def _predictions(
    items: Iterable[_Read[Pixels]], engine: Engine[Pixels], reading: Reading, look: Look
) -> Iterator[Prediction]:
    groups = in_groups(items, reading.batch_size or engine.batch_size)
    ahead = 1 if engine.launch and reading.workers else 0
    for group, (seen, elapsed) in overlapped(
        lambda group: _begun(group, engine, look), groups, ahead=ahead
    ):
        for item, one in zip(group, seen, strict=True):
            if error := overflow(
                one.image_score,
                one.anomaly_map,
                source=item.source,
                precision=engine.precision,
            ):
                refuse(item.source, error, reading.on_error)
                continue
            anomaly_map = engine.to_original(one.anomaly_map, item.image.size)
            if item.counting is not None:
                anomaly_map[~item.counting] = 0
            yield Prediction(
                image_score=one.image_score,
                anomaly_map=anomaly_map,
                path=path_of(item.source),
                milliseconds=elapsed,
                image=item.image,
                colour_limits=engine.colour_limits,
                responses=one.responses,
                decision=engine.decide(one.image_score) if engine.decide else None,
            )
        del group, seen, item, one  # freed before the next batch is computed


def _begun(
    group: Sequence[_Read[Pixels]], engine: Engine[Pixels], look: Look
) -> Callable[[], tuple[Sequence[Seen], float]]:
    """What gives what is seen of a batch, and the milliseconds that each image of it took."""
    started = time.perf_counter()
    seen_later = (engine.launch or engine.score)(
        [item.pixels for item in group],
        keep=_patches(group, engine.grid) if look.areas else None,
        responses=look.responses,
    )
    begun = time.perf_counter() - started

    def finish() -> tuple[Sequence[Seen], float]:
        waiting = time.perf_counter()
        seen = seen_later() if callable(seen_later) else seen_later
        return seen, (begun + time.perf_counter() - waiting) * 1000 / len(group)

    return finish


def _patches(group: Sequence[_Read[Pixels]], grid: int) -> NDArray[np.bool_]:
    """Which patches of each image count, (B, L)."""
    return np.stack([counting_patches(i.counting, grid) for i in group if i.counting is not None])
