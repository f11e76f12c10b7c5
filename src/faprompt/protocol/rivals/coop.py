"""CoOp: the context of a prompt is learned, from the labels of images alone.

CoOp: arXiv:2109.01134, https://github.com/KaiyangZhou/CoOp. As a detector of anomalies it is
compared in AnomalyCLIP (arXiv:2310.18961, appendix):

normality prompt     SOT V1 .. V16 normal object . EOT
abnormality prompt   SOT V1 .. V16 anomalous object . EOT      the context V is unified
"""

from torch import Tensor, nn

from faprompt.clip.attention import normal_parameter
from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.rivals.clip import CLIP, COMPARISON, MAPS, NO_NAMES, ON_TINY, ORDINARY
from faprompt.protocol.rivals.learned import LearnedPair, Words
from faprompt.protocol.rivals.texts import OBJECT, vocabulary
from faprompt.training.networks import Kind

NAME = "coop"
STATES = ("normal", "anomalous")
CONTEXT_LENGTH = 16  # CoOp's default


class Context(nn.Module):
    """The learnable tokens."""

    def __init__(self, width: int, config: MethodConfig) -> None:
        super().__init__()
        length, std = config.num_normal_tokens, config.token_init_std
        self.context = normal_parameter(length, width, std=std)  # V

    def pair(self) -> tuple[Tensor, Tensor]:
        """The same context (E, W) for both prompts."""
        return self.context, self.context

    def deep(self) -> None:
        """CoOp learns at the input alone."""


def build(backbone: Backbone, config: MethodConfig) -> LearnedPair:
    """CoOp on a backbone, at the temperature that its CLIP was trained to."""
    vocab = vocabulary(backbone)
    normal, abnormal = ([*vocab.ids(f"{state} {OBJECT}."), vocab.end] for state in STATES)
    clip = backbone.clip
    return LearnedPair(
        clip,
        config,
        Context(backbone.spec.text.width, config),
        words=Words(normal, abnormal),
        temperature=float(clip.logit_scale.detach().float().neg().exp()),
    )


COOP = Method(
    name=NAME,
    title="CoOp",
    source=f"CoOp, arXiv:2109.01134, https://github.com/KaiyangZhou/CoOp; {COMPARISON}",
    settings={
        "prompts": f"[V] x {CONTEXT_LENGTH}, then {' / '.join(STATES)} object; unified context",
        "features": CLIP.settings["features"],
        "loss": "cross entropy of the images",
        "temperature": "the backbone's own logit scale",
    },
    deviations=(
        "optimiser, batch, epochs and the choice of the epoch are those of FAPrompt's training; "
        "CoOp's own are SGD at 0.002 with a cosine schedule and the last epoch",
        NO_NAMES,
        MAPS,
        ON_TINY,
    ),
    trained=True,
    kind=Kind(NAME, build, lambda _: ORDINARY),
    defaults={"num_normal_tokens": CONTEXT_LENGTH},
    fixed={"num_deep_prompts": 0, "deep_prompt_length": 0, "local_weight": 0.0},
)
