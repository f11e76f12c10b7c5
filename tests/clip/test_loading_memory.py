"""Weights are loaded one tensor after the other; measured in a process of its own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faprompt.clip.model import Clip
from faprompt.clip.registry import TowerSize, get_spec

SPEC = replace(
    get_spec("ViT-B-16"),
    image=TowerSize(layers=12, width=512, heads=8),
    text=TowerSize(layers=4, width=256, heads=4),
    vocab_size=1000,
    tokens=replace(get_spec("tiny").tokens),
    dual_blocks=10,
)

PROGRAM = """
import sys
from pathlib import Path
import torch
from faprompt.clip import weights
from faprompt.clip.model import Clip
from test_loading_memory import SPEC

def megabytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith(name + ":")) / 1000

torch.zeros(100, 100) @ torch.zeros(100, 100)
before = megabytes("VmRSS")
backbone = weights.load_weights(Path(sys.argv[1]), SPEC, dtype=torch.bfloat16)
size = sum(p.numel() * 2 for p in backbone.clip.parameters()) / 1e6
print((megabytes("VmHWM") - before) / size, (megabytes("VmRSS") - before) / size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux's /proc")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_loading_takes_and_leaves_one_copy_of_the_weights(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    path = tmp_path / "weights.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = {n: t.to(dtype).contiguous() for n, t in Clip(SPEC).state_dict().items()}
    save_file(state, path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={
            "PYTHONPATH": ":".join([*sys.path, str(Path(__file__).parent)]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    peak, left = map(float, done.stdout.split())
    assert 0.9 < peak < 1.4, "copies of the weights in bf16, whatever the file holds"
    assert 0.9 < left < 1.1, "and no more than one when all is loaded"
