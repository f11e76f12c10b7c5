"""The fuzzer's targets without the fuzzer: seeds, what it has found, and some damage."""

import random
import warnings
from pathlib import Path

import pytest
from fuzz_targets import TARGETS, Finding, Target, execute

from faprompt.errors import FAPromptError

FOUND = sorted(path for path in (Path(__file__).parent / "findings").rglob("*") if path.is_file())
DAMAGES = 40
FORMED = [name for name, target in TARGETS.items() if target.mutate is not None]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.simplefilter("ignore")  # of Pillow, about damage


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_lie_on_both_sides_of_a_reader(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    accepted = [execute(target, seed, tmp_path) for seed in target.seeds()]
    assert set(accepted) == {True, False}
    assert all(len(seed) <= target.max_bytes for seed in target.seeds())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_once_is_one_error_now(path: Path, tmp_path: Path) -> None:
    execute(TARGETS[path.parent.name], path.read_bytes(), tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds_are_read_or_refused(name: str, tmp_path: Path) -> None:
    target, rng = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    for _ in range(DAMAGES):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data) + 1)
            end = place + rng.choice((0, 1, 1, 8, len(data)))
            data[place:end] = rng.choice((b"", bytes([rng.randrange(256)]), b"\xff" * 8, b"[" * 99))
        execute(target, bytes(data), tmp_path)


@pytest.mark.parametrize("name", FORMED)
def test_changes_of_form_lead_to_both_sides_of_a_reader(name: str, tmp_path: Path) -> None:
    target, rng = TARGETS[name], random.Random(name)
    assert target.mutate is not None
    accepted = []
    seeds = target.seeds()
    for _ in range(5 * DAMAGES):
        seed = rng.choice(seeds)
        data = target.mutate(seed, rng)
        if data is not None and data != seed:
            accepted.append(execute(target, data, tmp_path))
    assert set(accepted) == {True, False}


DEEP = {
    "manifest_jsonl": (b"[", b'{"a":'),
    "meta_json": (b"[", b'{"test":'),
    "realiad": (b"[", b'{"a":'),
    "checkpoint_header": (b"[", b'{"method":'),
    "hf_config": (b"[", b'{"text_config":'),
    "toml": (b"x = [", b"x = {a = "),
    "recipe": (b"stages = [", b"x = {a = "),
    "plan": (b"[", b"{a: ", b"- "),
    "description": (b"[", b'{"files":'),
    "run_records": (b"p[", b't{"a":', b"l[", b'c{"a":', b"r["),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_without_end_is_one_error(name: str, tmp_path: Path) -> None:
    for start in DEEP[name]:
        inner = start[start.index(b"= ") + 2 :] if b"= " in start else start
        try:
            execute(TARGETS[name], start + inner.lstrip(b"ptlcr") * 20_000, tmp_path)
        except RecursionError:  # pragma: no cover
            pytest.fail("the depth was not noticed")


def test_anchors_that_multiply_do_not_multiply_in_the_text(tmp_path: Path) -> None:
    lines = ["training:", "  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    rest = ["transfers: [{auxiliary: [a], targets: [b]}]", "methods: [clip]", "backbone: tiny"]
    for key in ("transfers: *a29", "methods: *a29", "backbone: *a29", "seeds: [*a29]"):
        lines += [line for line in rest if line.partition(":")[0] != key.partition(":")[0]]
        text = "\n".join([*lines, key]).encode()
        assert not execute(TARGETS["plan"], text, tmp_path)


def test_what_no_reader_may_do_is_a_finding(tmp_path: Path) -> None:
    def fail(data: bytes, _: Path) -> None:
        raise KeyError(data) if data else FAPromptError("x" * 9999)

    with pytest.raises(Finding, match="KeyError"):
        execute(Target(fail, list), b"a", tmp_path)
    with pytest.raises(Finding, match="a text of 9999 characters"):
        execute(Target(fail, list), b"", tmp_path)
