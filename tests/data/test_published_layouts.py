"""Published data sets on miniatures of the layouts in which they are distributed, with traps."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from faprompt.data.datasets import load_dataset
from faprompt.data.layouts import LAYOUTS
from faprompt.data.samples import Dataset
from faprompt.errors import DataError

Row = tuple[str, str, int | None, str | None]
STRAY = (".DS_Store", "Thumbs.db", "._a.png", "readme.txt")


def make(root: Path, names: Iterable[str]) -> Path:
    """Create empty files, and stray ones beside them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for stray in STRAY:
            (path.parent / stray).touch()
    return root


def rows(dataset: Dataset) -> list[Row]:
    """Class, image, label and mask of every sample, paths relative to the root."""

    def short(path: Path | None) -> str | None:
        return path and path.relative_to(dataset.root).as_posix()  # type: ignore[return-value]

    return [
        (s.class_name, str(short(s.image_path)), s.label, short(s.mask_path))
        for s in dataset.samples
    ]


MINIATURES: dict[str, tuple[list[str], list[Row]]] = {
    "btad": (
        [
            "01/train/ok/0.bmp", "01/test/ok/1.bmp", "01/test/ko/2.BMP",
            "01/ground_truth/ko/2.png",
        ],
        [("01", "01/test/ko/2.BMP", 1, "01/ground_truth/ko/2.png"),
         ("01", "01/test/ok/1.bmp", 0, None)],
    ),
    "mpdd": (
        ["tubes/test/good/000.png", "tubes/test/anomalous/000.png",
         "tubes/ground_truth/anomalous/000_mask.png", "tubes/train/good/000.png"],
        [("tubes", "tubes/test/anomalous/000.png", 1, "tubes/ground_truth/anomalous/000_mask.png"),
         ("tubes", "tubes/test/good/000.png", 0, None)],
    ),
    "dtd": (
        ["Woven_001/test/good/000.png", "Woven_001/test/bad/000.png",
         "Woven_001/ground_truth/bad/000_mask.png"],
        [("Woven_001", "Woven_001/test/bad/000.png", 1, "Woven_001/ground_truth/bad/000_mask.png"),
         ("Woven_001", "Woven_001/test/good/000.png", 0, None)],
    ),
    "dagm": (
        ["Class2/Test/0001.PNG", "Class2/Test/0002.PNG", "Class2/Test/Label/0002_label.PNG",
         "Class2/Train/0003.PNG", "Class10/Test/0001.PNG", "Class10/Test/Label/0009_label.PNG"],
        [("Class2", "Class2/Test/0001.PNG", 0, None),
         ("Class2", "Class2/Test/0002.PNG", 1, "Class2/Test/Label/0002_label.PNG"),
         ("Class10", "Class10/Test/0001.PNG", 0, None)],
    ),
    "aitex": (
        ["NODefect_images/2306881-210020u/0001_000_05.png", "Defect_images/0002_002_00.png",
         "Defect_images/0100_025_08.png", "Mask_images/0002_002_00_mask.png",
         "Defect_images/0044_019_04.png", "Mask_images/0044_019_04_mask1.png",
         "Mask_images/0044_019_04_mask2.png"],
        [("fabric", "NODefect_images/2306881-210020u/0001_000_05.png", 0, None),
         ("fabric", "Defect_images/0002_002_00.png", 1, "Mask_images/0002_002_00_mask.png"),
         ("fabric", "Defect_images/0044_019_04.png", 1, None),
         ("fabric", "Defect_images/0100_025_08.png", 1, None)],
    ),
    "brainmri": (
        ["yes/Y1.jpg", "yes/Y2.JPG", "no/1 no.jpeg", "brain_tumor_dataset/yes/Y1.jpg"],
        [("brain", "no/1 no.jpeg", 0, None), ("brain", "yes/Y1.jpg", 1, None),
         ("brain", "yes/Y2.JPG", 1, None)],
    ),
    "br35h": (
        ["yes/y0.jpg", "no/no0.jpg", "pred/pred0.jpg"],
        [("brain", "no/no0.jpg", 0, None), ("brain", "yes/y0.jpg", 1, None)],
    ),
    "lag": (
        ["suspicious_glaucoma/image/1.jpg", "suspicious_glaucoma/attention_map/1.jpg",
         "non_glaucoma/image/2.jpg"],
        [("retina", "non_glaucoma/image/2.jpg", 0, None),
         ("retina", "suspicious_glaucoma/image/1.jpg", 1, None)],
    ),
    "colondb": (
        ["images/1.png", "masks/1.png", "images/2.png"],
        [("colon", "images/1.png", 1, "masks/1.png"), ("colon", "images/2.png", 1, None)],
    ),
    "clinicdb": (
        ["Original/1.tif", "Ground Truth/1.tif"],
        [("colon", "Original/1.tif", 1, "Ground Truth/1.tif")],
    ),
    "endo": (
        ["images/a.jpg", "masks/a.jpg"], [("colon", "images/a.jpg", 1, "masks/a.jpg")],
    ),
    "kvasir": (
        ["images/a.jpg", "masks/a.jpg"], [("colon", "images/a.jpg", 1, "masks/a.jpg")],
    ),
    "isic": (
        ["ISBI2016_ISIC_Part1_Test_Data/ISIC_3.jpg", "ISBI2016_ISIC_Part1_Training_Data/x.jpg",
         "ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_3_Segmentation.png"],
        [("skin", "ISBI2016_ISIC_Part1_Test_Data/ISIC_3.jpg", 1,
          "ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_3_Segmentation.png")],
    ),
    "tn3k": (
        ["test-image/0.jpg", "test-mask/0.jpg", "trainval-image/1.jpg"],
        [("thyroid", "test-image/0.jpg", 1, "test-mask/0.jpg")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MINIATURES)
def test_the_distributed_layout_is_read(name: str, tmp_path: Path) -> None:
    files, expected = MINIATURES[name]
    root = make(tmp_path / "Set", files)
    assert rows(load_dataset(f"{name}:{root}")) == expected
    above = load_dataset(f"{name}:{tmp_path}")  # the folder above does as well
    assert [s.image_path for s in above.samples] == [root / row[1] for row in expected]


DETECTED = sorted(MINIATURES.keys() - {"btad", "mpdd", "dtd", "lag", "colondb", "clinicdb", "endo"})


@pytest.mark.parametrize("name", DETECTED)
def test_distinctive_layouts_are_found_without_a_name(name: str, tmp_path: Path) -> None:
    assert load_dataset(make(tmp_path / "Set", MINIATURES[name][0])).layout == name


def test_dagm_believes_its_table_where_a_mask_is_lost(tmp_path: Path) -> None:
    root = make(tmp_path, ["Class1/Test/0001.PNG", "Class1/Test/0002.PNG"])
    labels = root / "Class1/Test/Label"
    labels.mkdir()
    (labels / "Labels.txt").write_text(
        "1\n1\t0\t0001.PNG\t0\t0\n2\t1\t0002.PNG\t1\t0002_label.PNG\n"
    )
    assert rows(load_dataset(f"dagm:{root}")) == [
        ("Class1", "Class1/Test/0001.PNG", 0, None),
        ("Class1", "Class1/Test/0002.PNG", 1, None),
    ]


VISA_TABLE = """object, split, label, image, mask
candle,train,normal,candle/Data/Images/Normal/0000.JPG,
candle,test,normal,candle/Data/Images/Normal/0001.JPG,
candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png
"""


def test_visa_reads_the_test_split_of_its_table(tmp_path: Path) -> None:
    (tmp_path / "split_csv").mkdir()
    table = tmp_path / "split_csv" / "1cls.csv"
    table.write_text(VISA_TABLE)
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "visa"
    assert rows(dataset) == [
        ("candle", "candle/Data/Images/Normal/0001.JPG", 0, None),
        ("candle", "candle/Data/Images/Anomaly/000.JPG", 1, "candle/Data/Masks/Anomaly/000.png"),
    ]
    assert dataset.samples[1].mask_rule == "nonzero", "its masks hold codes of defects"
    table.write_text("object,split,label,image\n")
    with pytest.raises(DataError, match=r"1cls\.csv: lacks the columns \['mask'\]"):
        load_dataset(f"visa:{tmp_path}")
    table.write_text(VISA_TABLE + "candle,test,odd,x.JPG,\n")
    with pytest.raises(DataError, match=r"label 'odd' of image 'x\.JPG'; needed are normal"):
        load_dataset(f"visa:{tmp_path}")


ELPV_TABLE = """images/cell0001.png  1.0                 mono
images/cell0002.png  0.0                 poly
images/cell0003.png  0.3333333333333333  mono
images/cell0004.png  0.6666666666666666  poly
"""


@pytest.mark.parametrize(("name", "labels"), [("elpv", [1, 0]), ("elpv-half", [1, 0, 0, 1])])
def test_elpv_s_probabilities_become_labels(name: str, labels: list[int], tmp_path: Path) -> None:
    make(tmp_path, [f"images/cell000{i}.png" for i in range(1, 5)])
    (tmp_path / "labels.csv").write_text(ELPV_TABLE)
    assert [s.label for s in load_dataset(f"{name}:{tmp_path}").samples] == labels
    assert load_dataset(tmp_path).layout == "elpv"
    (tmp_path / "labels.csv").write_text("path,probability,type\nimages/cell0001.png,often,mono\n")
    with pytest.raises(DataError, match=r"line 2 is 'images/cell0001\.png,often,mono'; needed are"):
        load_dataset(f"{name}:{tmp_path}")


@pytest.mark.parametrize("inner", ["head_ct", "head_ct/head_ct"])
def test_head_ct_has_blanks_in_its_header(inner: str, tmp_path: Path) -> None:
    make(tmp_path, [f"{inner}/000.png", f"{inner}/001.PNG"])
    (tmp_path / "labels.csv").write_text("id, hemorrhage\n0,1\n1, 0\n\n7,0\n")
    found = load_dataset(tmp_path)
    assert (found.layout, [s.label for s in found.samples]) == ("headct", [1, 0])
    if inner == "head_ct":
        assert load_dataset(f"headct:{tmp_path / inner}").samples == found.samples
    (tmp_path / "labels.csv").write_text("id,hemorrhage\n0,maybe\n")
    with pytest.raises(DataError, match=r"row '0,maybe' is not a number and a label 0 or 1"):
        load_dataset(f"headct:{tmp_path}")


def draw(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", (6, 8))
    image.putpixel((2, 3), value)
    image.save(path)


@pytest.mark.parametrize(
    ("name", "images", "ending"),
    [
        ("ksdd", ["kos01/Part0.jpg", "kos01/Part1.jpg", "kos02/Part0.jpg"], "_label.bmp"),
        ("ksdd2", ["test/20000.png", "test/20001.png", "test/20002.png"], "_GT.png"),
    ],
)
def test_kolektor_s_labels_are_in_the_masks(
    name: str, images: list[str], ending: str, tmp_path: Path
) -> None:
    for image, value in zip(images[:2], (0, 1), strict=True):
        make(tmp_path, [image])
        mask = tmp_path / image
        draw(mask.with_name(mask.stem + ending), value)
    make(tmp_path, [images[2], images[2].replace(Path(images[2]).suffix, ending)])  # damaged mask
    make(tmp_path, ["train/10000.png", "train/10000_GT.png"])
    dataset = load_dataset(tmp_path)
    assert dataset.layout == name
    assert [(s.label, s.mask_path is not None) for s in dataset.samples] == [
        (0, False), (1, True), (None, False),
    ]  # fmt: skip


def test_real_iad_reads_its_tables(tmp_path: Path) -> None:
    folder = tmp_path / "realiad_jsons" / "realiad_jsons"
    folder.mkdir(parents=True)
    (folder / "audiojack.json").write_text(
        '{"meta": {"normal_class": "OK", "prefix": "audiojack/"}, "train": [], "test": ['
        '{"category": "audiojack", "anomaly_class": "OK", "image_path": "OK/1.jpg",'
        ' "mask_path": null},'
        '{"category": "audiojack", "anomaly_class": "HS", "image_path": "NG/2.jpg",'
        ' "mask_path": "NG/2.png"}]}'
    )
    make(tmp_path, ["realiad_1024/audiojack/OK/1.jpg"])
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "realiad"
    assert rows(dataset) == [
        ("audiojack", "realiad_1024/audiojack/OK/1.jpg", 0, None),
        ("audiojack", "realiad_1024/audiojack/NG/2.jpg", 1, "realiad_1024/audiojack/NG/2.png"),
    ]
    (folder / "audiojack.json").write_text("[]")
    with pytest.raises(DataError, match=r"audiojack\.json: not a table of Real-IAD"):
        load_dataset(f"realiad:{tmp_path}")


def test_every_layout_cites_where_it_was_learnt() -> None:
    import sys

    for layout in LAYOUTS.values():
        module = sys.modules[layout.read_root.__module__]
        if layout.name not in {"folder", "manifest"}:
            assert "earnt from" in str(module.__doc__), layout.name
