"""Tables, Markdown and page: complete, well-formed, self-contained and escaped."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import micro_protocol
import micro_training
import pytest
from counting import forward_calls
from micro_protocol import Bright, fake, make_plan
from micro_training import make_folder
from pyarrow import parquet

from faprompt.clip.weights import Backbone
from faprompt.protocol.facts import Making, headline
from faprompt.protocol.markdown import markdown
from faprompt.protocol.methods import METHODS
from faprompt.protocol.outputs import write_outputs
from faprompt.protocol.overlaps import Finding
from faprompt.protocol.plan import DataSpec, Plan, Transfer
from faprompt.protocol.report import report
from faprompt.protocol.results import MEAN_CLASS, Results
from faprompt.protocol.runner import Options, run_benchmark
from faprompt.protocol.statistics import ALL_METRICS
from faprompt.protocol.tables import HEADINGS, Table, balance, not_best, overview, target_table

backbone, one_thread = micro_protocol.backbone, micro_training.one_thread
EVIL = "<b>nut|&"
VOID = {"meta", "link", "img", "br", "line", "path", "polyline"}


class Strict(HTMLParser):
    """Refuses tags that do not match; keeps tags, addresses and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "action", "data"}:
                self.addresses.append(str(value))
            if name == "id":
                self.ids.append(str(value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:  # <line/> opens and closes at once
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Iterator[Results]:
    """Three methods, one of them broken; a target with an evil name, one published, one missing."""
    root = tmp_path_factory.mktemp("report")
    make_folder(root / "source", seed=7)
    make_folder(root / "classes" / EVIL, each=4, seed=1)
    make_folder(root / "mri", each=4, seed=2)
    for mask in (root / "mri/masks").iterdir():
        mask.unlink()
    (root / "mri/masks").rmdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "faprompt", fake("faprompt", Bright(noise=0.3), "FAPrompt"))
        patch.setitem(METHODS, "blurred", fake("blurred", Bright(noise=3.0), "Blurred <i>"))
        patch.setitem(METHODS, "broken", fake("broken", Bright(noise=float("nan"))))
        yield Results(run_benchmark(plan_of(root), root / "out", backbone, options=Options()))


def plan_of(root: Path) -> Plan:
    targets = (
        DataSpec(name=EVIL, spec=str(root / "classes")),
        DataSpec(name="BrainMRI", spec=str(root / "mri")),
        DataSpec(name="gone", spec=str(root / "gone")),
    )
    source = (DataSpec(name="source", spec=str(root / "source")),)
    transfers = (Transfer(auxiliary=source, targets=targets),)
    methods = ("faprompt", "blurred", "broken")
    return make_plan(root, transfers=transfers, methods=methods, published=("rerun", "rivals"))


@pytest.fixture(scope="module")
def page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Strict:
    overlap = Finding(target=EVIL, auxiliary="source", count="2 by content", examples="a.png")
    making = Making(command="faprompt benchmark <x>", overlaps=(overlap,))
    parser = Strict()
    parser.feed(report(results, making, examples=tmp_path_factory.mktemp("examples")))
    parser.close()
    return parser


def test_the_page_is_well_formed_and_needs_nothing_else(page: Strict) -> None:
    assert page.open == []
    assert not page.tags & {"script", "iframe", "object", "form"}
    inside = {f"#{name}" for name in page.ids}
    assert all(a.startswith("data:") or a in inside for a in page.addresses)
    assert sum(a.startswith("data:image/jpeg") for a in page.addresses) >= 10


def test_names_of_others_are_texts(page: Strict) -> None:
    said = " ".join(page.texts)
    assert EVIL in said
    assert "Blurred <i>" in said
    assert "faprompt benchmark <x>" in said
    assert not page.tags & {"b", "x"}


def test_the_page_says_what_is_missing_failed_and_deviates(page: Strict) -> None:
    said = " ".join(page.texts)
    for text in (
        "gone",
        "not found",
        "not finite",
        "all of it",
        "2 by content",
        "published: rerun",
    ):
        assert text in said


def test_both_kinds_of_curves_are_drawn(page: Strict) -> None:
    assert {"Image ROC", "Pixel ROC", "Region overlap (PRO)"} <= set(page.texts)
    assert "polyline" in page.tags


def test_heat_maps_are_made_once(results: Results, backbone: Backbone, tmp_path: Path) -> None:
    making = Making(command="x")
    first = report(results, making, examples=tmp_path)
    with forward_calls(backbone.clip.visual.conv1) as shapes:
        assert report(results, making, examples=tmp_path) == first
    assert not shapes


def test_damaged_heat_maps_are_made_again(results: Results, tmp_path: Path) -> None:
    making = Making(command="x")
    first = report(results, making, examples=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"broken")
    assert report(results, making, examples=tmp_path) == first


def test_markdown_tables_have_as_many_columns_in_every_row(results: Results) -> None:
    text = markdown(results, Making(command="x"))
    widths: set[int] = set()
    for line in [*text.replace("\\|", "").splitlines(), ""]:
        if line.startswith("|"):
            widths.add(line.count("|"))
        else:
            assert len(widths) <= 1
            widths = set()
    assert "\\<b\\>nut\\|&" in text
    assert EVIL not in text


def test_parquet_has_a_row_per_figure_with_its_reason(results: Results, tmp_path: Path) -> None:
    write_outputs(results, tmp_path, command="x")
    rows = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    done = 2 * (2 * 2 + 1)  # class and mean; the broken method is undefined, not lost, without maps
    absent = 3 + 1
    assert len(rows) == (done + absent) * len(ALL_METRICS)
    assert all((row["value"] is None) == (row["reason"] is not None) for row in rows)
    by_key = {(r["method"], r["target"], r["class"], r["metric"]): r for r in rows}
    mri = by_key["faprompt", "BrainMRI", MEAN_CLASS, "pixel_auroc"]
    assert "no anomalous image has a known mask (4 unknown)" in mri["reason"]
    assert by_key["faprompt", "BrainMRI", MEAN_CLASS, "image_auroc"]["images"] == 8
    assert "target missing" in by_key["blurred", "gone", MEAN_CLASS, "image_auroc"]["reason"]
    assert {row["source"] for row in rows} == {"ours"}
    data = json.loads((tmp_path / "data.json").read_text())
    assert {found["name"]: len(found["sha256"]) for found in data["sets"]} == dict.fromkeys(
        ("source", EVIL, "BrainMRI"), 64
    )
    assert list(data["missing"]) == ["gone"]
    assert (tmp_path / "results.md").is_file()
    assert (tmp_path / "report.html").is_file()


def test_tables_compare_and_leave_out_what_is_empty(results: Results) -> None:
    mri = next(key for key in results.keys if key.target == "BrainMRI")
    table = target_table(results, mri)
    assert table.columns == ("method", "image AUROC", "image AP", "image F1-max")
    names = [(row[0].text, row[0].small) for row in table.rows]
    assert ("FAPrompt", "published: rerun, EDMPrompt project") in names
    assert sum(small.startswith("published") for _, small in names) == 6
    rerun = next(row for row in table.rows if "rerun" in row[0].small)
    assert [cell.text for cell in rerun[1:]] == ["95.0", "95.0", "-"]
    assert any(note.startswith("Undefined: pixel AUROC, pixel AP") for note in table.notes)


def test_published_aupro_stands_under_legacy_200(results: Results) -> None:
    key = results.keys[0]
    as_visa = Results(results.outcome)
    renamed = type(key)(key.transfer, "VisA")
    table: Table = target_table(as_visa, renamed)
    rerun = next(row for row in table.rows if "rerun" in row[0].small)
    assert rerun[table.columns.index(HEADINGS["pixel_aupro_legacy200"])].text == "85.8"
    assert HEADINGS["pixel_aupro"] not in table.columns


def test_the_overview_marks_the_best_and_averages(results: Results) -> None:
    table = overview(results, "image_auroc")
    assert table is not None
    assert [row[0].text for row in table.rows] == [EVIL, "BrainMRI"]
    assert any(cell.best for cell in table.rows[0])
    assert table.rows[0][3].text == "-"


def test_the_balance_counts_every_comparison(results: Results) -> None:
    summary = balance(results)
    assert summary is not None
    (row,) = summary.rows
    counted = sum(int(cell.text) for cell in row[1:4])
    assert counted == 6  # four metrics on one target, two on the other


def test_where_another_method_wins_is_told_in_words(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("pixel AUROC" in line for line in not_best(results))
    monkeypatch.setattr(Results, "reference", "blurred")
    lost = not_best(Results(results.outcome))
    key = results.keys[0]
    ours, best = (results.measured(key, m) for m in ("blurred", "faprompt"))
    assert ours is not None
    assert best is not None
    won, had = (m.summaries["pixel_auroc"].mean or 0.0 for m in (best, ours))
    told = f"{EVIL}, pixel AUROC: FAPrompt {100 * won:.1f}, Blurred <i> {100 * had:.1f} (told apart"
    assert any(line.startswith(told) for line in lost)


def test_the_headline_counts_rivals_and_ablations_apart(results: Results) -> None:
    verdicts = [d.verdict for _, _, m, d in results.differences() if m.endswith(("auroc", "pro"))]
    said = headline(results)
    assert f"rivals in {verdicts.count(1)} of {len(verdicts)} comparisons" in said
    assert "ablations" not in said


def test_a_turned_table_keeps_every_cell(results: Results) -> None:
    table = overview(results, "image_auroc")
    assert table is not None
    turned = table.turned()
    assert turned.columns[1:] == (EVIL, "BrainMRI")
    assert [row[1] for row in turned.rows] == list(table.rows[0][1:])
    assert turned.turned().rows == table.rows


def test_a_benchmark_without_any_data_says_so(backbone: Backbone, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, methods=("faprompt",), targets=("gone",))
    nothing = Results(run_benchmark(plan, tmp_path / "out", backbone))
    write_outputs(nothing, tmp_path / "out", command="x")
    assert nothing.keys == ()
    assert "nothing to be compared" in (tmp_path / "out/results.md").read_text()
    assert f"{tmp_path / 'gone'}: not found" in (tmp_path / "out/report.html").read_text()
