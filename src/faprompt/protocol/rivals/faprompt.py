"""FAPrompt itself and its ablations: the same network and training, with a part left out."""

from collections.abc import Mapping
from typing import Any

from faprompt.protocol.rivals.base import Method

PAPER = "FAPrompt, ICCV 2025, arXiv:2410.10289"
CODE = "https://github.com/mala-lab/FAPrompt"

FAPROMPT = Method(
    name="faprompt",
    title="FAPrompt",
    source=f"{PAPER}, {CODE}",
    settings={
        "prompts": "10 abnormality prompts on one normality prompt, 5 + 2 learnable tokens (CAP)",
        "deep prompts": "8 sets of 4 tokens",
        "prior": "10 most abnormal patches (DAP)",
        "features": "image and last block's local v-v patches of the dual path",
    },
    deviations=(
        "preset `paper`: the prior reads the most abnormal patches and the image focal loss the "
        "probability, where the released code reads the first patches and a sigmoid of it",
        "the epoch is chosen on held-out source data; how the published one was is not told",
    ),
    trained=True,
)


def _ablation(name: str, title: str, *, left_out: str, fixed: Mapping[str, Any]) -> Method:
    return Method(
        name=f"faprompt-{name}",
        title=f"FAPrompt, {title}",
        source=f"{PAPER}, {CODE}: an ablation of it",
        settings={"left out": left_out}
        | {setting: str(value).lower() for setting, value in fixed.items()},
        deviations=FAPROMPT.deviations,
        trained=True,
        fixed=fixed,
    )


ABLATIONS = (
    _ablation(
        "cap",
        "CAP only",
        left_out="the prior (DAP): round 2 repeats round 1, so that its losses count again",
        fixed={"use_prior": False},
    ),
    _ablation(
        "dap",
        "DAP only",
        left_out="the set of abnormality prompts (CAP): one prompt, so nothing is orthogonal",
        fixed={"num_abnormality_prompts": 1, "orthogonality_weight": 0.0},
    ),
    _ablation(
        "no-oc",
        "no orthogonality loss",
        left_out="the orthogonality loss",
        fixed={"orthogonality_weight": 0.0},
    ),
    _ablation(
        "no-prior-loss",
        "no prior loss",
        left_out="the prior loss on normal images",
        fixed={"prior_weight": 0.0},
    ),
)
