"""Free texts as prototypes: WinCLIP's prompt ensemble, and a backbone's vocabulary for it.

Class names are never used here: every product is an "object", as it is for FAPrompt.

Shapes: P texts, T positions, D joint width.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from faprompt.clip.hub import COMPANIONS
from faprompt.clip.tokenizer import Tokenizer, load_tokenizer
from faprompt.clip.weights import Backbone
from faprompt.errors import WeightsError

OBJECT = "object"
TEXTS_AT_ONCE = 64
VOCABULARIES = (COMPANIONS[1], "bpe_simple_vocab_16e6.txt.gz", "merges.txt")
"""Files that are looked for beside weights."""

NORMAL_STATES = (
    "{}", "flawless {}", "perfect {}", "unblemished {}",
    "{} without flaw", "{} without defect", "{} without damage",
)  # fmt: skip
ABNORMAL_STATES = ("damaged {}", "{} with flaw", "{} with defect", "{} with damage")
"""State words of WinCLIP's compositional ensemble (arXiv:2303.14814, appendix)."""
_PHOTOS = (
    "cropped photo of {} {{}}", "close-up photo of {} {{}}", "bright photo of {} {{}}",
    "dark photo of {} {{}}", "jpeg corrupted photo of {} {{}}", "blurry photo of {} {{}}",
    "photo of {} {{}}", "photo of {} small {{}}", "photo of {} large {{}}",
    "photo of {} {{}} for visual inspection", "photo of {} {{}} for anomaly detection",
)  # fmt: skip
TEMPLATES = tuple(f"a {photo.format(word)}." for photo in _PHOTOS for word in ("a", "the"))
"""Its 22 templates."""


def ensemble(states: Sequence[str]) -> list[str]:
    """Every template with every state of the object.

    Example:
        >>> ensemble(["damaged {}"])[:2]
        ['a cropped photo of a damaged object.', 'a cropped photo of the damaged object.']
    """
    return [text.format(state.format(OBJECT)) for state in states for text in TEMPLATES]


def vocabulary(backbone: Backbone) -> Tokenizer:
    """The backbone's vocabulary: embedded, in the Hugging Face cache, or beside its weights.

    Raises:
        WeightsError: there is none; the text says which file to put where.
    """
    source = Path(backbone.source)
    folder = source if source.is_dir() else source.parent
    beside = [folder / name for name in VOCABULARIES] if source.exists() else []
    found = next((path for path in beside if path.is_file()), None)
    if found is not None:
        return Tokenizer.load(found).check(backbone.spec)
    try:
        return load_tokenizer(backbone.spec)
    except WeightsError as error:
        raise WeightsError(
            f"{error}; for methods of the comparison put it beside the weights"
        ) from None


@torch.inference_mode()
def encode(backbone: Backbone, texts: Sequence[str]) -> Tensor:
    """Ordinary CLIP text features (P, D) of texts, in fp32, before normalisation.

    Raises:
        WeightsError: there is no vocabulary.
        ConfigError: a text is longer than the text tower.
    """
    clip = backbone.clip
    tokens = vocabulary(backbone).encode(texts, backbone.spec.context_length)
    groups = tokens.to(clip.logit_scale.device).split(TEXTS_AT_ONCE)
    return torch.cat([clip.encode_text(group).float() for group in groups])


def prototypes(backbone: Backbone, normal: Sequence[str], abnormal: Sequence[str]) -> Tensor:
    """Normalised [F_n, F_a] (2, D): the mean direction of either kind of text."""
    means = [normalize(encode(backbone, texts), dim=-1).mean(dim=0) for texts in (normal, abnormal)]
    return normalize(torch.stack(means), dim=-1)
