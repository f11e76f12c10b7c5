"""AUROC, AP, F1-max and AUPRO within 1e-4: time per 518x518 map, and memory as maps grow in number.

Mark: 15 ms per map, memory independent of the number of maps.
"""

import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
from machine import arguments, quiet_start, report
from numpy.typing import NDArray

from faprompt.metrics.pixel import MapAndMask, pixel_metrics

SIDE = 518


def maps(count: int) -> Iterator[MapAndMask]:
    """Smooth maps with a raised square, every second with a defect; made as they are asked for."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.random((38, 38), dtype=np.float32)
        values: NDArray[np.float32] = coarse.repeat(14, axis=0).repeat(14, axis=1)[:SIDE, :SIDE]
        values += rng.random((SIDE, SIDE), dtype=np.float32) * np.float32(0.1)
        mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
        if number % 2:
            top, left = rng.integers(0, SIDE - 80, 2)
            mask[top : top + 80, left : left + 60] = True
            values[mask] += np.float32(0.5)
        yield values * np.float32(0.5), mask


def measure(count: int) -> dict[str, Any]:
    """One row: both figures without what making the maps costs."""
    started = time.perf_counter()
    for _ in maps(count):
        pass
    making = time.perf_counter() - started
    passes = 0

    def again() -> Iterator[MapAndMask]:
        nonlocal passes
        passes += 1
        return maps(count)

    started = time.perf_counter()
    result = pixel_metrics(again)
    seconds = time.perf_counter() - started - passes * making
    tracemalloc.start()
    pixel_metrics(lambda: maps(count))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "maps": count,
        "ms per map": 1000 * seconds / count,
        "passes": passes,
        "error limit": f"{result.largest_error_limit:.1e}",
        "peak MB": peak / 1e6,
    }


def main() -> None:
    """Measure a hundred and a thousand maps."""
    parser = arguments(__doc__)
    parser.add_argument("--maps", type=int, nargs="+", default=[100, 1000])
    options = parser.parse_args()
    quiet_start()
    report("pixel metrics, 518x518", [measure(count) for count in options.maps], options.json)


if __name__ == "__main__":
    main()
