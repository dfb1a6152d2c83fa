"""A cluster serves whatever became of the places it was to write to."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND, Cluster, wait_for
from tests.e2e.raw import Neighbours

pytestmark = pytest.mark.slow


def serve(cluster: Cluster, redirection: str, **more: Any) -> None:
    """Start a cluster by a shell that redirects its standard descriptors."""
    command = [COMMAND, "serve", "--port", "0", "--run-dir", cluster.run_dir]
    cluster.log.touch()
    cluster.process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command, "--workers", "2"],
        cwd=cluster.log.parent,
        env=cluster.environment(),
        **more,
    )

    def ready() -> bool:
        assert cluster.process is not None
        assert cluster.process.poll() is None
        done = cluster.run("status", "--json")
        if done.returncode != 0:
            return False
        found = json.loads(done.stdout)["cluster"]
        cluster.port = int(found["urls"]["public"].split(":")[2])
        return bool(found["state"] == "ready")

    wait_for(ready)


@pytest.mark.parametrize(
    "redirection",
    ["2>&-", "0<&- 1>&- 2>&-", ">/dev/full 2>&1"],
    ids=["stderr closed", "all closed", "disk full"],
)
def test_a_cluster_needs_no_standard_descriptors(
    cluster: Cluster, redirection: str
) -> None:
    serve(cluster, redirection)
    lobby = Neighbours(cluster)
    lobby.check()
    os.kill(cluster.worker(0)["pid"], 9)
    wait_for(lambda: cluster.worker(0)["generation"] == 2)
    wait_for(lambda: cluster.worker(0)["state"] == "ready")
    lobby.end()
    cluster.end()
    assert cluster.process is not None
    assert cluster.process.returncode == 0
