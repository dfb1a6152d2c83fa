"""Floods: the offender is told why and cut, and nobody else notices."""

import time

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.flood import floods, run
from tests.faults.ledger import private
from tests.faults.rig import Plan, sizes

pytestmark = pytest.mark.fault

_QUICK = ("--set", "limits.flood=1s", "--set", "limits.stalled=1s")
_SLACK = 5.0
"""Seconds that an end may take beyond the setting that calls for it."""
_SAMPLE = 0.1
_MEMORY = 5.0
"""MiB that all workers together may have more while it lasts."""


@sizes
def test_s25_floods(scenario: MakeScenario, plan: Plan) -> None:
    lasting = 10.0 if plan.full else 1.0
    with scenario(
        "S25",
        "ten kinds of floods, one after the other",
        plan,
        *(_QUICK, ())[plan.full],
    ) as rig:
        rig.calm()
        report, windows = rig.report, []
        pids = [row["pid"] for row in rig.rows()]
        begun, before, most, looked = time.monotonic(), 0, 0, 0.0

        def meanwhile() -> None:
            nonlocal most, looked
            rig.crowd.raise_error()
            now = time.monotonic()
            if now > looked + _SAMPLE:
                looked = now
                most = max(most, sum(map(private, pids)))

        for flood in floods():
            before, most = sum(map(private, pids)), 0
            at = time.monotonic()
            fate = run(rig.cluster.port, flood, meanwhile, lasting + 2 * _SLACK)
            most = max(most, sum(map(private, pids)))
            rig.load(plan.after / 5)
            windows.append(((at, time.monotonic()), set(range(plan.workers))))
            rig.strangers += 1
            if flood.most and not fate.code:
                figures = (fate.sent / 2**20, flood.most / 2**20, "MiB")
                report.at_most(f"{flood.name}: dropped after", *figures)
            else:
                report.equal(f"{flood.name}: close code", fate.code, flood.code)
            limit = lasting * flood.lasting + _SLACK
            report.at_most(f"{flood.name}: ended after", fate.took, limit, "s")
            report.tell(f"{flood.name}: sent", fate.sent / 2**20, "MiB")
            growth = (most - before) / 2**20
            report.at_most(f"{flood.name}: memory", growth, _MEMORY, "MiB")
        rig.strangers_speak = True
        rig.load(plan.after)
        rig.settle()
        closed = rig.crowd.history.ended(begun)
        report.equal("good clients: sessions closed", len(closed), 0)
        rig.check_latency("good clients, worst flood", windows, 1.5)
        rows = rig.rows()
        report.equal("errors", sum(row["errors"] for row in rows), 0)
        cut = sum(row["floods"] for row in rows)
        report.at_least("floods counted", cut, sum(one.lasting for one in floods()))
