"""``Detector``: images in, scores and maps out.

Shapes: B images, S input side in pixels, H x W the original image.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from faprompt.clip.compute import moved, precision_name, resolve, to_host
from faprompt.clip.weights import Backbone, load_backbone
from faprompt.data.images import MAX_PIXELS
from faprompt.data.inputs import to_image
from faprompt.data.transforms import preprocess
from faprompt.detection.areas import Areas
from faprompt.detection.fitting import REFERENCES, decider
from faprompt.detection.look import Look
from faprompt.detection.prediction import Engine, Seen
from faprompt.detection.predictor import Predictor
from faprompt.detection.references import ReferenceMemory, normalised
from faprompt.errors import CheckpointError, ConfigError
from faprompt.files import expanded
from faprompt.heap import trim
from faprompt.method.checkpoint import Header, build_network, read_checkpoint
from faprompt.method.network import FAPrompt, Scores

EMBEDDED = "tiny"
DEFAULT_BATCH = {"cpu": 4, "cuda": 16}
TRIMMED_FROM = 100_000_000
"""Bytes of weights on a CPU from which the heap is trimmed after every batch: what lies free on it
then is 100 MB and more, and a batch takes seconds, a trim 15 ms."""


class Detector(Predictor):
    """Learned prompts on their backbone, ready to score images.

    Example:
        >>> import numpy as np
        >>> detector = Detector.load("tiny")
        >>> prediction = detector.predict(np.zeros((64, 48, 3), dtype=np.uint8))
        >>> prediction.anomaly_map.shape
        (64, 48)
    """

    def __init__(
        self,
        network: FAPrompt,
        backbone: Backbone,
        header: Header,
        *,
        checksum: str = "",
        memory: ReferenceMemory | None = None,
    ) -> None:
        self.network = network
        self.backbone = backbone
        self.header = header
        self.checksum = checksum
        """SHA-256 of the checkpoint file."""
        self.memory = memory
        """Good images of the product to compare with; None: zero-shot."""
        self.device = backbone.clip.logit_scale.device
        self.batch_size = DEFAULT_BATCH[self.device.type]
        weights = sum(p.nbytes for p in backbone.clip.parameters())
        self._trims = self.device.type == "cpu" and weights >= TRIMMED_FROM
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
        references: Iterable[Any] | None = None,
    ) -> Self:
        """Load prompts and the backbone they were learned on.

        Args:
            model: ``tiny``, or a checkpoint file.
            weights: The backbone's weights: file, folder or hub id; see ``load_backbone``.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32`` or ``bf16``.
            references: See :meth:`with_references`; None: zero-shot.

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

        detector = cls(network, backbone, header, checksum=content_hash(path))
        return detector if references is None else detector.with_references(references)

    def with_references(self, sources: Iterable[Any], *, areas: Areas | None = None) -> Self:
        """The same detector with a memory of good images; this one stays zero-shot.

        Args:
            sources: Good images of one product, in any form that ``predict`` reads.
            areas: What of them counts.

        Raises:
            DataError: there are none, or one cannot be used.
            ConfigError: there are too many.
        """
        memory = ReferenceMemory.of(self, sources, areas=areas)
        return type(self)(
            self.network, self.backbone, self.header, checksum=self.checksum, memory=memory
        )

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""
        return self.header.input_size

    @property
    def precision(self) -> str:
        """Of the towers: ``fp32`` or ``bf16``."""
        return precision_name(self.backbone.clip.logit_scale.dtype)

    @property
    def colour_limits(self) -> tuple[float, float]:
        """Anomaly values at which the heat map's colour starts and is full."""
        return self.header.colour_limits

    @property
    def identity(self) -> dict[str, Any]:
        """What a station records of a model, and what names the origin of a score."""
        return {
            "model_sha256": self.checksum,
            "backbone": self.header.backbone,
            "precision": self.precision,
            "input_size": self.input_size,
        }

    def score_settings(self, look: Look | None) -> dict[str, Any]:
        """What changes scores beside the model: areas, tiling, references.

        Raises:
            ConfigError: there are references, and the way is by windows.
        """
        if self.memory is not None and look is not None and look.tiling is not None:
            raise ConfigError(
                "references are patches of whole images, windows show them at another scale: use "
                "one of them"
            )
        found = look.settings() if look else {}
        return found | ({REFERENCES: self.memory.digest} if self.memory else {})

    def read(self, source: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, Tensor]:
        """One image as it is seen (RGB) and as the backbone reads it (3, S, S).

        Raises:
            DataError: the image cannot be used.
        """
        spec = self.backbone.spec
        image = to_image(source, max_pixels)
        return image, preprocess(image, size=self.input_size, mean=spec.mean, std=spec.std)

    @property
    def grid(self) -> int:
        """G, patches along a side of the input."""
        return self.input_size // self.backbone.spec.patch_size

    def score(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, S, S) to image scores (B,) and anomaly maps (B, S, S).

        Both in [0, 1], fp32, on the CPU.
        """
        scores, maps = self._score(pixels)
        return scores.image_score.cpu(), maps.cpu()

    @property
    def overlaps(self) -> bool:
        """Whether it computes beside this thread: on a GPU."""
        return self.device.type == "cuda"

    def launch(self, pixels: Tensor) -> Callable[[], tuple[Tensor, ...]]:
        """Begin what :meth:`score` does; what is returned waits for it and gives the same.

        Where it ``overlaps``, results lie in page-locked memory: copy what is to be kept.
        """
        scores, maps = self._score(pixels)
        return to_host(scores.image_score, maps)

    @torch.inference_mode()
    def patch_features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (B, 3, S, S) to patch features (B, L, D), L2-normalised, fp32."""
        return normalised(self.backbone.clip.visual.dual(moved(pixels, self.device)).patches())

    @torch.inference_mode()
    def _score(
        self, pixels: Tensor, *, keep: Tensor | None = None, responses: bool = False
    ) -> tuple[Scores, Tensor]:
        """Scores, and maps (B, S, S), where the model is."""
        dual = self.backbone.clip.visual.dual(moved(pixels, self.device))
        patches = dual.patches()
        scores = self.network(
            dual.image,
            patches,
            text=self._text,
            keep=None if keep is None else moved(keep, self.device),
            responses=responses,
        )
        if self.memory is not None:
            scores = self.memory.joined(scores, normalised(patches))
        maps = scores.anomaly_map(self.input_size, blur_sigma=self.network.config.blur_sigma)
        return scores, maps

    def engine(self, look: Look | None = None) -> Engine[Tensor]:
        """What this model has to offer for a stream of images looked at in one way.

        Raises:
            StationError: its station was calibrated for another way.
            ConfigError: there are references, and the way is by windows.
        """
        return Engine(
            read=lambda item, limit: self.read(item, max_pixels=limit),
            score=self._see,
            to_original=to_original,
            colour_limits=self.colour_limits,
            batch_size=self.batch_size,
            grid=self.grid,
            input_size=self.input_size,
            decide=decider(self.station, self.score_settings(look)),
            precision=self.precision,
            launch=self._look if self.overlaps else None,
        )

    def _see(
        self,
        pixels: Sequence[Tensor],
        *,
        keep: NDArray[np.bool_] | None = None,
        responses: bool = False,
    ) -> list[Seen]:
        return self._look(pixels, keep=keep, responses=responses)()

    def _look(
        self,
        pixels: Sequence[Tensor],
        *,
        keep: NDArray[np.bool_] | None = None,
        responses: bool = False,
    ) -> Callable[[], list[Seen]]:
        """Begin to look at B inputs; what is returned waits for what is seen."""
        scores, maps = self._score(
            torch.stack(list(pixels)),
            keep=None if keep is None else torch.from_numpy(keep),
            responses=responses,
        )
        if self._trims:
            trim()
        wait = to_host(
            scores.image_score,
            maps,
            *([] if scores.responses is None else [scores.responses.transpose(1, 2)]),  # (B, K, L)
        )

        def seen() -> list[Seen]:
            found, arrays, *shares = wait()
            grids: Sequence[NDArray[np.float32] | None] = [None] * len(arrays)
            if shares:
                grids = list(shares[0].unflatten(2, (self.grid, self.grid)).numpy())
            rows = zip(found.tolist(), arrays.numpy(), grids, strict=True)
            return [Seen(image_score=s, anomaly_map=m, responses=r) for s, m, r in rows]

        return seen


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
