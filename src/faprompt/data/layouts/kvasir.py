"""Kvasir-SEG (Jha et al. 2020): ``images/`` and JPEG ``masks/`` of the same names, all with polyps.

Learnt from datasets.simula.no/kvasir-seg.
"""

from pathlib import Path

from faprompt.data.files import images_in
from faprompt.data.layouts.pairs import find_pair, pairs_layout

_PLACES = (("images", "masks"),)


def _certain(path: Path) -> bool:
    """Images beside masks may be anything; hardly anyone else stores masks as JPEG."""
    found = find_pair(path, _PLACES)
    masks = images_in(found[1]) if found else []
    return bool(masks) and all(p.suffix.lower() == ".jpg" for p in masks)


KVASIR = pairs_layout(
    "kvasir",
    looks="images/*.jpg with masks/*.jpg of the same names",
    places=_PLACES,
    of=("colon", "polyp"),
    certain=_certain,
)
