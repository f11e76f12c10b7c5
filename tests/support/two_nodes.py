"""A Ray cluster of two nodes, once for all tests that carry the mark ``ray``."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STORE_BYTES = 100_000_000
QUICK_TO_BELIEVE_IN_DEATH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 20,
}
"""A node that is silent for ten seconds is dead; by default it takes half a minute."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each, one with a GPU by name; no Ray is a failure, not a skip."""
    places = [str(ROOT / "src"), str(ROOT / "tests" / "support")]
    os.environ["PYTHONPATH"] = os.pathsep.join(places)  # for the workers
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    head = node | {"include_dashboard": False, "_system_config": QUICK_TO_BELIEVE_IN_DEATH}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**node, num_gpus=1)  # Ray takes our word: it counts, it does not look
    yield cluster
    import ray

    ray.shutdown()
    cluster.shutdown()
