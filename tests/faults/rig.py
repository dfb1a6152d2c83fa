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

Connections of your own (tests/e2e/raw.py) are counted in `rig.strangers`. The crowd is
`rig.crowd`: `add(kind, room)` for one more client, `call(function)` to do
something to clients in its thread (`client.watch(False)`: it stops reading), `history`
for what happened.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubbub.supervisor import control_client
from tests.e2e.conftest import Cluster, wait_for
from tests.faults.checker import Verdict, check
from tests.faults.checks import Checks
from tests.faults.counters import differences
from tests.faults.crowd import Crowd
from tests.faults.ledger import Resources, settled, workers
from tests.faults.plan import FULL, QUICK, Fault, Plan, sizes
from tests.faults.report import Report

__all__ = ["FULL", "QUICK", "Fault", "Plan", "Rig", "run", "sizes"]

_QUIET = 0.25
_PATIENCE = 10.0


class Rig(Checks):
    """A running cluster and its crowd.

    Args:
        cluster: started.
        plan: how large.
        report: where figures go.
    """

    def __init__(self, cluster: Cluster, plan: Plan, report: Report) -> None:
        super().__init__(Crowd(cluster.port, plan.crowd), plan, report)
        self.cluster = cluster
        self.empty = settled(self.cluster)
        """What the cluster holds without anybody."""
        self.full = self.empty
        """What it holds with the crowd, before anything is broken."""
        self.strangers = 0
        """Connections that the scenario made besides the crowd's."""
        self.strangers_speak = False
        """Whether those send messages: then nobody's messages are counted."""
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
        """Break the worker of a slot with `hubbub fault`, as people do."""
        fault = self.target(slot)
        done = self.cluster.run("fault", str(slot), *words)
        assert done.returncode == 0, done.stderr
        return fault

    def ask_fault(self, slot: int, name: str, **values: object) -> Fault:
        """Break the worker of a slot without starting a process for it."""
        fault = self.target(slot)
        request = {"type": "fault", "slot": slot, "fault": name, **values}
        answer = control_client.ask(self.cluster.run_dir, request, 5)
        assert "error" not in answer, answer
        return fault

    def target(self, slot: int) -> Fault:
        """Return the fault that is about to hit the worker of a slot."""
        row = self.row(slot)
        assert row["state"] == "ready", row
        victims = [
            one
            for one in list(self.crowd.history.sessions)
            if one.ended is None
            and one.joined is not None
            and one.on(slot, row["generation"])
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
            wrong = differences(
                self.crowd.history, self.rows(), self.strangers, self.strangers_speak
            )
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
