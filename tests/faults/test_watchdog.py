"""Workers that are stopped or blocked: noticed, explained, replaced."""

import signal

import pytest

from tests.faults.conftest import MakeScenario
from tests.faults.history import Kind, Sent
from tests.faults.rig import FULL, Fault, Plan, Rig, sizes

pytestmark = pytest.mark.fault

_QUICK = ("--set", "watchdog.late=1.2s", "--set", "watchdog.dump=0.4s")
_NEWCOMERS = 20


def flags(plan: Plan) -> tuple[str, ...]:
    return () if plan.full else _QUICK


def deadlines(plan: Plan) -> tuple[float, float]:
    """Return when a heartbeat is late, and when its worker is killed, seconds."""
    return (5.0, 6.0) if plan.full else (1.2, 1.6)


def check_watchdog(rig: Rig, fault: Fault) -> str:
    """Check that the watchdog replaced the worker in time; return the stack."""
    late, killed = deadlines(rig.plan)
    report = rig.report
    noticed = rig.journal("heartbeat_late", fault)[0]
    report.at_most("noticed", noticed["at"] - fault.wall, late + 1, "s")
    over = rig.journal("exit", fault)[0]
    report.at_most("killed", over["at"] - fault.wall, killed + 1, "s")
    report.equal("kind in the journal", over["kind"], "watchdog")
    report.tell("reason in the journal", over["reason"])
    report.at_most("replacement ready", rig.wait_replaced(fault), killed + 3, "s")
    report.equal("exits", len(rig.journal("exit", fault)), 1)
    return str(over["stack"] or "")


@sizes
def test_s5_stopped_worker(scenario: MakeScenario, plan: Plan) -> None:
    with scenario("S5", "SIGSTOP of slot 3, for ever", plan, *flags(plan)) as rig:
        rig.calm()
        fault = rig.kill(3, signal.SIGSTOP)
        newcomers = [rig.crowd.add(Kind.PLAIN, "room-0") for _ in range(_NEWCOMERS)]
        rig.wait_replaced(fault)
        rig.load(plan.after)
        rig.settle()
        took = [
            one.joined - one.opened
            for one in rig.crowd.history.joined()
            if one.client >= newcomers[0].number and one.joined
        ]
        rig.report.at_least("newcomers meanwhile", len(took), _NEWCOMERS)
        rig.report.at_most("slowest of their joins", max(took) * 1000, 1000, "ms")
        rig.check_others(fault, window=deadlines(plan)[1] + 1)
        rig.check_victims(fault)
        stack = check_watchdog(rig, fault)
        rig.report.equal("journal says why no stack", "SIGSTOP" in stack, True)
        cut = [
            entry
            for entry in rig.journal("link_lost", fault)
            if "limit" in entry["reason"]
        ]
        rig.report.equal("links cut over their limit", len(cut), 0)
        missed = sum(row["bus_missed"] for row in rig.rows())
        rig.report.tell("frames that waited for the dead", missed)
        rig.crowd.call(lambda: [one.leave() for one in newcomers])


@pytest.mark.long
@pytest.mark.parametrize(("way", "function"), [("block", "commit"), ("spin", "spin")])
def test_s6_blocked_loop(scenario: MakeScenario, way: str, function: str) -> None:
    words = f"slot 1 is blocked in its loop ({way}), for a minute"
    with scenario("S6", words, FULL) as rig:
        rig.calm()
        fault = rig.fault(1, way, "60s")
        rig.wait_replaced(fault)
        rig.load(FULL.after)
        rig.settle()
        rig.check_others(fault, window=deadlines(FULL)[1] + 1)
        rig.check_victims(fault)
        stack = check_watchdog(rig, fault)
        named = f"in {function}" in stack.splitlines()[1]
        rig.report.equal("stack begins where it blocked", named, True)
        rig.report.notes += [] if named else stack.splitlines()[:4]


@pytest.mark.long
def test_s6_short_block(scenario: MakeScenario) -> None:
    block = 2.0
    with scenario("S6", "slot 1 sleeps in its loop for 2 s", FULL) as rig:
        rig.calm()
        fault = rig.fault(1, "block", f"{block:g}s")
        rig.wait(lambda: rig.row(1)["loop_delay_ms"]["max"] > block * 500)
        rig.load(FULL.after)
        rig.settle()
        rig.check_others(fault)
        ended = rig.crowd.history.ended(fault.at)
        rig.report.equal("sessions closed", len(ended), 0)
        rig.report.equal("generation of slot 1", rig.row(1)["generation"], 1)
        worst = max(
            at - item.at
            for one in fault.victims
            for item, at in one.heard
            if isinstance(item, Sent)
        )
        rig.report.at_most("longest delivery", worst, block + 1, "s")
        rig.report.at_least("longest delivery", worst, block * 0.5, "s")
