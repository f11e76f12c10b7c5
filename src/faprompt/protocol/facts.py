"""What a report says beside the figures: data, methods, time, how to make it again."""

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import faprompt
from faprompt.protocol.methods import get_method
from faprompt.protocol.overlaps import Finding
from faprompt.protocol.published import SOURCES
from faprompt.protocol.results import Results
from faprompt.protocol.tables import Cell, Table, percent, title_of, where

COUNTED = ("image_auroc", "pixel_auroc", "pixel_aupro")
"""Metrics of the headline."""
HOW_COUNTED = (
    "A comparison is a target and one of image AUROC, pixel AUROC and AUPRO; methods are told "
    "apart by a 95 % paired bootstrap over images and seeds, not corrected for the number of "
    "comparisons."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """How a report was made."""

    command: str
    overlaps: tuple[Finding, ...] = ()


def data_table(results: Results) -> Table:
    """Every set of the plan: counts and content hash, or why it is missing."""
    material = results.outcome.material
    rows = []
    for found in material.all_present():
        facts = found.facts()
        numbers = ("classes", "normal", "anomalous", "masks", "unlabelled")
        rows.append(
            (
                Cell(found.name, str(facts["layout"])),
                *(Cell(f"{facts[name]:,}") for name in numbers),
                Cell(str(facts["sha256"])[:16]),
            )
        )
    heads = ("data set", "classes", "normal", "anomalous", "masks", "unlabelled", "content SHA-256")
    return Table("Data on this machine", heads, tuple(rows))


def missing_table(results: Results) -> Table | None:
    """Sets that the plan names and that cannot be used here."""
    rows = tuple((Cell(a.name), Cell(a.reason)) for a in results.outcome.material.absent())
    return Table("Missing on this machine", ("data set", "why"), rows) if rows else None


def seen_targets(results: Results) -> list[str]:
    """A warning for each target that is learned from for itself."""
    material = results.outcome.material
    return [
        f"{target.name} is also learned from: its figures are no measure of what is found in "
        "products never seen."
        for transfer in results.plan.transfers
        for target in material.present(transfer.targets)
        if target.sha256 in {found.sha256 for found in material.present(transfer.auxiliary)}
    ]


def unreadable_notes(results: Results) -> list[str]:
    """Images that were left out, once per target."""
    notes = []
    for key in results.keys:
        cell = next(e.cell for m in results.plan.methods for e in results.entries(key, m) if e.cell)
        for facts in results.store.read(cell)["classes"]:
            for path, reason in facts["unreadable"].items():
                notes.append(f"{where(results, key)}: left out {path}: {reason}")
    return notes


def overlap_table(making: Making) -> Table | None:
    """Images in both auxiliary and target sets."""
    rows = tuple(
        (Cell(f.target), Cell(f.auxiliary), Cell(f.count), Cell(f.examples))
        for f in making.overlaps
    )
    heads = ("target", "auxiliary", "images in both", "for example")
    return Table("Overlap of auxiliary and target images", heads, rows) if rows else None


def time_table(results: Results) -> Table | None:
    """Milliseconds per image of tower and method, and the memory of the process."""
    rows = []
    for method in results.plan.methods:
        images, tower, own, peak = 0, 0.0, 0.0, 0
        for cell in (c for key in results.keys for c in results.cells(key, method)):
            told = results.store.read(cell)
            peak = max(peak, told["peak_memory_bytes"])
            for facts in told["classes"]:
                images += facts["images"]
                tower += facts["seconds"]["tower"]
                own += facts["seconds"]["method"]
        if images:
            each = (1000 * seconds / images for seconds in (tower, own, tower + own))
            times = (Cell(f"{milliseconds:.1f}") for milliseconds in each)
            rows.append((Cell(title_of(method)), *times, Cell(f"{peak / 2**20:,.0f}")))
    if not rows:
        return None
    return Table(
        "Time and memory",
        ("method", "tower, ms per image", "method, ms per image", "both", "process peak, MiB"),
        tuple(rows),
        (
            "The tower runs once for all methods; its time is counted to each. The peak is that "
            "of the whole process, which holds all methods, by the time the target was done: an "
            "upper bound for the method, not its own need.",
        ),
    )


def bins_note(results: Results) -> str:
    """How far binning may move what is behind an interval."""
    limits: dict[str, float] = {}
    for key in results.keys:
        for cell in (c for m in results.plan.methods for c in results.cells(key, m)):
            for facts in results.store.read(cell)["classes"]:
                for metric, limit in facts["bootstrap_error_limits"].items():
                    limits[metric] = max(limits.get(metric, 0.0), limit)
    if not limits:
        return "No pixel metric is defined here."
    return (
        "Intervals of pixel metrics come from histograms of each image; binning moves the figure "
        f"of the full set by at most {100 * limits['pixel_auroc']:.2f} points (AUROC) and "
        f"{100 * limits['pixel_aupro']:.2f} points (AUPRO), and intervals are put around the "
        "exact figure."
    )


def method_notes(results: Results) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Per method: title, source, settings and deviations from the published one."""
    found = []
    for name in results.plan.methods:
        method = get_method(name)
        settings = tuple(f"{key}: {value}" for key, value in method.settings.items())
        found.append((method.title, method.source, settings, method.deviations))
    return found


def source_notes(results: Results) -> list[str]:
    """Where published figures come from."""
    return [f"{key}: {SOURCES[key]}" for key in results.plan.published]


def setting_lines(results: Results) -> list[str]:
    """The plan's settings, in words."""
    plan, outcome = results.plan, results.outcome
    scale = outcome.backbone.clip.logit_scale
    training = ", ".join(f"{k} {v}" for k, v in plan.training.items()) or "defaults"
    precision = str(scale.dtype).removeprefix("torch.")
    return [
        f"backbone {outcome.backbone.spec.name}, weights {outcome.backbone.checksum[:16]}",
        f"input {outcome.input_size} pixels, blur of the maps sigma {plan.blur_sigma:g} pixels",
        f"seeds {', '.join(map(str, plan.seeds))}; training: {training}; the epoch is chosen on "
        "held-out source data",
        f"{plan.resamples:,} bootstrap resamples",
        f"{precision} on {scale.device.type}",
    ]


def making_lines(making: Making) -> list[str]:
    """Command and versions."""
    lines = [f"command: {making.command}", f"faprompt {faprompt.__version__}{_commit()}"]
    return [*lines, f"Python {platform.python_version()} on {platform.machine()}"]


def _commit() -> str:
    """The commit of a checkout; nothing for an installed package."""
    root = Path(faprompt.__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        asked = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {found.stdout.strip()}"


def headline(results: Results) -> str:
    """How often the reference is ahead of its rivals, and of its own ablations."""
    ours = results.reference
    rivals: list[int] = []
    ablations: list[int] = []
    for _, method, metric, difference in results.differences():
        if metric in COUNTED:
            group = ablations if method.startswith(f"{ours}-") else rivals
            group.append(difference.verdict)
    name = title_of(ours)
    if not rivals and not ablations:
        return f"{name} has nothing to be compared with here."
    parts = [
        f"{name} is better than its {whom} in {found.count(1)} of {len(found)} comparisons, worse "
        f"in {found.count(-1)}, and not told apart from them in {found.count(0)}."
        for whom, found in (("rivals", rivals), ("ablations", ablations))
        if found
    ]
    return " ".join([*parts, HOW_COUNTED])


def spread_note(results: Results) -> str:
    """What plus-minus and intervals mean."""
    seeds = len(results.plan.seeds)
    told = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "of one seed"
    return (
        f"Figures are percent, {told} (methods that do not learn have one figure). "
        "Ranges are 95 % bootstrap intervals over images. "
        f"50 is guessing for AUROC, {percent(0.15)} for AUPRO."
    )
