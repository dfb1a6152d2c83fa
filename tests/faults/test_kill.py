"""Killed workers: their clients come back, and nobody else notices."""

import random

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.rig import FULL, Plan, sizes

pytestmark = pytest.mark.fault


@sizes
def test_s1_killed_worker(scenario: MakeScenario, plan: Plan) -> None:
    with scenario("S1", "SIGKILL of slot 2 under load", plan) as rig:
        rig.calm()
        fault = rig.kill(2)
        rig.load(plan.after)
        rig.settle()
        rig.check_others(fault)
        rig.check_victims(fault)
        rig.report.at_most("replacement ready", rig.wait_replaced(fault), 2.0, "s")
        exits = [entry["reason"] for entry in rig.journal("exit", fault)]
        rig.report.tell("reason in the journal", exits)
        rig.report.equal("restarts", rig.row(2)["restarts"]["crash"], 1)


@pytest.mark.long
def test_s2_one_worker_after_the_other(scenario: MakeScenario) -> None:
    times, pause, plan = 10, 3.0, FULL
    with scenario("S2", f"SIGKILL, {times} times", plan) as rig:
        rig.calm()
        chance = random.Random(2)
        # In rounds, so that no slot is given up: that is S3.
        slots = [
            slot
            for _ in range(times)
            for slot in chance.sample(range(plan.workers), plan.workers)
        ]
        faults = []
        for slot in slots[:times]:
            rig.wait(lambda slot=slot: rig.row(slot)["state"] == "ready")
            faults.append(rig.kill(slot))
            rig.load(pause)
        rig.load(plan.after)
        rig.settle()
        rig.check_others(*faults)
        rig.check_victims(*faults)
        took = max(rig.wait_replaced(fault) for fault in faults)
        rig.report.at_most("slowest replacement", took, 2.0, "s")
        crashes = sum(row["restarts"]["crash"] for row in rig.rows())
        rig.report.equal("restarts", crashes, times)
        ends = {(e["kind"], e["signal"]) for e in rig.journal("exit", faults[0])}
        rig.report.equal("kind of the exits", ends, {("crash", "SIGKILL")})
