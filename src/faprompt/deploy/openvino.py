"""From an ONNX graph to OpenVINO's own two files."""

from pathlib import Path

from faprompt.errors import ConfigError


def write_openvino(graph: Path, target: Path, *, half: bool) -> None:
    """Convert a graph; one that holds int8 stays so.

    Args:
        graph: ONNX file.
        target: The ``.xml`` to write; the weights go to a ``.bin`` beside it.
        half: Store the weights in fp16.

    Raises:
        ConfigError: openvino is not installed.
    """
    try:
        import openvino as ov
    except ImportError:
        raise ConfigError(
            "--format openvino needs the package: pip install 'faprompt[openvino]'"
        ) from None
    # Read, not convert_model: that one reports its use over the network.
    ov.save_model(ov.Core().read_model(str(graph)), str(target), compress_to_fp16=half)
