"""A frozen backbone from any published weight file, checked before a number of it is used."""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from faprompt.clip.compute import exact_convolutions
from faprompt.clip.formats import Format, Tensors, detect_format, open_tensors, sha256_of
from faprompt.clip.hf_config import check_config
from faprompt.clip.hub import locate, weight_file
from faprompt.clip.layouts import Layout, Origin, detect_layout, origins
from faprompt.clip.model import Clip
from faprompt.clip.registry import REGISTRY, ClipSpec, get_spec
from faprompt.clip.shapes import (
    empty_clip,
    expected_shapes,
    fitting_specs,
    names_problem,
    value_problem,
)
from faprompt.errors import WeightsError
from faprompt.heap import trim

_logger = logging.getLogger(__name__)

SHA256_DIGITS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen CLIP, and where its weights came from."""

    clip: Clip
    """In evaluation mode; no parameter learns."""
    spec: ClipSpec
    checksum: str
    """:func:`fingerprint` of the weights: what learned prompts and cached features are tied to."""
    source: str
    """In words: a path, a hub id or the package."""


def load_backbone(
    name: str,
    *,
    weights: Path | str | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Backbone:
    """Load a backbone of the registry.

    Args:
        name: A name of the registry, such as ``tiny`` or ``ViT-L-14-336``.
        weights: A weight file, a folder holding one, or a hub id. By default ``tiny`` is read
            from the package; others from the Hugging Face cache, else downloaded.
        device: Where the parameters go.
        dtype: Their precision, whatever the file's.

    Raises:
        ConfigError: the name is unknown.
        WeightsError: the weights are missing, damaged, unsafe or of another model.
    """
    spec = get_spec(name)
    path, source = locate(spec, weights)
    _logger.info("loading %s from %s", name, source)
    return load_weights(path, spec, device=device, dtype=dtype, source=source)


def load_weights(
    path: Path,
    spec: ClipSpec,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    source: str | None = None,
) -> Backbone:
    """Load a weight file (or a folder holding one) into the network of ``spec``.

    Unlike :func:`load_backbone` this takes any specification, registered or not.

    Raises:
        WeightsError: the weights are missing, damaged, unsafe or of another model.
    """
    file = weight_file(path)
    verify_checksum(file, sha256_of(file), spec)
    exact_convolutions(torch.device(device), dtype)
    clip, digest = empty_clip(spec), hashlib.sha256()
    converted = {}
    for name, tensor in checked_tensors(file, spec):  # one at a time, in a fingerprint's order
        _add(digest, name, tensor)
        # A stem normalises per image: what bf16 rounds away of faint contrast it would magnify.
        exact = spec.conv_stem and name.startswith("visual.conv1.")
        kept = torch.float32 if exact else dtype
        converted[name] = tensor.to(device=device, dtype=kept).contiguous()
        if tensor.dtype != kept and not bool(converted[name].isfinite().all()):
            raise WeightsError(
                f"{file}: {name} holds {tensor.abs().max():.3g}, more than {kept} can hold; "
                "load it in fp32, or get the weights again"
            )
        del tensor  # before the next is read
    clip.load_state_dict(converted, assign=True)
    trim()  # the copies in the file's precision lay between those that stay
    return Backbone(clip.frozen(), spec, digest.hexdigest(), source or str(path))


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights, whatever file they came from: the same in every published layout.

    Values count in fp16, because OpenAI's files hold most of them so and others hold the same
    numbers in fp32. About two seconds for the largest models.

    Args:
        state: Tensors under canonical names, on the CPU, before conversion to another precision.

    Example:
        >>> weights = {"a": torch.ones(2), "b": torch.zeros(1)}
        >>> fingerprint(weights) == fingerprint({n: weights[n].double() for n in ("b", "a")})
        True
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        _add(digest, name, state[name])
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", name: str, tensor: Tensor) -> None:
    values = tensor.half().contiguous()
    digest.update(f"{name} {tuple(values.shape)}\n".encode())
    digest.update(values.reshape(-1).view(torch.uint8).numpy().data)


def build_state(path: Path, spec: ClipSpec) -> dict[str, Tensor]:
    """Read a weight file (or folder) as the complete, checked state dict of ``Clip(spec)``.

    Returns:
        Tensors under canonical names, on the CPU, in the file's precision.

    Raises:
        WeightsError: the weights are missing, damaged, unsafe or of another model.
    """
    return dict(checked_tensors(weight_file(path), spec))


def checked_tensors(file: Path, spec: ClipSpec) -> Iterator[tuple[str, Tensor]]:
    """The tensors of ``Clip(spec)`` by their names, sorted; each read and checked when asked for.

    Raises:
        WeightsError: the weights are damaged, unsafe or of another model; a tensor is of another
            shape, not of floating point or not finite. Perhaps not before it is asked for.
    """
    tensors, found = _opened(file, spec)
    expected = expected_shapes(spec)
    problem = names_problem(found.keys(), expected.keys())
    shapes: dict[str, tuple[int, ...]] = {}
    for name in sorted(found):
        tensor = _made(file, found[name], tensors)
        shapes[name] = tuple(tensor.shape)
        problem = problem or value_problem(name, tensor, expected[name])
        if problem is None:
            yield name, tensor
        del tensor  # before the next is read
    if problem is not None:
        fits = fitting_specs(shapes)
        advice = f"It fits {' or '.join(fits)}" if fits else "It fits no backbone of the registry"
        raise WeightsError(f"{file}: not the weights of {spec.name}: {problem}. {advice}")


def _made(file: Path, origin: Origin, tensors: Tensors) -> Tensor:
    parts = [tensors.pop(part) for part in origin.names]
    try:
        return origin.made(parts)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None


def _opened(file: Path, spec: ClipSpec) -> tuple[Tensors, dict[str, Origin]]:
    """A file's tensors, and what those of the network are made of."""
    if detect_format(file) is Format.TORCHSCRIPT and not spec.quick_gelu:
        raise WeightsError(
            f"{file}: OpenAI's archive, whose activation is QuickGELU; {spec.name} has GELU. "
            f"Name OpenAI's model (such as {spec.name.removeprefix('LAION-')})"
        )
    tensors = open_tensors(file)
    try:
        found = origins(tensors)
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from None
    if detect_layout(set(tensors)) is Layout.TRANSFORMERS:
        _check_companion_config(file, spec)
    return tensors, found


def _check_companion_config(file: Path, spec: ClipSpec) -> None:
    config = file.with_name("config.json")
    if config.is_file():
        check_config(config, spec)
    else:
        _logger.warning(
            "%s: no config.json beside it, so activation and heads are taken on trust from the "
            "registry's %s",
            file,
            spec.name,
        )


def known_files() -> dict[str, str]:
    """SHA-256 of every weight file the registry knows, to the name of its backbone."""
    return {digest: spec.name for spec in REGISTRY.values() for digest in spec.sha256.values()}


def verify_checksum(file: Path, checksum: str, spec: ClipSpec) -> None:
    """Compare a file's SHA-256 with what is known of it.

    Known are the published files of the registry, by name, and what the Hugging Face cache
    holds: it names large files by their SHA-256.

    Raises:
        WeightsError: the file is not what it claims to be.
    """
    belongs_to = known_files().get(checksum, spec.name)
    if belongs_to != spec.name:
        raise WeightsError(f"{file}: these are the weights of {belongs_to}, not of {spec.name}")
    expected = spec.sha256.get(file.name)
    blob = file.resolve()
    if expected is None and blob.parent.name == "blobs" and SHA256_DIGITS.fullmatch(blob.name):
        expected = blob.name
    if expected is not None and expected != checksum:
        raise WeightsError(
            f"{file}: damaged: its SHA-256 is {checksum}, expected {expected}. Delete it and "
            "download it again (or rename it, if it is a file of your own)"
        )
