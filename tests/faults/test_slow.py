"""Members that do not read: each costs itself its connection, and nobody anything."""

import time
from dataclasses import replace

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.history import Kind
from tests.faults.ledger import private
from tests.faults.rig import Plan, sizes

pytestmark = pytest.mark.fault

_PAYLOAD = 4096
_QUICK = ("--set", "limits.stalled=1s", "--set", "limits.kernel_buffer=4KiB")
"""Full in a second, slow a second later."""


@sizes
def test_s14_slow_consumers(scenario: MakeScenario, plan: Plan) -> None:
    plan = replace(plan, crowd=replace(plan.crowd, payload=_PAYLOAD))
    count, flags = (30, ()) if plan.full else (8, _QUICK)
    words = f"{count} members stop reading, SO_RCVBUF 4 KiB"
    with scenario("S14", words, plan, *flags) as rig:
        crowd, rooms = rig.crowd, plan.crowd.rooms
        rig.calm()
        slow = [
            crowd.add(Kind.PLAIN, f"room-{number % rooms}", 4096)
            for number in range(count)
        ]
        rig.wait(lambda: not crowd.away())
        pids = [row["pid"] for row in rig.rows()]
        before = sum(map(private, pids))
        begun = time.monotonic()
        crowd.call(lambda: [one.watch(False) for one in slow])
        most = 0

        def cut() -> bool:
            nonlocal most
            most = max(most, sum(map(private, pids)) - before)
            rig.load(0.1)
            return sum(row["slow_closed"] for row in rig.rows()) >= count

        rig.wait(cut, 40)
        ended = time.monotonic()
        rig.report.at_most("all of them cut after", ended - begun, 25.0, "s")
        by: dict[str, int] = {}
        for row in rig.rows():
            for why, number in row["slow_closed_by"].items():
                by[why] = by.get(why, 0) + number
        rig.report.tell("why", ", ".join(f"{why} {n}" for why, n in by.items()))
        rig.report.equal("cut", sum(by.values()), count)
        rig.report.at_most("memory of the workers", most / 2**20, 30.0, "MiB")
        sessions = [one.session for one in slow]
        crowd.call(lambda: [one.watch(True) for one in slow])
        rig.load(plan.after)
        rig.settle()
        codes = [one.code for one in sessions if one is not None]
        rig.report.equal("closed with 4008", codes.count(4008), count)
        back = sum(one.is_open for one in slow)
        rig.report.equal("back, and reading", back, count)
        numbers = {one.number for one in slow}
        others = [
            one for one in crowd.history.ended(begun) if one.client not in numbers
        ]
        rig.report.equal("others: sessions closed", len(others), 0)
        slots = set(range(plan.workers))
        rig.check_latency("others", [((begun, ended), slots)], 1.5, numbers)
        crowd.call(lambda: [one.leave() for one in slow])
