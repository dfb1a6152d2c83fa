"""What scenarios check about those who were hit and those who were not."""

from collections.abc import Iterable

from tests.faults.checker import check, latencies, percentile
from tests.faults.crowd import Crowd
from tests.faults.history import Kind
from tests.faults.plan import Fault, Plan
from tests.faults.report import Report

WINDOW = 2.0
"""Seconds after a fault in which latency is judged."""
_FAILED_CONNECTS = 5
"""Handshakes that a worker may take into its grave."""

Window = tuple[float, float]


class Checks:
    """The checks that scenarios share; they write figures into the report.

    Args:
        crowd: whose history is judged.
        plan: of the run.
        report: where figures go.
    """

    def __init__(self, crowd: Crowd, plan: Plan, report: Report) -> None:
        self.crowd = crowd
        self.plan = plan
        self.report = report
        self.calm_part: Window = (0.0, 0.0)

    def check_others(
        self, *faults: Fault, ratio: float | None = 2.0, window: float = WINDOW
    ) -> None:
        """Check that clients of all other workers noticed nothing.

        Args:
            faults: all that was broken.
            ratio: of p99 to that of the calm part; None: do not judge it.
            window: in which p99 is judged after each fault, seconds.
        """
        broken = {(fault.slot, fault.generation) for fault in faults}
        history = self.crowd.history
        begun = min(fault.at for fault in faults)
        others = [
            one for one in history.joined() if (one.slot, one.generation) not in broken
        ]
        ended = [one for one in history.ended(begun) if one in others]
        self.report.equal("other slots: sessions closed", len(ended), 0)
        verdict = check(history, others)
        self.report.equal("other slots: lost", verdict.lost, 0)
        if ratio is None:
            return
        slots = set(range(self.plan.workers))
        self.check_latency(
            "other slots",
            [((fault.at, fault.at + window), slots - {fault.slot}) for fault in faults],
            ratio,
        )

    def check_latency(
        self,
        who: str,
        windows: Iterable[tuple[Window, set[int]]],
        ratio: float,
        without: Iterable[int] = (),
    ) -> None:
        """Check p99 in the worst of the windows against the calm part's.

        Args:
            who: is judged, in words.
            windows: each with the slots whose members and publishers count.
            ratio: of p99 to that of the calm part.
            without: clients that do not count.
        """
        left_out = frozenset(without)
        members = [
            one
            for one in self.crowd.history.joined()
            if one.kind is not Kind.PUBLISHER and one.client not in left_out
        ]
        calm = latencies(members, *self.calm_part)
        p99 = percentile(calm, 0.99)
        worst = max(
            percentile(latencies(members, *window, slots), 0.99)
            for window, slots in windows
        )
        least = self.plan.latency
        self.report.tell("calm: p50", percentile(calm, 0.5) * 1000, "ms")
        self.report.tell("calm: p99", p99 * 1000, "ms")
        self.report.at_most(
            f"{who}: p99, {ratio:g} x calm or {least * 1000:.0f} ms",
            worst * 1000,
            max(ratio * p99, least) * 1000,
            "ms",
        )

    def check_victims(self, *faults: Fault, code: int = 1006) -> None:
        """Check that every client of the broken workers came back, and how soon."""
        history = self.crowd.history
        victims = [one for fault in faults for one in fault.victims]
        self.report.at_least("their clients", len(victims), 1)
        ends = {one.code for one in victims}
        self.report.equal("their clients: close code", ends, {code})
        back = [(one, history.next_of(one)) for one in victims if one.ended]
        took = [
            later.joined - one.ended
            for one, later in back
            if later and later.joined and one.ended
        ]
        self.report.equal("their clients: back", len(took), len(victims))
        self.report.at_most(
            "their clients: last one back",
            max(took, default=float("nan")),
            self.plan.crowd.jitter + 2.0,
            "s",
        )
        failed = history.failed(min(fault.at for fault in faults))
        self.report.at_most(
            "connects that failed", len(failed), _FAILED_CONNECTS * len(faults)
        )
