"""The example client against a desk that runs."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from desk_process import running
from desks import png

CLIENT = Path(__file__).parents[3] / "examples" / "desk_client.py"


@pytest.mark.parametrize("waiting", [100, 1])
def test_a_folder_is_scored_and_told_line_by_line(tmp_path: Path, waiting: int) -> None:
    photos, gate = tmp_path / "photos", tmp_path / "gate"
    photos.mkdir()
    gate.touch()
    for number in range(12):
        (photos / f'{number} "ü".png').write_bytes(png(20 * number))
    (photos / "broken.png").write_bytes(b"no image")
    with running(tmp_path / "desk", gate, waiting=waiting) as desk:
        command = [sys.executable, str(CLIENT), str(photos)]
        url = ["--url", f"http://127.0.0.1:{desk.port}"]
        done = subprocess.run([*command, *url], capture_output=True, text=True, check=False)
        unknown = subprocess.run(
            [*command, *url, "--model", "nothing"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    scores = [np.float32(20 * number) / np.float32(255) for number in range(12)]
    expected = [f'-\t{score:.6f}\t{n} "ü".png' for n, score in enumerate(scores)]
    assert lines[:-1] == expected[::-1]
    assert lines[-1].startswith("FAILED\t\tbroken.png\tnot an image")
    assert unknown.stderr == "nothing: not among the desk's models\n"


def hang_up(listener: socket.socket) -> None:
    """Take one connection and close it without an answer."""
    listener.accept()[0].close()


def test_what_cannot_work_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(png(1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=hang_up, args=[listener])
        thread.start()
        told = {
            folder: subprocess.run(
                [sys.executable, str(CLIENT), str(tmp_path / folder), "--url", url],
                capture_output=True, text=True, check=False,
            ).stderr
            for folder in ("nowhere", "", "photos")
        }  # fmt: skip
        thread.join()
    assert told["nowhere"] == f"{tmp_path / 'nowhere'}: no such folder\n"
    assert told[""] == f"{tmp_path}: no images there\n"
    assert told["photos"].startswith(f"{url}/api/v1: no answer (")
    assert told["photos"].count("\n") == 1
