"""Names of the same tensors in the published layouts, brought to those of :class:`Clip`.

Layouts: OpenAI's (text tower at the top level; open_clip's are the same, or have the text tower
under ``text.``, which is ours) and transformers' (queries, keys and values apart, projections
transposed).
"""

import re
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


def canonical_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename (and where needed join or transpose) the tensors of a file to those of ``Clip``.

    Shapes and completeness are not checked here.

    Raises:
        WeightsError: the names are no CLIP's, or queries, keys and values do not fit together.
    """
    tensors = {n: t for n, t in tensors.items() if n.rpartition(".")[2] not in NOT_WEIGHTS}
    layout = detect_layout(set(tensors))
    if layout is Layout.CANONICAL:
        return tensors
    if layout is Layout.OPENAI:
        return {
            f"text.{name}" if name.startswith(TOP_LEVEL_TEXT) else name: tensor
            for name, tensor in tensors.items()
        }
    renamed = {_from_transformers(name): tensor for name, tensor in tensors.items()}
    for name in TRANSPOSED:
        if name in renamed:
            renamed[name] = renamed[name].T.contiguous()
    return _join_projections(renamed)


def _from_transformers(name: str) -> str:
    for pattern, replacement in TRANSFORMERS_PARTS:
        name = re.sub(pattern, replacement, name)
    return name


def _join_projections(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join ``in_proj_*.q``, ``.k`` and ``.v`` into one, where all three are there."""
    joined = dict(state)
    for name in [name for name in state if name.endswith((".in_proj_weight.q", ".in_proj_bias.q"))]:
        stem = name.removesuffix(".q")
        parts = [joined.pop(f"{stem}.{part}", None) for part in "qkv"]
        present = [part for part in parts if part is not None]
        if len(present) < len(parts) or len({part.shape for part in present}) > 1:
            raise WeightsError(f"{stem}: queries, keys and values do not fit together")
        joined[stem] = torch.cat(present)
    return joined
