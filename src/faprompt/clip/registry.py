"""What is known of every backbone: sizes, activation, sources, checksums. Nothing is guessed.

Sizes are those of the published configurations: OpenAI's CLIP (arXiv:2103.00020, table 20) and the
LAION models' open_clip configurations. The number of dual blocks is METHOD's: the local v-v path
covers 19 of 24 blocks (AnomalyCLIP, arXiv:2310.18961), scaled to the other depths.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches

from faprompt.errors import ConfigError

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
INCEPTION_MEAN_STD = (0.5, 0.5, 0.5)  # LAION's ViT-L-14 alone was trained with it

DUAL_BLOCKS_OF_DEPTH = {8: 7, 12: 10, 24: 19, 32: 25}
"""Blocks with a local v-v stream, by depth of the image tower."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TowerSize:
    """Size of one transformer tower."""

    layers: int
    width: int
    heads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptTokens:
    """Ids of the five tokens that FAPrompt's prompts are made of."""

    start: int
    end: int
    object: int
    damaged: int
    full_stop: int


CLIP_TOKENS = PromptTokens(start=49406, end=49407, object=14115, damaged=13568, full_stop=269)
"""Ids in CLIP's byte-pair vocabulary (``object</w>``, ``damaged</w>``, ``.</w>``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSpec:
    """Everything needed to build one backbone and to check a file against it."""

    name: str
    image: TowerSize
    text: TowerSize
    embed_dim: int
    """D, width of the joint space."""
    patch_size: int
    native_size: int
    """Side of the training images in pixels: fixes the stored grid of position embeddings."""
    default_size: int
    """Side of the input FAPrompt uses, in pixels."""
    dual_blocks: int
    """How many of the last image blocks carry the local v-v stream."""
    quick_gelu: bool
    """True: x * sigmoid(1.702 x), OpenAI's activation; False: exact GELU."""
    context_length: int = 77
    vocab_size: int = 49408
    tokens: PromptTokens = CLIP_TOKENS
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[float, float, float] = OPENAI_STD
    conv_stem: bool = False
    """True: a small convolutional network cuts the patches instead of one linear projection."""
    hub_id: str | None = None
    """Repository on the Hugging Face hub, in the transformers layout."""
    licence: str = "MIT"
    sha256: dict[str, str] = field(default_factory=dict)
    """Known checksums: file name to SHA-256."""

    @property
    def native_grid(self) -> int:
        """Patches along one side of the stored position grid."""
        return self.native_size // self.patch_size


_BASE_IMAGE = TowerSize(layers=12, width=768, heads=12)
_LARGE_IMAGE = TowerSize(layers=24, width=1024, heads=16)
_HUGE_IMAGE = TowerSize(layers=32, width=1280, heads=16)  # heads 80 wide
_BASE_TEXT = TowerSize(layers=12, width=512, heads=8)
_LARGE_TEXT = TowerSize(layers=12, width=768, heads=12)
_HUGE_TEXT = TowerSize(layers=24, width=1024, heads=16)

# Checksums: the folder names of the download addresses in openai/CLIP, clip/clip.py.
_SPECS = (
    ClipSpec(
        name="ViT-B-32",
        image=_BASE_IMAGE,
        text=_BASE_TEXT,
        embed_dim=512,
        patch_size=32,
        native_size=224,
        default_size=512,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[12],
        quick_gelu=True,
        hub_id="openai/clip-vit-base-patch32",
        sha256={"ViT-B-32.pt": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"},
    ),
    ClipSpec(
        name="ViT-B-16",
        image=_BASE_IMAGE,
        text=_BASE_TEXT,
        embed_dim=512,
        patch_size=16,
        native_size=224,
        default_size=512,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[12],
        quick_gelu=True,
        hub_id="openai/clip-vit-base-patch16",
        sha256={"ViT-B-16.pt": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"},
    ),
    ClipSpec(
        name="ViT-L-14",
        image=_LARGE_IMAGE,
        text=_LARGE_TEXT,
        embed_dim=768,
        patch_size=14,
        native_size=224,
        default_size=518,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[24],
        quick_gelu=True,
        hub_id="openai/clip-vit-large-patch14",
        sha256={"ViT-L-14.pt": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"},
    ),
    ClipSpec(
        name="ViT-L-14-336",
        image=_LARGE_IMAGE,
        text=_LARGE_TEXT,
        embed_dim=768,
        patch_size=14,
        native_size=336,
        default_size=518,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[24],
        quick_gelu=True,
        hub_id="openai/clip-vit-large-patch14-336",
        sha256={
            "ViT-L-14-336px.pt": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"
        },
    ),
    ClipSpec(
        name="LAION-ViT-B-32",
        image=_BASE_IMAGE,
        text=_BASE_TEXT,
        embed_dim=512,
        patch_size=32,
        native_size=224,
        default_size=512,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[12],
        quick_gelu=False,
        hub_id="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    ClipSpec(
        name="LAION-ViT-B-16",
        image=_BASE_IMAGE,
        text=_BASE_TEXT,
        embed_dim=512,
        patch_size=16,
        native_size=224,
        default_size=512,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[12],
        quick_gelu=False,
        hub_id="laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    ),
    ClipSpec(
        name="LAION-ViT-L-14",
        image=_LARGE_IMAGE,
        text=_LARGE_TEXT,
        embed_dim=768,
        patch_size=14,
        native_size=224,
        default_size=518,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[24],
        quick_gelu=False,
        mean=INCEPTION_MEAN_STD,
        std=INCEPTION_MEAN_STD,
        hub_id="laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    ),
    ClipSpec(
        name="LAION-ViT-H-14",
        image=_HUGE_IMAGE,
        text=_HUGE_TEXT,
        embed_dim=1024,
        patch_size=14,
        native_size=224,
        default_size=518,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[32],
        quick_gelu=False,
        hub_id="laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    ),
    ClipSpec(
        name="tiny",
        image=TowerSize(layers=8, width=192, heads=3),
        text=TowerSize(layers=10, width=128, heads=2),
        embed_dim=192,
        patch_size=16,
        native_size=256,
        default_size=256,
        dual_blocks=DUAL_BLOCKS_OF_DEPTH[8],
        quick_gelu=False,
        context_length=32,
        vocab_size=1207,
        tokens=PromptTokens(start=1, end=2, object=127, damaged=144, full_stop=119),
        conv_stem=True,
    ),
)

REGISTRY: dict[str, ClipSpec] = {spec.name: spec for spec in _SPECS}


def get_spec(name: str) -> ClipSpec:
    """Return the entry of ``name``.

    Raises:
        ConfigError: the name is not in the registry; the nearest one is suggested.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    near = get_close_matches(name, REGISTRY, n=1, cutoff=0.0)[0]
    raise ConfigError(
        f"unknown backbone {name!r}; did you mean {near!r}? Known: {', '.join(REGISTRY)}."
    )
