"""Names of the same tensors in the published layouts, brought to those of :class:`Clip`.

Layouts: OpenAI's (text tower at the top level; open_clip's are the same, or have the text tower
under ``text.``, which is ours) and transformers' (queries, keys and values apart, projections
transposed).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from faprompt.errors import WeightsError


class Layout(StrEnum):
    """Whose names the tensors of a file carry."""

    OPENAI = "OpenAI / open_clip"
    CANONICAL = "faprompt / open_clip with text prefix"
    TRANSFORMERS = "transformers"


NOT_WEIGHTS = {"input_resolution", "context_length", "vocab_size", "attn_mask", "position_ids"}
"""Last name parts of the buffers that published files carry beside the weights."""
TOP_LEVEL_TEXT = (
    "transformer.",
    "token_embedding.",
    "positional_embedding",
    "ln_final.",
    "text_projection",
)
TRANSFORMERS_PARTS = (
    (r"^vision_model\.embeddings\.class_embedding$", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),  # transformers' own spelling
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^visual_projection\.weight$", "visual.proj"),
    (r"^text_model\.embeddings\.token_embedding\.", "text.token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "text.positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "text.ln_final."),
    (r"^text_model\.encoder\.layers\.", "text.transformer.resblocks."),
    (r"^text_projection\.weight$", "text.text_projection"),
    (r"\.layer_norm(\d)\.", r".ln_\1."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.self_attn\.([qkv])_proj\.(weight|bias)$", r".attn.in_proj_\2.\1"),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)
"""Regular expression and replacement, applied one after the other."""
TRANSPOSED = ("visual.proj", "text.text_projection")  # linear layers there, plain matrices here


def detect_layout(names: set[str]) -> Layout:
    """Tell whose names these are.

    Raises:
        WeightsError: they are no CLIP's.
    """
    if any(name.startswith(("vision_model.", "text_model.")) for name in names):
        return Layout.TRANSFORMERS
    if any(name.startswith("text.") for name in names):
        return Layout.CANONICAL
    if any(name.startswith("visual.") for name in names):
        return Layout.OPENAI
    some = ", ".join(sorted(names)[:5]) or "none"
    raise WeightsError(f"these tensors are not a CLIP's: {some}")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a tensor of ``Clip`` is made of."""

    names: tuple[str, ...]
    """In the file; queries, keys and values are joined."""
    transposed: bool = False

    def made(self, parts: Sequence[Tensor]) -> Tensor:
        """The tensor, of those that carry ``names``.

        Raises:
            WeightsError: queries, keys and values do not fit together.
        """
        joined = parts[0]
        if len(parts) > 1:
            if len({part.shape for part in parts}) > 1 or not joined.ndim:
                raise WeightsError(
                    f"{', '.join(self.names)}: queries, keys and values do not fit together"
                )
            joined = torch.cat([*parts])
        return joined.T.contiguous() if self.transposed and joined.ndim == 2 else joined


def canonical_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename (and where needed join or transpose) the tensors of a file to those of ``Clip``.

    Shapes and completeness are not checked here.

    Raises:
        WeightsError: the names are no CLIP's, or queries, keys and values do not fit together.
    """
    return {
        name: origin.made([tensors[part] for part in origin.names])
        for name, origin in origins(tensors).items()
    }


def origins(names: Iterable[str]) -> dict[str, Origin]:
    """The canonical names that a file's tensors have or make up, and what of.

    Raises:
        WeightsError: the names are no CLIP's, or queries, keys and values are not all there.
    """
    names = [name for name in names if name.rpartition(".")[2] not in NOT_WEIGHTS]
    layout = detect_layout(set(names))
    if layout is Layout.CANONICAL:
        return {name: Origin((name,)) for name in names}
    if layout is Layout.OPENAI:
        return {
            f"text.{name}" if name.startswith(TOP_LEVEL_TEXT) else name: Origin((name,))
            for name in names
        }
    renamed = {_from_transformers(name): name for name in names}
    return {
        name: Origin(parts, transposed=name in TRANSPOSED)
        for name, parts in _joined_projections(renamed).items()
    }


def _from_transformers(name: str) -> str:
    for pattern, replacement in TRANSFORMERS_PARTS:
        name = re.sub(pattern, replacement, name)
    return name


def _joined_projections(names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Canonical to file names, ``in_proj_*.q``, ``.k`` and ``.v`` of one being one."""
    joined: dict[str, tuple[str, ...]] = {name: (source,) for name, source in names.items()}
    for name in names:
        if name.endswith((".in_proj_weight.q", ".in_proj_bias.q")):
            stem = name.removesuffix(".q")
            parts = [joined.pop(f"{stem}.{part}", ()) for part in "qkv"]
            if not all(parts):
                raise WeightsError(f"{stem}: queries, keys and values do not fit together")
            joined[stem] = tuple(source for part in parts for source in part)
    return joined
