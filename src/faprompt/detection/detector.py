"""``Detector``: images in, scores and maps out.

Shapes: B images, S input side in pixels, H x W the original image.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self, overload

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faprompt.clip.compute import moved, precision_name, resolve
from faprompt.clip.weights import Backbone, load_backbone
from faprompt.data.images import MAX_PIXELS
from faprompt.data.inputs import to_image
from faprompt.data.transforms import preprocess
from faprompt.detection.prediction import Engine, OnError, Prediction, Seen, predict
from faprompt.errors import CheckpointError
from faprompt.files import expanded
from faprompt.method.checkpoint import Header, build_network, read_checkpoint
from faprompt.method.network import FAPrompt

EMBEDDED = "tiny"
DEFAULT_BATCH = {"cpu": 4, "cuda": 16}


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

    @property
    def precision(self) -> str:
        """Of the towers: ``fp32`` or ``bf16``."""
        return precision_name(self.backbone.clip.logit_scale.dtype)

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
        engine = Engine(
            read=lambda item, limit: self.read(item, max_pixels=limit),
            score=self._see,
            to_original=to_original,
            colour_limits=self.header.colour_limits,
            batch_size=self.batch_size,
            precision=self.precision,
        )
        return predict(
            source,
            engine,
            batch_size=batch_size,
            workers=workers,
            max_pixels=max_pixels,
            on_error=on_error,
        )

    def _see(self, pixels: Sequence[Tensor]) -> list[Seen]:
        scores, maps = self.score(torch.stack(list(pixels)))
        pairs = zip(scores.tolist(), maps.numpy(), strict=True)
        return [Seen(image_score=score, anomaly_map=values) for score, values in pairs]


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
    path = expanded(model)
    if path.is_dir() and (path / "best.safetensors").is_file():
        return path / "best.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"{model}: no such checkpoint; needed is {EMBEDDED!r} or a file written by "
            "`faprompt train` (its best.safetensors)"
        )
    return path
