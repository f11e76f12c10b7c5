"""The folder that a reviewer gets, and the labels that come back.

labels.csv   a line per image: the column ``label`` is to be filled in with ok or ng
images/      the images, named by their line
maps/        their heat maps, where the run has them
"""

import csv
import io
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from faprompt.data.hashing import content_hash
from faprompt.detection.decision import Scored
from faprompt.detection.prediction import OnError
from faprompt.detection.review import Label, Labelled, Pick, Reason
from faprompt.detection.rows import require_relative
from faprompt.detection.station import Station
from faprompt.errors import DataError, OutputError
from faprompt.files import replacing, write_text

LABELS = "labels.csv"
COLUMNS = ("label", "image", "picked", "decision", "margin", "image_score", "peak", "path",
           "sha256", "model_sha256", "station_sha256")  # fmt: skip
NEEDED = ("label", "picked", "image_score", "peak", "sha256", "model_sha256", "station_sha256")


def write_review(
    folder: Path, picks: Sequence[Pick], *, run: Path, copy: bool, on_error: OnError
) -> int:
    """Write labels to fill in, and copies of the images to look at.

    Args:
        folder: Made if it is not there.
        picks: In the order of the lines.
        run: Folder of the predictions; heat maps are taken from there.
        copy: Or list the images where they are.
        on_error: Called with an image that is gone or has changed; it is left out.

    Returns:
        How many images there are to label.

    Raises:
        OutputError: labels lie there already, or the folder cannot be written.
        DataError: none of the images can be found; nothing is written.
    """
    if (folder / LABELS).exists():
        raise OutputError(
            f"{folder / LABELS}: is there already, perhaps with labels; choose another --out"
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    written = 0
    for pick in picks:
        judged = pick.judged
        path = Path(judged.path)
        try:
            if content_hash(path) != judged.scored.sha256:
                raise DataError(f"{path}: has changed since it was predicted; predict it again")
        except DataError as error:
            on_error(path, error)
            continue
        written += 1
        shown = path
        if copy:
            shown = Path("images", f"{written:04d}-{path.name}")
            _copy(path, folder / shown)
            if judged.map and (run / judged.map).is_file():
                _copy(run / judged.map, folder / "maps" / f"{written:04d}-{Path(judged.map).name}")
        writer.writerow(_line(pick, str(shown)))
    if picks and not written:
        raise DataError(
            f"{run}: none of its {len(picks)} picked images is there as it was predicted; paths "
            f"such as {picks[0].judged.path} are seen from the folder that predict was run in"
        )
    write_text(folder / LABELS, text.getvalue())
    return written


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _line(pick: Pick, image: str) -> dict[str, Any]:
    judged = pick.judged
    return {
        "label": "",
        "image": image,
        "picked": pick.reason,
        "decision": judged.decision,
        "margin": judged.margin,
        "image_score": judged.scored.image_score,
        "peak": judged.scored.peak,
        "path": judged.path,
        "sha256": judged.scored.sha256,
        "model_sha256": judged.model_sha256,
        "station_sha256": judged.station_sha256,
    }


def read_labels(path: Path, station: Station, *, on_error: OnError) -> list[Labelled]:
    """Read labels that were filled in, also by a spreadsheet that parts columns by ``;``.

    Random picks are a fair sample only if none was skipped: if one has no label, all of them count
    as uncertain ones.

    Args:
        path: As :func:`write_review` wrote it, with labels ``ok`` and ``ng``; empty ones are
            skipped.
        station: To be recalibrated.
        on_error: Called with the number of a line that is left out, and the reason.

    Raises:
        DataError: not such a file, or no label in it.
        StationError: of another model, or judged by a station that is no relative of this one.
    """
    found: list[tuple[int, Labelled]] = []
    skipped = False
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        require_relative(line["model_sha256"], line["station_sha256"] or None, station, where=where)
        try:
            one = _labelled(line)
        except (DataError, ValueError) as error:
            on_error(number, DataError(f"{where}: {error}"))
            one = None
        if one:
            found.append((number, one))
        else:
            skipped = skipped or line["picked"] == "random"
    agreed = _agreed(found, path, on_error)
    if not agreed:
        raise DataError(f"{path}: no labels; fill in the column 'label' with ok or ng")
    if skipped:
        text = "a random pick has no label: all random picks count as uncertain ones"
        on_error(None, DataError(f"{path}: {text}, which may raise thresholds and not lower them"))
    return [replace(one, reason="uncertain") for one in agreed] if skipped else agreed


def _agreed(found: list[tuple[int, Labelled]], path: Path, on_error: OnError) -> list[Labelled]:
    """One label per image; none for images that have both."""
    kinds: dict[str, set[str]] = {}
    for _, one in found:
        kinds.setdefault(one.scored.sha256, set()).add(one.label)
    for number, one in found:
        if len(kinds[one.scored.sha256]) > 1:
            on_error(number, DataError(f"{path}, line {number}: this image is ok and ng"))
    images = {one.scored.sha256: one for _, one in found}
    return [one for sha256, one in images.items() if len(kinds[sha256]) == 1]


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); needed is the {LABELS} of a review, as UTF-8"
        ) from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    if missing := [name for name in NEEDED if name not in (reader.fieldnames or [])]:
        raise DataError(
            f"{path}: lacks the columns {', '.join(missing)}; needed is the {LABELS} of "
            "`faprompt review export`"
        )
    return [(n, {k: v or "" for k, v in line.items() if k}) for n, line in enumerate(reader, 2)]


def _labelled(line: dict[str, str]) -> Labelled | None:
    label, reason = line["label"].strip().lower(), line["picked"].strip().lower()
    if not label:
        return None
    if label not in get_args(Label) or reason not in get_args(Reason):
        raise DataError(
            f"label {line['label']!r}, picked {line['picked']!r}; needed is the label ok, ng or "
            "none, picked as uncertain or random"
        )
    scores = {name: float(line[name]) for name in ("image_score", "peak")}
    if not all(map(math.isfinite, scores.values())):
        raise DataError(f"scores are not finite: {scores}")
    return Labelled(
        scored=Scored(sha256=line["sha256"], **scores),
        label=cast(Label, label),
        reason=cast(Reason, reason),
    )
