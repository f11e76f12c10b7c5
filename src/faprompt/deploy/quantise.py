"""int8: static quantisation of the image tower's matrix products, calibrated on user images.

Nearly all of the time is spent there. Similarities, softmax, prior, both rounds' text and maps
stay fp32, and so does a convolutional stem: in int8 it costs most of the accuracy and no less time.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.deploy.quiet import quiet
from faprompt.errors import ConfigError, ExportError, FAPromptError
from faprompt.runtime.pixels import Floats
from faprompt.runtime.sessions import INPUT, KEEP


class _Reader:
    """Hands the calibrator one image at a time."""

    def __init__(self, pixels: Iterable[Floats], patches: int) -> None:
        self._pixels: Iterator[Floats] = iter(pixels)
        self._keep = np.ones((1, patches), dtype=np.bool_)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next inputs of the graph, None at the end."""
        pixels = next(self._pixels, None)
        if pixels is None:
            return None
        return {INPUT: np.ascontiguousarray(pixels[None]), KEEP: self._keep}


def quantise(source: Path, target: Path, products: Sequence[str], pixels: Iterable[Floats]) -> None:
    """Write the int8 version of an fp32 graph: QDQ, weights per channel, ranges by min and max.

    Args:
        source: The fp32 ONNX file.
        target: The ONNX file to write.
        products: Names of the products to quantise; see ``write_onnx``.
        pixels: Normalised images (3, S, S) whose activations set the ranges.

    Raises:
        ConfigError: onnxruntime is not installed.
        ExportError: there is nothing to quantise.
    """
    try:
        from onnxruntime import quantization as ort
    except ImportError:
        raise ConfigError("int8 needs onnx and onnxruntime: pip install 'faprompt[onnx]'") from None
    if not products:
        raise ExportError(f"{source.name}: no matrix products with weights found to quantise")

    class Reader(_Reader, ort.CalibrationDataReader):  # type: ignore[misc]
        """Its calibrator insists on its own base class."""

    try:
        _quantise(ort, source, target, reader=Reader(pixels, _patches(source)), products=products)
    except (FAPromptError, OSError):
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise ExportError(
            f"{source.name}: cannot be quantised ({error}); is there room on the disk, and in the "
            "folder for temporary files?"
        ) from error


def _quantise(
    ort: Any, source: Path, target: Path, *, reader: _Reader, products: Sequence[str]
) -> None:
    with quiet(""):  # it advises a step that would rename the products
        ort.quantize_static(
            str(source),
            str(target),
            reader,
            quant_format=ort.QuantFormat.QDQ,
            per_channel=True,
            # Weights of 7 bits: processors without VNNI add two products in 16 bits, and products
            # of 8 bits overflow there, in onnxruntime and in OpenVINO.
            reduce_range=True,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_quantize=list(products),
            calibrate_method=ort.CalibrationMethod.MinMax,
            use_external_data_format=source.with_name(f"{source.name}.data").is_file(),
        )


def _patches(graph: Path) -> int:
    """L, from the shape of the input that says which patches count."""
    import onnx

    inputs = onnx.load(graph, load_external_data=False).graph.input
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inputs}
    return int(shapes[KEEP][1].dim_value)
