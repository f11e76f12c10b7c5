"""CLIP without learning: two prompts, or an ensemble of prompts.

CLIP: arXiv:2103.00020. As a detector of anomalies it is compared in AnomalyCLIP (arXiv:2310.18961,
appendix): class token for the image, patch tokens of the same ordinary stream for the pixels.
"""

from collections.abc import Sequence
from functools import partial

from faprompt.clip.image_encoder import DEFAULT_READING, Reading
from faprompt.clip.weights import Backbone
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.rivals.pair import TEMPERATURE, FixedPair
from faprompt.protocol.rivals.texts import (
    ABNORMAL_STATES,
    NORMAL_STATES,
    OBJECT,
    ensemble,
    prototypes,
)
from faprompt.protocol.scorer import FeatureScorer, Output

CLIP_CODE = "arXiv:2103.00020, https://github.com/openai/CLIP"
COMPARISON = "as compared in AnomalyCLIP, arXiv:2310.18961"
ENSEMBLE = "WinCLIP's ensemble, arXiv:2303.14814: 7 normal and 4 abnormal states, 22 templates each"
TAU = f"{TEMPERATURE}; images and patches are ranked by their difference of cosines at any"
NO_NAMES = '"object" stands in place of the class name, which published figures use'
UNSURE = (
    "AnomalyCLIP's exact two sentences could not be looked up; that there are two of them, on an "
    "unmodified image tower, its authors confirm (issue #25 of zqhang/AnomalyCLIP)"
)
MAPS = "maps are blurred as the plan says, the same for every method"
ON_TINY = (
    "`tiny` was trained through the dual path alone, so on it the ordinary read-out after the last "
    "norm was never trained: weak there by construction"
)
OTHER_ENSEMBLE = (
    "WinCLIP's templates; AnomalyCLIP's comparison takes those that CLIP recommends for ImageNet"
)

PAIR = tuple([f"a photo of {state} {OBJECT}"] for state in ("a normal", "an anomalous"))
STATES = tuple(ensemble(states) for states in (NORMAL_STATES, ABNORMAL_STATES))
ORDINARY = Reading(ordinary=True)


def _scorer(
    backbone: Backbone, output: Output, *, texts: Sequence[Sequence[str]], reading: Reading
) -> FeatureScorer:
    normal, abnormal = texts
    return FeatureScorer(FixedPair(prototypes(backbone, normal, abnormal)), reading, output)


CLIP = Method(
    name="clip",
    title="CLIP",
    source=f"{CLIP_CODE}; {COMPARISON}",
    settings={
        "prompts": " / ".join(text for (text,) in PAIR),
        "features": "class token and patch tokens of the ordinary stream, after its last norm",
        "temperature": TAU,
    },
    deviations=(UNSURE, NO_NAMES, MAPS, ON_TINY),
    trained=False,
    untrained=partial(_scorer, texts=PAIR, reading=ORDINARY),
)

CLIP_AC = Method(
    name="clip-ac",
    title="CLIP-AC",
    source=f"{CLIP_CODE}; {COMPARISON}",
    settings={
        "prompts": f"{ENSEMBLE}; mean direction of either kind",
        "features": CLIP.settings["features"],
        "temperature": TAU,
    },
    deviations=(OTHER_ENSEMBLE, NO_NAMES, MAPS, ON_TINY),
    trained=False,
    untrained=partial(_scorer, texts=STATES, reading=ORDINARY),
)

CLIP_AC_LOCAL = Method(
    name="clip-ac-local",
    title="CLIP-AC, local features",
    source="ours: the prompts of clip-ac on the features of FAPrompt",
    settings={
        "prompts": CLIP_AC.settings["prompts"],
        "features": "image and last block's local v-v patches of the dual path, as FAPrompt",
        "temperature": TAU,
    },
    deviations=(
        "not a published method: it tells what the local features alone are worth, which is the "
        "fair question on `tiny`, whose local path is the one that was trained",
        NO_NAMES,
        MAPS,
    ),
    trained=False,
    untrained=partial(_scorer, texts=STATES, reading=DEFAULT_READING),
)
