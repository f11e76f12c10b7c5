"""``Runtime``: the interface of the detector, for an exported model and without torch.

Shapes: B images, S input side in pixels, H x W the original image.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.data.images import MAX_PIXELS
from faprompt.data.inputs import to_image
from faprompt.detection.prediction import Engine, OnError, Prediction, Seen, predict
from faprompt.errors import CheckpointError, ConfigError
from faprompt.files import expanded
from faprompt.runtime.description import MODEL_FILES, Description
from faprompt.runtime.pixels import Floats, preprocess, to_original
from faprompt.runtime.sessions import Session, onnx_session, openvino_session

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_BATCH = 4


class Runtime:
    """An exported model, ready to score images."""

    def __init__(self, session: Session, description: Description) -> None:
        self.session = session
        self.description = description
        self.batch_size = DEFAULT_BATCH

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu", threads: int | None = None) -> Self:
        """Load what ``faprompt export`` wrote.

        Args:
            folder: The ``--out`` of the export.
            device: ``cpu``; ``cuda`` with onnxruntime-gpu; ``gpu`` with openvino.
            threads: Of the engine; by default its own choice.

        Raises:
            CheckpointError: the folder holds no usable exported model.
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
        path = folder / MODEL_FILES[description.form]
        if description.form == "onnx":
            return cls(onnx_session(path, device=device, threads=threads), description)
        precision = description.precision
        session = openvino_session(path, device=device, threads=threads, precision=precision)
        return cls(session, description)

    @property
    def input_size(self) -> int:
        """S, side of the square input in pixels."""
        return self.description.input_size

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
        return self.session(np.ascontiguousarray(pixels, dtype=np.float32))

    @overload
    def predict(  # type: ignore[overload-overlap]  # str and arrays are iterable, too
        self, source: "str | Path | Image.Image | NDArray[Any] | Tensor"
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
            batch_size: Images at once; by default 4.
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
            colour_limits=self.description.colour_limits,
            batch_size=self.batch_size,
            precision=self.description.precision,
        )
        return predict(
            source,
            engine,
            batch_size=batch_size,
            workers=workers,
            max_pixels=max_pixels,
            on_error=on_error,
        )

    def _see(self, pixels: Sequence[Floats]) -> list[Seen]:
        scores, maps = self.score(np.stack(pixels))
        pairs = zip(scores.tolist(), maps, strict=True)
        return [Seen(image_score=score, anomaly_map=values) for score, values in pairs]
