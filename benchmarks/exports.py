"""How far exported models are from torch, in every form and precision, and what int8 loses.

python benchmarks/exports.py --json figures.json
python benchmarks/exports.py --forms onnx --precisions int8 --calibrate path/to/data/magnetic_tile
"""

import argparse
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from machine import arguments, quiet_start, report

from faprompt import Areas, Detector, Look
from faprompt.deploy.export import ExportSettings, export_model
from faprompt.errors import ExportError
from faprompt.runtime import Runtime

Row = dict[str, Any]
EXAMPLES = Path(str(files("faprompt").joinpath("assets", "examples")))
FORMS = ("onnx", "openvino")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
A_THIRD = "0,0 107,0 107,320 0,320"
"""Of an example, which has 320 x 320 pixels."""


def main() -> None:
    """A row per form and precision, and one for areas and responses."""
    parser = arguments(__doc__)
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--calibrate", default=str(EXAMPLES), help="images for int8")
    parser.add_argument("--parity-images", help="images to compare on; the shipped examples")
    options = parser.parse_args()
    quiet_start()
    report("exported models of tiny against torch in fp32", rows(options), options.json)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A row per form and precision, told as it comes."""
    detector = Detector.load("tiny", device="cpu", precision="fp32")
    for precision in options.precisions:
        for form in options.forms:
            if precision == "bf16" and form == "onnx":
                continue  # has no products in it
            settings = ExportSettings(
                form=form,
                precision=precision,
                calibrate=options.calibrate if precision == "int8" else None,
                parity_images=options.parity_images,
            )
            yield from exported(detector, settings)


def exported(detector: Detector, settings: ExportSettings) -> Iterator[Row]:
    """Export once; an fp32 graph is also compared with a third of each example ignored."""
    row: Row = {"form": settings.form, "precision": settings.precision}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "exported"
        try:
            found = export_model(detector, folder, settings, say=lambda _: None)
        except ExportError as error:
            yield row | {"refused": str(error)}
            return
        megabytes = sum((folder / name).stat().st_size for name in found.files) / 1e6
        yield row | differences(found.parity) | {"MB": f"{megabytes:.1f}"} | auroc(found)
        if settings.precision == "fp32":
            yield row | with_area(detector, Runtime.load(folder))


def differences(parity: Any) -> Row:
    """Largest and mean of both outputs."""
    return {
        f"{title}: {kind}": f"{parity[output][kind]:.1e}"
        for output, title in (("image_score", "score"), ("anomaly_map", "map"))
        for kind in ("largest", "mean")
    }


def auroc(description: Any) -> Row:
    """In percent, on the images it was calibrated on, before and after."""
    found = (description.calibration or {}).get("auroc") or {}
    return {
        name: f"{100 * values['before']:.2f} to {100 * values['after']:.2f}"
        for name, values in found.items()
    }


def with_area(detector: Detector, runtime: Runtime) -> Row:
    """Largest differences of scores, maps and responses of the prompts."""
    look = Look(areas=Areas.parse(ignore=[A_THIRD]), responses=True)
    paths = sorted(EXAMPLES.glob("*/test/*/*.jpg"))
    found = {"score": 0.0, "map": 0.0, "share of a prompt": 0.0}
    for path in paths:
        one, other = (model.predict(path, look=look) for model in (detector, runtime))
        assert one.responses is not None
        assert other.responses is not None
        apart = {
            "score": abs(one.image_score - other.image_score),
            "map": float(np.abs(one.anomaly_map - other.anomaly_map).max()),
            "share of a prompt": float(np.abs(one.responses - other.responses).max()),
        }
        found = {name: max(value, apart[name]) for name, value in found.items()}
    words = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    return {f"a third ignored, {len(paths)} images": words}


if __name__ == "__main__":
    main()
