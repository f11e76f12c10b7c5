"""docs/scale.md says what its arithmetic gives, and its manifest is one that KubeRay runs."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode
from typer.main import get_command

from faprompt.cli.main import load_commands
from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cost() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "scale_cost.py"))


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "examples/kuberay/rayjob.yaml").read_text())
    return loaded


def test_the_page_shows_what_the_script_prints(cost: dict[str, Any]) -> None:
    for line in cost["tables"]().splitlines():
        assert line in PAGE
    assert f"{cost['flops_per_image']() / 1e12:.2f} TFLOP" in PAGE


def test_the_arithmetic_by_hand(cost: dict[str, Any]) -> None:
    one = cost["Cost"](10**8)
    assert one.shards == 24415  # 10^8 / 4096, rounded up
    assert one.bytes_read == 60 * 10**12
    flops = cost["flops_per_image"]()
    assert one.gpu_hours == pytest.approx(10**8 * flops / 300e12 / 3600)
    assert one.core_hours == pytest.approx(10**8 * cost["DECODE_SECONDS"] / 3600)


def test_operations_are_those_that_torch_counts(cost: dict[str, Any]) -> None:
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        Clip(get_spec("ViT-L-14-336")).visual.dual(torch.zeros(1, 3, 518, 518)).patches()
    counted = counter.get_total_flops()
    assert 0.95 * counted < cost["flops_per_image"]() < 1.05 * counted


def test_the_model_counts_what_the_code_does(cost: dict[str, Any]) -> None:
    from faprompt.scale.shards import THREADS

    assert cost["FOOTER_THREADS"] == THREADS


def test_the_manifest_has_what_a_rayjob_needs(job: dict[str, Any]) -> None:
    """The fields that KubeRay's RayJob (ray.io/v1) requires, and names that it knows."""
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    spec = job["spec"]
    assert set(spec) <= {
        "entrypoint", "backoffLimit", "submissionMode", "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished", "rayClusterSpec",
    }  # fmt: skip
    assert spec["submissionMode"] in {"K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"}
    cluster = spec["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in group["template"]["spec"]["volumes"]}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["groupName"]


def test_the_manifest_runs_the_ray_that_is_pinned(job: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def test_the_command_of_the_manifest_is_one_of_ours_and_fits_its_pods(job: dict[str, Any]) -> None:
    program, command, *args = job["spec"]["entrypoint"].split()
    assert (program, command) == ("faprompt", "predict")
    application = get_command(load_commands())
    parsed = application.get_command(None, command).make_context(command, args).params  # type: ignore[attr-defined]
    assert (parsed["engine"], parsed["address"]) == ("ray", "auto")
    (worker,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = worker["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert (float(limits["cpu"]), float(limits["nvidia.com/gpu"])) == (
        parsed["cpus"],
        parsed["gpus"],
    )
    assert {name: parsed[name].startswith("/models/") for name in ("model", "weights")} == {
        "model": True,
        "weights": True,
    }
