"""The words and pictures of the demo's page."""

from faprompt import __version__
from faprompt.cli.demo_run import Scored
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset, Sample
from faprompt.detection.page import Card, ColourBar, Figures, Page, Picture
from faprompt.detection.page_pictures import outlined
from faprompt.detection.prediction import Prediction
from faprompt.detection.score_axis import score_text
from faprompt.method.checkpoint import Header

FRESH, SHIPPED = "fresh prompts", "shipped prompts"
SHOWN_METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO",
}


def demo_page(dataset: Dataset, fresh: Scored, shipped: Scored) -> Page:
    """Build the page.

    Args:
        dataset: The examples.
        fresh: What the prompts just learned say of them.
        shipped: What the prompts to compare with say of them.
    """
    backbone = fresh.header.backbone
    triples = zip(dataset.samples, fresh.predictions, shipped.predictions, strict=True)
    return Page(
        title="Defects in products never seen",
        intro=_intro(dataset, fresh.header, shipped.header),
        figures=_figures(fresh, shipped, len(dataset)),
        bars=tuple(
            ColourBar(name=name, limits=scored.header.colour_limits)
            for name, scored in ((FRESH, fresh), (SHIPPED, shipped))
        ),
        cards=tuple(_card(*triple) for triple in triples),
        reading=_reading(backbone),
        footer=(f"Made by faprompt {__version__}: faprompt demo, backbone {backbone}.",),
    )


def _intro(dataset: Dataset, fresh: Header, shipped: Header) -> tuple[str, ...]:
    *kinds, last = dataset.classes
    return (
        f"No {', '.join(kinds)} or {last}, good or broken, was in any training behind this page. "
        "The model learned what damage looks like on other things, and is asked here to find "
        "and locate it.",
        f"Fresh prompts were learned by this very run, on {_images(fresh)} rendered images of "
        f"other kinds. Shipped prompts come with the package; they were learned before, on "
        f"{_images(shipped)} images of other kinds.",
    )


def _images(header: Header) -> str:
    return f"{sum(facts['normal'] + facts['anomalous'] for facts in header.data):,}"


def _figures(fresh: Scored, shipped: Scored, images: int) -> Figures:
    rows = []
    for name, scored in ((FRESH, fresh), (SHIPPED, shipped)):
        mean, _ = scored.evaluation.mean()
        rows.append((_short(name), tuple(mean[metric] for metric in SHOWN_METRICS)))
    return Figures(
        caption="Mean over the kinds, percent",
        names="prompts",
        columns=tuple(SHOWN_METRICS.values()),
        rows=tuple(rows),
        note="AUROC: 50 is guessing. AUPRO counts every defect alike, large or small: 15 is "
        f"guessing. 100 is perfect. With {images} images the figures are rough.",
    )


def _short(name: str) -> str:
    return name.removesuffix(" prompts")


def _card(sample: Sample, fresh: Prediction, shipped: Prediction) -> Card:
    anomalous = bool(sample.label)
    what = f"{sample.class_name}, {sample.anomaly_type if anomalous else 'good'}"
    maps = (
        Picture(
            caption=f"heat map, {_short(name)}",
            alt=f"{what}: heat map with {name}, image score {score_text(prediction.image_score)}",
            image=prediction.overlay(),
        )
        for name, prediction in ((FRESH, fresh), (SHIPPED, shipped))
    )
    mask = read_mask(sample, None) if anomalous else None
    truth = Picture(
        caption="ground truth",
        alt=f"{what}: the defect outlined" if anomalous else "no defect",
        image=None if mask is None else outlined(fresh.image, mask),
    )
    return Card(
        title=f"{sample.class_name} {sample.image_path.stem}",
        group=sample.class_name,
        tag=sample.anomaly_type,
        anomalous=anomalous,
        scores=((FRESH, fresh.image_score), (SHIPPED, shipped.image_score)),
        pictures=(Picture(caption="image", alt=what, image=fresh.image), *maps, truth),
    )


def _reading(backbone: str) -> tuple[tuple[str, str], ...]:
    honest = (
        "tiny is a small model with little training, made so that everything works at once and "
        "without a network. Expect misses and false alarms. Published results of "
        "the method on a large CLIP (ViT-L-14-336) are far better."
        if backbone == "tiny"
        else f"The figures are those of {backbone} with the prompts named; other products differ."
    )
    return (
        (
            "Score",
            "One number per image between 0 and 1: the larger, the more suspicious. What counts "
            "is the order: images with a defect should lie above good ones of the same kind. "
            "Where to draw the line is for you to decide.",
        ),
        (
            "Heat map",
            "Colour shows where the model sees damage; dark red is strongest. A good image "
            "should stay clear. The scale is fixed beforehand, not stretched for each image.",
        ),
        (
            "Ground truth",
            "The cyan line runs around the real defect. No model saw it; it serves the figures.",
        ),
        ("What these images are", "Rendered, like the training images: pictures of no real part."),
        ("What to expect of the model", honest),
    )
