"""The ``calibrate`` command."""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import looking, options
from faprompt.cli.app import app
from faprompt.cli.printing import warn
from faprompt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from faprompt.data.products import Products
    from faprompt.detection.calibration import MissRate
    from faprompt.detection.calibrator import Asked
    from faprompt.detection.station import Station

Normal = Annotated[
    str, typer.Option(help="Images of good parts: a folder, LAYOUT:PATH or a quoted glob.")
]
Anomalous = Annotated[
    str | None, typer.Option(help="Images of bad parts, to tell how many would be missed.")
]
Out = Annotated[
    Path, typer.Option(help="The .json file to write; for several products a folder of them.")
]
FalseAlarms = Annotated[
    float, typer.Option(help="Share of good parts that may be called NG, such as 0.01.")
]
Confidence = Annotated[
    float | None,
    typer.Option(
        help="Such as 0.95: the shares hold for this very station with this confidence. "
        "Default: on average over calibrations."
    ),
]
ReviewRate = Annotated[
    float | None,
    typer.Option(
        help="Share of good parts that may be NG or UNSURE. Default: ten times --false-alarms, "
        "at most 0.5."
    ),
]
Product = Annotated[
    str | None,
    typer.Option(help="One of the products in the folder; or, if there is one, its name."),
]


@app.command()
def calibrate(
    normal: Normal,
    out: Out = Path("station.json"),
    model: options.Model = "tiny",
    anomalous: Anomalous = None,
    false_alarms: FalseAlarms = 0.01,
    confidence: Confidence = None,
    review_rate: ReviewRate = None,
    product: Product = None,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    roi: looking.Roi = None,
    ignore: looking.Ignore = None,
    reference: options.Reference = None,
    tile: looking.Tile = None,
    overlap: looking.Overlap = None,
    smallest_defect: looking.SmallestDefect = None,
    whole: looking.Whole = False,
) -> None:
    """Make a station from images of good parts: thresholds for OK, UNSURE and NG.

    Example: faprompt calibrate --normal good/ --false-alarms 0.01 --out station.json
    """
    from faprompt.data.products import images_by_product
    from faprompt.detection.calibrator import Asked

    look = looking.LookRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole, roi=roi,
        ignore=ignore, reference=reference,
    ).look()  # fmt: skip
    normals = choose(images_by_product(normal, label=0), product)
    bad = match(images_by_product(anomalous, label=1) if anomalous else {}, list(normals))
    files = name_files(out, list(normals))
    asked = [
        Asked(
            product=name,
            false_alarms=false_alarms,
            review_rate=review_rate,
            confidence=confidence,
        )
        for name in normals
    ]
    for one in asked if len(asked) == 1 else ():  # before the model is loaded
        one.require_images(len(normals[one.product]))
    loaded = options.load_model(model, weights=weights, device=device, precision=precision)
    loaded = options.with_references(loaded, reference, look.areas)
    settings, known = loaded.score_settings(look), tuple(options.references_in(reference))
    run = _Run(loaded, {"batch_size": batch_size, "workers": workers, "look": look})
    run.carry_out(
        [replace(one, settings=settings, references=known) for one in asked], normals, bad, files
    )


class _Run:
    """Calibrates product by product and tells what is left out."""

    def __init__(self, model: Any, settings: dict[str, Any]) -> None:
        from rich.console import Console

        self.model, self.settings = model, settings
        self.errors = Console(stderr=True)
        self.products_left_out = 0

    def carry_out(
        self,
        asked: "Sequence[Asked]",
        normals: "Products",
        bad: "Products",
        files: "Mapping[str, Path]",
    ) -> None:
        """Write a station per product.

        Raises:
            DataError: the only one cannot be made.
            typer.Exit: one of several was left out.
        """
        for one in asked:
            try:
                station = self.station(one, normals[one.product], bad.get(one.product, []))
            except DataError as error:
                if len(asked) == 1:
                    raise
                self.leave_out(one.product, error)
                continue
            station.write(files[one.product])
            show(station, files[one.product])
        if self.products_left_out:
            raise typer.Exit(1)

    def station(self, asked: "Asked", normal: list[Path], anomalous: list[Path]) -> "Station":
        """Score with a progress bar; an unusable image is reported and left out."""
        from rich.progress import Progress

        from faprompt.detection.calibrator import make_station

        with Progress(console=self.errors, transient=True) as progress:
            task = progress.add_task(asked.product, total=len(normal) + len(anomalous))
            return make_station(
                self.model,
                asked,
                normal,
                anomalous,
                on_error=lambda _, error: self._tell(error),
                on_scored=lambda: progress.advance(task),
                **self.settings,
            )

    def leave_out(self, product: str, error: DataError) -> None:
        """Go on without a product."""
        self.products_left_out += 1
        self._tell(f"{product}: {error}")

    def _tell(self, text: object) -> None:
        warn(self.errors, f"left out: {text}")


def choose(products: "Products", name: str | None) -> "Products":
    """The products to calibrate.

    Raises:
        ConfigError: there are several, none of that name.
    """
    if name is None:
        return products
    if name in products:
        return {name: products[name]}
    if len(products) == 1:
        return {name: next(iter(products.values()))}
    near = get_close_matches(name, products, n=1, cutoff=0.0)[0]
    raise ConfigError(f"--product {name}: not among the products there; did you mean {near!r}?")


def match(anomalous: "Products", names: list[str]) -> "Products":
    """Anomalous images by product; with a single product all are its own, or those of its name."""
    if len(names) == 1 and names[0] not in anomalous:
        return {names[0]: [path for images in anomalous.values() for path in images]}
    return {name: anomalous[name] for name in names if name in anomalous}


def name_files(out: Path, names: list[str]) -> dict[str, Path]:
    """A file per product.

    Raises:
        ConfigError: several products, and ``out`` is one file.
    """
    is_file = out.suffix.lower() == ".json"
    if is_file and len(names) > 1:
        raise ConfigError(
            f"--out {out}: a station is of one product, and there are {len(names)} "
            f"({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}); give a folder, or "
            "choose one with --product"
        )
    return {name: out if is_file else out / f"{name}.json" for name in names}


def show(station: "Station", path: Path) -> None:
    """What a station promises, in words."""
    from rich.console import Console

    from faprompt.detection.calibration import likely_rates
    from faprompt.detection.score_axis import threshold_text

    console = Console(highlight=False)
    sure = station.confidence
    low, high = likely_rates(len(station.normal), station.false_alarms, confidence=sure)
    sense = "on average over calibrations" if sure is None else f"with confidence {sure:g}"
    edges = (station.threshold, station.review_threshold, station.pixel_threshold)
    ng, unsure, pixels = map(threshold_text, edges)
    lines = [
        f"[bold]{station.product}[/bold]: calibrated on {len(station.normal)} normal images",
        f"  NG     from {ng}: at most {_percent(station.false_alarms)} of normal images, {sense}",
        f"         (this very station: likely {_percent(low)} to {_percent(high)})",
        f"  UNSURE from {unsure}: with NG at most {_percent(station.review_rate)} of normal images",
        f"  pixels from {pixels}: at most {_percent(station.false_alarms)} "
        "of normal images have such a pixel",
    ]
    console.print("\n".join(lines), soft_wrap=True)
    _show_misses(console, station.miss_rates())
    console.print(f"station: [bold]{options.shown(path)}[/bold]", soft_wrap=True)


def _show_misses(console: "Console", rates: "dict[str, MissRate]") -> None:
    for name, words in (("not_ng", "not called NG"), ("ok", "called OK")):
        if rate := rates.get(name):
            console.print(
                f"  missed: {rate.missed} of {rate.images} anomalous images are {words}: "
                f"{_percent(rate.rate)} (95 % interval {_percent(rate.low)} to "
                f"{_percent(rate.high)})",
                soft_wrap=True,
            )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
