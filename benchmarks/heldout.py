"""What weights of ``tiny`` are worth on rendered kinds and photographs held out from training.

    python benchmarks/heldout.py src/faprompt/assets/tiny/tiny.safetensors --photos PHOTOS

AUROC in percent with the words "object." and "damaged object.": of all kinds, then of each.
"""

import argparse
from pathlib import Path

import torch

from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.tokenizer import load_tokenizer
from faprompt.clip.weights import build_state
from faprompt.pretrain.kinds import scenes_of
from faprompt.pretrain.photos import load_photos
from faprompt.pretrain.renderer import RENDERER_VERSION, Renderer
from faprompt.pretrain.scoring import score_heldout


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=192)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    spec = get_spec("tiny")
    tokenizer = load_tokenizer(spec)
    photos = load_photos(asked.photos).part(heldout=True)
    kinds = [kind.name for kind in scenes_of("heldout", photos=True)]
    print(f"renderer version {RENDERER_VERSION}, {asked.size} px, seed {asked.seed}")
    for path in asked.weights:
        clip = Clip(spec)
        clip.load_state_dict(build_state(path, spec))
        clip.frozen()
        for kind, scenes in [(None, asked.scenes), *((name, asked.scenes // 4) for name in kinds)]:
            score = score_heldout(
                clip,
                tokenizer,
                renderer=Renderer("heldout", photos=photos, kind=kind),
                scenes=scenes,
                size=asked.size,
                seed=asked.seed,
            )
            name = kind or f"{path}, all kinds"
            print(
                f"{name}: image {100 * score.image_auroc:.1f}, pixel {100 * score.pixel_auroc:.1f}"
                f" ({score.images} images)",
                flush=True,
            )


if __name__ == "__main__":
    main()
