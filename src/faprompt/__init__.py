"""Zero-shot visual anomaly detection with fine-grained abnormality prompts on a frozen CLIP."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from faprompt.errors import FAPromptError

if TYPE_CHECKING:
    from faprompt.data.datasets import load_dataset
    from faprompt.detection.areas import Areas
    from faprompt.detection.detector import Detector
    from faprompt.detection.evaluation import evaluate
    from faprompt.detection.look import Look
    from faprompt.detection.prediction import Prediction
    from faprompt.detection.regions import Region, find_regions
    from faprompt.detection.station import Station

__version__ = "0.1.0"
__all__ = [
    "Areas",
    "Detector",
    "FAPromptError",
    "Look",
    "Prediction",
    "Region",
    "Station",
    "evaluate",
    "find_regions",
    "load_dataset",
]

_HOMES = {
    "Areas": "detection.areas",
    "Detector": "detection.detector",
    "Look": "detection.look",
    "Prediction": "detection.prediction",
    "Region": "detection.regions",
    "Station": "detection.station",
    "evaluate": "detection.evaluation",
    "find_regions": "detection.regions",
    "load_dataset": "data.datasets",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: torch takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'faprompt' has no attribute {name!r}")
    return getattr(import_module(f"faprompt.{_HOMES[name]}"), name)
