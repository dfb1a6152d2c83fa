"""The rig of fault scenarios: a cluster, a crowd, and the checks they share.

A scenario is a test that breaks something while the crowd goes on::

    pytestmark = pytest.mark.fault

    @sizes                            # quick in every run, full in `make faults`
    def test_s1_killed_worker(scenario: MakeScenario, plan: Plan) -> None:
        with scenario("S1", "SIGKILL of slot 2 under load", plan) as rig:
            rig.calm()                # the fault-free part, to compare latency with
            fault = rig.kill(2)       # or rig.fault(2, "block", "60s"), or your own
            rig.load(plan.after)      # the crowd goes on
            rig.settle()              # everybody is back, nothing is on its way
            rig.check_others(fault)   # clients of the other slots noticed nothing
            rig.check_victims(fault)  # those of the broken one came back
            rig.report.at_most("restarts", rig.row(2)["restarts"]["crash"], 1)

Figures go to `rig.report` (`at_most`, `at_least`, `equal`, or `tell` where there is no
limit); if one is over its limit the test fails at its end, with all of them printed.
Leaving the block checks what holds for every scenario: nothing lost, doubled,
reordered, leaked or invented in any session (checker.py); open files, processes and
memory back to where they were with the crowd (ledger.py), and again when it has left;
the server's counters against the crowd's. `rig.settle(back=False)` is for a cluster
that has ended.

The crowd is `rig.crowd`: `add(kind, room)` for one more client, `call(function)` to do
something to clients in its thread (`client.watch(False)`: it stops reading), `history`
for what happened. Raw sockets of your own: tests/e2e/raw.py.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.faults.checker import Verdict, check, latencies, percentile
from tests.faults.counters import differences
from tests.faults.crowd import Crowd, Size
from tests.faults.history import Kind, Session
from tests.faults.ledger import Resources, settled, workers
from tests.faults.report import Report

WINDOW = 2.0
"""Seconds after a fault in which latency is judged."""
LATENCY = 0.025
"""A p99 under this is good whatever the calm part's was, seconds: on a machine that
others use, the ratio of two small figures is their noise."""
_QUIET = 0.25
_PATIENCE = 10.0


@dataclass(frozen=True)
class Plan:
    """How large a run of a scenario is."""

    crowd: Size
    calm: float
    """Fault-free part, seconds."""
    after: float
    """What is watched after the fault, seconds."""
    workers: int = 4
    full: bool = True


FULL = Plan(Size(), calm=6.0, after=10.0)
QUICK = Plan(Size(rooms=8, members=10, jitter=0.4), calm=0.8, after=1.0, full=False)
sizes = pytest.mark.parametrize(
    "plan",
    [
        pytest.param(QUICK, id="quick"),
        pytest.param(FULL, id="full", marks=pytest.mark.long),
    ],
)
"""A scenario in two sizes: the quick one runs in every `make test`."""


@dataclass(frozen=True)
class Fault:
    """What was broken, and when."""

    slot: int
    generation: int
    pid: int
    at: float
    """time.monotonic()"""
    wall: float
    """time.time(), which is what the journal has."""
    victims: list[Session] = field(default_factory=list, repr=False)
    """Sessions that the worker served."""


class Rig:
    """A running cluster and its crowd.

    Args:
        cluster: started.
        plan: how large.
        report: where figures go.
    """

    def __init__(self, cluster: Cluster, plan: Plan, report: Report) -> None:
        self.cluster = cluster
        self.plan = plan
        self.report = report
        self.crowd = Crowd(cluster.port, plan.crowd)
        self.empty = settled(self.cluster)
        """What the cluster holds without anybody."""
        self.full = self.empty
        """What it holds with the crowd, before anything is broken."""
        self.calm_part = (0.0, 0.0)
        self.checked: Verdict | None = None
        self._gone = False

    # What a scenario does

    def calm(self) -> None:
        """Let everybody connect and speak for a while with nothing broken."""
        crowd, size = self.crowd, self.plan.crowd
        crowd.start()
        self.wait(lambda: not crowd.away())
        rate = size.rate * size.rooms * size.publishers
        self.report.crowd = (
            f"{len(crowd.members())} members in {size.rooms} rooms on "
            f"{self.plan.workers} workers, {rate:.0f} messages/s, "
            f"{rate * size.members:.0f} deliveries/s"
        )
        crowd.publish(True)
        begun = time.monotonic()
        self.load(self.plan.calm)
        self.full = settled(self.cluster)
        self.calm_part = (begun, time.monotonic())

    def load(self, seconds: float) -> None:
        """Let the crowd go on for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
            self.crowd.raise_error()

    def wait(self, condition: Callable[[], Any], patience: float = _PATIENCE) -> Any:
        """Return the first true value of `condition`; fail after `patience` seconds."""
        return wait_for(condition, patience)

    def rows(self) -> list[dict[str, Any]]:
        """Return the status of every slot."""
        return workers(self.cluster)

    def row(self, slot: int) -> dict[str, Any]:
        """Return the status of a slot."""
        return self.rows()[slot]

    def kill(self, slot: int, number: signal.Signals = signal.SIGKILL) -> Fault:
        """Send a signal to the worker of a slot."""
        fault = self.target(slot)
        os.kill(fault.pid, number)
        return fault

    def fault(self, slot: int, *words: str) -> Fault:
        """Break the worker of a slot with `hubbub fault`."""
        fault = self.target(slot)
        done = self.cluster.run("fault", str(slot), *words)
        assert done.returncode == 0, done.stderr
        return fault

    def target(self, slot: int) -> Fault:
        """Return the fault that is about to hit the worker of a slot."""
        row = self.row(slot)
        assert row["state"] == "ready", row
        victims = [
            one
            for one in list(self.crowd.history.sessions)
            if one.ended is None and one.on(slot, row["generation"])
        ]
        return Fault(
            *(slot, row["generation"], row["pid"], time.monotonic(), time.time()),
            victims,
        )

    def journal(self, event: str, since: Fault | None = None) -> list[dict[str, Any]]:
        """Return the journal's entries of one event, since a fault."""
        return [
            entry
            for entry in self.cluster.journal()
            if entry["event"] == event and (since is None or entry["at"] >= since.wall)
        ]

    def wait_replaced(self, fault: Fault, patience: float = 15.0) -> float:
        """Wait until the slot has its next worker; return when, seconds from the
        fault."""

        def ready() -> dict[str, Any] | None:
            return next(
                (
                    entry
                    for entry in self.journal("ready", fault)
                    if entry["slot"] == fault.slot
                    and entry["generation"] > fault.generation
                ),
                None,
            )

        found: dict[str, Any] = self.wait(ready, patience)
        return float(found["at"]) - fault.wall

    def settle(self, back: bool = True) -> None:
        """Wait until everybody is back and nothing is on its way any more.

        Args:
            back: whether anybody comes back; False: the cluster has ended.
        """
        crowd = self.crowd
        if back:
            self.wait(lambda: not crowd.away(), self.plan.crowd.jitter + _PATIENCE)
        crowd.publish(False)
        if back:
            self.wait(lambda: not crowd.unanswered())
        self._wait_quiet()
        if not back:
            self._gone = True
        self.checked = check(crowd.history)

    def _wait_quiet(self) -> None:
        heard, since = -1, 0.0

        def quiet() -> bool:
            nonlocal heard, since
            now, count = time.monotonic(), self.crowd.heard()
            if count != heard:
                heard, since = count, now
            return now - since > _QUIET

        self.wait(quiet)

    # What scenarios check

    def check_others(
        self, *faults: Fault, ratio: float = 2.0, window: float = WINDOW
    ) -> None:
        """Check that clients of all other workers noticed nothing.

        Args:
            faults: all that was broken.
            ratio: of p99 to that of the calm part.
            window: in which p99 is judged after each fault, seconds.
        """
        broken = {(fault.slot, fault.generation) for fault in faults}
        history = self.crowd.history
        begun = min(fault.at for fault in faults)
        others = [
            one for one in history.joined() if (one.slot, one.generation) not in broken
        ]
        ended = [one for one in history.ended(begun) if one in set(others)]
        self.report.equal("other slots: sessions closed", len(ended), 0)
        verdict = check(history, others)
        self.report.equal("other slots: lost", verdict.lost, 0)
        slots = set(range(self.plan.workers)) - {fault.slot for fault in faults}
        self.check_latency(
            "other slots",
            [(fault.at, fault.at + window) for fault in faults],
            ratio,
            slots,
        )

    def check_latency(
        self,
        who: str,
        windows: list[tuple[float, float]],
        ratio: float,
        slots: set[int],
    ) -> None:
        """Check p99 in the worst of the windows against the calm part's."""
        members = [
            one for one in self.crowd.history.joined() if one.kind is not Kind.PUBLISHER
        ]
        calm = latencies(members, *self.calm_part, slots)
        p99 = percentile(calm, 0.99)
        worst = max(
            percentile(latencies(members, *window, slots), 0.99) for window in windows
        )
        self.report.tell("calm: p50", percentile(calm, 0.5) * 1000, "ms")
        self.report.tell("calm: p99", p99 * 1000, "ms")
        self.report.at_most(
            f"{who}: p99, {ratio:g} x calm or {LATENCY * 1000:.0f} ms",
            worst * 1000,
            max(ratio * p99, LATENCY) * 1000,
            "ms",
        )

    def check_victims(self, fault: Fault, code: int = 1006) -> None:
        """Check that every client of the broken worker came back, and how soon."""
        history = self.crowd.history
        limit = self.plan.crowd.jitter + 2.0
        self.report.at_least("its clients", len(fault.victims), 1)
        ends = {one.code for one in fault.victims}
        self.report.equal("its clients: close code", ends, {code})
        back = [(one, history.next_of(one)) for one in fault.victims]
        took = [
            later.joined - one.ended
            for one, later in back
            if later and later.joined and one.ended
        ]
        self.report.equal("its clients: back", len(took), len(fault.victims))
        self.report.at_most(
            "its clients: last one back", max(took, default=float("nan")), limit, "s"
        )
        failed = [one for one in history.failed(fault.at)]
        self.report.at_most("connects that failed", len(failed), 5)

    # What every scenario checks at its end

    def finish(self) -> None:
        """Check what holds for all scenarios: the record, the ledger, the counters."""
        assert self.checked is not None, "a scenario settles before it ends"
        verdict, report = self.checked, self.report
        report.at_least("deliveries checked", verdict.heard, 1)
        for name in ("lost", "doubled", "reordered", "leaked", "strange"):
            report.equal(f"everybody: {name}", getattr(verdict, name), 0)
        report.tell("told gaps, unknown", f"{verdict.told}, {verdict.unknown}")
        report.notes += verdict.samples
        if self._gone:
            left = [*self.cluster.processes(), *self.cluster.run_dir.glob("*")]
            report.equal("ledger: processes and files left", left or "none", "none")
            return
        self._check_counters()
        self._check_resources("with the crowd", self.full)
        self.crowd.leave()
        self.wait(lambda: not sum(row["connections"] for row in self.rows()))
        self._check_resources("when it has left", self.empty, memory=False)

    def _check_resources(
        self, when: str, before: Resources, memory: bool = True
    ) -> None:
        now = settled(self.cluster, before)
        difference = now.difference(before)
        self.report.equal(
            f"ledger {when}: fds, processes", difference or "same", "same"
        )
        if memory:
            self.report.at_most(
                f"ledger {when}: memory",
                now.growth(before) / 2**20,
                before.memory_limit() / 2**20,
                "MiB",
            )
        else:
            self.report.tell(
                f"ledger {when}: memory", now.growth(before) / 2**20, "MiB"
            )

    def _check_counters(self) -> None:
        # Workers publish four times a second.
        end = time.monotonic() + 2
        while True:
            wrong = differences(self.crowd.history, self.rows())
            if not wrong or time.monotonic() > end:
                break
            time.sleep(0.1)
        self.report.equal("counters against the crowd's", wrong or "same", "same")


@contextmanager
def run(
    folder: Path, report: Report, plan: Plan, *flags: str, crowd: bool = True
) -> Iterator[Rig]:
    """Run a scenario: a cluster, a crowd, then the checks and a clean end.

    Args:
        folder: of the cluster's files.
        report: where figures go.
        plan: how large.
        flags: more of `hubbub serve`.
        crowd: False: the scenario has no use for one; nothing is checked at the end
            but what it checks itself.

    Raises:
        AssertionError: a figure is over its limit; its text is the report.
    """
    cluster = Cluster(folder)
    try:
        cluster.start(
            *("--workers", str(plan.workers), "--identify", "--faults", *flags)
        )
        rig = Rig(cluster, plan, report)
        try:
            yield rig
            if crowd:
                rig.finish()
        finally:
            rig.crowd.close()
    finally:
        cluster.end()
    report.finished = True
    assert not report.failed, "\n" + report.text()
