"""What is known of each data set: counts, levels, licence, where to get it, and who says so.

Counts are normal and anomalous test images. ``counts`` are those of the data set as it is
distributed, which ``datasets check`` compares with; ``paper`` are those of FAPrompt's comparison
(arXiv:2410.10289) where they differ: it used a split or a re-packing of its own.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["industrial", "medical"]
Pair = tuple[int, int]

_FAPROMPT = "FAPrompt, arXiv:2410.10289"
_NC = "CC BY-NC-SA 4.0"
_ASK = "see the site"
"""Its makers' terms are theirs to tell: none was found in a form that can be named here."""
_ZIPS = "github.com/DengPingFan/PraNet (TestDataset)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One data set."""

    name: str
    """Of its layout."""
    title: str
    kind: Kind
    classes: int
    levels: tuple[str, ...]
    """What is evaluated: ``image``, ``pixel``."""
    counts: Pair | None
    """Normal and anomalous test images as distributed; None: not confirmed."""
    paper: Pair | None = None
    """The same in FAPrompt's comparison, where it differs."""
    licence: str
    where: str
    source: str = _FAPROMPT
    """Of the counts."""


_BOTH, _IMAGE, _PIXEL = ("image", "pixel"), ("image",), ("pixel",)

_ENTRIES = (
    Entry(
        name="mvtec",
        title="MVTec AD",
        kind="industrial",
        classes=15,
        levels=_BOTH,
        counts=(467, 1258),
        licence=_NC,
        where="mvtec.com/company/research/datasets/mvtec-ad",
    ),
    Entry(
        name="visa",
        title="VisA",
        kind="industrial",
        classes=12,
        levels=_BOTH,
        counts=(962, 1200),
        licence="CC BY 4.0",
        where="github.com/amazon-science/spot-diff",
    ),
    Entry(
        name="btad",
        title="BTAD",
        kind="industrial",
        classes=3,
        levels=_BOTH,
        counts=(451, 290),
        licence=_NC,
        where="github.com/pankajmishra000/VT-ADL",
    ),
    Entry(
        name="mpdd",
        title="MPDD",
        kind="industrial",
        classes=6,
        levels=_BOTH,
        counts=(176, 282),
        licence=_NC,
        where="github.com/stepanje/MPDD",
    ),
    Entry(
        name="ksdd",
        title="KolektorSDD",
        kind="industrial",
        classes=1,
        levels=_BOTH,
        counts=(347, 52),
        paper=(181, 74),
        licence=_NC,
        where="vicos.si/resources/kolektorsdd",
        source="Tabernik et al. 2019",
    ),
    Entry(
        name="aitex",
        title="AITEX",
        kind="industrial",
        classes=1,
        levels=_BOTH,
        counts=(140, 105),
        paper=(564, 183),
        licence=_ASK,
        where="aitex.es/afid",
        source="Silvestre-Blanes et al. 2019",
    ),
    Entry(
        name="elpv",
        title="ELPV",
        kind="industrial",
        classes=1,
        levels=_IMAGE,
        counts=(1508, 715),
        licence=_NC,
        where="github.com/zae-bayern/elpv-dataset",
        source="its labels.csv, by probability",
    ),
    Entry(
        name="elpv-half",
        title="ELPV, p >= 0.5",
        kind="industrial",
        classes=1,
        levels=_IMAGE,
        counts=(1803, 821),
        licence=_NC,
        where="github.com/zae-bayern/elpv-dataset",
        source="its labels.csv, by probability",
    ),
    Entry(
        name="dagm",
        title="DAGM 2007",
        kind="industrial",
        classes=10,
        levels=_BOTH,
        counts=(6996, 1054),
        licence=_ASK,
        where="hci.iwr.uni-heidelberg.de (DAGM 2007)",
    ),
    Entry(
        name="dtd",
        title="DTD-Synthetic",
        kind="industrial",
        classes=12,
        levels=_BOTH,
        counts=(357, 947),
        licence=_ASK,
        where="linked from Aota et al., WACV 2023 (Zero-Shot Versus Many-Shot)",
    ),
    Entry(
        name="magnetictile",
        title="Magnetic tile",
        kind="industrial",
        classes=1,
        levels=_BOTH,
        counts=(952, 392),
        licence="free with citation",
        where="github.com/abin24/Magnetic-tile-defect-datasets",
        source="Huang, Qiu, Yuan 2018",
    ),
    Entry(
        name="bsdata",
        title="BSData",
        kind="industrial",
        classes=1,
        levels=_BOTH,
        counts=(710, 394),
        licence="CC BY-SA 4.0",
        where="github.com/2Obe/BSData",
        source="Schlagenhauf 2021",
    ),
    Entry(
        name="ksdd2",
        title="KolektorSDD2",
        kind="industrial",
        classes=1,
        levels=_BOTH,
        counts=(894, 110),
        licence=_NC,
        where="vicos.si/resources/kolektorsdd2",
        source="Bozic et al. 2021",
    ),
    Entry(
        name="realiad",
        title="Real-IAD",
        kind="industrial",
        classes=30,
        levels=_BOTH,
        counts=None,
        licence=_NC,
        where="realiad4ad.github.io/Real-IAD",
        source="Wang et al. 2024",
    ),
    Entry(
        name="brainmri",
        title="BrainMRI",
        kind="medical",
        classes=1,
        levels=_IMAGE,
        counts=(98, 155),
        licence=_ASK,
        where="kaggle.com/datasets/navoneel/brain-mri-images-for-brain-tumor-detection",
    ),
    Entry(
        name="headct",
        title="HeadCT",
        kind="medical",
        classes=1,
        levels=_IMAGE,
        counts=(100, 100),
        licence=_ASK,
        where="kaggle.com/datasets/felipekitamura/head-ct-hemorrhage",
    ),
    Entry(
        name="lag",
        title="LAG",
        kind="medical",
        classes=1,
        levels=_IMAGE,
        counts=(3143, 1711),
        paper=(786, 1711),
        licence=_ASK,
        where="github.com/smilell/AG-CNN",
        source="Li et al. 2019 (the published part)",
    ),
    Entry(
        name="br35h",
        title="Br35H",
        kind="medical",
        classes=1,
        levels=_IMAGE,
        counts=(1500, 1500),
        licence=_ASK,
        where="kaggle.com/datasets/ahmedhamada0/brain-tumor-detection",
    ),
    Entry(
        name="colondb",
        title="CVC-ColonDB",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 380),
        licence=_ASK,
        where=_ZIPS,
    ),
    Entry(
        name="clinicdb",
        title="CVC-ClinicDB",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 612),
        licence=_ASK,
        where="polyp.grand-challenge.org/CVCClinicDB",
    ),
    Entry(
        name="kvasir",
        title="Kvasir-SEG",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 1000),
        licence="research and education",
        where="datasets.simula.no/kvasir-seg",
    ),
    Entry(
        name="endo",
        title="EndoTect",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 200),
        licence=_ASK,
        where="endotect.com",
    ),
    Entry(
        name="isic",
        title="ISIC 2016",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 379),
        licence=_ASK,
        where="challenge.isic-archive.com/data",
    ),
    Entry(
        name="tn3k",
        title="TN3K",
        kind="medical",
        classes=1,
        levels=_PIXEL,
        counts=(0, 614),
        licence=_ASK,
        where="github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""Data sets by the name of their layout; the generic layouts are none."""
