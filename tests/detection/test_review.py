"""What is picked for review, and what labels may change."""

import csv
from pathlib import Path
from typing import Any

import pytest
from stations import MODEL, scored, station

from faprompt.data.hashing import content_hash
from faprompt.detection.decision import Scored
from faprompt.detection.review import Label, Labelled, Reason, pick, recalibrate
from faprompt.detection.review_files import read_labels, write_review
from faprompt.detection.rows import Judged, read_run
from faprompt.errors import DataError, OutputError, StationError

ONE = station()


def judged(score: float, path: str = "", sha256: str = "", **changes: Any) -> Judged:
    decision = ONE.decide(score)
    values: dict[str, Any] = {
        "path": path or f"{score}.png",
        "scored": Scored(sha256=sha256 or str(score), image_score=score, peak=score / 2),
        "model_sha256": MODEL,
        "decision": decision.verdict,
        "margin": decision.margin,
        "station_sha256": ONE.sha256,
        "map": None,
    }
    return Judged(**values | changes)


def label(score: float, kind: Label, reason: Reason, sha256: str = "") -> Labelled:
    return Labelled(scored=judged(score, sha256=sha256).scored, label=kind, reason=reason)


def test_unsure_images_come_first_then_the_nearest() -> None:
    rows = [judged(s) for s in (10, 88.5, 91, 94, 97.5, 99, 150)]
    picks = pick(rows, uncertain=5)
    assert [p.judged.scored.image_score for p in picks] == [97.5, 91, 94, 88.5, 99]
    assert {p.reason for p in picks} == {"uncertain"}


def test_random_images_are_drawn_blindly_from_all() -> None:
    rows = [judged(s) for s in range(200)]
    drawn = [
        p.judged.scored.image_score
        for seed in range(50)
        for p in pick(rows, uncertain=10, random=20, seed=seed)
        if p.reason == "random"
    ]
    assert len(drawn) == 1000
    assert abs(sum(drawn) / len(drawn) - 99.5) < 3 * 57.7 / 1000**0.5  # mean of all rows
    assert pick(rows, uncertain=3, random=9, seed=1) == pick(rows, uncertain=3, random=9, seed=1)
    assert len(pick(rows[:4], uncertain=9, random=9)) == 4  # each image once


def test_fair_labels_join_the_calibration() -> None:
    labels = [label(97, "ok", "random", f"new-{i}") for i in range(101)]
    after = recalibrate(ONE, [*labels, label(300, "ng", "random")], labels_sha256="c" * 64)
    assert len(after.normal) == 200
    assert after.threshold < ONE.threshold  # two of 200 may lie above, as theory says
    assert [image.image_score for image in after.anomalous] == [300]
    assert after.history[0].labels_sha256 == "c" * 64
    assert after.lineage >= ONE.lineage


def test_uncertain_labels_may_only_raise_thresholds() -> None:
    low = [label(97, "ok", "uncertain", f"new-{i}") for i in range(101)]
    assert recalibrate(ONE, low, labels_sha256="").threshold == ONE.threshold
    high = [label(120, "ok", "uncertain"), label(95, "ng", "uncertain")]
    after = recalibrate(ONE, high, labels_sha256="")
    assert after.threshold > 120
    assert (len(after.normal), len(after.reviewed_normal)) == (99, 1)
    assert (len(after.anomalous), len(after.reviewed_anomalous)) == (0, 1)


def test_a_label_replaces_what_was_thought_of_an_image() -> None:
    big = station(range(120))
    before = big.normal[-1]
    correction = Labelled(scored=before, label="ng", reason="uncertain")
    after = recalibrate(big, [correction], labels_sha256="")
    assert before not in after.normal
    assert before in after.anomalous  # it was one of a fair sample, and still is
    assert recalibrate(after, [correction], labels_sha256="").anomalous == after.anomalous


def test_images_that_were_wrongly_called_anomalous_lower_no_threshold() -> None:
    wrong = scored([97] * 200, "wrong")
    before = station(anomalous=wrong)
    labels = [Labelled(scored=image, label="ok", reason="uncertain") for image in wrong]
    after = recalibrate(before, labels, labels_sha256="")
    assert (len(after.normal), len(after.reviewed_normal), after.anomalous) == (99, 200, ())
    for name in ("threshold", "review_threshold", "pixel_threshold"):
        assert getattr(after, name) >= getattr(before, name)


def test_too_few_normal_images_may_not_be_left() -> None:
    with pytest.raises(DataError, match="98 normal images are too few"):
        recalibrate(
            ONE,
            [Labelled(scored=ONE.normal[0], label="ng", reason="uncertain")],
            labels_sha256="",
        )


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """The labels of two uncertain images and two random ones, not filled in."""
    rows = []
    for name, score in {"a": 95.0, "b": 99.0, "c": 10.0, "d": 20.0}.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(name.encode())
        rows.append(judged(score, str(path), content_hash(path)))
    picks = pick(rows, uncertain=2)
    picks += [p for p in pick(rows, uncertain=0, random=4) if p.judged.scored.image_score < 50]
    count = write_review(tmp_path / "r", picks, run=tmp_path, copy=True, on_error=fail)
    assert count == 4
    return tmp_path / "r" / "labels.csv"


def fail(source: object, error: Exception) -> None:
    raise AssertionError(source) from error


def fill(path: Path, *labels: str, change: str | None = None) -> Path:
    """Fill in the first column, by line; ``change`` replaces text OLD>NEW."""
    lines = path.read_text().splitlines()
    text = "\n".join([lines[0], *(a + b for a, b in zip(labels, lines[1:], strict=True))])
    if change:
        old, _, new = change.partition(">")
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_labels_come_back_as_they_were_filled_in(review: Path) -> None:
    found = read_labels(fill(review, "ok", " NG ", "ok", "OK"), ONE, on_error=fail)
    assert [(x.label, x.reason) for x in found] == [
        ("ok", "uncertain"),
        ("ng", "uncertain"),
        ("ok", "random"),
        ("ok", "random"),
    ]
    assert [x.scored.image_score for x in found] == [95.0, 99.0, 10.0, 20.0]
    assert found[0].scored.peak == 47.5


def test_a_spreadsheet_may_have_saved_them(review: Path) -> None:
    fill(review, "ok", "", "ok", "ok")
    rows = list(csv.reader(review.open()))
    with review.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";", lineterminator="\r\n").writerows(rows)
    assert len(read_labels(review, ONE, on_error=fail)) == 3


def test_a_random_pick_without_label_makes_all_of_them_unfair(review: Path) -> None:
    told: list[str] = []
    found = read_labels(
        fill(review, "", "", "ok", ""), ONE, on_error=lambda _, e: told.append(str(e))
    )
    assert [x.reason for x in found] == ["uncertain"]
    assert "all random picks count as uncertain" in told[0]


@pytest.mark.parametrize(
    ("labels", "change", "text"),
    [
        (("okay", "ok", "ok", "ok"), None, "line 2: label 'okay'"),
        (("ok", "ok", "ok", "ok"), "95.0>nan", "line 2: scores are not finite"),
        (("ok", "ok", "ok", "ok"), "95.0>9 5", "line 2: could not convert"),
    ],
)
def test_a_bad_line_is_left_out_and_named(
    labels: tuple[str, ...], change: str | None, text: str, review: Path
) -> None:
    told: list[str] = []
    fill(review, *labels, change=change)
    found = read_labels(review, ONE, on_error=lambda _, e: told.append(str(e)))
    assert len(found) == 3
    assert text in told[0]


def test_contradicting_labels_of_one_image_are_left_out(review: Path) -> None:
    fill(review, "ok", "ok", "ok", "ok")
    lines = review.read_text().splitlines()
    review.write_text("\n".join([*lines, "ng" + lines[1][2:], lines[1]]))
    told: list[str] = []
    found = read_labels(review, ONE, on_error=lambda _, e: told.append(str(e)))
    assert len(found) == 3
    assert [t.split(":")[1] for t in told] == [" this image is ok and ng"] * 3


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (MODEL, "b" * 64, "scores of the model bbbbbbbbbbbb, and the station is for aaaaaaaaaaaa"),
        (ONE.sha256, "c" * 64, "judged by another station"),
    ],
)
def test_labels_of_another_model_or_station_are_refused(
    old: str, new: str, text: str, review: Path
) -> None:
    fill(review, "ok", "ok", "ok", "ok", change=f"{old}>{new}")
    with pytest.raises(StationError, match=text):
        read_labels(review, ONE, on_error=fail)


def test_labels_of_an_ancestor_serve_its_successors(review: Path) -> None:
    after = recalibrate(ONE, [label(120, "ok", "uncertain")], labels_sha256="")
    assert len(read_labels(fill(review, "ok", "ok", "ok", "ok"), after, on_error=fail)) == 4


def test_what_is_no_label_file_is_refused(review: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no labels; fill in"):
        read_labels(review, ONE, on_error=lambda *_: None)
    (tmp_path / "x.csv").write_text("label,image\nok,a.png\n")
    with pytest.raises(DataError, match="lacks the columns picked, image_score"):
        read_labels(tmp_path / "x.csv", ONE, on_error=fail)
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", ONE, on_error=fail)


def test_changed_and_missing_images_are_left_out_of_a_review(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"changed since")
    (tmp_path / "b.png").write_bytes(b"as it was")
    there = judged(97, str(tmp_path / "b.png"), content_hash(tmp_path / "b.png"))
    rows = [judged(95, str(tmp_path / "a.png"), "0" * 64), judged(96, str(tmp_path / "gone.png"))]
    told: list[str] = []

    def export(rows: list[Judged]) -> int:
        picks = pick(rows, uncertain=3)
        return write_review(
            tmp_path / "r",
            picks,
            run=tmp_path,
            copy=True,
            on_error=lambda _, e: told.append(str(e)),
        )

    with pytest.raises(DataError, match="none of its 2 picked images is there"):
        export(rows)
    assert not (tmp_path / "r").exists()  # nothing that a second try would have to remove
    assert export([*rows, there]) == 1
    assert any("has changed since it was predicted" in text for text in told)
    assert any("gone.png: not found" in text for text in told)


def test_labels_are_never_overwritten(review: Path) -> None:
    with pytest.raises(OutputError, match="is there already, perhaps with labels"):
        write_review(review.parent, [], run=review.parent, copy=False, on_error=fail)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"path": "a.png", "image_score": 0.5}\n', "line 1: lacks what is needed"),
        ("[]\n", "line 1: lacks what is needed"),
        ("{\n{}\n", "line 1: damaged"),
    ],
)
def test_runs_that_tell_too_little_are_refused(text: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text(text)
    with pytest.raises(DataError, match=error):
        read_run(tmp_path)


def test_a_line_cut_off_by_a_kill_and_a_missing_run(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text('{"path": ')
    assert not read_run(tmp_path)
    with pytest.raises(DataError, match="needed is a folder written by `faprompt predict`"):
        read_run(tmp_path / "none")
