"""Manifests and meta.json: what they say is read, what they get wrong is named by place."""

import json
from pathlib import Path

import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Sample
from faprompt.errors import DataError


def samples_of(path: Path, text: str) -> tuple[Sample, ...]:
    path.write_text(text, encoding="utf-8")
    return load_dataset(path).samples


def test_csv_with_all_columns(tmp_path: Path) -> None:
    text = "path,label,mask,class,type\na.png,0,,nut,\nsub/b.png,1,m/b.png,nut,crack\n"
    good, bad = samples_of(tmp_path / "list.csv", text)
    assert (good.image_path, good.label, good.anomaly_type) == (tmp_path / "a.png", 0, "good")
    assert bad == Sample(
        image_path=tmp_path / "sub" / "b.png",
        class_name="nut",
        label=1,
        anomaly_type="crack",
        mask_path=tmp_path / "m" / "b.png",
    )


def test_a_manifest_in_a_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path\na.png\n")
    (tmp_path / "a.png").touch()
    dataset = load_dataset(tmp_path)
    assert (dataset.layout, dataset.samples[0].label) == ("manifest", None)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffImage_Path; Label\n'a b.png'; 1\n".replace("'", '"'),  # as spreadsheets write it
        "path\tlabel\r\na b.png\tNG\r\n\r\n",
        "label, image\nTrue, a b.png\n",
    ],
)
def test_the_dialects_people_write(tmp_path: Path, text: str) -> None:
    (sample,) = samples_of(tmp_path / "list.csv", text)
    assert (sample.image_path.name, sample.label) == ("a b.png", 1)
    assert (sample.class_name, sample.anomaly_type) == ("list", "anomalous")


@pytest.mark.parametrize(
    ("word", "label"), [("0", 0), ("good", 0), ("1.0", 1), ("anomaly", 1), ("", None), ("-1", None)]
)
def test_words_for_labels(tmp_path: Path, word: str, label: int | None) -> None:
    (sample,) = samples_of(tmp_path / "list.csv", f"path,label\na.png,{word}\n")
    assert sample.label == label


def test_jsonl(tmp_path: Path) -> None:
    rows = [
        {"path": "a.png", "label": 1, "mask": None, "type": "dent", "class": "nut"},
        {"path": "/data/b.png", "label": None},
        {"path": "c.png", "label": False},
    ]
    text = "\n".join(map(json.dumps, rows)) + "\n\n"
    dent, unknown, good = samples_of(tmp_path / "list.jsonl", text)
    assert (dent.label, dent.anomaly_type, dent.class_name) == (1, "dent", "nut")
    assert (unknown.image_path, unknown.label) == (Path("/data/b.png"), None)
    assert (good.label, good.anomaly_type) == (0, "good")


def test_backslashes_from_elsewhere_are_understood(tmp_path: Path) -> None:
    (sample,) = samples_of(tmp_path / "list.csv", "path\nsub\\a.png\n")
    assert sample.image_path == tmp_path / "sub" / "a.png"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "path,label\na.png,maybe\n", r"a\.csv: line 2, column 'label': 'maybe' is not"),
        ("a.csv", "path,label\nb.png,0\n,1\n", r"a\.csv: line 3, column 'path' is empty"),
        ("a.csv", "path,label\na.png\n", r"a\.csv: line 2 has 1 values; the header has 2"),
        ("a.csv", "picture\na.png\n", r"a\.csv: line 1 has no column 'path', only \['picture'\]"),
        ("a.csv", "path,image\na.png,b.png\n", r"line 1 has more than one column for \['path'\]"),
        ("a.csv", "path,label\n", r"a\.csv: lists no images"),
        ("a.jsonl", '{"path": "a.png"}\nx\n', r"a\.jsonl: line 2 is not JSON"),
        ("a.jsonl", "[1]\n", r"a\.jsonl: line 1 is '\[1\]', not a JSON object"),
        ("a.jsonl", '{"path": 3}\n', r"a\.jsonl: line 1, column 'path': 3 is not a text"),
        ("a.jsonl", '{"path": "a", "label": 2}\n', r"line 1, column 'label': 2 is not a label"),
    ],
)
def test_errors_name_line_and_column(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples_of(tmp_path / name, text)


def test_columns_without_meaning_are_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples_of(tmp_path / "list.csv", "path,labels\na.png,1\n")
    assert "columns without meaning here are left out: labels" in caplog.text


META = {
    "train": {"nut": [{"img_path": "nut/train/good/0.png", "cls_name": "nut", "anomaly": 0}]},
    "test": {
        "nut": [
            {
                "img_path": "nut/test/crack/0.png",
                "mask_path": "nut/ground_truth/crack/0_mask.png",
                "cls_name": "nut",
                "specie_name": "crack",
                "anomaly": 1,
            },
            {
                "img_path": "nut/test/good/0.png",
                "mask_path": "",
                "cls_name": "nut",
                "specie_name": "",
                "anomaly": 0,
            },
        ]
    },
}


@pytest.mark.parametrize("as_folder", [True, False])
def test_meta_json_gives_its_test_split(tmp_path: Path, as_folder: bool) -> None:
    (tmp_path / "meta.json").write_text(json.dumps(META))
    dataset = load_dataset(tmp_path if as_folder else tmp_path / "meta.json")
    assert dataset.layout == "metajson"
    crack, good = dataset.samples
    assert (crack.label, crack.anomaly_type, crack.class_name) == (1, "crack", "nut")
    assert crack.mask_path == tmp_path / "nut/ground_truth/crack/0_mask.png"
    assert (good.label, good.anomaly_type, good.mask_path) == (0, "good", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"meta\.json: not a readable JSON file"),
        ("{}", r'meta\.json: no "test" split'),
        ('{"test": {"nut": 1}}', r"test, class 'nut' is not a list of samples"),
        ('{"test": {"nut": [{"img_path": "a"}]}}', r"class 'nut', entry 0 lacks 'cls_name'"),
        (
            '{"test": {"nut": [{"img_path": "a", "cls_name": "nut", "anomaly": 3}]}}',
            r"entry 0 has anomaly 3 and img_path 'a'; needed are 0 or 1",
        ),
    ],
)
def test_meta_json_errors_name_the_place(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "meta.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)
