"""Settings, log and resume state of a run."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faprompt.errors import ConfigError, OutputError
from faprompt.training.run_files import (
    Log,
    ResumeState,
    RunFiles,
    check_claim,
    claim,
    load_resume,
    optimiser_tensors,
    restore_optimiser,
    save_resume,
)

REQUEST = {"training": {"epochs": 3, "seed": 111}, "backbone": "micro", "data": [{"normal": 5}]}


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    return RunFiles(tmp_path / "run")


def test_the_same_request_may_go_on(files: RunFiles) -> None:
    claim(files, REQUEST)
    before = files.settings.read_bytes()
    claim(files, REQUEST)
    assert files.settings.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"epochs": 4, "seed": 111}}, r"training\.epochs was 3, now 4"),
        ({"backbone": "tiny"}, r'backbone was "micro", now "tiny"'),
        ({"data": [{"normal": 6}]}, r'data was \[\{"normal": 5\}\], now \[\{"normal": 6\}\]'),
        ({"precision": "bfloat16"}, r'precision was null, now "bfloat16"'),
    ],
)
def test_another_request_is_refused_with_the_difference(
    change: dict[str, object], message: str, files: RunFiles
) -> None:
    claim(files, REQUEST)
    before = files.settings.read_bytes()
    with pytest.raises(ConfigError, match=f"run: holds a run with other settings .{message}"):
        claim(files, REQUEST | change)
    assert files.settings.read_bytes() == before


def test_a_part_of_the_request_is_enough_to_be_refused(files: RunFiles) -> None:
    claim(files, REQUEST)
    check_claim(files, {"backbone": "micro"})
    with pytest.raises(ConfigError, match="backbone was"):
        check_claim(files, {"backbone": "tiny"})


def test_a_run_of_an_earlier_release_goes_on_but_not_as_another_network(files: RunFiles) -> None:
    files.folder.mkdir(exist_ok=True)
    method = {"temperature": 0.07}  # what later releases record besides is not there
    files.settings.write_text(json.dumps({"method": method}))
    now = {"network": "faprompt", "method": method | {"use_prior": True}}
    check_claim(files, now)
    with pytest.raises(ConfigError, match='network was "faprompt", now "coop"'):
        check_claim(files, now | {"network": "coop"})
    with pytest.raises(ConfigError, match=r"method\.use_prior was true, now false"):
        check_claim(files, now | {"method": method | {"use_prior": False}})


def test_a_folder_of_other_things_is_refused(files: RunFiles) -> None:
    files.folder.mkdir()
    (files.folder / "thesis.tex").touch()
    with pytest.raises(OutputError, match="run: not empty and not a training run; choose another"):
        claim(files, REQUEST)
    assert [p.name for p in files.folder.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["{", "[]", "3", "[" * 9999, ""])
def test_a_damaged_record_is_named(content: str, files: RunFiles) -> None:
    files.folder.mkdir()
    files.settings.write_text(content)
    with pytest.raises(OutputError, match=r"run\.json: not the record of a training run"):
        claim(files, REQUEST)


def test_a_run_killed_at_its_first_file_can_be_started(files: RunFiles) -> None:
    files.folder.mkdir()
    (files.folder / ".run.json.a1b2c3d4").write_text('{"train')
    claim(files, REQUEST)
    assert [p.name for p in files.folder.iterdir()] == ["run.json"]


def test_what_a_killed_run_was_writing_is_swept_away(files: RunFiles) -> None:
    claim(files, REQUEST)
    files.epoch(1).touch()
    for name in ("epoch-01.safetensors", "epoch-02.safetensors", "resume.safetensors"):
        (files.folder / f".{name}.a1b2c3d4").touch()
    (files.folder / ".mine").touch()
    claim(files, REQUEST)
    found = sorted(p.name for p in files.folder.iterdir())
    assert found == [".mine", "epoch-01.safetensors", "run.json"]


def test_resume_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(3, 2))
    optimiser = torch.optim.Adam([parameter], betas=(0.5, 0.999))
    for _ in range(2):
        optimiser.zero_grad()
        parameter.square().sum().backward()
        optimiser.step()
    history = [{"epoch": 1, "loss": 0.1 + 0.2, "heldout": None}]
    state = ResumeState(1, history, {"p.q": parameter}, optimiser_tensors(optimiser))
    save_resume(tmp_path / "r.safetensors", state)
    loaded = load_resume(tmp_path / "r.safetensors")
    assert loaded is not None
    assert (loaded.epoch, loaded.history) == (1, history)
    assert torch.equal(loaded.learner["p.q"], parameter)
    other = torch.optim.Adam([torch.nn.Parameter(parameter.detach().clone())])
    restore_optimiser(other, loaded.optimiser)
    before, after = (optimiser_tensors(o) for o in (optimiser, other))
    assert before.keys() == after.keys() == {"0.step", "0.exp_avg", "0.exp_avg_sq"}
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_no_state_is_no_epoch(tmp_path: Path) -> None:
    assert load_resume(tmp_path / "missing.safetensors") is None


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    contents = (b"", b"garbage" * 9, b"\x80\x02}.")
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(OutputError, match=r"resume\.safetensors: damaged resume state"):
            load_resume(path)
    about = json.dumps({"epoch": 1, "history": []})
    for tensors, metadata in (
        ({"x": torch.zeros(1)}, {}),
        ({"x.y": torch.zeros(1)}, {"faprompt-resume": about}),
        ({"learner.y": torch.zeros(1)}, {"faprompt-resume": "[]"}),
    ):
        save_file(tensors, path, metadata=metadata)
        with pytest.raises(OutputError, match="remove it to start this run again"):
            load_resume(path)


def test_the_log_is_cut_back_to_the_finished_epochs(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, epochs_done=0)
    for epoch in (1, 2, 3):
        log.write({"epoch": epoch, "loss": 0.5})
    with path.open("a") as file:
        file.write('{"epoch": 1, "lo')  # killed here
    Log(path, epochs_done=2).write({"epoch": 3, "loss": 0.4})
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["epoch"], r["loss"]) for r in records] == [(1, 0.5), (2, 0.5), (3, 0.4)]
