"""FAPrompt itself and its ablations: the same network and training, with a part left out."""

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
