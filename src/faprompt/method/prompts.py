"""CAP: compound abnormality prompts (FAPrompt, arXiv:2410.10289, section 3.2; METHOD section 2).

normality prompt       SOT V1 .. V5                   object . EOT
abnormality prompt i   SOT V1 .. V5  A1_i A2_i damaged object . EOT      i = 1..K

Shapes: B images, K abnormality prompts, E normal and E' abnormal tokens, T positions, W text width.
"""

import torch
from torch import Tensor, nn

from faprompt.clip.attention import normal_parameter
from faprompt.clip.registry import PromptTokens
from faprompt.config import MethodConfig


class CompoundPrompts(nn.Module):
    """The learnable tokens, and the prompts that they and the fixed words make."""

    def __init__(self, width: int, config: MethodConfig) -> None:
        super().__init__()
        prompts, tokens = config.num_abnormality_prompts, config.num_abnormal_tokens

        def learnable(*shape: int) -> nn.Parameter:
            return normal_parameter(*shape, width, std=config.token_init_std)

        self.normal_tokens = learnable(1, 1, config.num_normal_tokens)  # V
        self.abnormal_tokens = learnable(1, prompts, tokens)  # A
        self.deep_tokens = learnable(config.num_deep_prompts, config.deep_prompt_length)
        self.fp16_deep_prompts = config.fp16_deep_prompts

    def beginning(self, words: Tensor) -> Tensor:
        """What all prompts begin with, as embeddings (1 + E, W): no prior can reach it.

        Args:
            words: Embeddings of start, damaged, object, full stop and end, (5, W).
        """
        return torch.cat([words[:1], self.normal_tokens[0, 0]])

    def normal(self, words: Tensor) -> Tensor:
        """How the normality prompt goes on, as embeddings (1, 3, W); ``words`` as above."""
        return words[None, 2:]

    def abnormal(self, words: Tensor, prior: Tensor | None = None) -> Tensor:
        """How the abnormality prompts go on, as embeddings (B, K, E' + 4, W).

        Args:
            words: Embeddings of start, damaged, object, full stop and end, (5, W).
            prior: Omega (B, W), added to every abnormal token of every prompt of its image;
                None is one image without prior.
        """
        abnormal: Tensor = self.abnormal_tokens  # (1, K, E', W)
        if prior is not None:
            abnormal = abnormal + prior[:, None, None]  # (B, K, E', W)
        return torch.cat([abnormal, words[1:].expand(*abnormal.shape[:2], -1, -1)], dim=2)

    def deep(self) -> Tensor | None:
        """Deep prompts (J, N, W), in fp16 resolution where the settings ask for it."""
        if not len(self.deep_tokens):
            return None
        if not self.fp16_deep_prompts:
            return self.deep_tokens
        return self.deep_tokens.half().to(self.deep_tokens.dtype)  # gradients pass fp16 too


def word_ids(tokens: PromptTokens) -> list[int]:
    """Ids of the fixed words in the order that :class:`CompoundPrompts` takes them."""
    return [tokens.start, tokens.damaged, tokens.object, tokens.full_stop, tokens.end]


def prompt_ids(tokens: PromptTokens, config: MethodConfig, *, abnormal: bool) -> list[int]:
    """Token ids of a prompt, with -1 where a learnable token stands."""
    learnable = [-1] * config.num_normal_tokens
    if abnormal:
        learnable += [-1] * config.num_abnormal_tokens + [tokens.damaged]
    return [tokens.start, *learnable, tokens.object, tokens.full_stop, tokens.end]
