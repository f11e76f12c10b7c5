"""From a model of the library to a folder that runs without it, or an error and nothing at all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from faprompt.data.datasets import load_dataset
from faprompt.data.hashing import content_hash
from faprompt.data.samples import Dataset
from faprompt.deploy import loss, parity
from faprompt.deploy.folder import replacing_folder
from faprompt.deploy.graph import pipeline, write_onnx
from faprompt.deploy.openvino import write_openvino
from faprompt.deploy.parity import BOUNDS, Parity
from faprompt.deploy.quantise import quantise
from faprompt.detection.detector import Detector
from faprompt.detection.fitting import REFERENCES, station_for
from faprompt.detection.station import Station
from faprompt.errors import ConfigError, DataError, FAPromptError, StationError
from faprompt.method.checkpoint import library_versions
from faprompt.runtime import Runtime
from faprompt.runtime.description import MODEL_FILES, PRECISIONS, RECORD, STATION, Description
from faprompt.runtime.pixels import Floats
from faprompt.runtime.sessions import HINTS

CALIBRATION_IMAGES = 64
"""At most; spread evenly over the folder. Ranges by min and max hardly move after some dozens."""
PARITY_IMAGES = 32
"""At most; spread evenly over the folder."""
FILES = (RECORD, STATION, "model.onnx", "model.onnx.data", "model.xml", "model.bin")

Say = Callable[[str], None]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSettings:
    """What to export."""

    form: str = "onnx"
    """``onnx`` or ``openvino``."""
    precision: str = "fp32"
    """``fp32``, ``fp16``, ``bf16`` (of ``openvino``) or ``int8``."""
    calibrate: str | None = None
    """Of int8: images as they will be seen, a folder or LAYOUT:PATH; labels are used if there."""
    parity_images: str | None = None
    """Images for the parity gate; by default the shipped examples."""
    station: str | None = None
    """A station of the model, to lie beside it: its runtime then decides."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("format", self.form, tuple(MODEL_FILES)),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in known:
                raise ConfigError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        if self.precision == "bf16" and self.form != "openvino":
            raise ConfigError(f"bf16 needs --format openvino; {self.form} has no products in it")
        if self.precision == "int8" and self.calibrate is None:
            raise ConfigError(
                "int8 needs --calibrate FOLDER: some dozens of images as they will be seen, which "
                "set the ranges of values"
            )
        if self.precision != "int8" and self.calibrate is not None:
            raise ConfigError(f"--calibrate is for int8; the precision is {self.precision}")


def export_model(
    detector: Detector, out: Path, settings: ExportSettings, *, say: Say = lambda _: None
) -> Description:
    """Write graph and description of a model, after they passed the parity gate.

    Args:
        detector: In fp32 on the CPU.
        out: Folder; an earlier export there is replaced.
        settings: What to export.
        say: Called with lines of text on what was measured.

    Raises:
        ExportError: the exported model differs from the torch model by more than the bound.
        ConfigError: a package that it needs is not installed.
        DataError: no image to calibrate or to compare on can be used.
        OutputError: the folder cannot be written, or holds other things.
        StationError: the station is damaged, of another model or precision, or needs references.
    """
    station = _station(detector, settings)
    calibration = load_dataset(settings.calibrate) if settings.calibrate else None
    images = _paths(load_dataset(settings.parity_images or _examples()), PARITY_IMAGES)
    with replacing_folder(out, record=RECORD, names=FILES, kind="an exported model") as folder:
        _write_graph(detector, folder, settings, calibration)
        description = describe(detector, folder, settings)
        description.write(folder)
        runtime = Runtime.load(folder)
        bound = BOUNDS[settings.precision]
        found = parity.measure(detector, runtime, images, bound=bound)
        _say_parity(found, say)
        parity.require(found, precision=settings.precision)
        description = replace(description, parity=found.to_dict())
        if calibration is not None:
            compared = _auroc(detector, runtime, calibration, say)
            description = replace(description, calibration=compared)
        description.write(folder)
        if station:
            station.write(folder / STATION)
    return description


def _station(detector: Detector, settings: ExportSettings) -> Station | None:
    if settings.station is None:
        return None
    identity = detector.identity | {"precision": settings.precision}
    station = station_for(settings.station, identity)
    if REFERENCES in station.settings:
        raise StationError(
            f"{settings.station}: calibrated with references, whose patches an exported model does "
            "not compare: calibrate without --reference"
        )
    return station


def describe(detector: Detector, folder: Path, settings: ExportSettings) -> Description:
    """What is known of an export before it was measured."""
    spec, header = detector.backbone.spec, detector.header
    return Description(
        form=settings.form,
        precision=settings.precision,
        input_size=detector.input_size,
        mean=spec.mean,
        std=spec.std,
        colour_limits=header.colour_limits,
        blur_sigma=header.method.blur_sigma,
        checkpoint_sha256=detector.checksum,
        backbone=spec.name,
        backbone_checksum=detector.backbone.checksum,
        files={path.name: content_hash(path) for path in sorted(folder.iterdir())},
        versions=library_versions() | _versions("onnx", "onnxscript", "onnxruntime", "openvino"),
        parity={},
    )


def _write_graph(
    detector: Detector, folder: Path, settings: ExportSettings, calibration: Dataset | None
) -> None:
    half = settings.precision == "fp16" and settings.form == "onnx"
    graph = folder / MODEL_FILES["onnx"]
    products = write_onnx(pipeline(detector, half=half), graph)
    if calibration is not None:
        exact = graph.rename(folder / "exact.onnx")
        # Weights beside the graph are known by name: they keep theirs until they are read.
        quantise(exact, graph, products, _inputs(detector, calibration))
        _remove(folder, keep=_of_int8(graph))
    if settings.form == "openvino":
        write_openvino(graph, folder / MODEL_FILES["openvino"], half=settings.precision in HINTS)
        _remove(folder, keep={"model.xml", "model.bin"})


def _of_int8(graph: Path) -> set[str]:
    return {graph.name, f"{graph.name}.data"}


def _remove(folder: Path, *, keep: set[str]) -> None:
    for path in list(folder.iterdir()):
        if path.name not in keep:
            path.unlink()


def _inputs(detector: Detector, dataset: Dataset) -> Iterator[Floats]:
    """Normalised images (3, S, S) for the calibration; unusable ones are left out."""
    count = 0
    for path in _paths(dataset, CALIBRATION_IMAGES):
        try:
            pixels = detector.read(path)[1].numpy()
        except FAPromptError:
            continue
        count += 1
        yield pixels
    if not count:
        raise DataError(f"{dataset.root}: no image there can be read; int8 needs some dozens")


def _auroc(detector: Detector, runtime: Runtime, dataset: Dataset, say: Say) -> dict[str, object]:
    counts = dataset.counts()
    about: dict[str, object] = {
        "name": dataset.name,
        "images": min(len(dataset), CALIBRATION_IMAGES),
        "auroc": None,
    }
    if not (counts.normal and counts.anomalous):
        say(
            f"AUROC: not measured: {dataset.name} has {counts.normal} normal and "
            f"{counts.anomalous} anomalous images; needed are both kinds"
        )
        return about
    compared = loss.compare(detector, runtime, dataset)
    for name, values in compared.items():
        say(f"{name.replace('_auroc', '')} AUROC: {_change(values)}")
    return about | {"auroc": {name: asdict(values) for name, values in compared.items()}}


def _change(values: loss.Compared) -> str:
    if values.before is None or values.after is None:
        return "not defined on these images"
    lost = 100 * (values.before - values.after)
    change = f"{abs(lost):.2f} points {'lost' if lost >= 0 else 'gained'}"
    return f"{100 * values.before:.2f} before, {100 * values.after:.2f} after: {change}"


def _say_parity(found: Parity, say: Say) -> None:
    for name in ("image_score", "anomaly_map"):
        difference = getattr(found, name)
        say(
            f"{name}: differs from torch by {difference.largest:.2e} at most, "
            f"{difference.mean:.2e} on average ({found.images} images; bound {found.bound:g})"
        )


def _examples() -> Path:
    return Path(str(files("faprompt").joinpath("assets", "examples")))


def _paths(dataset: Dataset, limit: int) -> list[Path]:
    return spread([sample.image_path for sample in dataset.samples], limit)


def spread(items: Sequence[Item], limit: int) -> list[Item]:
    """At most ``limit`` items, evenly from the whole sequence.

    Example:
        >>> spread("abcdef", 3)
        ['a', 'c', 'e']
    """
    count = min(limit, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
