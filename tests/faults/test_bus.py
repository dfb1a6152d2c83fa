"""Links between workers that break in the middle of a frame."""

import random
from dataclasses import replace

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.rig import Plan, sizes

pytestmark = pytest.mark.fault

_FRAME = 512 * 1024
_TORN = (1, 2)
"""The slots whose workers die; those of the others hold the other ends."""
_PAUSE = 0.2
"""Seconds for clients to come back, so that the next death meets some."""
_OFTEN = (
    *("--set", "restarts.intensity=1000", "--set", "restarts.pause=10ms"),
    *("--set", "restarts.cap=20ms"),
)
"""A hundred deaths in a minute are not a crash loop here."""


@sizes
def test_s17_death_in_the_middle_of_a_frame(scenario: MakeScenario, plan: Plan) -> None:
    chance = random.Random(17)
    if plan.full:
        offsets = [*range(1, 65), *(chance.randrange(65, _FRAME) for _ in range(36))]
        crowd = replace(plan.crowd, rooms=20, jitter=0.2)
        plan = replace(plan, crowd=crowd, calm=2.0, after=2.0)
    else:
        offsets = [1, 4, 5, 9, 64, chance.randrange(65, _FRAME)]
    words = f"half a frame of 512 KiB on every link, then SIGKILL, {len(offsets)} times"
    with scenario("S17", words, plan, *_OFTEN) as rig:
        rig.calm()
        faults = []
        for number, offset in enumerate(offsets):
            slot = _TORN[number % 2]
            faults.append(rig.ask_fault(slot, "truncate-bus", offset=offset))
            rig.wait_replaced(faults[-1])
            rig.load(_PAUSE)
        rig.load(plan.after)
        rig.settle()
        rig.check_others(*faults, ratio=None)
        rig.check_victims(*faults)
        stayed = [
            one
            for one in rig.crowd.history.joined()
            if one.slot not in _TORN and (one.joined or 0.0) < faults[0].at
        ]
        rig.report.at_least("clients that were there all along", len(stayed), 10)
        heard = sum(len(one.heard) for one in stayed)
        rig.report.at_least("what they heard", heard, 100 * len(offsets) // 2)
        rows = rig.rows()
        crashes = sum(row["restarts"]["crash"] for row in rows)
        rig.report.equal("restarts", crashes, len(offsets))
        errors = sum(row["errors"] for row in rows)
        rig.report.equal("bugs met by workers", errors, 0)
        bad = [e for e in rig.journal("link_lost") if "bad frame" in e["reason"]]
        rig.report.equal("links that lost their place", len(bad), 0)
