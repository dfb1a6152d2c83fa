"""A full stop under load: everybody is told, and nothing acknowledged is dropped."""

import signal
import time

import pytest

from tests.faults.checker import check
from tests.faults.conftest import MakeScenario
from tests.faults.rig import QUICK, Plan, Rig, sizes

pytestmark = pytest.mark.fault

_PASSING = 0.05
"""Seconds a message may be on its way from the worker that acknowledged it to a member
of another, who may be closed meanwhile: each worker drains by itself."""


def wait_stopped(rig: Rig, since: float) -> float:
    """Wait for the cluster's end; return how long after `since` that was, seconds."""
    rig.report.equal("exit code", rig.cluster.wait(40), 0)
    return time.monotonic() - since


@sizes
def test_s10_stop_under_load(scenario: MakeScenario, plan: Plan) -> None:
    with scenario("S10", "TERM to the supervisor under load", plan) as rig:
        rig.calm()
        rig.load(plan.after)
        sessions = [one for one in rig.crowd.history.joined() if one.ended is None]
        rig.crowd.reconnecting = False
        begun = time.monotonic()
        rig.cluster.send_signal(signal.SIGTERM)
        rig.report.at_most("ended after", wait_stopped(rig, begun), 30, "s")
        rig.settle(back=False)
        told = sum(one.code == 1001 for one in sessions) / len(sessions)
        rig.report.at_least("closed with 1001", told * 100, 99.9, "%")
        verdict = check(rig.crowd.history)
        rig.report.tell("acknowledged, and behind a member's close", verdict.tail)
        rig.report.at_most(
            "the oldest of these before that close",
            *(verdict.tail_age * 1000, _PASSING * 1000, "ms"),
        )


def test_s10_stop_with_nobody_there(scenario: MakeScenario) -> None:
    with scenario("S10", "TERM while idle", QUICK, crowd=False) as rig:
        begun = time.monotonic()
        rig.cluster.send_signal(signal.SIGTERM)
        rig.report.at_most("ended after", wait_stopped(rig, begun), 2, "s")


def test_s10_second_term(scenario: MakeScenario) -> None:
    slow = ("--set", "drain.rate=1")
    with scenario("S10", "a second TERM in a slow drain", QUICK, *slow) as rig:
        rig.calm()
        rig.crowd.reconnecting = False
        rig.cluster.send_signal(signal.SIGTERM)
        rig.wait(rig.crowd.away)
        begun = time.monotonic()
        left = len(rig.crowd.clients) - rig.crowd.away()
        rig.report.at_least("still connected", left, 1)
        rig.cluster.send_signal(signal.SIGTERM)
        rig.report.at_most("ended after", wait_stopped(rig, begun), 2, "s")
        rig.settle(back=False)
