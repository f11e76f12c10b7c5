"""Pretraining `tiny`: a step of 32 scenes and their twins, 224 px, in two parts on two cores.

Scenes that need photographs are left out. "drawing ms" is one part's scenes drawn alone.
"""

from functools import partial
from typing import Any

import torch
from machine import DTYPES, arguments, milliseconds, report, timed

from faprompt.pretrain.recipe import Recipe, Stage
from faprompt.pretrain.trainer import Pretraining

SCENES, SIDE = 32, 224


def measure(precision: str, repeats: int) -> dict[str, Any]:
    """One row of the table."""
    stages = (Stage(size=SIDE, steps=0),)
    run = Pretraining(Recipe(scenes=SCENES, precision=precision, stages=stages))
    stretch = partial(timed, run.step, lambda: run.maker.make(run.steps, 0))
    step, drawing = milliseconds(stretch, repeats)
    return {
        "precision": precision,
        "step ms": step,
        "drawing ms": drawing,
        "images/s": 2 * SCENES / step * 1000,
    }


def main() -> None:
    """Measure every precision."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=list(DTYPES))
    options = parser.parse_args()
    torch.set_num_threads(1)  # the parts run side by side, one core each
    found = (measure(precision, options.repeats) for precision in options.precision)
    report("pretraining tiny", found, options.json)


if __name__ == "__main__":
    main()
