"""What weights of ``tiny`` are worth on rendered kinds and photographs held out from training.

    python benchmarks/heldout.py src/faprompt/assets/tiny/tiny.safetensors --photos PHOTOS

AUROC in percent with the words "object." and "damaged object.": of all kinds, then of each; or of
scenes of one kind with one kind of defect: --pairs honed:unfinished rugae:polyp
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
    parser.add_argument("--pairs", nargs="+", metavar="SCENE:DEFECT")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    spec = get_spec("tiny")
    tokenizer = load_tokenizer(spec)
    photos = load_photos(asked.photos).part(heldout=True)
    names = [kind.name for kind in scenes_of("heldout", photos=True)]
    drawn = [(None, asked.scenes), *((name, asked.scenes // 4) for name in names)]
    if asked.pairs:
        drawn = [(pair, asked.scenes // 4) for pair in asked.pairs]
    print(f"renderer version {RENDERER_VERSION}, {asked.size} px, seed {asked.seed}")
    for path in asked.weights:
        clip = Clip(spec)
        clip.load_state_dict(build_state(path, spec))
        clip.frozen()
        print(path)
        for name, scenes in drawn:
            kind, _, defect = (name or "").partition(":")
            renderer = Renderer("heldout", photos=photos, kind=kind or None, defect=defect or None)
            score = score_heldout(
                clip,
                tokenizer,
                renderer=renderer,
                scenes=scenes,
                size=asked.size,
                seed=asked.seed,
            )
            print(
                f"{name or 'all kinds'}: image {100 * score.image_auroc:.1f}, "
                f"pixel {100 * score.pixel_auroc:.1f} ({score.images} images)",
                flush=True,
            )


if __name__ == "__main__":
    main()
