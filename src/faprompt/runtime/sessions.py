"""The two engines that run exported graphs, behind one function.

Shapes: B images, S input side in pixels, L patches, K abnormality prompts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import CheckpointError, ConfigError

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

INPUT, KEEP = "pixels", "keep"
OUTPUTS = ("image_score", "anomaly_map", "responses")
HINTS = {"fp16": "f16", "bf16": "bf16"}
"""Precision of a model to what OpenVINO calls it; all else is computed in fp32."""
ONNX_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Session:
    """A graph, ready to run."""

    run: Callable[[Floats, Bools], tuple[Floats, Floats, Floats]]
    """Normalised pixels (B, 3, S, S) and which patches count (B, L) to image scores (B,), anomaly
    maps (B, S, S) and shares of the abnormality prompts (B, L, K)."""
    patches: int
    """L."""

    def __call__(self, pixels: Floats, keep: Bools | None = None) -> tuple[Floats, Floats, Floats]:
        """As ``run``; without ``keep`` all patches count."""
        if keep is None:
            keep = np.ones((len(pixels), self.patches), dtype=np.bool_)
        return self.run(pixels, keep)


def onnx_session(path: Path, *, device: str, threads: int | None) -> Session:
    """Open an ONNX file with onnxruntime.

    Raises:
        ConfigError: onnxruntime is not installed, or lacks the device.
        CheckpointError: the file cannot be used.
    """
    ort = _engine("onnxruntime", extra="onnx")
    provider = ONNX_PROVIDERS.get(device)
    if provider not in ort.get_available_providers():
        known = [d for d, p in ONNX_PROVIDERS.items() if p in ort.get_available_providers()]
        raise ConfigError(f"device {device!r}: this onnxruntime has {', '.join(known)}")
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors: notes about its optimisations are not the user's
    if threads:
        options.intra_op_num_threads = threads
    providers = list(dict.fromkeys([provider, ONNX_PROVIDERS["cpu"]]))
    try:
        session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # its exceptions have no common base
        raise _unusable(path, error) from error

    def run(pixels: Floats, keep: Bools) -> tuple[Floats, Floats, Floats]:
        scores, maps, responses = session.run(list(OUTPUTS), {INPUT: pixels, KEEP: keep})
        return scores, maps, responses

    shapes = {value.name: value.shape for value in session.get_inputs()}
    return Session(run, shapes[KEEP][1])


def openvino_session(path: Path, *, device: str, threads: int | None, precision: str) -> Session:
    """Open an OpenVINO model.

    Raises:
        ConfigError: openvino is not installed, or lacks the device.
        CheckpointError: the file cannot be used.
    """
    ov = _engine("openvino", extra="openvino")
    core = ov.Core()
    name = device.upper()
    if name.split(".")[0] not in {d.split(".")[0] for d in core.available_devices}:
        known = ", ".join(d.lower() for d in core.available_devices)
        raise ConfigError(f"device {device!r}: this openvino has {known}")
    able = precision.upper() in core.get_property(name, "OPTIMIZATION_CAPABILITIES")
    # Left alone (or asked for fp16 that it lacks) a CPU may compute in bf16, which is far coarser.
    hint = HINTS.get(precision, "f32") if able else "f32"
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        compiled = core.compile_model(str(path), name, settings)
    except Exception as error:  # RuntimeError of several kinds
        raise _unusable(path, error) from error

    def run(pixels: Floats, keep: Bools) -> tuple[Floats, Floats, Floats]:
        found = compiled({INPUT: pixels, KEEP: keep})
        scores, maps, responses = (np.array(found[name]) for name in OUTPUTS)  # memory used again
        return scores, maps, responses

    return Session(run, compiled.input(KEEP).partial_shape[1].get_length())


def _engine(name: str, *, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name} is not installed here ({error}); install it with "
            f"pip install 'faprompt[{extra}]', or {name} alone"
        ) from None


def _unusable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be used ({error}); export the model again")
