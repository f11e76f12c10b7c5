"""Exported models at work, without torch: numpy, Pillow, and onnxruntime or openvino."""

from faprompt.detection.prediction import Prediction
from faprompt.runtime.runtime import Runtime

__all__ = ["Prediction", "Runtime"]
