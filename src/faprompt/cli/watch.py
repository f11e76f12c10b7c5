"""The ``watch`` command."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faprompt.cli import options
from faprompt.cli.app import app

if TYPE_CHECKING:
    from faprompt.detection.watcher import Watcher
    from faprompt.detection.watching import Log, WatchedFolder

Folder = Annotated[Path | None, typer.Argument(help="Folder that images come to.")]
Station = Annotated[Path, typer.Option(help="A file written by calibrate for this model.")]
Out = Annotated[Path, typer.Option(help="Folder for log.jsonl and for frames that are not OK.")]
Source = Annotated[
    str | None, typer.Option(help="In place of a folder: a video file, or a camera's number.")
]
Every = Annotated[int, typer.Option(min=1, help="Of a --source, every n-th frame.")]
OnNg = Annotated[
    str | None,
    typer.Option(
        help="Command for every NG, run without a shell: {path}, {score} and {decision} are "
        "filled in."
    ),
]
Once = Annotated[bool, typer.Option("--once", help="End when nothing is left to do.")]
Settle = Annotated[
    float, typer.Option(min=0, help="Seconds without change after which a file is whole.")
]
Interval = Annotated[float, typer.Option(min=0.01, help="Seconds between looks at the folder.")]

COLORS = {"NG": typer.colors.RED, "UNSURE": typer.colors.YELLOW, "left out": typer.colors.YELLOW}


@app.command()
def watch(
    station: Station,
    folder: Folder = None,
    source: Source = None,
    out: Out = Path("watch"),
    model: options.Model = "tiny",
    every: Every = 1,
    on_ng: OnNg = None,
    once: Once = False,
    settle: Settle = 2.0,
    interval: Interval = 1.0,
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = options.DEFAULT_WORKERS,
) -> None:
    """Decide on images as they come: of a folder, a video or a camera. Ctrl-C ends it.

    Started again it goes on; nothing is done twice.

    Example: faprompt watch incoming/ --station station.json --on-ng "notify-send {path}"
    """
    if (folder is None) == (source is None):
        raise typer.BadParameter("needed is a FOLDER, or --source VIDEO or CAMERA: one of them")
    from faprompt.detection.fitting import station_for
    from faprompt.detection.watching import Hook, Log, WatchedFolder

    hook = Hook(on_ng) if on_ng else None
    watched = WatchedFolder(folder, settle=settle, exclude=out) if folder else None
    loaded = options.load_model(model, weights=weights, device=device, precision=precision)
    known = station_for(station, loaded.identity)
    loaded.use_station(known)
    log = Log(out, station_sha256=known.sha256)
    from faprompt.detection.watcher import Watcher

    settings = {"batch_size": batch_size, "workers": workers}
    watcher = Watcher(loaded, log, hook=hook, tell=_tell, **settings)
    try:
        if watched:
            _watch_folder(watcher, watched, log, interval=interval, once=once)
        else:
            _watch_source(watcher, str(source), log, every=every)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    finally:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in watcher.counts.items())
        typer.echo(f"{known.product}: {counts or 'nothing new'}; log: {options.shown(log.path)}")


def _watch_folder(
    watcher: "Watcher", watched: "WatchedFolder", log: "Log", *, interval: float, once: bool
) -> None:
    typer.echo(f"watching {watched.folder}", err=True)
    while True:
        whole, changing = watched.look(log.is_done)
        if whole:
            watcher.files(whole)
        elif once and not changing:
            return
        else:
            time.sleep(interval)


def _watch_source(watcher: "Watcher", source: str, log: "Log", *, every: int) -> None:
    from faprompt.data.hashing import content_hash
    from faprompt.detection.frames import frames, is_camera

    name = f"camera {source}" if is_camera(source) else source
    sha256 = "" if is_camera(source) else content_hash(source)
    after = log.frames[sha256] if sha256 in log.frames and sha256 else -1
    for frame in frames(source, every=every, after=after):
        watcher.frame(frame, source=name, source_sha256=sha256)


def _tell(row: dict[str, Any]) -> None:
    verdict = row.get("decision", "left out")
    place = row.get("path") or f"{row['source']}, frame {row['frame']}"
    text = f"{row['image_score']:.3f}  {place}" if "decision" in row else row["error"]
    hook = f"  (hook: {row['hook']})" if row.get("hook", "done") != "done" else ""
    typer.secho(f"{verdict:<8} {text}{hook}", fg=COLORS.get(verdict))
