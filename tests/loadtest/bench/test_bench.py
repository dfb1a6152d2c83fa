"""The whole benchmark, small: real clusters, real floors; time is not judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROWS = [
    *("room", "saturated", "rooms", "pingpong", "idle", "idle.one", "idle.each"),
    *("connects", "connects.close", "mesh", "mesh.rooms"),
    *("generator", "generator.joined"),
]


def test_small_run_has_every_row(tmp_path: Path) -> None:
    result = tmp_path / "deep" / "result.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hubbub.loadtest.bench", "--json", str(result)),
            *("--scale", "0.02", "--seconds", "0.1", "--rounds", "1"),
            *("--peers", "none"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(result.read_text())
    assert found["invalid"] == {}
    assert [row["name"] for row in found["rows"]] == ROWS
    for row in found["rows"]:
        assert row["hubbub"] > 0, row
        assert row["ok"] is None, row
        if not row["name"].startswith("idle"):
            assert row["floor"] > 0, row
            assert row["ratio"] > 0, row
        assert row["name"] in done.stdout
