"""Small random CLIPs of another library, and their weights in every published layout."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from faprompt.clip.registry import ClipSpec, PromptTokens, TowerSize

TOKENS = PromptTokens(start=98, end=99, object=1, damaged=2, full_stop=3)


def _spec(name: str, image: TowerSize, text: TowerSize, **fields: Any) -> ClipSpec:
    return ClipSpec(
        name=name,
        image=image,
        text=text,
        tokens=TOKENS,
        vocab_size=100,
        default_size=2 * fields["native_size"],
        **fields,
    )


SPECS = {
    "quick": _spec(
        "quick",
        TowerSize(layers=3, width=96, heads=2),
        TowerSize(layers=2, width=64, heads=2),
        embed_dim=48,
        patch_size=8,
        native_size=32,
        dual_blocks=2,
        quick_gelu=True,
    ),
    "exact": _spec(
        "exact",
        TowerSize(layers=2, width=64, heads=1),
        TowerSize(layers=3, width=32, heads=4),
        embed_dim=80,
        patch_size=16,
        native_size=48,
        dual_blocks=2,
        quick_gelu=False,
        context_length=24,
    ),
    "heads80": _spec(
        "heads80",
        TowerSize(layers=2, width=160, heads=2),
        TowerSize(layers=2, width=48, heads=3),
        embed_dim=32,
        patch_size=14,
        native_size=28,
        dual_blocks=1,
        quick_gelu=False,
        context_length=16,
    ),
}


def _tower(size: TowerSize, spec: ClipSpec) -> dict[str, Any]:
    return {
        "hidden_size": size.width,
        "intermediate_size": 4 * size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "hidden_act": "quick_gelu" if spec.quick_gelu else "gelu",
    }


@lru_cache
def reference(name: str) -> Any:
    """The transformers model of ``SPECS[name]``, random and far from its initial scales."""
    spec = SPECS[name]
    text = _tower(spec.text, spec) | {
        "vocab_size": spec.vocab_size,
        "max_position_embeddings": spec.context_length,
        "bos_token_id": TOKENS.start,
        "eos_token_id": TOKENS.end,
    }
    vision = _tower(spec.image, spec) | {
        "image_size": spec.native_size,
        "patch_size": spec.patch_size,
    }
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=spec.embed_dim
    )
    torch.manual_seed(sum(name.encode()))
    model: Any = transformers.CLIPModel(config)
    model.eval().requires_grad_(False)
    for parameter in model.parameters():  # biases are zero and norms one at the start
        parameter += 0.05 * torch.randn_like(parameter)
    return model


def features(output: Any) -> Tensor:
    """Newer versions of transformers wrap the features."""
    return output if isinstance(output, Tensor) else output.pooler_output


def random_tokens(spec: ClipSpec, count: int, seed: int = 0) -> Tensor:
    """Prompts (count, T) of different lengths, zeros after the end token."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.zeros(count, spec.context_length, dtype=torch.int64)
    for row in range(count):
        end = int(torch.randint(2, spec.context_length, (), generator=generator))
        tokens[row, :end] = torch.randint(4, 90, (end,), generator=generator)
        tokens[row, 0], tokens[row, end] = spec.tokens.start, spec.tokens.end
    return tokens


def save_transformers(name: str, folder: Path) -> Path:
    reference(name).save_pretrained(folder)
    return folder


def openai_state(canonical: dict[str, Tensor]) -> dict[str, Tensor]:
    """Canonical names to OpenAI's: the text tower at the top level, and three extra buffers."""
    state = {name.removeprefix("text."): tensor.clone() for name, tensor in canonical.items()}
    for name in ("input_resolution", "context_length", "vocab_size"):
        state[name] = torch.tensor(7)
    return state


class _Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def module_of(state: dict[str, Tensor]) -> nn.Module:
    """A module tree with exactly the tensors of ``state``."""
    root = _Branch()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        node: nn.Module = root
        for part in path:
            if part not in node._modules:
                node.add_module(part, _Branch())
            node = node.get_submodule(part)
        if tensor.is_floating_point():
            node.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
        else:
            node.register_buffer(leaf, tensor)
    return root


def save_archive(state: dict[str, Tensor], path: Path) -> Path:
    """Save a state dict as the TorchScript archive that ``torch.jit`` makes of its module."""
    torch.jit.save(torch.jit.trace(module_of(state), torch.zeros(1)), path)
    return path
