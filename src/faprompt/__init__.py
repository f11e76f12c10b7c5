"""Zero-shot visual anomaly detection with fine-grained abnormality prompts on a frozen CLIP."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from faprompt.errors import FAPromptError

if TYPE_CHECKING:
    from faprompt.data.datasets import load_dataset
    from faprompt.detection.detector import Detector
    from faprompt.detection.evaluation import evaluate
    from faprompt.detection.prediction import Prediction
    from faprompt.detection.station import Station

__version__ = "0.1.0"
__all__ = ["Detector", "FAPromptError", "Prediction", "Station", "evaluate", "load_dataset"]

_HOMES = {
    "Detector": "detection.detector",
    "Prediction": "detection.prediction",
    "Station": "detection.station",
    "evaluate": "detection.evaluation",
    "load_dataset": "data.datasets",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: torch takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'faprompt' has no attribute {name!r}")
    return getattr(import_module(f"faprompt.{_HOMES[name]}"), name)
