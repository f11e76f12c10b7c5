"""The gate at export, on differences that are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import SIDE, simple_scores, write_simple_model
from PIL import Image

from faprompt.deploy.parity import BOUNDS, Difference, Parity, measure, require
from faprompt.errors import DataError, ExportError
from faprompt.runtime import Runtime
from faprompt.runtime.pixels import Floats
from faprompt.runtime.sessions import Bools, Session


@pytest.fixture
def exact(tmp_path: Path) -> Runtime:
    return Runtime.load(write_simple_model(tmp_path / "model"), threads=1)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = [tmp_path / f"{i}.png" for i in range(3)]
    for path in found:
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return found


def shifted(exact: Runtime, score: float, pixel: float) -> Runtime:
    """The same model, wrong by this much: in every score, and in one pixel of each map."""

    def run(pixels: Floats, keep: Bools) -> tuple[Floats, Floats, Floats]:
        scores, maps = simple_scores(pixels)
        maps[:, 0, 0] += np.float32(pixel)
        return scores + np.float32(score), maps, keep.astype(np.float32)[..., None]

    return Runtime(Session(run, exact.session.patches), exact.description)


def test_differences_are_measured_over_all_images(exact: Runtime, paths: list[Path]) -> None:
    found = measure(exact, shifted(exact, -0.01, 0.2), paths, bound=0.1)
    assert found.images == 3
    assert found.image_score.largest == pytest.approx(0.01, abs=1e-6)
    assert found.image_score.mean == pytest.approx(0.01, abs=1e-6)
    assert found.anomaly_map.largest == pytest.approx(0.2, abs=1e-6)
    assert found.anomaly_map.mean == pytest.approx(0.2 / SIDE**2, abs=1e-6)
    assert not found.holds


def test_an_unusable_image_costs_no_good_one(exact: Runtime, paths: list[Path]) -> None:
    paths[1].write_bytes(b"no image")
    assert measure(exact, exact, paths, bound=0.1).images == 2
    with pytest.raises(DataError, match=r"no image to compare .*1\.png"):
        measure(exact, exact, [paths[1]], bound=0.1)


@pytest.mark.parametrize("precision", list(BOUNDS))
def test_the_bound_decides(precision: str) -> None:
    bound = BOUNDS[precision]
    just = Difference(largest=bound, mean=0.0)
    parity = Parity(image_score=just, anomaly_map=just, images=3, bound=bound)
    require(parity, precision=precision)
    for wrong in (bound * 1.01, float("nan")):
        worse = Difference(largest=wrong, mean=0.0)
        for bad in (replace(parity, image_score=worse), replace(parity, anomaly_map=worse)):
            with pytest.raises(ExportError, match=f"the {precision} model differs .* 3 images"):
                require(bad, precision=precision)
