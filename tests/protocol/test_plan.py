"""Plans: what they may say, and errors that name file and key."""

import os
from importlib import util
from pathlib import Path

import pytest

from faprompt.data.datasets import load_dataset
from faprompt.data.layouts import LAYOUTS
from faprompt.errors import ConfigError
from faprompt.protocol.plan import SHIPPED, load_plan, parse_plan

SMALL = """
backbone: tiny
methods: [clip, faprompt]
transfers:
  - auxiliary: [a/first]
    targets: ["mvtec:b/second", {name: Third, data: c}]
"""


def test_what_is_not_said_has_a_default() -> None:
    plan = parse_plan(SMALL, where="x/mine.yaml")
    assert (plan.name, plan.seeds, plan.resamples) == ("mine", (111, 112, 113), 1000)
    (transfer,) = plan.transfers
    assert transfer.name == "first"
    assert [(t.name, t.spec) for t in transfer.targets] == [
        ("second", "mvtec:b/second"),
        ("Third", "c"),
    ]


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETS", "/somewhere")
    plan = parse_plan(SMALL.replace("a/first", '"mvtec:${SETS}/first"'), where="p.yaml")
    assert plan.transfers[0].auxiliary[0].spec == "mvtec:/somewhere/first"


def test_variables_that_are_not_set_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SETS", raising=False)
    with pytest.raises(ConfigError, match=r"p\.yaml: transfers\[0\]\.auxiliary\[0\]: SETS is not"):
        parse_plan(SMALL.replace("a/first", '"${SETS}/first"'), where="p.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("backbone: tiny", "backbone: tinny", "p.yaml: backbone: unknown backbone .*'tiny'"),
        ("methods:", "method:", "p.yaml: unknown setting 'method'; did you mean 'methods'"),
        ("[clip, faprompt]", "[clipp]", "p.yaml: methods: unknown method 'clipp'.*'clip'"),
        ("[clip, faprompt]", "[clip, clip]", "p.yaml: methods: something is named twice"),
        ("[clip, faprompt]", "clip", "p.yaml: methods: must be a list, got 'clip'"),
        ("backbone: tiny", "seeds: [1, x]\nbackbone: tiny", r"seeds\[1\]: must be a whole number"),
        ("backbone: tiny", "", "p.yaml: backbone: missing"),
        ("backbone: tiny", "training: {epoch: 3}\nbackbone: tiny", "training: .*'epochs'"),
        ("backbone: tiny", "training: {epochs: 0}\nbackbone: tiny", "training: epochs must be"),
        ("backbone: tiny", "training: {seed: 3}\nbackbone: tiny", "write 'seeds' in the plan"),
        ("backbone: tiny", "published: [papr]\nbackbone: tiny", "published: .*'paper'"),
        ("backbone: tiny", "resamples: 3\nbackbone: tiny", "resamples: must be at least 100"),
        ("    targets:", "    target:", r"transfers\[0\]: unknown setting 'target'.*'targets'"),
        ("{name: Third, data: c}", "{name: Third}", r"targets\[1\]: data: missing"),
        ("{name: Third, data: c}", "{name: second, data: c}", "two sets have the same name"),
        ("{name: Third, data: c}", "7", r"targets\[1\]: must be a mapping"),
        ("    targets:", "   targets:", "p.yaml: not YAML"),
        (
            "backbone: tiny",
            f"blur_sigma: 1{'0' * 400}\nbackbone: tiny",
            "blur_sigma: must be a number",
        ),
    ],
)
def test_errors_name_file_and_key(old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(ConfigError, match=message):
        parse_plan(SMALL.replace(old, new), where="p.yaml")


def test_two_transfers_from_the_same_sets_are_refused() -> None:
    second = SMALL[SMALL.index("  - auxiliary") :]
    with pytest.raises(ConfigError, match=r"transfers: something is named twice.*first"):
        parse_plan(SMALL + second, where="p.yaml")


def test_missing_packages_are_told_before_anything_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    known = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "pyarrow" else known(name))
    with pytest.raises(ConfigError, match=r"pip install 'faprompt\[protocol\]'"):
        parse_plan(SMALL, where="p.yaml")


def test_no_such_plan_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such plan; .*paper\.yaml, small\.yaml"):
        load_plan(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_plans_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPROMPT_DATA", "/sets")
    monkeypatch.setenv("FAPROMPT_RENDERED", "/sets/rendered")
    monkeypatch.setenv("FAPROMPT_HELDOUT", "/sets/heldout")
    plan = load_plan(name)
    assert len(plan.seeds) >= 3
    assert "faprompt" in plan.methods
    sets = [d.spec for t in plan.transfers for d in (*t.auxiliary, *t.targets)]
    assert all(spec.partition(":")[0] in LAYOUTS for spec in sets)
    assert all(spec.partition(":")[2].startswith("/sets/") for spec in sets)


def test_shipped_prompts_are_scored_as_they_were_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAPROMPT_DATA", "FAPROMPT_RENDERED", "FAPROMPT_HELDOUT"):
        monkeypatch.setenv(name, "/sets")
    chosen, scored = load_plan("heldout.yaml"), load_plan("tiny.yaml")
    for name in ("backbone", "blur_sigma", "seeds", "training"):
        assert getattr(chosen, name) == getattr(scored, name)
    assert chosen.transfers[0].auxiliary == scored.transfers[0].auxiliary


def test_the_paper_s_plan_has_its_19_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAPROMPT_DATA", "/sets")
    plan = load_plan("paper.yaml")
    first, second = plan.transfers
    assert (first.name, len(first.targets)) == ("MVTec AD", 18)
    assert (second.name, [t.name for t in second.targets]) == ("VisA", ["MVTec AD"])
    assert (plan.backbone, plan.input_size, plan.blur_sigma) == ("ViT-L-14-336", 518, 10)


def test_a_file_of_that_name_comes_before_the_shipped_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    assert load_plan("small.yaml").methods == ("clip", "faprompt")


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("FAPROMPT_DATA"), reason="needs FAPROMPT_DATA")
def test_the_small_plan_finds_its_sets() -> None:
    (transfer,) = load_plan("small.yaml").transfers
    sizes = {d.name: len(load_dataset(d.spec)) for d in (*transfer.auxiliary, *transfer.targets)}
    assert sizes == {
        "magnetic tile": 952,
        "BSData": 1104,
        "hazelnut toy": 23,
        "BrainMRI": 253,
        "Kvasir": 1000,
    }
