"""Workers that end at once, and clusters that cannot start."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster
from tests.e2e.raw import ask_http
from tests.faults.conftest import MakeReport, MakeScenario
from tests.faults.rig import Fault, Plan, Rig, sizes

pytestmark = pytest.mark.fault

SLOT = 1
_LATE = 0.05
"""Seconds from a deadline to the journal's entry, on a busy machine."""
_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def crash_on_ready(rig: Rig, faults: list[Fault]) -> bool:
    """End the slot's worker with code 1 if it is ready; return whether the slot has
    been given up."""
    row = rig.row(SLOT)
    if row["state"] == "failed":
        return True
    known = faults[-1].generation if faults else 0
    if row["state"] == "ready" and row["generation"] > known:
        faults.append(rig.ask_fault(SLOT, "exit", code=1))
    return False


def health(rig: Rig) -> str:
    """Return what a load balancer is told."""
    rig.strangers += 1
    answer = ask_http(rig.cluster.port, _HEALTH)
    return f"{answer.status} {answer.body.decode().strip()}"


@sizes
def test_s3_crash_loop(scenario: MakeScenario, plan: Plan) -> None:
    first = 0.1 if plan.full else 0.02
    flags = ("--set", f"restarts.pause={first:g}s")
    with scenario("S3", "slot 1 exits 1 whenever it is ready", plan, *flags) as rig:
        rig.calm()
        faults: list[Fault] = []
        rig.wait(lambda: crash_on_ready(rig, faults), 30)
        rig.load(plan.after)
        starts = [e["at"] for e in rig.journal("start") if e["slot"] == SLOT]
        rig.report.at_most("forks of the slot", len(starts), 6)
        exits = [e["at"] for e in rig.journal("exit") if e["slot"] == SLOT]
        pauses = [start - exit for start, exit in zip(starts[1:], exits, strict=False)]
        told = ", ".join(f"{pause:.2f}" for pause in pauses)
        rig.report.tell("pauses before them", told, "s")
        rig.report.at_most("the first", pauses[0], first * 1.2 + _LATE, "s")
        rig.report.at_least("the last", pauses[-1], first * 16 * 0.8, "s")
        rig.report.equal("growing", pauses[-1] > pauses[-2] > pauses[0], True)
        rig.report.equal("state of the slot", rig.row(SLOT)["state"], "failed")
        rig.report.tell("why", rig.row(SLOT)["failed"])
        rig.report.equal("/healthz", health(rig), "200 degraded")
        rig.cluster.send_signal(signal.SIGHUP)
        rig.wait(lambda: rig.row(SLOT)["state"] == "ready")
        rig.report.equal("after SIGHUP", rig.row(SLOT)["state"], "ready")
        rig.report.equal("/healthz", rig.wait(lambda: health(rig) == "200 ok"), True)
        rig.settle()
        rig.check_others(*faults)
        rig.check_victims(*faults)


def broken_import(folder: Path) -> tuple[list[str], str]:
    """The server cannot be imported: a library is broken."""
    (folder / "httptools.py").write_text('raise ImportError("broken on purpose")\n')
    return [], "broken on purpose"


def broken_file(folder: Path) -> tuple[list[str], str]:
    """The configuration file names a setting that is none."""
    path = folder / "broken.toml"
    path.write_text("[limits]\nmesage = 1\n")
    return ["--config", str(path)], "limits.mesage"


def broken_relation(folder: Path) -> tuple[list[str], str]:
    """Two settings do not fit together."""
    return ["--set", "limits.outbox=2KiB"], "limits.outbox"


def open_folder(folder: Path) -> tuple[list[str], str]:
    """Everybody may write into the run directory."""
    (folder / "run").mkdir()
    (folder / "run").chmod(0o777)
    return [], str(folder / "run")


CAUSES = [broken_import, broken_file, broken_relation, open_folder]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_s4_cannot_boot(
    reporting: MakeReport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cause: Callable[[Path], tuple[list[str], str]],
) -> None:
    assert cause.__doc__ is not None
    flags, words = cause(tmp_path)
    path = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    cluster = Cluster(tmp_path)
    with reporting("S4", f"cannot boot: {cause.__doc__.rstrip('.')}") as report:
        began = time.monotonic()
        try:
            cluster.start("--workers", "4", *flags, wait=False)
            report.equal("exit code", cluster.wait(20), 3)
        finally:
            cluster.end()
        report.at_most("ended after", time.monotonic() - began, 5.0, "s")
        lines = cluster.log_text().splitlines()
        usual = [line for line in lines if '"level":"info"' in line]
        report.equal("lines of trouble", len(lines) - len(usual), 1)
        naming = [line for line in lines if words in line]
        report.equal("lines that name the cause", len(naming), 1)
        forks = sum("generation" in line for line in lines)
        report.at_most("forks", forks, 4)
        report.equal("processes left", cluster.processes() or "none", "none")
        left = [path.name for path in cluster.run_dir.glob("*")]
        report.equal("files left", left or "none", "none")


def test_s4_port_taken(reporting: MakeReport, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with (
        reporting("S4", "cannot boot: the port is taken") as report,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        port = holder.getsockname()[1]
        began = time.monotonic()
        try:
            cluster.start("--workers", "4", port=port, wait=False)
            report.equal("exit code", cluster.wait(20), 3)
        finally:
            cluster.end()
        # A port may still be held by a cluster that was just killed: 3 s of patience.
        report.at_most("ended after", time.monotonic() - began, 5.0, "s")
        naming = [line for line in cluster.log_text().splitlines() if str(port) in line]
        report.at_least("lines that name the port", len(naming), 1)
        report.equal("run directory left", cluster.run_dir.exists(), False)
