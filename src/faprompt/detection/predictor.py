"""What a detector and an exported model's runtime have in common. Free of torch."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from numpy.typing import NDArray
from PIL import Image

from faprompt.data.images import MAX_PIXELS
from faprompt.detection.fitting import station_for
from faprompt.detection.look import Look
from faprompt.detection.prediction import Engine, OnError, Prediction, Reading, predict
from faprompt.detection.station import Station

if TYPE_CHECKING:
    from torch import Tensor


class Predictor(ABC):
    """Images in, predictions out; decisions by a station, where there is one.

    A base class, for a signature with overloads cannot be shared in another way.
    """

    station: Station | None = None
    """Where decisions come from; see :meth:`use_station`."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What a station records of a model, and what names the origin of a score."""

    @abstractmethod
    def score_settings(self, look: Look | None) -> dict[str, Any]:
        """What changes scores beside the model: areas, tiling, references."""

    @abstractmethod
    def engine(self, look: Look | None = None) -> Engine[Any]:
        """What this model has to offer for a stream of images looked at in one way.

        Raises:
            StationError: its station was calibrated for another way.
        """

    def use_station(self, station: Station | str | Path) -> None:
        """Decide OK, UNSURE or NG in all predictions that follow.

        Args:
            station: A station of this model, or its file.

        Raises:
            StationError: not a station, or one of another model.
        """
        self.station = station_for(station, self.identity)

    @overload
    def predict(  # type: ignore[overload-overlap]  # str and arrays are iterable, too
        self,
        source: "str | Path | Image.Image | NDArray[Any] | Tensor",
        *,
        max_pixels: int = MAX_PIXELS,
        look: Look | None = None,
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
        look: Look | None = None,
    ) -> Iterator[Prediction]: ...

    def predict(
        self,
        source: Any,
        *,
        batch_size: int | None = None,
        workers: int = 2,
        max_pixels: int = MAX_PIXELS,
        on_error: OnError | None = None,
        look: Look | None = None,
    ) -> Prediction | Iterator[Prediction]:
        """Score one image, or a stream of them.

        Args:
            source: A path, a Pillow image, an array (HWC uint8 RGB or HW grey) or a tensor; or an
                iterable of these, which may be endless.
            batch_size: Images at once; by default the model's own: 4, a detector's on a GPU 16.
            workers: Threads that read ahead.
            max_pixels: Width times height that is still decoded.
            on_error: Called with an unusable item of a stream and its error, at times before the
                predictions of items before it; the stream goes on. Without it the error is raised.
            look: What counts of the images, whether to look by windows, and what else to tell.

        Returns:
            A prediction; for an iterable a generator of predictions in its order, in bounded
            memory.

        Raises:
            DataError: an image cannot be used.
            StationError: its station was calibrated for another look.
        """
        reading = Reading(
            batch_size=batch_size, workers=workers, max_pixels=max_pixels, on_error=on_error
        )
        return predict(source, self.engine(look), reading, look)
