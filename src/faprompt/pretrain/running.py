"""How a pretraining run goes on: until when, what it logs, when it saves and scores itself."""

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faprompt.errors import ConfigError
from faprompt.files import append_line, make_folder
from faprompt.pretrain.renderer import RENDERER_VERSION
from faprompt.pretrain.scoring import score_heldout
from faprompt.pretrain.trainer import STATE_FILE, Pretraining

log = logging.getLogger(__name__)

LOG_FILE = "log.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long a run goes on and how often it writes; no influence on the result."""

    minutes: float | None = None
    """Stop after this time."""
    steps: int | None = None
    """Stop at this step, counted from the beginning of the run."""
    save_minutes: float = 2.0
    """Time between two states on disk."""
    score_steps: int = 200
    """Steps between two looks at the held-out kinds; 0 for none."""
    log_steps: int = 10
    """Steps between two lines of the log."""


def pretrain(run: Pretraining, folder: Path, pace: Pace, *, resume: bool = False) -> None:
    """Train until the pace says stop; states and the log go to ``folder``.

    Raises:
        ConfigError: ``folder`` holds a run and ``resume`` is off, or the other way round.
    """
    make_folder(folder)
    if (folder / STATE_FILE).exists():
        if not resume:
            raise ConfigError(f"{folder} holds a run already; add --resume or name another --out")
        run.resume(folder)
    began = saved = time.monotonic()
    if _over(run, pace, began):
        return  # nothing to do: a run that goes on elsewhere is not disturbed
    start = {"recipe": run.recipe.digest, "step": run.steps, "renderer": RENDERER_VERSION}
    note(folder, {"event": "start", **start, "photos": run.maker.renderer.photos is not None})
    while not _over(run, pace, began):
        terms = run.step()
        if run.steps % pace.log_steps == 0:
            note(
                folder,
                {
                    "step": run.steps,
                    "size": run.recipe.stage_at(run.steps - 1).size,
                    **{name: round(value, 4) for name, value in terms.items()},
                },
            )
        if pace.score_steps and run.steps % pace.score_steps == 0:
            score = score_heldout(run.averaged(), run.tokenizer, renderer=run.heldout, scenes=96)
            note(folder, {"step": run.steps, "event": "heldout", **asdict(score)})
        if time.monotonic() - saved > pace.save_minutes * 60:
            run.save(folder)
            saved = time.monotonic()
    run.save(folder)
    note(folder, {"event": "stop", "step": run.steps, "seconds": round(run.seconds)})


def note(folder: Path, line: dict[str, Any]) -> None:
    """Add a line to the run's log.

    Raises:
        OutputError: the log cannot be written.
    """
    append_line(folder / LOG_FILE, line)
    log.info("%s", line)


def _over(run: Pretraining, pace: Pace, began: float) -> bool:
    if pace.steps is not None and run.steps >= pace.steps:
        return True
    return pace.minutes is not None and time.monotonic() - began >= pace.minutes * 60
