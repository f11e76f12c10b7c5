"""``model.json``: what an exported model tells of itself. The exporter writes it last."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faprompt.config import MAX_INPUT_SIZE, short
from faprompt.errors import CheckpointError, FAPromptError
from faprompt.files import parse_json, write_text

FORMAT = "faprompt-export"
FORMAT_VERSION = 2
"""2: the graph takes ``keep`` beside the pixels, and tells ``responses``."""
RECORD = "model.json"
STATION = "station.json"
"""Beside the model, where it is to decide."""
MODEL_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}
"""Form of the graph to the file that a runtime is given; weights may lie beside it."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8")

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """Everything about an exported model that its graph does not hold."""

    form: str
    """``onnx`` or ``openvino``."""
    precision: str
    """One of ``PRECISIONS``."""
    input_size: int
    """Side of the square input in pixels."""
    mean: Triple
    """Per channel, of values in [0, 1]."""
    std: Triple
    """Per channel, of values in [0, 1]."""
    colour_limits: tuple[float, float]
    """Anomaly values at which the heat map's colour starts and is full."""
    blur_sigma: float
    """Of the blur inside the graph, in pixels of the map at input size."""
    checkpoint_sha256: str
    """Of the prompts' file."""
    backbone: str
    """Registry name."""
    backbone_checksum: str
    files: dict[str, str]
    """Files of the model to their SHA-256."""
    versions: dict[str, str]
    parity: dict[str, Any]
    """Differences from the torch model that were measured at export, and their bound."""
    calibration: dict[str, Any] | None = None
    """Of int8: the images, and the AUROC before and after."""

    def write(self, folder: Path) -> None:
        """Write ``model.json``, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        values = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(self)
        write_text(folder / RECORD, json.dumps(values, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Description":
        """Read ``model.json`` of an exported model.

        Raises:
            CheckpointError: missing, damaged, of another format or of a later release.
        """
        path = folder / RECORD
        if not path.is_file():
            raise CheckpointError(
                f"{folder}: no {RECORD} there; needed is a folder written by `faprompt export`"
            )
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise KeyError("format")
            if (found := values.pop("format_version")) != FORMAT_VERSION:
                raise CheckpointError(
                    f"{path}: format version {found}, this release reads {FORMAT_VERSION}: "
                    "update faprompt, or export again"
                )
            return cls(**_checked(values))
        except FAPromptError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path}: damaged or not of an exported model ({error!r}); export again"
            ) from None


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Values as their fields want them; a wrong one raises a ValueError or TypeError."""
    numbers = {"mean": 3, "std": 3, "colour_limits": 2}
    for name, count in numbers.items():
        values[name] = tuple(map(float, values[name]))
        if len(values[name]) != count:
            raise ValueError(f"{name} has {len(values[name])} values")
    if values["form"] not in MODEL_FILES or values["precision"] not in PRECISIONS:
        raise ValueError(f"{values['form']} in {values['precision']}")
    size, files = values["input_size"], values["files"]
    if not isinstance(size, int) or not 1 <= size <= MAX_INPUT_SIZE:
        raise ValueError(f"input_size is {short(size)}")
    if not all(math.isfinite(number) for name in numbers for number in values[name]):
        raise ValueError("mean, std or colour_limits are not finite")
    if not isinstance(files, dict) or not all(_plain(name, files[name]) for name in files):
        raise ValueError("files are not names with checksums")
    return values


def _plain(name: str, checksum: object) -> bool:
    """Whether this is a file of the folder itself, with a text for its checksum."""
    return name not in {"", ".."} and Path(name).name == name and isinstance(checksum, str)
