"""Images scored as they come, from a folder or a video: log, heat maps, and a command per NG.

Nothing is done twice and nothing is forgotten: an image's row is written when its heat map is kept
and its command has run. If the machine dies in between, that one image is done again.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.detection.arrivals import Arrival, Ending, WatchedFolder, state_of
from faprompt.detection.frames import Frame, Video
from faprompt.detection.hook import Hook
from faprompt.detection.map_files import peaks
from faprompt.detection.outputs import Row
from faprompt.detection.prediction import Prediction
from faprompt.detection.station import Station
from faprompt.detection.tracing import measures
from faprompt.detection.watch_log import WatchLog, state_columns
from faprompt.errors import DataError, FAPromptError


class Model(Protocol):
    """What can watch: a detector, or the runtime of an exported model."""

    station: Station | None

    @property
    def identity(self) -> dict[str, Any]:
        """``model_sha256`` and more."""

    @property
    def predict(self) -> Callable[..., Any]:
        """Paths to a stream of predictions, or one array to a prediction."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Watch:
    """Scores what comes and does what its verdict asks for."""

    model: Model
    log: WatchLog
    ending: Ending
    """Ends it, between two images."""
    hook: Hook | None = None
    """Run once for every image that is NG."""
    maps: bool = True
    """Keep heat maps of what is NG or UNSURE."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ``predict``: batch size, threads, ..."""
    left_out: Callable[[FAPromptError], object] = lambda _: None
    """Told of every image that cannot be used."""
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self._origin = {"model_sha256": self.model.identity["model_sha256"]}
        if station := self.model.station:
            self._origin |= {"station_sha256": station.sha256, "product": station.product}

    def rows(
        self, watched: WatchedFolder | Video, *, poll: float = 1.0, new_only: bool = False
    ) -> Iterator[Row]:
        """:meth:`folder` or :meth:`video`."""
        if isinstance(watched, Video):
            return self.video(watched)
        return self.folder(watched, poll=poll, new_only=new_only)

    def folder(
        self, folder: WatchedFolder, *, poll: float = 1.0, new_only: bool = False
    ) -> Iterator[Row]:
        """Score the images of a folder: first those that are there, then those that come.

        Args:
            folder: To watch.
            poll: Seconds from look to look.
            new_only: Leave alone what is there at the start, until it changes.

        Yields:
            The row of each image, after it was logged.

        Raises:
            OutputError: the log or a heat map cannot be written.
        """
        if new_only:
            self.log.known |= folder.scan()
        for group in folder.arrivals(self.log.known, ending=self.ending, poll=poll):
            yield from self._group(group, folder.path)

    def video(self, video: Video) -> Iterator[Row]:
        """Score the pictures of a video; those of a file that were done before are passed over.

        Yields:
            The row of each picture, after it was logged.

        Raises:
            DataError: it cannot be opened, or a camera does not come back.
            OutputError: the log or a picture cannot be written.
        """
        after = self.log.last_frame(video.name, video.state)
        for frame in video.frames(after=after):
            yield self._frame(self.model.predict(frame.pixels, **self.options), frame, video)

    def _group(self, group: list[Arrival], root: Path) -> Iterator[Row]:
        waiting = {arrival.path: arrival for arrival in group}

        def fail(source: Any, error: FAPromptError) -> None:
            self._leave_out(waiting[str(source)], error)

        paths = [arrival.path for arrival in group]
        for prediction in self.model.predict(paths, on_error=fail, **self.options):
            arrival = waiting[prediction.path]
            try:
                row = self._file(prediction, arrival, root)
            except DataError as error:  # gone since it was read
                self._leave_out(arrival, error)
                continue
            if row:
                yield row
            if self.ending.asked:
                return

    def _file(self, prediction: Prediction, arrival: Arrival, root: Path) -> Row | None:
        """The row of a file; None if it changed since it stood still: then it comes again."""
        sha256 = content_hash(arrival.path)
        if state_of(arrival.path) != arrival.state:
            return None
        row = self._row(prediction, sha256) | state_columns(arrival.state)
        name = PurePosixPath(Path(arrival.path).relative_to(root).as_posix())
        return self._finish(row, prediction, name)

    def _frame(self, prediction: Prediction, frame: Frame, video: Video) -> Row:
        row = self._row(prediction, hashlib.sha256(frame.pixels.tobytes()).hexdigest())
        row |= {"source": video.name, "frame": frame.number, **state_columns(video.state)}
        name = PurePosixPath(f"{video.stem}-{frame.number:08d}")
        if row.get("decision") in {"NG", "UNSURE"}:
            row["kept"] = self.log.keep("frames", name, Image.fromarray(frame.pixels))
            row["path"] = str((self.log.folder / row["kept"]).absolute())
        return self._finish(row, prediction, name)

    def _row(self, prediction: Prediction, sha256: str) -> Row:
        time = self.clock().isoformat(timespec="milliseconds")
        row: Row = {"time": time, **measures(prediction)}
        if decision := prediction.decision:
            row |= {"decision": decision.verdict, "margin": decision.margin}
        return row | {
            "peak": float(peaks(prediction.anomaly_map, (1, 1)).max()),
            "sha256": sha256,
            **self._origin,
        }

    def _finish(self, row: Row, prediction: Prediction, name: PurePosixPath) -> Row:
        """Heat map, then command, then the row, which says: done."""
        verdict = row.get("decision")
        if self.maps and verdict in {"NG", "UNSURE"}:
            row["map"] = self.log.keep("maps", name, prediction.overlay())
        if self.hook and verdict == "NG":
            row["hook"] = self.hook(
                path=row["path"],
                score=f"{row['image_score']:.6f}",
                decision=verdict,
                margin=f"{row['margin']:.6f}",
                product=row["product"],
                map=str((self.log.folder / row["map"]).absolute()) if "map" in row else "",
            )
        self.log.add(row)
        return row

    def _leave_out(self, arrival: Arrival, error: FAPromptError) -> None:
        if state_of(arrival.path) not in {arrival.state, None}:
            return  # written to again: it comes when it stands still
        row = {
            "time": self.clock().isoformat(timespec="milliseconds"),
            "path": arrival.path,
            "error": str(error),
        }
        self.log.add_error(row | state_columns(arrival.state))
        self.left_out(error)
