"""The example client against a desk that runs."""

import subprocess
import sys
from pathlib import Path

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
    assert lines[:-1] == [f'-\t{20 * n / 255:.4f}\t{n} "ü".png' for n in reversed(range(12))]
    assert lines[-1].startswith("FAILED\t\tbroken.png\tnot an image")
    assert unknown.stderr == "nothing: not among the desk's models\n"
