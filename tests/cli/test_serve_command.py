"""The ``serve`` command: what it refuses before a model is loaded, and one whole run."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

from faprompt.cli.main import main


def failure(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *args])
    assert caught.value.code == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = failure(capsys, "--port", str(port), "--desk", str(tmp_path / "desk"))
    assert text.startswith(f"error: 127.0.0.1:{port}: cannot be listened on (Address already in")
    assert not (tmp_path / "desk").exists()


def test_beyond_this_machine_a_key_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAPROMPT_API_KEY", raising=False)
    assert "an API key is needed" in failure(capsys, "--host", "0.0.0.0", "--port", "0")


def test_missing_packages_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else real(name)
    )
    text = failure(capsys)
    assert text == "error: faprompt serve needs uvicorn: pip install 'faprompt[server]'\n"


def test_the_library_brings_no_web_server() -> None:
    code = (
        "import sys, faprompt, faprompt.cli.main as m; m.load_commands();"
        "print(sorted({'fastapi', 'uvicorn', 'starlette', 'torch', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_whole_run_with_the_shipped_model(tmp_path: Path) -> None:
    code = "from faprompt.cli.main import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--desk", str(tmp_path / "desk")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment.pop("FAPROMPT_API_KEY", None)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("faprompt desk: http://127.0.0.1:")
        url = line.split()[2]
        assert asked(f"{url}api/v1/health")["model"] == "tiny"
        assert asked(f"{url}api/v1/models")["models"][0]["input_size"] == 256
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
        return json.load(reply)
