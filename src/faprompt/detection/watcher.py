"""Live images: score, decide, run the hook, log. What comes next is told by whoever calls."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from faprompt.detection.calibrator import Scorer
from faprompt.detection.decision import Decision
from faprompt.detection.frames import Frame
from faprompt.detection.outputs import save_image
from faprompt.detection.prediction import Prediction
from faprompt.detection.station import now
from faprompt.detection.tracing import trace
from faprompt.detection.watching import Hook, Log, Row, Stamp, stamp_of
from faprompt.errors import DataError, FAPromptError

Tell = Callable[[Row], None]


class Watcher:
    """Decides on files and frames, one log for all."""

    def __init__(
        self, model: Scorer, log: Log, *, hook: Hook | None, tell: Tell, **options: Any
    ) -> None:
        """Get ready.

        Args:
            model: With the station that the log was opened for.
            log: Where rows go, and by which what was done is known.
            hook: Run for every NG, before its row is written: if it is killed between both, the
                hook runs again rather than never.
            tell: Called with every row.
            options: Of ``predict``.
        """
        self.model, self.log, self.hook, self.tell = model, log, hook, tell
        self.options = options
        self.counts: Counter[str] = Counter()
        """Rows by verdict; ``left out`` for images that cannot be used."""

    def files(self, paths: Sequence[Path]) -> None:
        """Decide on whole files; one that changes meanwhile is left for later."""
        stamps = {str(path): stamp_of(path) for path in paths}

        def failed(source: Any, error: FAPromptError) -> None:
            if stamp := stamps[str(source)]:
                self._write({"error": str(error)}, stamp)

        for prediction in self.model.predict(paths, on_error=failed, **self.options):
            path = str(prediction.path)
            try:
                facts = self._facts(prediction) | trace(prediction, **self._origin())
            except DataError as error:
                failed(path, error)
                continue
            if (stamp := stamps[path]) and stamp_of(Path(path)) == stamp:
                self._write(facts, stamp)

    def frame(self, frame: Frame, *, source: str, source_sha256: str) -> None:
        """Decide on one picture of a video or camera; one that is not OK is kept as PNG."""
        prediction = next(iter(self.model.predict([frame.pixels], **self.options)))
        row: Row = {
            "source": source,
            "source_sha256": source_sha256,
            "frame": frame.number,
            "seconds": round(frame.seconds, 3),
            **self._facts(prediction),
            **_decided(prediction.decision),
            "peak": float(prediction.anomaly_map.max()),
            "pixels_sha256": frame.pixels_sha256,
            **self._origin(),
        }
        if row["decision"] != "OK":
            name = f"{Path(source).stem}-{source_sha256[:8]}-{frame.number:08d}.png"
            path = self.log.path.parent / "frames" / name
            save_image(path, Image.fromarray(frame.pixels))
            row["path"] = str(path)
        self._finish(row)

    def _origin(self) -> dict[str, str]:
        return {
            "model_sha256": self.model.identity["model_sha256"],
            "station_sha256": self.log.station_sha256,
        }

    def _facts(self, prediction: Prediction) -> Row:
        return {
            "time": now(),
            "image_score": prediction.image_score,
            "milliseconds": round(prediction.milliseconds, 3),
        }

    def _write(self, facts: Row, stamp: Stamp) -> None:
        path, size, changed = stamp
        self._finish({"path": path, "size": size, "changed": changed, "time": now(), **facts})

    def _finish(self, row: Row) -> None:
        verdict = row.get("decision", "left out")
        if verdict == "NG" and self.hook:
            row["hook"] = self.hook.run(
                path=row["path"], score=row["image_score"], decision=verdict
            )
        self.log.add(row)
        self.counts[verdict] += 1
        self.tell(row)


def _decided(decision: Decision | None) -> Row:
    assert decision is not None  # the model has a station
    return {"decision": decision.verdict, "margin": decision.margin}
