"""``Runtime``: the interface of the detector, for an exported model and without torch.

Shapes: B images, S input side in pixels, H x W the original image.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.data.images import MAX_PIXELS
from faprompt.data.inputs import to_image
from faprompt.detection.fitting import decider
from faprompt.detection.look import Look
from faprompt.detection.prediction import Engine, Seen
from faprompt.detection.predictor import Predictor
from faprompt.errors import CheckpointError, ConfigError
from faprompt.files import expanded
from faprompt.runtime.description import MODEL_FILES, STATION, Description
from faprompt.runtime.pixels import Floats, preprocess, to_original
from faprompt.runtime.sessions import Bools, Session, onnx_session, openvino_session

if TYPE_CHECKING:
    pass

DEFAULT_BATCH = 4


class Runtime(Predictor):
    """An exported model, ready to score images."""

    def __init__(self, session: Session, description: Description) -> None:
        self.session = session
        self.description = description
        self.batch_size = DEFAULT_BATCH

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu", threads: int | None = None) -> Self:
        """Load what ``faprompt export`` wrote; a ``station.json`` in the folder is used at once.

        Args:
            folder: The ``--out`` of the export.
            device: ``cpu``; ``cuda`` with onnxruntime-gpu; ``gpu`` with openvino.
            threads: Of the engine; by default its own choice.

        Raises:
            CheckpointError: the folder holds no usable exported model.
            StationError: its station is damaged or of another model.
            ConfigError: the engine is not installed, or lacks the device.
        """
        folder = expanded(folder)
        description = Description.read(folder)
        missing = [name for name in description.files if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder}: {', '.join(missing)} missing; copy the whole folder, or export again"
            )
        for name, checksum in description.files.items():
            if (found := content_hash(folder / name)) != checksum:
                raise CheckpointError(
                    f"{folder / name}: damaged: its SHA-256 is {found}, expected {checksum}; copy "
                    "the whole folder, or export again"
                )
        runtime = cls(_session(folder, description, device, threads), description)
        if (folder / STATION).is_file():
            runtime.use_station(folder / STATION)
        return runtime

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""
        return self.description.input_size

    @property
    def grid(self) -> int:
        """G, patches along a side of the input."""
        return math.isqrt(self.session.patches)

    @property
    def colour_limits(self) -> tuple[float, float]:
        """Anomaly values at which the heat map's colour starts and is full."""
        return self.description.colour_limits

    @property
    def identity(self) -> dict[str, Any]:
        """What a station records of a model, and what names the origin of a score."""
        about = self.description
        return {
            "model_sha256": about.checkpoint_sha256,
            "backbone": about.backbone,
            "precision": about.precision,
            "input_size": about.input_size,
        }

    def score_settings(self, look: Look | None) -> dict[str, Any]:
        """What changes scores beside the model: areas and tiling."""
        return look.settings() if look else {}

    def read(self, source: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, Floats]:
        """One image as it is seen (RGB) and as the model reads it (3, S, S).

        Raises:
            DataError: the image cannot be used.
        """
        about = self.description
        image = to_image(source, max_pixels)
        return image, preprocess(image, size=about.input_size, mean=about.mean, std=about.std)

    def score(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Normalised pixels (B, 3, S, S) to image scores (B,) and anomaly maps (B, S, S).

        Raises:
            ConfigError: the array has another shape.
        """
        wanted = (3, self.input_size, self.input_size)
        if pixels.ndim != 4 or pixels.shape[1:] != wanted or not len(pixels):
            raise ConfigError(
                f"pixels have shape {pixels.shape}; needed is (B, {wanted[0]}, S, S) "
                f"with S = {self.input_size}"
            )
        return self._run(pixels, None)[:2]

    def _run(self, pixels: Floats, keep: Bools | None) -> tuple[Floats, Floats, Floats]:
        return self.session(np.ascontiguousarray(pixels, dtype=np.float32), keep)

    def engine(self, look: Look | None = None) -> Engine[Floats]:
        """What this model has to offer for a stream of images looked at in one way.

        Raises:
            StationError: its station was calibrated for another way.
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
            precision=self.description.precision,
        )

    def _see(
        self, pixels: Sequence[Floats], *, keep: Bools | None = None, responses: bool = False
    ) -> list[Seen]:
        scores, maps, shares = self._run(np.stack(pixels), keep)
        grids: Sequence[Floats | None] = [None] * len(maps)
        if responses:
            grids = list(shares.transpose(0, 2, 1).reshape(len(maps), -1, self.grid, self.grid))
        rows = zip(scores.tolist(), maps, grids, strict=True)
        return [Seen(image_score=s, anomaly_map=m, responses=r) for s, m, r in rows]


def _session(folder: Path, description: Description, device: str, threads: int | None) -> Session:
    path = folder / MODEL_FILES[description.form]
    if description.form == "onnx":
        return onnx_session(path, device=device, threads=threads)
    precision = description.precision
    return openvino_session(path, device=device, threads=threads, precision=precision)
