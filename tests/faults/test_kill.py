"""Killed workers: their clients come back, and nobody else notices."""

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.rig import Plan, sizes

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
