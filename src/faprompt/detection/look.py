"""How an image is looked at, beyond the plain score and map. Free of torch."""

from collections.abc import Callable
from dataclasses import dataclass

from faprompt.detection.areas import Areas
from faprompt.detection.tiling import Tiling


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What ``predict`` is asked for; nothing of it costs anything when it is off."""

    areas: Areas | None = None
    """What of every image counts; None: all of it."""
    responses: bool = False
    """Also tell how much each abnormality prompt responded, per patch."""
    tiling: Tiling | None = None
    """Look by windows, for images much larger than the model's input; None: once at the whole."""
    watch: Callable[[int, int], None] | None = None
    """Called while windows are scored, with those done and all of the image at hand."""
