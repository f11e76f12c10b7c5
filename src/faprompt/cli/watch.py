"""The ``watch`` command: images as they come, from a folder, a video or a camera."""

import signal
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import looking, options
from faprompt.cli.app import app
from faprompt.cli.printing import printable, warn

if TYPE_CHECKING:
    from faprompt.detection.arrivals import Ending, WatchedFolder
    from faprompt.detection.frames import Video
    from faprompt.detection.outputs import Row
    from faprompt.detection.station import Station
    from faprompt.errors import FAPromptError

Folder = Annotated[
    Path | None, typer.Argument(help="Folder where images arrive; with all below it.")
]
Source = Annotated[
    str | None, typer.Option(help="Instead: a video file, a camera's number, or rtsp://...")
]
Out = Annotated[
    Path, typer.Option(help="Folder for the log (which is the memory), heat maps and frames.")
]
OnNg = Annotated[
    str | None,
    typer.Option(
        help="Command per NG, without a shell. {path}, {score}, {decision}, {margin}, {product} "
        "and {map} are filled in."
    ),
]
HookTimeout = Annotated[float, typer.Option(min=0.1, help="Seconds for the command.")]
Poll = Annotated[float, typer.Option(min=0.05, help="Seconds from look to look at the folder.")]
NewOnly = Annotated[bool, typer.Option("--new-only", help="Leave alone what is there already.")]
Every = Annotated[int, typer.Option(min=1, help="Score every Nth picture of a video.")]
Tries = Annotated[int, typer.Option(min=0, help="How often to try a camera that went away.")]
Maps = Annotated[bool, typer.Option("--maps/--no-maps", help="Keep heat maps of NG and UNSURE.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Largest width x height that is decoded.")]

COLOURS = {"OK": "green", "UNSURE": "yellow", "NG": "bold red"}


@app.command()
def watch(
    folder: Folder = None,
    source: Source = None,
    station: options.Station = None,
    out: Out = Path("watch"),
    model: options.Model = "tiny",
    on_ng: OnNg = None,
    hook_timeout: HookTimeout = 10.0,
    poll: Poll = 1.0,
    new_only: NewOnly = False,
    every: Every = 1,
    tries: Tries = 10,
    maps: Maps = True,
    max_pixels: MaxPixels = 178_956_970,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
    reference: options.Reference = None,
    roi: looking.Roi = None,
    ignore: looking.Ignore = None,
    tile: looking.Tile = None,
    overlap: looking.Overlap = None,
    smallest_defect: looking.SmallestDefect = None,
    whole: looking.Whole = False,
) -> None:
    """Score images as they come; decide by a station; run a command per NG. Ctrl+C ends it.

    Example: faprompt watch incoming/ --station station.json --on-ng "alarm {path} {score}"
    """
    if (folder is None) == (source is None):
        raise typer.BadParameter("needed is a FOLDER or --source, one of them")
    if on_ng is not None and not _has_station(station, model):
        raise typer.BadParameter("--on-ng needs --station: without one nothing is NG")
    look = looking.LookRequest(
        tile=tile, overlap=overlap, smallest_defect=smallest_defect, whole=whole, roi=roi,
        ignore=ignore, reference=reference,
    ).look()  # fmt: skip
    from faprompt.detection.arrivals import Ending
    from faprompt.detection.hook import Hook
    from faprompt.detection.watch_log import WatchLog
    from faprompt.detection.watching import Watch

    hook = Hook(on_ng, timeout=hook_timeout) if on_ng is not None else None
    run = _Run(Ending())
    with _ending_on_signals(run.ending):
        watched = run.folder(folder, out) if folder else run.video(str(source), every, tries)
        log = WatchLog(out, watched.name)  # before the model, which takes longer
        loaded = options.load_model(model, weights=weights, device=device, precision=precision)
        loaded = options.with_references(loaded, reference, look.areas)
        options.use_station(loaded, station, look)
        asked = {"batch_size": batch_size, "workers": workers, "max_pixels": max_pixels}
        job = Watch(
            model=loaded, log=log, ending=run.ending, hook=hook, maps=maps,
            options=asked | {"look": look}, left_out=run.leave_out,
        )  # fmt: skip
        run.begin(watched.name, loaded.station)
        try:
            run.show(job.rows(watched, poll=poll, new_only=new_only))
        finally:
            run.report(out)


def _has_station(station: Path | None, model: str) -> bool:
    """Whether there will be one: given, or beside an exported model."""
    from faprompt.runtime.description import STATION

    return station is not None or (Path(model) / STATION).is_file()


@contextmanager
def _ending_on_signals(ending: "Ending") -> Iterator[None]:
    """SIGINT and SIGTERM end the watch after the image at hand; a second one ends it at once."""
    before: dict[int, Any] = {}

    def end(number: int, _: FrameType | None) -> None:
        ending.asked = True
        signal.signal(number, before[number])

    for name in (signal.SIGINT, signal.SIGTERM):
        before[name] = signal.signal(name, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """What is shown of a watch: a calm line per image, troubles beside, a summary."""

    def __init__(self, ending: "Ending") -> None:
        from rich.console import Console

        self.ending = ending
        self.console = Console(highlight=False)
        self.errors = Console(stderr=True, highlight=False)
        self.station: Station | None = None
        self.verdicts: Counter[str] = Counter()
        self.scores = array("d")  # of weeks
        self.failed_hooks = self.left_out = 0
        self.started = time.monotonic()

    def folder(self, folder: Path, out: Path) -> "WatchedFolder":
        """The folder to watch."""
        from faprompt.detection.arrivals import WatchedFolder

        return WatchedFolder(folder, exclude=out, say=self.warn)

    def video(self, source: str, every: int, tries: int) -> "Video":
        """The video to watch."""
        from faprompt.detection.frames import Video

        return Video(source, every=every, tries=tries, ending=self.ending, say=self.warn)

    def warn(self, text: object) -> None:
        """One line of trouble."""
        warn(self.errors, text)

    def leave_out(self, error: "FAPromptError") -> None:
        """An image that cannot be used."""
        self.left_out += 1
        self.warn(f"left out: {error}")

    def begin(self, name: str, station: "Station | None") -> None:
        """Say what is watched."""
        self.station = station
        by = f" for {station.product}" if station else "; scores alone, as there is no --station"
        text = printable(f"watching {name}{by} (Ctrl+C ends)")
        self.errors.print(text, soft_wrap=True, markup=False)

    def show(self, rows: "Iterable[Row]") -> None:
        """A line per image."""
        from faprompt.detection.hook import DONE

        for row in rows:
            self.scores.append(row["image_score"])
            self._line(row)
            if row.get("hook", DONE) != DONE:
                self.failed_hooks += 1
                self.warn(f"{row['path']}: command failed: {row['hook']}")

    def _line(self, row: "Row") -> None:
        from rich.text import Text

        from faprompt.detection.score_axis import score_text

        here = datetime.fromisoformat(row["time"]).astimezone()  # logs are in UTC, people are not
        line = Text(f"{here:%H:%M:%S}  ")
        if verdict := row.get("decision"):
            self.verdicts[verdict] += 1
            line.append(f"{verdict:6}", style=COLOURS[verdict])
            line.append(f"  {score_text(row['image_score'])}  margin {score_text(row['margin'])}")
        else:
            line.append(score_text(row["image_score"]))
        name = f"{row['source']} #{row['frame']}" if "frame" in row else row["path"]
        self.console.print(line.append(f"  {printable(name)}"), soft_wrap=True)

    def report(self, out: Path) -> None:
        """The summary."""
        parts = [f"{len(self.scores)} images in {time.monotonic() - self.started:.0f} s"]
        if self.station:
            parts.append(", ".join(f"{self.verdicts[verdict]} {verdict}" for verdict in COLOURS))
            self._drift(self.station)
        if self.left_out:
            parts.append(f"{self.left_out} left out")
        if self.failed_hooks:
            parts.append(f"{self.failed_hooks} commands failed")
        self.console.print("; ".join(parts), soft_wrap=True)
        if out.exists():  # made with the first image
            self.console.print(f"log: {options.shown(out)}", soft_wrap=True, markup=False)

    def _drift(self, station: "Station") -> None:
        """Say so when the scores do not look like those of the calibration."""
        from faprompt.detection.drift import drift_warning

        if drift := drift_warning(station, self.scores):
            self.warn(f"drift: {drift}")
