"""The files of a training run: settings, log, resume state, curves. Each whole or not there.

run.json                 what was asked for; another request in the same folder is refused
log.jsonl                one line per step group and per epoch
epoch-NN.safetensors     every epoch's prompts
best.safetensors         the chosen epoch's
resume.safetensors       prompts and optimiser after the last finished epoch
curves.png               loss and held-out figures by epoch
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from faprompt.clip.formats import UNREADABLE
from faprompt.errors import ConfigError, OutputError
from faprompt.files import (
    append_line,
    parse_json,
    refuse_foreign,
    unfinished,
    write_tensors,
    write_text,
)

RESUME_KEY = "faprompt-resume"
UNSAID = {"network": "faprompt", "method": {"use_prior": True}}
"""What a run begun before these were recorded has asked for."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Paths of one output folder."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What was asked for."""
        return self.folder / "run.json"

    @property
    def log(self) -> Path:
        """JSON lines."""
        return self.folder / "log.jsonl"

    @property
    def resume(self) -> Path:
        """State after the last finished epoch."""
        return self.folder / "resume.safetensors"

    @property
    def best(self) -> Path:
        """The chosen checkpoint."""
        return self.folder / "best.safetensors"

    @property
    def curves(self) -> Path:
        """Picture of the log."""
        return self.folder / "curves.png"

    def epoch(self, number: int) -> Path:
        """Checkpoint of an epoch, 1-based."""
        return self.folder / f"epoch-{number:02d}.safetensors"


def check_claim(files: RunFiles, request: Mapping[str, Any]) -> None:
    """Refuse a folder that belongs to another run, as far as ``request`` tells.

    Args:
        files: Of the folder; it need not exist.
        request: What is asked for, or the part of it that is known already.

    Raises:
        ConfigError: the folder belongs to another request; the difference is named.
        OutputError: the folder holds other things, or its record cannot be read.
    """
    refuse_foreign(files.folder, files.settings.name, kind="a training run")
    if not files.settings.exists():
        return
    try:
        before = UNSAID | parse_json(files.settings.read_text(encoding="utf-8"))
        before["method"] = UNSAID["method"] | before.get("method", {})
        asked_before = {name: before.get(name) for name in request}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise OutputError(
            f"{files.settings}: not the record of a training run ({error}); choose another --out"
        ) from None
    if differences := list(_differences(asked_before, json.loads(json.dumps(request)))):
        raise ConfigError(
            f"{files.folder}: holds a run with other settings ({'; '.join(differences)}); choose "
            "another --out, or give the same settings to continue it"
        )


def claim(files: RunFiles, request: Mapping[str, Any]) -> None:
    """Make the folder this request's, or carry on with it; see :func:`check_claim`.

    Raises:
        ConfigError: the folder belongs to another request; the difference is named.
        OutputError: the folder cannot be written, or holds other things.
    """
    check_claim(files, request)
    if not files.settings.exists():
        write_text(files.settings, json.dumps(request, indent=2, sort_keys=True) + "\n")
    numbered = sorted(path.name for path in files.folder.glob("epoch-*.safetensors"))
    last = files.epoch(len(numbered) + 1).name  # may have been cut off as the first of its name
    single = (files.settings, files.log, files.best, files.resume, files.curves)
    for name in (*(path.name for path in single), *numbered, last):
        for path in unfinished(files.folder, name):
            path.unlink(missing_ok=True)


def _differences(before: object, now: object, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}".strip("."))
        ]
    return [] if before == now else [f"{name} was {_short(before)}, now {_short(now)}"]


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Everything that the next epoch depends on."""

    epoch: int
    """Epochs finished."""
    history: list[dict[str, Any]]
    """One record per finished epoch."""
    learner: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    """Adam's moments and step counts, named ``<parameter index>.<name>``."""


def save_resume(path: Path, state: ResumeState) -> None:
    """Write the state, whole or not at all."""
    tensors = {f"learner.{k}": v for k, v in state.learner.items()}
    tensors |= {f"optimiser.{k}": v for k, v in state.optimiser.items()}
    about = json.dumps({"epoch": state.epoch, "history": state.history})
    write_tensors(path, tensors, metadata={RESUME_KEY: about})


def load_resume(path: Path) -> ResumeState | None:
    """Read the state; None when the run has not finished an epoch.

    Raises:
        OutputError: the file is damaged.
    """
    if not path.is_file():
        return None
    parts: dict[str, dict[str, Tensor]] = {"learner": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})[RESUME_KEY])
            for name in file.keys():  # noqa: SIM118
                part, _, rest = name.partition(".")
                parts[part][rest] = file.get_tensor(name)
        return ResumeState(about["epoch"], about["history"], parts["learner"], parts["optimiser"])
    except UNREADABLE as error:
        raise OutputError(
            f"{path}: damaged resume state ({error!r}); remove it to start this run again"
        ) from None


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's state as named tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimiser_tensors` returned."""
    state = optimiser.state_dict()
    for name, tensor in tensors.items():
        index, _, leaf = name.partition(".")
        state["state"].setdefault(int(index), {})[leaf] = tensor
    optimiser.load_state_dict(state)


class Log:
    """JSON lines, appended; on resumption cut back to the finished epochs."""

    def __init__(self, path: Path, *, epochs_done: int) -> None:
        self.path = path
        kept = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                try:
                    if parse_json(line)["epoch"] <= epochs_done:
                        kept.append(line)
                except (ValueError, KeyError, TypeError):
                    continue  # a line cut off when the run was killed
        write_text(path, "".join(f"{line}\n" for line in kept))

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record.

        Raises:
            OutputError: the file cannot be written.
        """
        append_line(self.path, dict(sorted(record.items())))
