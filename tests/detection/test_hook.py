"""The command per NG: its words, its time, its failures."""

import fcntl
import json
import shlex
import sys
from pathlib import Path
from typing import IO

import pytest
from patience import until

from faprompt.detection.hook import Hook
from faprompt.errors import ConfigError

PYTHON = shlex.quote(sys.executable)


def script(folder: Path, text: str) -> str:
    path = folder / "hook.py"
    path.write_text(text)
    return f"{PYTHON} {shlex.quote(str(path))}"


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import json, sys; json.dump(sys.argv[1:], open(sys.argv[1], 'w'))",
    )
    said = tmp_path / "said.json"
    path = "a b; rm -rf '$HOME' {score} \"x\".png"
    hook = Hook(f"{command} {shlex.quote(str(said))} {{path}} --score={{score}} '{{\"a\": 1}}'")
    assert hook(path=path, score="0.75") == "done"
    assert json.loads(said.read_text()) == [str(said), path, "--score=0.75", '{"a": 1}']


def test_a_failure_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = script(tmp_path, "import sys; print('x' * 5000); sys.exit('no\\nlamp')")
    failure = Hook(command)()
    assert failure.startswith("exit status 1: xx")
    assert failure.endswith("x no lamp")
    assert len(failure) < 250


CHILD = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("born", file=lock, flush=True)
time.sleep(3600)
"""


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    parent = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}, sys.argv[1]])"
    )
    command = f"{script(tmp_path, parent)} {shlex.quote(str(lock))}"
    for seconds in (1, 10, 100):  # longer where a busy machine did not even start the child
        assert Hook(command, timeout=seconds)() == f"ended after {seconds} s"
        if lock.exists() and lock.read_text() == "born\n":
            break
    assert lock.read_text() == "born\n"
    with lock.open() as file:
        until(lambda: not held(file), "the end of the child")


def held(file: IO[str]) -> bool:
    """Whether another process has the lock; else it is ours."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def test_a_program_that_went_away_is_a_failure_and_no_crash(tmp_path: Path) -> None:
    program = tmp_path / "alarm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    hook = Hook(shlex.quote(str(program)))
    assert hook() == "done"
    program.unlink()
    assert hook().startswith("could not be started (")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("", "empty; needed is a program, such as 'alarm {path}'"),
        ("echo 'a", "cannot be split into words (No closing quotation)"),
        ("echo {scor}", "unknown placeholder {scor}; did you mean {score}?"),
        ("no-such-program-at-all {path}", "no program 'no-such-program-at-all' found"),
    ],
)
def test_wrong_commands_are_refused_at_once(command: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Hook(command)
    assert str(caught.value).startswith(f"command {command!r}: {text}")
