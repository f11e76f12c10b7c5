"""What a weight file is, without knowing beforehand which model it should be."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from faprompt.clip.formats import Format, detect_format, read_tensors, sha256_of
from faprompt.clip.hf_config import check_config
from faprompt.clip.hub import weight_file
from faprompt.clip.layouts import Layout, canonical_state, detect_layout
from faprompt.clip.registry import get_spec
from faprompt.clip.shapes import fitting_specs
from faprompt.clip.weights import known_files
from faprompt.errors import WeightsError


@dataclass(frozen=True, kw_only=True, slots=True)
class FileReport:
    """Findings on one weight file."""

    file: Path
    size: int
    """Bytes."""
    format: Format
    layout: Layout
    checksum: str
    """SHA-256."""
    known_as: str | None
    """The backbone whose published file this is, by checksum."""
    fits: tuple[str, ...]
    """Registered backbones it can be loaded as."""

    @property
    def activation_is_sure(self) -> bool:
        """Whether the file itself says which activation it was trained with."""
        return (
            self.known_as is not None
            or self.format is Format.TORCHSCRIPT
            or (self.layout is Layout.TRANSFORMERS and self.file.with_name("config.json").is_file())
        )


def inspect_file(path: Path) -> FileReport:
    """Read a weight file (or a folder holding one) and say what it is.

    Raises:
        WeightsError: it is missing, damaged, unsafe or not a CLIP's.
    """
    file = weight_file(path)
    found, checksum = detect_format(file), sha256_of(file)
    tensors = read_tensors(file)
    try:
        layout, state = detect_layout(set(tensors)), canonical_state(tensors)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None
    known_as = known_files().get(checksum)
    return FileReport(
        file=file,
        size=file.stat().st_size,
        format=found,
        layout=layout,
        checksum=checksum,
        known_as=known_as,
        fits=(known_as,) if known_as else tuple(_fits(file, state, (found, layout))),
    )


def _fits(file: Path, state: dict[str, Tensor], kind: tuple[Format, Layout]) -> list[str]:
    names = fitting_specs({name: tuple(tensor.shape) for name, tensor in state.items()})
    if kind[0] is Format.TORCHSCRIPT:  # OpenAI's, whose activation is QuickGELU
        names = [name for name in names if get_spec(name).quick_gelu]
    if kind[1] is Layout.TRANSFORMERS and file.with_name("config.json").is_file():
        names = [name for name in names if _config_fits(file.with_name("config.json"), name)]
    return names


def _config_fits(config: Path, name: str) -> bool:
    try:
        check_config(config, get_spec(name))
    except WeightsError:
        return False
    return True
