"""What is known of the published data sets: counts, levels, licences, where to get them.

Counts and levels: the FAPrompt protocol (docs/method.md, section 11) and, where it counts another
selection than is distributed, the publishers' figures. Licences: as the publishers state them on
the page named; "not stated" where we found none. Check them before you use a set.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from faprompt.errors import ConfigError

Level = Literal["image", "pixel"]

_NC = "CC BY-NC-SA 4.0"
_BOTH: tuple[Level, ...] = ("image", "pixel")


@dataclass(frozen=True, slots=True)
class Entry:
    """One published data set; ``name`` is that of its layout."""

    name: str
    title: str
    kind: Literal["industrial", "medical"]
    classes: int
    levels: tuple[Level, ...]
    """What is evaluated on it."""
    expected: tuple[tuple[int, int], ...]
    """Normal and anomalous test images; several where several selections are in use."""
    licence: str
    where: str
    """The publisher's page."""
    note: str = ""


_IMAGE: tuple[Level, ...] = ("image",)
_PIXEL: tuple[Level, ...] = ("pixel",)

_ENTRIES = (
    Entry(
        "mvtec", "MVTec AD", "industrial", 15, _BOTH, ((467, 1258),), _NC,
        "mvtec.com/company/research/datasets/mvtec-ad",
    ),
    Entry(
        "visa", "VisA", "industrial", 12, _BOTH, ((962, 1200),), "CC BY 4.0",
        "github.com/amazon-science/spot-diff",
    ),
    Entry(
        "btad", "BTAD", "industrial", 3, _BOTH, ((451, 290),), _NC,
        "avires.dimi.uniud.it/papers/btad/btad.zip",
    ),
    Entry(
        "mpdd", "MPDD", "industrial", 6, _BOTH, ((176, 282),), _NC, "github.com/stepanje/MPDD"
    ),
    Entry(
        "ksdd", "KolektorSDD", "industrial", 1, _BOTH, ((347, 52), (181, 74), (286, 54)), _NC,
        "vicos.si/resources/kolektorsdd",
        "distributed without a test split; published splits differ",
    ),
    Entry(
        "aitex", "AITEX", "industrial", 1, _BOTH, ((140, 105), (564, 183)), "not stated",
        "aitex.es/afid",
        "published figures count square pieces of the strips (564 + 183); their cut is not told",
    ),
    Entry(
        "elpv", "ELPV", "industrial", 1, _IMAGE, ((1508, 715),), _NC,
        "github.com/zae-bayern/elpv-dataset",
        "elpv leaves cells of probability 1/3 and 2/3 out; elpv-half takes p >= 0.5 as anomalous",
    ),
    Entry(
        "elpv-half", "ELPV, p >= 0.5", "industrial", 1, _IMAGE, ((1803, 821),), _NC,
        "github.com/zae-bayern/elpv-dataset",
    ),
    Entry(
        "dagm", "DAGM 2007", "industrial", 10, _BOTH, ((6996, 1054),), "see the page",
        "hci.iwr.uni-heidelberg.de, Weakly Supervised Learning for Optical Inspection",
    ),
    Entry(
        "dtd", "DTD-Synthetic", "industrial", 12, _BOTH, ((357, 947),), "not stated",
        "linked from Aota et al., Zero-shot versus many-shot, WACV 2023",
    ),
    Entry(
        "brainmri", "BrainMRI", "medical", 1, _IMAGE, ((98, 155),), "not stated",
        "kaggle.com/datasets/navoneel/brain-mri-images-for-brain-tumor-detection",
    ),
    Entry(
        "headct", "HeadCT", "medical", 1, _IMAGE, ((100, 100),), "not stated",
        "kaggle.com/datasets/felipekitamura/head-ct-hemorrhage",
    ),
    Entry(
        "lag", "LAG", "medical", 1, _IMAGE, ((786, 1711), (3143, 1711)), "on request",
        "github.com/smilell/AG-CNN",
        "the protocol takes 786 of the 3143 normal pictures",
    ),
    Entry(
        "br35h", "Br35H", "medical", 1, _IMAGE, ((1500, 1500),), "not stated",
        "kaggle.com/datasets/ahmedhamada0/brain-tumor-detection",
    ),
    Entry(
        "colondb", "CVC-ColonDB", "medical", 1, _PIXEL, ((0, 380),), "research use",
        "vi.cvc.uab.es/colon-qa/cvccolondb",
    ),
    Entry(
        "clinicdb", "CVC-ClinicDB", "medical", 1, _PIXEL, ((0, 612),), "research and education",
        "polyp.grand-challenge.org/CVCClinicDB",
    ),
    Entry(
        "kvasir", "Kvasir-SEG", "medical", 1, _PIXEL, ((0, 1000),), "research and education",
        "datasets.simula.no/kvasir-seg",
    ),
    Entry(
        "endo", "EndoTect", "medical", 1, _PIXEL, ((0, 200),), "see the page",
        "endotect.com",
    ),
    Entry(
        "isic", "ISIC 2016", "medical", 1, _PIXEL, ((0, 379),), "CC0",
        "challenge.isic-archive.com/data/#2016",
    ),
    Entry(
        "tn3k", "TN3K", "medical", 1, _PIXEL, ((0, 614),), "not stated",
        "github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation",
    ),
    Entry(
        "magnetictile", "Magnetic tile", "industrial", 1, _BOTH, ((952, 392), (560, 392)),
        "free with citation", "github.com/abin24/Magnetic-tile-defect-datasets.",
        "copies with 560 of the 952 normal images are in use",
    ),
    Entry(
        "bsdata", "BSData", "industrial", 1, _BOTH, ((710, 394),), "CC BY-SA 4.0",
        "github.com/2Obe/BSData",
    ),
    Entry(
        "ksdd2", "KolektorSDD2", "industrial", 1, _BOTH, ((894, 110),), _NC,
        "vicos.si/resources/kolektorsdd2",
    ),
    Entry(
        "realiad", "Real-IAD", "industrial", 30, _BOTH, (), _NC, "realiad4ad.github.io/Real-IAD",
        "counts depend on the tables chosen (single or multi view)",
    ),
)  # fmt: skip

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""Published data sets by name."""


def get_entry(name: str) -> Entry:
    """Return the entry of ``name``.

    Raises:
        ConfigError: the name is not in the catalogue; the nearest one is suggested.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = get_close_matches(name, CATALOGUE, n=1, cutoff=0.0)[0]
    raise ConfigError(
        f"unknown data set {name!r}; did you mean {near!r}? Known: {', '.join(CATALOGUE)}"
    )
