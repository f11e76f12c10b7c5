"""Data sets in the layout in which they are distributed, on miniatures with the traps of copies."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.data.datasets import load_dataset
from faprompt.data.files import find_nested
from faprompt.data.samples import Counts, Dataset
from faprompt.errors import DataError

Row = tuple[str, int | None, str, str | None]
STRAY = ("Thumbs.db", ".DS_Store", "._a.png", "readme.txt")


def make(root: Path, *names: str) -> Path:
    """Create empty files, with what operating systems leave beside each of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        for file in (root / name, *((root / name).parent / stray for stray in STRAY)):
            file.touch()
    return root


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def draw(file: Path, *, marked: bool) -> None:
    """Write a mask of 4x4 pixels; one that is marked has a single defect pixel of code 1."""
    values = np.zeros((4, 4), dtype=np.uint8)
    values[1, 2] = marked
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(file)


def rows(dataset: Dataset, root: Path) -> list[Row]:
    def shown(path: Path | None) -> str | None:
        return path.relative_to(root).as_posix() if path else None

    return [
        (shown(s.image_path) or "", s.label, s.anomaly_type, shown(s.mask_path))
        for s in dataset.samples
    ]


def read_both(name: str, root: Path) -> Dataset:
    """Read the folder itself; the folder above gives the same samples."""
    dataset = load_dataset(f"{name}:{root}")
    assert load_dataset(f"{name}:{root.parent}").samples == dataset.samples
    return dataset


def test_visa_reads_the_test_split_of_its_table(tmp_path: Path) -> None:
    root = make(tmp_path / "VisA", "candle/Data/Images/Normal/0000.JPG")
    table = (
        "object, split, label, image , mask\n"
        "candle,train,normal,candle/Data/Images/Normal/0001.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/0000.JPG,\n\n"
        "candle,test,anomaly,candle\\Data\\Images\\Anomaly\\000.JPG,candle/Data/Masks/000.png\n"
    )
    write(root / "split_csv" / "1cls.csv", "\ufeff" + table)
    dataset = read_both("visa", root)
    assert rows(dataset, root) == [
        ("candle/Data/Images/Normal/0000.JPG", 0, "good", None),
        ("candle/Data/Images/Anomaly/000.JPG", 1, "anomalous", "candle/Data/Masks/000.png"),
    ]
    assert dataset.classes == ("candle",)
    assert {sample.mask_rule for sample in dataset.samples} == {"nonzero"}
    assert load_dataset(root).layout == "visa"


def test_visa_tables_that_are_not_visas(tmp_path: Path) -> None:
    table = tmp_path / "split_csv" / "1cls.csv"
    write(table, "object,split,label,image\n")
    with pytest.raises(DataError, match=r"1cls\.csv: has no column 'mask', only \['object'"):
        load_dataset(f"visa:{tmp_path}")
    write(table, "object,split,label,image,mask\na,test,perhaps,a.jpg,\n")
    with pytest.raises(DataError, match=r"a\.jpg has label 'perhaps'; needed are"):
        load_dataset(f"visa:{tmp_path}")
    write(table, "object,split,label,image,mask\na,test\n")
    with pytest.raises(DataError, match=r"line 2 has 2 values; the header has 5 columns"):
        load_dataset(f"visa:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "normal", "kind"),
    [("btad", "ok", "ko"), ("mpdd", "good", "hole"), ("dtd", "good", "bad")],
)
def test_relatives_of_mvtec(tmp_path: Path, name: str, normal: str, kind: str) -> None:
    root = make(
        tmp_path / name,
        f"01/train/{normal}/0.bmp",
        f"01/test/{normal}/1.BMP",
        f"01/test/{kind}/2.bmp",
        f"01/ground_truth/{kind}/2_mask.png",
    )
    assert set(rows(read_both(name, root), root)) == {
        (f"01/test/{kind}/2.bmp", 1, kind, f"01/ground_truth/{kind}/2_mask.png"),
        (f"01/test/{normal}/1.BMP", 0, "good", None),
    }


def test_ksdd_tells_labels_by_the_masks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make(tmp_path / "KolektorSDD", "kos01/Part0.jpg", "kos01/Part1.JPG", "kos02/Part0.jpg")
    make(root, "kos02/Part1.jpg", "kos02/Part1_label.bmp", "kos02/Part2.jpg")
    draw(root / "kos01" / "Part0_label.bmp", marked=False)
    draw(root / "kos01" / "Part1_label.BMP", marked=True)
    draw(root / "kos02" / "Part0_label.bmp", marked=True)
    with caplog.at_level(logging.WARNING):
        dataset = read_both("ksdd", root)
    assert rows(dataset, root) == [
        ("kos01/Part0.jpg", 0, "good", "kos01/Part0_label.bmp"),
        ("kos01/Part1.JPG", 1, "anomalous", "kos01/Part1_label.BMP"),
        ("kos02/Part0.jpg", 1, "anomalous", "kos02/Part0_label.bmp"),
        ("kos02/Part1.jpg", None, "unknown", None),
        ("kos02/Part2.jpg", None, "unknown", None),
    ]
    assert "Part1_label.bmp: is empty" in caplog.text
    assert load_dataset(root).layout == "ksdd"


def test_ksdd2_reads_test_alone(tmp_path: Path) -> None:
    root = make(tmp_path / "KSDD2", "train/1.png", "train/1_GT.png", "test/2.png", "test/3.png")
    draw(root / "test" / "2_GT.png", marked=False)
    draw(root / "test" / "3_gt.png", marked=True)
    expected: list[Row] = [
        ("test/2.png", 0, "good", "test/2_GT.png"),
        ("test/3.png", 1, "anomalous", "test/3_gt.png"),
    ]
    assert rows(read_both("ksdd2", root), root) == expected
    assert load_dataset(root).layout == "ksdd2"
    assert rows(load_dataset(f"ksdd2:{root / 'test'}"), root) == expected


def test_aitex_half_a_defect_is_no_mask(tmp_path: Path) -> None:
    root = make(
        tmp_path / "AITEX",
        "NODefect_images/2306881-210020u/0001_000_05.png",
        "Defect_images/0001_002_00.PNG",
        "Defect_images/0044_019_04.png",
        "Defect_images/0100_025_08.png",
        "Mask_images/0001_002_00_mask.png",
        "Mask_images/0044_019_04_mask1.png",
        "Mask_images/0044_019_04_mask2.png",
    )
    assert rows(read_both("aitex", root), root) == [
        ("Defect_images/0001_002_00.PNG", 1, "002", "Mask_images/0001_002_00_mask.png"),
        ("Defect_images/0044_019_04.png", 1, "019", None),
        ("Defect_images/0100_025_08.png", 1, "025", None),
        ("NODefect_images/2306881-210020u/0001_000_05.png", 0, "good", None),
    ]
    assert load_dataset(root).layout == "aitex"


ELPV = (
    "images/cell1.png  0.0  mono\nimages/cell2.png 0.3333333333333333 mono\n\n"
    "images/cell3.png   0.6666666666666666   poly\nimages/cell4.png\t1.0\tpoly\n"
)


@pytest.mark.parametrize("text", [ELPV, "path, probability ,type\n" + ELPV])
@pytest.mark.parametrize(
    ("name", "labels"), [("elpv", {1: 0, 4: 1}), ("elpv-half", {1: 0, 2: 0, 3: 1, 4: 1})]
)
def test_elpv_probabilities(tmp_path: Path, text: str, name: str, labels: dict[int, int]) -> None:
    folder = tmp_path / "elpv-dataset" / "src" / "elpv_dataset" / "data"
    write(folder / "labels.csv", text)
    dataset = read_both(name, tmp_path / "elpv-dataset")
    kinds = ("good", "anomalous")
    assert rows(dataset, folder) == [
        (f"images/cell{n}.png", label, kinds[label], None) for n, label in labels.items()
    ]
    assert load_dataset(f"{name}:{folder}").samples == dataset.samples
    assert load_dataset(folder).layout == "elpv"


def test_elpv_line_that_is_none(tmp_path: Path) -> None:
    write(tmp_path / "labels.csv", "images/cell1.png 0.0 mono\nimages/cell2.png\n")
    with pytest.raises(DataError, match=r"line 2 is 'images/cell2.png'; needed are path"):
        load_dataset(f"elpv:{tmp_path}")


def test_dagm_reads_test_and_sorts_classes_by_number(tmp_path: Path) -> None:
    root = tmp_path / "DAGM2007"
    for name in ("Class10", "Class2"):
        make(root / name, "Train/0001.PNG", "Test/0001.PNG", "Test/0002.png", "Test/0003.PNG")
        make(root / name, "Test/Label/0002_label.PNG")
        table = "1\n1\t0\t0001.PNG\t0\t0\n2\t1\t0002.PNG\t0\t0002_label.PNG\n"
        write(root / name / "Test" / "Label" / "Labels.txt", table)
    dataset = read_both("dagm", root)
    assert rows(dataset, root)[:3] == [
        ("Class2/Test/0001.PNG", 0, "good", None),
        ("Class2/Test/0002.png", 1, "anomalous", "Class2/Test/Label/0002_label.PNG"),
        ("Class2/Test/0003.PNG", None, "unknown", None),
    ]
    assert [sample.class_name for sample in dataset.samples[::3]] == ["Class2", "Class10"]
    assert load_dataset(root).layout == "dagm"
    assert len(load_dataset(f"dagm:{root / 'Class2'}")) == 3


def test_dagm_damaged_table(tmp_path: Path) -> None:
    make(tmp_path / "Class1", "Test/0001.PNG")
    write(tmp_path / "Class1" / "Test" / "Label" / "Labels.txt", "1\n1 0 0001.PNG\n")
    with pytest.raises(DataError, match=r"Labels\.txt: line 2 has 3 values; needed are 5"):
        load_dataset(f"dagm:{tmp_path}")


def test_br35h_is_told_from_brain_mri_by_its_third_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "Br35H", "yes/y0.jpg", "no/no0.JPG", "pred/pred0.jpg")
    expected: list[Row] = [("no/no0.JPG", 0, "good", None), ("yes/y0.jpg", 1, "tumour", None)]
    assert rows(read_both("br35h", root), root) == expected
    assert load_dataset(root).layout == "br35h"
    assert rows(load_dataset(f"brainmri:{root}"), root) == expected


def test_headct_header_has_a_space(tmp_path: Path) -> None:
    root = make(tmp_path / "headct", "head_ct/head_ct/000.png", "head_ct/head_ct/110.PNG")
    write(root / "labels.csv", "id, hemorrhage\n0,1\n110, 0\n7,0\n")
    dataset = read_both("headct", root)
    assert rows(dataset, root) == [
        ("head_ct/head_ct/000.png", 1, "hemorrhage", None),
        ("head_ct/head_ct/110.PNG", 0, "good", None),
        ("head_ct/head_ct/007.png", 0, "good", None),  # missing: an error when it is read
    ]
    assert load_dataset(root).layout == load_dataset(root / "head_ct").layout == "headct"
    write(root / "labels.csv", "id, hemorrhage\n0,maybe\n")
    with pytest.raises(DataError, match=r"id '0' has hemorrhage 'maybe'; needed are"):
        load_dataset(root)


def test_lag_attention_maps_are_not_masks(tmp_path: Path) -> None:
    folders = ("non_glaucoma", "suspicious_glaucoma")
    names = [f"{f}/{inner}/1.jpg" for f in folders for inner in ("image", "attention_map")]
    root = make(tmp_path / "LAG_database", *names)
    assert rows(read_both("lag", root), root) == [
        ("non_glaucoma/image/1.jpg", 0, "good", None),
        ("suspicious_glaucoma/image/1.jpg", 1, "glaucoma", None),
    ]
    assert load_dataset(root).layout == "lag"


PAIRS = [
    ("colondb", "CVC-ColonDB", "images/1.png", "masks/1.png"),
    ("clinicdb", "CVC-ClinicDB", "Original/1.tif", "Ground Truth/1.TIF"),
    ("clinicdb", "archive", "PNG/Original/1.png", "PNG/Ground Truth/1.png"),
    ("clinicdb", "CVC-ClinicDB", "images/1.png", "masks/1.png"),
    ("endo", "endotect", "images/a.jpg", "masks/a.png"),
    ("kvasir", "Kvasir-SEG", "images/a.jpg", "masks/a.jpg"),
    (
        "isic",
        "ISIC2016",
        "ISBI2016_ISIC_Part1_Test_Data/ISIC_0000003.jpg",
        "ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_0000003_Segmentation.png",
    ),
    ("tn3k", "tn3k", "test-image/0000.jpg", "test-mask/0000.jpg"),
]


@pytest.mark.parametrize(("name", "folder", "image", "mask"), PAIRS)
def test_lesions_are_images_beside_masks(
    tmp_path: Path, name: str, folder: str, image: str, mask: str
) -> None:
    root = make(tmp_path / folder, image, mask, "trainval-image/1.jpg", "train/images/1.jpg")
    make(root, "ISBI2016_ISIC_Part1_Training_Data/1.jpg")
    dataset = read_both(name, root)
    [(found, label, _, found_mask)] = rows(dataset, root)
    assert (found, label, found_mask) == (image, 1, mask)
    assert dataset.samples[0].mask_rule == "above127"
    assert dataset.counts() == Counts(normal=0, anomalous=1, unlabelled=0, masks=1)


def test_the_right_set_is_picked_from_folders_with_several(tmp_path: Path) -> None:
    for name in ("CVC-300", "CVC-ClinicDB", "CVC-ColonDB"):
        make(tmp_path / name, "images/1.png", "masks/1.png")
    for name in ("PNG", "TIF"):
        make(tmp_path / "kaggle" / name, "Original/1.png", "Ground Truth/1.png")
    make(tmp_path / "Thyroid Dataset", "tn3k/test-image/1.jpg", "tn3k/test-mask/1.jpg")
    for name, place in (
        ("colondb", "CVC-ColonDB/images/1.png"),
        ("clinicdb", "CVC-ClinicDB/images/1.png"),
        ("tn3k", "Thyroid Dataset/tn3k/test-image/1.jpg"),
    ):
        dataset = load_dataset(f"{name}:{tmp_path}")
        assert [row[0] for row in rows(dataset, tmp_path)] == [place]
    twice = load_dataset(f"clinicdb:{tmp_path / 'kaggle'}")
    assert [row[0] for row in rows(twice, tmp_path)] == ["kaggle/PNG/Original/1.png"]


def test_realiad_reads_its_lists(tmp_path: Path) -> None:
    root = make(tmp_path / "Real-IAD", "realiad_256/audiojack/OK/S1/a.jpg", "realiad_1024/x.txt")
    entries = [
        {"anomaly_class": "OK", "image_path": "OK/S1/a.jpg", "mask_path": None},
        {"anomaly_class": "HS", "image_path": "NG/HS/S2/b.jpg", "mask_path": "NG/HS/S2/b.png"},
    ]
    meta = {"normal_class": "OK", "prefix": "audiojack/"}
    content = {"meta": meta, "train": entries[:1], "test": entries}
    lists = root / "realiad_jsons" / "realiad_jsons"
    write(lists / "audiojack.json", json.dumps(content))
    make(lists, "._audiojack.json")
    dataset = read_both("realiad", root)
    base = "realiad_1024/audiojack"
    assert rows(dataset, root) == [
        (f"{base}/OK/S1/a.jpg", 0, "good", None),
        (f"{base}/NG/HS/S2/b.jpg", 1, "HS", f"{base}/NG/HS/S2/b.png"),
    ]
    assert (dataset.classes, load_dataset(root).layout) == (("audiojack",), "realiad")
    write(lists / "audiojack.json", json.dumps({"test": entries}))
    with pytest.raises(DataError, match=r"audiojack\.json: not a list of Real-IAD \(KeyError"):
        load_dataset(root)


def test_folders_are_found_in_any_case_and_depth(tmp_path: Path) -> None:
    make(tmp_path, "PNG/Ground Truth/1.png")
    assert find_nested(tmp_path, "png/ground truth") == tmp_path / "PNG" / "Ground Truth"
    assert find_nested(tmp_path, ".") == tmp_path
    assert find_nested(tmp_path, "png/original") is None
