"""Sentences about rendered pictures: thing, state, defect and place, from a small grammar."""

from random import Random

import torch
from torch import Tensor

from faprompt.pretrain.kinds import DefectKind, SceneKind

METHOD_PAIR = ("object.", "damaged object.")
"""The words of FAPrompt's own prompts (METHOD section 2): normal and abnormal."""

NORMAL_STATES = ("flawless", "perfect", "intact", "clean", "normal", "good", "undamaged")
ABNORMAL_STATES = ("damaged", "defective", "broken", "faulty", "abnormal", "flawed", "bad")
GENERIC_NOUNS = ("object", "object", "object", "surface", "thing", "item", "material")
TEMPLATES = (
    "{}.",
    "a photo of {}.",
    "a picture of {}.",
    "a close-up photo of {}.",
    "a cropped photo of {}.",
    "an image of {}.",
)
LINES = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")


def with_article(words: str) -> str:
    """Put "a" or "an" before words.

    Example:
        >>> with_article("intact object")
        'an intact object'
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def phrased(words: str, random: Random) -> str:
    """Put words into a random sentence; the shortest one, without article, comes most often."""
    template = random.choice((TEMPLATES[0], *TEMPLATES))
    return template.format(words if template == TEMPLATES[0] else with_article(words))


def state_pair(random: Random) -> tuple[str, str]:
    """A normal and an abnormal sentence that differ in the state alone.

    Every third pair has the words of the method's prompts.
    """
    if random.random() < 1 / 3:
        return METHOD_PAIR
    noun = random.choice(GENERIC_NOUNS)
    normal, abnormal = random.choice((*NORMAL_STATES, "")), random.choice(ABNORMAL_STATES)
    template = random.choice(TEMPLATES)
    words = (f"{normal} {noun}".strip(), f"{abnormal} {noun}")
    short = template == TEMPLATES[0]
    first, second = (template.format(w if short else with_article(w)) for w in words)
    return first, second


def normal_caption(scene: SceneKind, random: Random) -> str:
    """A sentence for a scene without defect."""
    state = random.choice((*NORMAL_STATES, "", "", ""))
    return phrased(f"{state} {_noun(scene, random)}".strip(), random)


def abnormal_caption(scene: SceneKind, defect: DefectKind, place: str, random: Random) -> str:
    """A sentence for a scene with a defect.

    Args:
        scene: What is seen.
        defect: What is wrong with it.
        place: Where, in words.
        random: Source of the choices.
    """
    own = random.random() < 0.5
    state = random.choice(defect.states if own else ABNORMAL_STATES)
    words = f"{state} {_noun(scene, random)}"
    if random.random() < 0.5 or not own:
        words += f" with {with_article(random.choice(defect.nouns))}"
        if random.random() < 0.5:
            words += f" at the {place}"
    return phrased(words, random)


def places_of(masks: Tensor) -> list[str]:
    """Words for the middle of each mask (N, S, S), "top left" to "bottom right"; "" if empty.

    All masks are measured before any is read, since each reading would stop a GPU.
    """
    at = torch.arange(masks.shape[-1], device=masks.device, dtype=torch.float64)
    area = masks.sum(dim=(1, 2), dtype=torch.float64)
    line = (masks.sum(dim=2) * at).sum(dim=1) / area
    column = (masks.sum(dim=1) * at).sum(dim=1) / area
    thirds = torch.stack([line, column], dim=1) * 3 / masks.shape[-1]
    return [
        f"{LINES[int(y)]} {COLUMNS[int(x)]}" if seen else ""
        for (y, x), seen in zip(thirds.tolist(), (area > 0).tolist(), strict=True)
    ]


def _noun(scene: SceneKind, random: Random) -> str:
    return "object" if random.random() < 0.2 else random.choice(scene.nouns)
