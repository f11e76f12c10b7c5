"""How an image is looked at, beyond the plain score and map. Free of torch."""

from dataclasses import dataclass

from faprompt.detection.areas import Areas


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What ``predict`` is asked for; nothing of it costs anything when it is off."""

    areas: Areas | None = None
    """What of every image counts; None: all of it."""
    responses: bool = False
    """Also tell how much each abnormality prompt responded, per patch."""
