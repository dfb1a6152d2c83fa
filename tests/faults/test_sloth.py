"""Clients that take their time: they are sent away in time, and keep nobody waiting."""

import resource
import time

import pytest

from tests.e2e.raw import Raw, upgrade
from tests.faults.checker import percentile
from tests.faults.conftest import MakeScenario
from tests.faults.rig import Plan, sizes
from tests.faults.sloth import Sloth, Sloths

pytestmark = pytest.mark.fault

_QUICK = (
    *("--set", "limits.handshake=1s", "--set", "limits.message_time=1s"),
    *("--set", "heartbeat.interval=1.5s", "--set", "heartbeat.timeout=1.5s"),
)
_SWEEP = 1.0
"""How late a deadline may be, seconds: see server/reactor/sweep.py."""
_CONNECT_EVERY = 0.1


@pytest.fixture
def many_files() -> None:
    """Let this process have a thousand sockets besides the crowd's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))


@pytest.mark.usefixtures("many_files")
@sizes
def test_s22_slowloris(scenario: MakeScenario, plan: Plan) -> None:
    count, flags = (1000, ()) if plan.full else (80, _QUICK)
    # Handshake; a message; a ping after so long, and its answer.
    limits = (5.0, 30.0, 25.0 + 10.0) if plan.full else (1.0, 1.0, 1.5 + 1.5)
    words = f"{count} sockets that are silent, drip, stop half way or idle"
    with scenario("S22", words, plan, *flags) as rig:
        rig.calm()
        took: list[float] = []
        newcomer_due = 0.0

        def meanwhile() -> None:
            nonlocal newcomer_due
            rig.crowd.raise_error()
            now = time.monotonic()
            if now < newcomer_due:
                return
            newcomer_due = now + _CONNECT_EVERY
            with Raw(rig.cluster.port) as newcomer:
                newcomer.send(upgrade("/rooms/newcomers"))
                assert newcomer.read_response().status == 101
            took.append(time.monotonic() - now)

        sloths = Sloths(rig.cluster.port, 1.0 if plan.full else 0.1)
        begun = time.monotonic()
        try:
            sloths.arrive(list(Sloth) * (count // len(Sloth)))
            sloths.watch(meanwhile, limits[2] + 10)
        finally:
            sloths.close()
        ended = time.monotonic()
        rig.strangers = count + len(took)
        rig.load(plan.after)
        rig.settle()
        report = rig.report
        expected = {
            Sloth.SILENT: ("408", limits[0]),
            Sloth.DRIP: ("408", limits[0]),
            Sloth.HALF: ("1008", limits[1]),
            Sloth.IDLE: ("1011", limits[2]),
        }
        for kind, (end, limit) in expected.items():
            herd = [one for one in sloths.all if one.kind is kind]
            report.equal(f"{kind.value}: told", {one.end for one in herd}, {end})
            gone = [one.ended - one.begun for one in herd if one.ended]
            report.equal(f"{kind.value}: sent away", len(gone), len(herd))
            last = max(gone, default=float("nan"))
            report.at_most(f"{kind.value}: last after", last, limit + _SWEEP, "s")
        report.at_least("newcomers meanwhile", len(took), 1)
        report.at_most(
            "newcomers: p99 of connects", percentile(took, 0.99) * 1000, 200, "ms"
        )
        closed = rig.crowd.history.ended(begun)
        report.equal("good clients: sessions closed", len(closed), 0)
        slots = set(range(plan.workers))
        rig.check_latency("good clients", [((begun, ended), slots)], 2.0)
