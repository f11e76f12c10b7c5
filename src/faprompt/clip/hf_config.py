"""A transformers ``config.json`` checked, field by field, against the registry."""

from pathlib import Path
from typing import Any

from faprompt.clip.registry import ClipSpec, TowerSize
from faprompt.config import short
from faprompt.errors import WeightsError
from faprompt.files import parse_json

LAYER_NORM_EPS = 1e-5  # of every CLIP; torch's default too

# What transformers' CLIPTextConfig and CLIPVisionConfig mean when a field is left out.
TEXT_DEFAULTS: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": LAYER_NORM_EPS,
}
VISION_DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "patch_size": 32,
    "image_size": 224,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": LAYER_NORM_EPS,
}
PROJECTION_DEFAULT = 512


def check_config(path: Path, spec: ClipSpec) -> None:
    """Compare a ``config.json`` with ``spec``.

    Raises:
        WeightsError: it is unreadable, of another architecture, or a field differs; the text
            names the field, what was found and what was expected.
    """
    config = _read(path)
    wrong = [
        f"{field} is {short(found[field])}, expected {expected!r}"
        for found, wanted in _compared(config, spec)
        for field, expected in wanted.items()
        if found[field] != expected
    ]
    if wrong:
        raise WeightsError(
            f"{path}: not the configuration of {spec.name}: {'; '.join(wrong)}. "
            "Name the backbone that these weights belong to, or give its own weights"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(config, dict) or config.get("model_type", "clip") != "clip":
        found = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise WeightsError(f"{path}: the configuration of a {short(found)}; needed: 'clip'")
    return config


def _compared(
    config: dict[str, Any], spec: ClipSpec
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of what was found and what is expected, both by dotted field name."""
    common = {
        "hidden_act": "quick_gelu" if spec.quick_gelu else "gelu",
        "layer_norm_eps": LAYER_NORM_EPS,
    }
    text = _tower(spec.text) | {
        "max_position_embeddings": spec.context_length,
        "vocab_size": spec.vocab_size,
    }
    vision = _tower(spec.image) | {"patch_size": spec.patch_size, "image_size": spec.native_size}
    top = {"projection_dim": config.get("projection_dim", PROJECTION_DEFAULT)}
    return [
        (top, {"projection_dim": spec.embed_dim}),
        (_section(config, "text_config", TEXT_DEFAULTS), _dotted("text_config", text | common)),
        (
            _section(config, "vision_config", VISION_DEFAULTS),
            _dotted("vision_config", vision | common),
        ),
    ]


def _tower(size: TowerSize) -> dict[str, Any]:
    return {
        "hidden_size": size.width,
        "intermediate_size": 4 * size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
    }


def _section(config: dict[str, Any], name: str, defaults: dict[str, Any]) -> dict[str, Any]:
    # Old files repeat a section as `<name>_dict`, which transformers lets win.
    fields = dict(defaults)
    for given in (config.get(name), config.get(f"{name}_dict")):
        fields |= given if isinstance(given, dict) else {}
    return _dotted(name, fields)


def _dotted(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {f"{name}.{field}": value for field, value in fields.items()}
