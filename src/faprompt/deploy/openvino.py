"""From an ONNX graph to OpenVINO's own two files."""

from pathlib import Path

from faprompt.errors import ConfigError, OutputError


def write_openvino(graph: Path, target: Path, *, half: bool) -> None:
    """Convert a graph; one that holds int8 stays so.

    Args:
        graph: ONNX file.
        target: The ``.xml`` to write; the weights go to a ``.bin`` beside it.
        half: Store the weights in fp16.

    Raises:
        ConfigError: openvino is not installed.
        OutputError: the files cannot be written.
    """
    try:
        import openvino as ov
    except ImportError:
        raise ConfigError(
            "--format openvino needs the package: pip install 'faprompt[openvino]'"
        ) from None
    # Read, not convert_model: that one reports its use over the network.
    model = ov.Core().read_model(str(graph))
    try:
        ov.save_model(model, str(target), compress_to_fp16=half)
    except RuntimeError as error:  # such as "iostream error" where the disk is full
        raise OutputError(
            f"{target.name}: openvino cannot write it ({error}); is there room on the disk?"
        ) from error
