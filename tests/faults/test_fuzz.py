"""Fuzzed handshakes and frames beside a crowd that must not notice them.

What is sent is made up in tests/fuzz; FUZZ_SEED= gives other bytes. What became of each
connection is compared with what must become of it, and what fuzzed clients are told is
read as strictly as a browser would.
"""

import time
from dataclasses import replace

import psutil
import pytest

from tests.e2e.raw import check_log
from tests.faults.conftest import MakeScenario
from tests.faults.crowd import Size
from tests.faults.ledger import settled
from tests.faults.rig import FULL, QUICK, Plan, Rig
from tests.fuzz import storm
from tests.fuzz.handshakes import MARK
from tests.fuzz.seed import SEED, TIMES

pytestmark = pytest.mark.fault

_FULL = replace(FULL, crowd=Size(rooms=20, members=9), workers=2)
"""200 good clients."""
_QUICK = replace(QUICK, crowd=Size(rooms=5, members=5, jitter=0.4), workers=2)
fuzz_sizes = pytest.mark.parametrize(
    "plan",
    [
        pytest.param(_QUICK, id="quick"),
        pytest.param(_FULL, id="full", marks=pytest.mark.long),
    ],
)


def used(rig: Rig) -> float:
    """Return the CPU seconds that all workers have used."""
    total = 0.0
    for row in rig.rows():
        times = psutil.Process(row["pid"]).cpu_times()
        total += times.user + times.system
    return total


def blow(rig: Rig, kind: str, count: int, at_once: int, seed: str) -> storm.Outcome:
    """Let a storm pass over the cluster and its crowd."""
    rig.strangers_speak = True
    rig.strangers += count
    process = storm.start(rig.cluster.port, kind, count, at_once, seed)
    try:
        while process.poll() is None:
            rig.load(0.1)
        return storm.finish(process)
    finally:
        process.kill()


def weather(
    rig: Rig, kind: str, count: int, at_once: int
) -> tuple[storm.Outcome, float]:
    """Let a small storm and then a large one pass, and check what must hold.

    The first leaves what any would: arenas, and a compressor for each window. The
    ledger judges what the second leaves on top of that.

    Returns:
        The outcome of the second, and the workers' CPU seconds.
    """
    report, young = rig.report, rig.full
    blow(rig, kind, max(200, count // 50), at_once, f"first {SEED}")
    rig.full = settled(rig.cluster, rig.full)
    before, begun = used(rig), time.monotonic()
    outcome = blow(rig, kind, count, at_once, SEED)
    ended = time.monotonic()
    spent = used(rig) - before
    rig.load(rig.plan.after)
    rig.settle()
    report.tell("seed", SEED)
    report.at_least("connections", sum(outcome.ends.values()), count)
    report.tell("a second", count / (ended - begun))
    ends = ", ".join(f"{end} {n:,}" for end, n in outcome.ends.most_common())
    report.tell("what became of them", ends)
    report.at_most("slowest end", outcome.slowest, 5.0, "s")
    report.equal("other than it should be", outcome.wrongs, 0)
    report.notes += outcome.wrong
    closed = rig.crowd.history.ended(begun)
    report.equal("good clients: sessions closed", len(closed), 0)
    slots = set(range(rig.plan.workers))
    rig.check_latency("good clients", [((begun, ended), slots)], 3.0)
    rows = rig.rows()
    report.equal("errors", sum(row["errors"] for row in rows), 0)
    report.equal("generations", {row["generation"] for row in rows}, {1})
    growth = settled(rig.cluster, young).growth(young)
    report.at_most("memory after both", growth / 2**20, 10.0, "MiB")
    size = rig.cluster.log.stat().st_size
    report.at_most("log", size / 2**20, 1.0, "MiB")
    report.at_least("events in it", len(check_log(rig.cluster)), 1)
    marked = MARK.encode() in rig.cluster.log.read_bytes()
    report.equal("clients' bytes in it", marked, False)
    return outcome, spent


@fuzz_sizes
def test_s21_malformed_handshakes(scenario: MakeScenario, plan: Plan) -> None:
    count = (100_000 if plan.full else 2_000) * TIMES
    words = f"{count:,} malformed handshakes, 50 at a time"
    with scenario("S21", words, plan) as rig:
        rig.calm()
        outcome, spent = weather(rig, "handshakes", count, 50)
        rig.report.at_least("refused", outcome.refused, count // 2)
        rate = outcome.refused / spent
        rig.report.at_least("refused a second and core", rate, 1000.0)


@fuzz_sizes
def test_fuzzed_frames(scenario: MakeScenario, plan: Plan) -> None:
    count = (20_000 if plan.full else 800) * TIMES
    words = f"{count:,} clients with fuzzed frames, 10 at a time"
    with scenario("fuzz", words, plan) as rig:
        rig.calm()
        outcome, spent = weather(rig, "frames", count, 10)
        rig.report.at_least("messages they had from each other", outcome.heard, count)
        rig.report.tell("CPU of the workers", spent, "s")
