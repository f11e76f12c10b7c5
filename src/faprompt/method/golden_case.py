"""The recipe behind the golden values: a small CLIP, learnable tensors, images and masks.

Everything is a function of a seed, so that no weights need to be stored. The arrays were made
by the released FAPrompt code in fp32 on exactly these tensors (see assets/golden/README.md).
"""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, TowerSize
from faprompt.config import Settings
from faprompt.errors import ConfigError
from faprompt.files import parse_json

HEAD_WIDTH = 64
DUAL_BLOCKS = 19
DEEP_SETS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class GoldenCase(Settings):
    """Sizes of one case of the recipe; the defaults are those of the packaged files."""

    seed: int = 7
    embed: int = 128
    """Joint width D and text width W."""
    native: int = 56
    """Side of the stored position grid in pixels."""
    vlayers: int = 24
    vwidth: int = 128
    patch: int = 14
    tlayers: int = 12
    batch: int = 3
    size: int = 98
    """Side of the input in pixels."""

    def __post_init__(self) -> None:
        minima = {"vlayers": DUAL_BLOCKS + 1, "tlayers": DEEP_SETS + 1, "seed": 0}
        for name in self.names():
            value = getattr(self, name)
            if not isinstance(value, int) or value < minima.get(name, 1):
                raise ConfigError(
                    f"golden case: {name} must be a whole number of at least "
                    f"{minima.get(name, 1)}, got {value!r}"
                )
        for name, unit in (("embed", HEAD_WIDTH), ("vwidth", HEAD_WIDTH), ("size", self.patch)):
            if getattr(self, name) % unit:
                raise ConfigError(f"golden case: {name} must be a multiple of {unit}")
        if self.native % self.patch:
            raise ConfigError(f"golden case: native must be a multiple of patch {self.patch}")

    @classmethod
    def read(cls, path: Path) -> "GoldenCase":
        """Read a case from a JSON file of its fields."""
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: not a readable JSON file ({error})") from None
        if not isinstance(values, dict):
            raise ConfigError(
                f"{path}: a golden case is a JSON object, got {type(values).__name__}"
            )
        return cls.from_dict(values, where=str(path))

    @property
    def spec(self) -> ClipSpec:
        """The backbone of this case; it is in no registry."""
        return ClipSpec(
            name="golden",
            image=TowerSize(
                layers=self.vlayers, width=self.vwidth, heads=self.vwidth // HEAD_WIDTH
            ),
            text=TowerSize(layers=self.tlayers, width=self.embed, heads=self.embed // HEAD_WIDTH),
            embed_dim=self.embed,
            patch_size=self.patch,
            native_size=self.native,
            default_size=self.size,
            dual_blocks=DUAL_BLOCKS,
            quick_gelu=True,
        )

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal values that depend on seed and name alone."""
        generator = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return torch.from_numpy(generator.standard_normal(shape).astype(np.float32))

    def clip(self) -> Clip:
        """The frozen backbone with the recipe's values under OpenAI's names."""
        clip = Clip(self.spec)
        values = {}
        for ours, tensor in clip.state_dict().items():
            name = ours.removeprefix("text.")  # OpenAI's names have no prefix there
            values[ours] = self._clip_value(name, tuple(tensor.shape))
        clip.load_state_dict(values)
        return clip.frozen()

    def _clip_value(self, name: str, shape: tuple[int, ...]) -> Tensor:
        if name == "logit_scale":
            return torch.tensor(math.log(1 / 0.07))
        z = self.normal(name, shape)
        leaf = name.rsplit(".", 2)[-2:]
        if leaf[-1] == "weight" and leaf[0].startswith("ln_"):
            return 1 + 0.1 * z
        if name.endswith("positional_embedding"):
            return 0.3 * z
        if name == "token_embedding.weight":
            return 0.5 * z
        if name in {"visual.proj", "text_projection"}:
            return z / math.sqrt(shape[0])
        return 0.1 * z if len(shape) == 1 else z / math.sqrt(math.prod(shape[1:]))

    def released_learnables(self) -> dict[str, Tensor]:
        """Learnable tensors under the released code's names."""
        width, hidden = 10 * self.embed, 10 * self.embed // 16
        state = {
            "ctx_pos": 0.2 * self.normal("ctx_pos", (1, 1, 5, self.embed)),
            "ctx_neg": 0.2 * self.normal("ctx_neg", (1, 10, 2, self.embed)),
        }
        for j in range(DEEP_SETS):
            name = f"compound_prompts_text.{j}"
            state[name] = (0.2 * self.normal(name, (4, self.embed))).half().float()
        for layer, (rows, columns) in {
            "linear1": (hidden, width),
            "linear2": (self.embed, hidden),
        }.items():
            weight, bias = (f"patch_meta_net.{layer}.{leaf}" for leaf in ("weight", "bias"))
            state[weight] = self.normal(weight, (rows, columns)) / math.sqrt(columns)
            state[bias] = 0.1 * self.normal(bias, (rows,))
        return state

    def images(self) -> Tensor:
        """Normalised input (B, 3, S, S): smoothed noise."""
        images = self.normal("images", (self.batch, 3, self.size, self.size))
        for _ in range(2):
            padded = pad(images, (1, 1, 1, 1), mode="replicate")
            images = torch.nn.functional.avg_pool2d(padded, 3, stride=1)
        return 3 * images

    def labels(self) -> Tensor:
        """(B,): every odd image is anomalous."""
        return torch.arange(self.batch) % 2

    def masks(self) -> Tensor:
        """(B, S, S): one rectangle in each anomalous image."""
        masks = torch.zeros(self.batch, self.size, self.size)
        top, left = self.size // 4, self.size // 5
        for i in range(1, self.batch, 2):
            column = left * (i % 3)
            masks[i, top : top + self.size // 3, column : column + self.size // 4] = 1
        return masks
