"""Polygons as users write them, and their pixels. Shapes: H x W the image, P points."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.config import short
from faprompt.errors import ConfigError, DataError
from faprompt.files import parse_json

Polygon = tuple[tuple[float, float], ...]
"""Corners (x, y) in pixels of the image as seen; pixel (x, y) is the square up to (x + 1, y + 1).

The last corner joins the first, which may be repeated."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"  # one way to read each: others are tried for ages
_TEXT = re.compile(rf"\s*{_NUMBER}\s*,\s*{_NUMBER}(?:[\s;]+{_NUMBER}\s*,\s*{_NUMBER})*\s*")
FORMS = 'needed is [[x, y], ...], a list of such lists, or {"polygons": [...]}'


def looks_like_polygon(text: str) -> bool:
    """Whether a text is meant as corners "x,y x,y x,y", and not as a file.

    Example:
        >>> looks_like_polygon("10,10 200,10 200,150"), looks_like_polygon("part.png")
        (True, False)
    """
    return _TEXT.fullmatch(text) is not None


def parse_polygon(text: str) -> Polygon:
    """Read corners "x,y x,y x,y".

    Raises:
        ConfigError: fewer than three corners, or no area.
    """
    numbers = [float(number) for number in re.findall(_NUMBER, text)]
    return _checked(
        list(zip(numbers[::2], numbers[1::2], strict=True)), where=f"polygon {short(text)}"
    )


def read_polygons(path: Path) -> list[Polygon]:
    """Read a JSON file of one polygon or several.

    Raises:
        DataError: it cannot be read.
        ConfigError: it holds something else than polygons.
    """
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error}); {FORMS}") from None
    if isinstance(values, dict):
        values = values.get("polygons")
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{path}: holds no polygons; {FORMS}")
    polygons = [values] if _is_point(values[0]) else values
    return [_of_json(points, f"{path}: polygon {i + 1}") for i, points in enumerate(polygons)]


def fill(polygons: list[Polygon], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies in any of the polygons (even-odd rule), (H, W).

    Args:
        polygons: What of them lies outside of the image is cut off.
        size: (width, height).

    Example:
        >>> fill([((1, 0), (3, 0), (3, 1), (1, 1))], (4, 1))
        array([[False,  True,  True, False]])
    """
    width, height = size
    mask = np.zeros((height, width), dtype=np.bool_)
    for polygon in polygons:
        _fill(mask, np.array(polygon))
    return mask


def _fill(mask: NDArray[np.bool_], points: NDArray[np.float64]) -> None:
    height, width = mask.shape
    start, end = points, np.roll(points, -1, axis=0)
    first = max(0, int(np.floor(points[:, 1].min())))
    last = min(height, int(np.ceil(points[:, 1].max())) + 1)
    for y in range(first, last):
        centre = y + 0.5
        crossing = (start[:, 1] <= centre) != (end[:, 1] <= centre)
        (x0, y0), (x1, y1) = start[crossing].T, end[crossing].T
        x = np.sort(x0 + (centre - y0) * (x1 - x0) / (y1 - y0))
        borders = np.ceil(x - 0.5).clip(0, width).astype(np.int64)  # first pixel behind each
        for left, right in zip(borders[::2], borders[1::2], strict=True):
            mask[y, left:right] = True


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    )


def _of_json(points: Any, where: str) -> Polygon:
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise ConfigError(f"{where} is not a list of points; {FORMS}")
    return _checked([(float(x), float(y)) for x, y in points], where=where)


def _checked(points: list[tuple[float, float]], *, where: str) -> Polygon:
    if not np.isfinite(points).all():
        raise ConfigError(f"{where}: a corner is not a finite number")
    if len(set(points)) < 3:
        raise ConfigError(f"{where}: {len(set(points))} different corners; needed are 3 or more")
    array = np.array(points)
    if (array.max(axis=0) <= 0).any() or not np.ptp(array, axis=0).all():
        raise ConfigError(f"{where}: encloses no pixels of any image; corners are x,y in pixels")
    return tuple(points)
