"""The registry against the published configurations, restated here by hand."""

import subprocess
import sys

import pytest
import torch

from faprompt.clip.model import Clip
from faprompt.clip.registry import DUAL_BLOCKS_OF_DEPTH, REGISTRY, get_spec
from faprompt.clip.shapes import empty_clip
from faprompt.errors import ConfigError

# Millions of parameters: all, image tower, text tower (with logit scale), of open_clip's
# docs/model_profile.csv; then native grid, image head width, text head width, joint width.
PUBLISHED = {
    "ViT-B-32": (151.28, 87.85, 63.43, 7, 64, 64, 512),
    "ViT-B-16": (149.62, 86.19, 63.43, 14, 64, 64, 512),
    "ViT-L-14": (427.62, 303.97, 123.65, 16, 64, 64, 768),
    "ViT-L-14-336": (427.94, 304.29, 123.65, 24, 64, 64, 768),
    "LAION-ViT-H-14": (986.11, 632.08, 354.03, 16, 80, 64, 1024),
}
SAME_SIZE = {f"LAION-{name}": name for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14")}
CLIPS = [*PUBLISHED, *SAME_SIZE]


def millions(name: str, prefix: str) -> float:
    state = empty_clip(get_spec(name)).state_dict()
    count: int = sum(t.numel() for n, t in state.items() if n.startswith(prefix))
    return round(count / 1e6, 2)


@pytest.mark.parametrize("name", CLIPS)
def test_sizes_are_the_published_ones(name: str) -> None:
    total, image, text, grid, image_head, text_head, joint = PUBLISHED[SAME_SIZE.get(name, name)]
    spec = get_spec(name)
    assert (millions(name, ""), millions(name, "visual."), millions(name, "text.")) == (
        total,
        image,
        text,
    )
    assert spec.native_grid == grid
    assert spec.image.width / spec.image.heads == image_head
    assert spec.text.width / spec.text.heads == text_head
    assert (spec.embed_dim, spec.context_length, spec.vocab_size) == (joint, 77, 49408)


def test_activation_and_normalisation() -> None:
    assert {s.name for s in REGISTRY.values() if s.quick_gelu} == {
        "ViT-B-32",
        "ViT-B-16",
        "ViT-L-14",
        "ViT-L-14-336",
    }  # OpenAI's; LAION's models and ours have exact GELU
    assert {s.name for s in REGISTRY.values() if s.mean == (0.5, 0.5, 0.5)} == {"LAION-ViT-L-14"}


@pytest.mark.parametrize("spec", REGISTRY.values(), ids=list(REGISTRY))
def test_inputs_are_multiples_of_the_patch(spec: object) -> None:
    found = get_spec(getattr(spec, "name", ""))
    assert found.default_size % found.patch_size == 0
    assert found.native_size % found.patch_size == 0
    assert found.image.width % found.image.heads == found.text.width % found.text.heads == 0
    assert found.text.layers > 8, "eight sets of deep prompts need nine text blocks"
    assert found.dual_blocks == DUAL_BLOCKS_OF_DEPTH[found.image.layers]


def test_dual_blocks_are_method_s() -> None:
    assert DUAL_BLOCKS_OF_DEPTH == {8: 7, 12: 10, 24: 19, 32: 25}
    sizes = {14: 518, 16: 512, 32: 512}
    for name in CLIPS:
        assert get_spec(name).default_size == sizes[get_spec(name).patch_size]


def test_checksums_are_sha256() -> None:
    digests = [d for spec in REGISTRY.values() for d in spec.sha256.values()]
    assert all(len(d) == 64 and int(d, 16) for d in digests)
    assert len(set(digests)) == len(digests) == 4


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown backbone 'ViT-L-14@336'.*'ViT-L-14-336'"):
        get_spec("ViT-L-14@336")


def test_an_empty_network_needs_neither_memory_nor_the_compiler() -> None:
    code = (
        "import sys; from faprompt.clip.registry import get_spec;"
        "from faprompt.clip.shapes import empty_clip; clip = empty_clip(get_spec('ViT-L-14'));"
        "sys.exit('torch._dynamo' in sys.modules or not all(p.is_meta for p in clip.parameters()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parameters_start_with_openai_s_spread() -> None:
    torch.manual_seed(0)
    clip = Clip(get_spec("tiny"))
    width = get_spec("tiny").image.width
    assert clip.visual.proj.std().item() == pytest.approx(width**-0.5, rel=0.05)
    assert clip.text.token_embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not any(p.isnan().any() for p in clip.parameters())
