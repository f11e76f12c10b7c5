"""``Detector``: images in, scores and maps out.

Shapes: B images, S input side in pixels, H x W the original image.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, overload

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faprompt.clip.compute import moved, resolve
from faprompt.clip.weights import Backbone, load_backbone
from faprompt.data.images import MAX_PIXELS
from faprompt.data.inputs import to_image
from faprompt.data.loading import in_groups, map_ordered
from faprompt.data.transforms import preprocess
from faprompt.detection import rendering
from faprompt.errors import CheckpointError, FAPromptError
from faprompt.method.checkpoint import Header, build_network, read_checkpoint
from faprompt.method.network import FAPrompt

EMBEDDED = "tiny"
DEFAULT_BATCH = {"cpu": 4, "cuda": 16}

OnError = Callable[[Any, FAPromptError], None]


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


@dataclass(frozen=True, slots=True)
class _Read:
    source: Any
    image: Image.Image
    pixels: Tensor
    """Normalised, (3, S, S)."""


class Detector:
    """Learned prompts on their backbone, ready to score images.

    Example:
        >>> import numpy as np
        >>> detector = Detector.load("tiny")
        >>> prediction = detector.predict(np.zeros((64, 48, 3), dtype=np.uint8))
        >>> prediction.anomaly_map.shape
        (64, 48)
    """

    def __init__(
        self, network: FAPrompt, backbone: Backbone, header: Header, *, checksum: str = ""
    ) -> None:
        self.network = network
        self.backbone = backbone
        self.header = header
        self.checksum = checksum
        """SHA-256 of the checkpoint file."""
        self.device = backbone.clip.logit_scale.device
        self.batch_size = DEFAULT_BATCH[self.device.type]
        with torch.inference_mode():
            self._text = network.static_text()

    @classmethod
    def load(
        cls,
        model: str | Path = EMBEDDED,
        *,
        weights: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Self:
        """Load prompts and the backbone they were learned on.

        Args:
            model: ``tiny``, or a checkpoint file.
            weights: The backbone's weights: file, folder or hub id; see ``load_backbone``.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32`` or ``bf16``.

        Raises:
            CheckpointError: the checkpoint is missing, damaged or of another backbone.
            WeightsError: the backbone's weights are missing or unusable.
            ConfigError: device or precision do not exist here.
        """
        path = model_file(model)
        header, state = read_checkpoint(path)
        compute = resolve(device, precision)
        backbone = load_backbone(
            header.backbone, weights=weights, device=compute.device, dtype=compute.dtype
        )
        network = build_network(header, state, backbone, path=path)
        from faprompt.data.hashing import content_hash

        return cls(network, backbone, header, checksum=content_hash(path))

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""
        return self.header.input_size

    def read(self, source: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, Tensor]:
        """One image as it is seen (RGB) and as the backbone reads it (3, S, S).

        Raises:
            DataError: the image cannot be used.
        """
        spec = self.backbone.spec
        image = to_image(source, max_pixels)
        return image, preprocess(image, size=self.input_size, mean=spec.mean, std=spec.std)

    @torch.inference_mode()
    def score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, S, S) to image scores (B,) and anomaly maps (B, S, S).

        Both in [0, 1], fp32, on the CPU.
        """
        dual = self.backbone.clip.visual.dual(moved(pixels, self.device))
        scores = self.network(dual.image, dual.patches(), text=self._text)
        maps = scores.anomaly_map(self.input_size, blur_sigma=self.network.config.blur_sigma)
        return scores.image_score.cpu(), maps.cpu()

    @overload
    def predict(  # type: ignore[overload-overlap]  # str and arrays are iterable, too
        self, source: str | Path | Image.Image | NDArray[Any] | Tensor
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        source: Iterable[Any],
        *,
        batch_size: int | None = None,
        workers: int = 2,
        max_pixels: int = MAX_PIXELS,
        on_error: OnError | None = None,
    ) -> Iterator[Prediction]: ...

    def predict(
        self,
        source: Any,
        *,
        batch_size: int | None = None,
        workers: int = 2,
        max_pixels: int = MAX_PIXELS,
        on_error: OnError | None = None,
    ) -> Prediction | Iterator[Prediction]:
        """Score one image, or a stream of them.

        Args:
            source: A path, a Pillow image, an array (HWC uint8 RGB or HW grey) or a tensor; or an
                iterable of these, which may be endless.
            batch_size: Images at once; by default 4 on a CPU, 16 on a GPU.
            workers: Threads that read ahead.
            max_pixels: Width times height that is still decoded.
            on_error: Called with an unusable item of a stream and its error; the stream goes on.
                Without it the error is raised.

        Returns:
            A prediction; for an iterable a generator of predictions in its order, in bounded
            memory.

        Raises:
            DataError: an image cannot be used.
        """
        if isinstance(source, str | Path | Image.Image | np.ndarray | Tensor):
            return next(self._stream(_usable([(source, self._read(source, max_pixels))]), 1))
        size = batch_size or self.batch_size
        ahead = max(1, workers, size)
        results = map_ordered(
            lambda item: self._read(item, max_pixels), source, workers=workers, ahead=ahead
        )
        return self._stream(_usable(results, on_error), size)

    def _stream(self, items: Iterable[_Read], batch_size: int) -> Iterator[Prediction]:
        for group in in_groups(items, batch_size):
            started = time.perf_counter()
            scores, maps = self.score(torch.stack([item.pixels for item in group]))
            arrays = maps.numpy()
            elapsed = (time.perf_counter() - started) * 1000 / len(group)
            for item, score, array in zip(group, scores.tolist(), arrays, strict=True):
                yield Prediction(
                    image_score=score,
                    anomaly_map=to_original(array, item.image.size),
                    path=str(item.source) if isinstance(item.source, str | Path) else None,
                    milliseconds=elapsed,
                    image=item.image,
                    colour_limits=self.header.colour_limits,
                )

    def _read(self, source: Any, max_pixels: int) -> _Read:
        return _Read(source, *self.read(source, max_pixels=max_pixels))


def _usable(
    results: Iterable[tuple[Any, _Read | FAPromptError]], on_error: OnError | None = None
) -> Iterator[_Read]:
    for source, result in results:
        if isinstance(result, _Read):
            yield result
        elif on_error is None:
            raise result
        else:
            on_error(source, result)


def to_original(anomaly_map: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map (S, S) to the original image's (width, height), bilinearly."""
    if anomaly_map.shape == (size[1], size[0]):
        return anomaly_map.copy()
    return cv2.resize(anomaly_map, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)


def model_file(model: str | Path) -> Path:
    """The checkpoint that ``--model`` means.

    Raises:
        CheckpointError: neither ``tiny`` nor a file.
    """
    if str(model) == EMBEDDED:
        return Path(str(files("faprompt").joinpath("assets", "tiny", "prompts.safetensors")))
    path = Path(model).expanduser()
    if path.is_dir() and (path / "best.safetensors").is_file():
        return path / "best.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"{model}: no such checkpoint; needed is {EMBEDDED!r} or a file written by "
            "`faprompt train` (its best.safetensors)"
        )
    return path
