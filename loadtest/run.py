"""A run of the load test, from the plan to the results."""

import base64
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from functools import partial
from time import monotonic_ns
from typing import Any, Final

import msgspec
import trio
from hdrh.histogram import HdrHistogram

from hubbub.loadtest import results, seating, target, wording
from hubbub.loadtest.canary import Canaries
from hubbub.loadtest.gauge import LATE_MS, Gauge, server_of
from hubbub.loadtest.plan import Plan
from hubbub.loadtest.processes import Process, start
from hubbub.loadtest.results import Results
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.surroundings import machine, versions
from hubbub.loadtest.swarm.wire import Message
from hubbub.loadtest.view.progress import Progress, View

_RAMP_PATIENCE: Final = 15.0
"""Seconds that connects may take beyond the ramp."""
_DRAIN_PATIENCE: Final = 5.0
"""Seconds without which the last messages are lost."""
_LOOK: Final = 0.25
_NS: Final = 1_000_000_000


def cpus(plan: Plan) -> tuple[int | None, int | None]:
    """Return the CPUs of cluster and generator; None where they are not pinned."""
    if not plan.pin:
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def run(plan: Plan, scenario: Scenario, view: AbstractContextManager[View]) -> Results:
    """Carry out a plan.

    Args:
        plan: the effective plan.
        scenario: what it names.
        view: entered for as long as the load lasts.

    Returns:
        What was found; the verdict is still to be given (`expect.judge`).

    Raises:
        Problem: it could not begin; one sentence says why.
    """
    served, generating = cpus(plan)
    target.need_files(plan.clients, plan.processes)
    with ExitStack() as stack:
        if plan.url is None:
            server = stack.enter_context(target.own_cluster(plan.workers, served))
        else:
            server = target.given_server(plan.url)
        if scenario.local and server.run_dir is None:
            raise target.NotOurs(scenario.name, server.name)
        name = f"load-{os.getpid():x}-{monotonic_ns() & 0xFFFFFF:x}"
        target.check_answers(server, f"/rooms/{name}.check")
        if generating is not None:
            os.sched_setaffinity(0, {generating})
        *crowd, few = seating.orders(plan, scenario, server, name)
        swarms = start(crowd, generating)
        stack.callback(_end, swarms)
        made = Run(plan, scenario, server, swarms, Canaries(few))
        with view as shown:
            trio.run(made.run, shown)
        return made.found()


def _end(swarms: Sequence[Process]) -> None:
    for swarm in swarms:
        swarm.end()


class Run:
    """One run; also the stage on which its scenario acts."""

    def __init__(
        self,
        plan: Plan,
        scenario: Scenario,
        server: target.Target,
        swarms: Sequence[Process],
        canaries: Canaries,
    ) -> None:
        self.plan = plan
        self.server = server
        self._scenario = scenario
        self._swarms = swarms
        self._canaries = canaries
        self._gauge = Gauge()
        self._began = monotonic_ns()
        self._started_at = datetime.now(UTC).astimezone()
        self._phases: list[results.Phase] = []
        self._marks: list[results.Mark] = []
        self._notes: list[str] = []
        self._phase = "ramp"
        self._phase_start, self._phase_end = 0.0, plan.ramp
        self._status: dict[str, Any] | None = None
        self._early = False
        self._errors: dict[str, int] = {}
        self._duration = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return (monotonic_ns() - self._began) / _NS

    # The stage

    async def wait(self, seconds: float) -> None:
        """Let the load go on."""
        await trio.sleep(seconds)

    def mark(self, text: str, at: float | None = None) -> None:
        """Write on the time axis of all reports what is done."""
        t = self.elapsed if at is None else at
        self._marks.append(results.Mark(t=round(t, 3), text=text))

    def total(self, name: str) -> int:
        """Return a sum over all clients so far: joins, sent, received, connected."""
        return self._gauge.total(name)

    def note(self, text: str) -> None:
        """Write a sentence into the results: what this scenario is to find out."""
        self._notes.append(text)

    def forgiven(self) -> int:
        """Return how many connections have ended as was to be expected."""
        return sum(self._gauge.by_kind("forgiven").values())

    def blame(self, kind: str, count: int) -> None:
        """Count errors that no client can see by itself."""
        self._errors[kind] = self._errors.get(kind, 0) + count

    async def status(self) -> dict[str, Any] | None:
        """Return the cluster's status; None where it cannot be asked."""
        if self.server.run_dir is None:
            return None
        return await trio.to_thread.run_sync(self.server.status, abandon_on_cancel=True)

    async def drop(self) -> None:
        """Make all clients lose their connections at once, half by RST, and return."""
        await self._tell({"do": "drop"})

    async def back(self, since: float) -> float:
        """Wait until all clients, of whom some have left since, are connected again."""
        at = await self._gauge.wait_whole(self._began + int(since * _NS))
        return (at - self._began) / _NS

    async def sleep(self) -> None:
        """Make the seats that sleep stop reading."""
        await self._tell({"do": "sleep"})

    # The run

    async def run(self, view: View) -> None:
        """Go through all phases; end early at Ctrl-C, with what there is."""
        for swarm in self._swarms:
            swarm.open()
        self._began = monotonic_ns()
        async with trio.open_nursery() as nursery:
            for number, swarm in enumerate(self._swarms):
                nursery.start_soon(self._hear, number, swarm)
            told = partial(self._gauge.hear, len(self._swarms))
            nursery.start_soon(self._canaries.run, told)
            nursery.start_soon(self._look)
            nursery.start_soon(self._take_points)
            nursery.start_soon(self._show, view)
            with trio.CancelScope() as scope:
                nursery.start_soon(self._wait_interrupted, scope)
                await self._scenario.look(self)
                await self._load()
            self._early = scope.cancelled_caught
            await self._drain()
            await self._scenario.sum_up(self)
            self._gauge.point(self.elapsed, server_of(self._status))
            self._duration = self.elapsed
            self._phase_end = self._phase_start  # The drain is over, however long.
            view.update(self.progress())
            nursery.cancel_scope.cancel()

    async def _wait_interrupted(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                scope.cancel()

    async def _load(self) -> None:
        """Ramp and hold."""
        with self._in_phase("ramp", self.plan.ramp):
            now = monotonic_ns()
            end = now + int(self.plan.ramp * _NS)
            await self._tell({"do": "ramp", "start": now, "end": end})
            with trio.move_on_after(self.plan.ramp + _RAMP_PATIENCE):
                await self._gauge.wait_ramped(len(self._swarms) + 1)
        with self._in_phase("hold", self.plan.duration):
            now = monotonic_ns()
            end = now + int(self.plan.duration * _NS)
            await self._tell({"do": "speak", "start": now, "end": end})
            with trio.move_on_after(self.plan.duration):
                await self._scenario.act(self)
                await trio.sleep_forever()

    async def _drain(self) -> None:
        """Stop speaking, wait for what is on its way, have everything counted."""
        with self._in_phase("drain", _DRAIN_PATIENCE), trio.CancelScope(shield=True):
            await self._tell({"do": "speak", "start": 0, "end": 0})
            await self._tell({"do": "totals"})
            senders = await self._canaries.totals()
            for swarm in self._swarms:
                told = await swarm.wait_for("totals")
                senders |= told["senders"] if told else {}
            until = monotonic_ns() + int(_DRAIN_PATIENCE * _NS)
            await self._tell({"do": "settle", "senders": senders, "until": until})
            await self._canaries.settle(senders, until)
            for swarm in self._swarms:
                if await swarm.wait_for("final") is None:
                    self.blame("generator_died", 1)
            self._gauge.hear(len(self._swarms), self._canaries.figures())

    def _in_phase(self, name: str, seconds: float) -> AbstractContextManager[None]:
        run = self

        class Phase(nullcontext[None]):
            def __enter__(self) -> None:
                self.start = run.elapsed
                run._phase = name
                run._phase_start, run._phase_end = self.start, self.start + seconds

            def __exit__(self, *_: object) -> None:
                phase = results.Phase(
                    name=name, start=round(self.start, 3), end=round(run.elapsed, 3)
                )
                run._phases.append(phase)

        return Phase()

    async def _tell(self, order: Message) -> None:
        self._canaries.obey(order)
        for swarm in self._swarms:
            await swarm.tell(order)

    # What it hears

    async def _hear(self, number: int, swarm: Process) -> None:
        async for told in swarm.listen():
            if told["is"] in ("second", "final"):
                self._gauge.hear(number, told)
        self._gauge.lose(number)

    async def _look(self) -> None:
        while True:
            self._status = await self.status()
            if self._status is None:
                return
            await trio.sleep(1)

    async def _take_points(self) -> None:
        due = trio.current_time()
        while True:
            due += 1
            await trio.sleep_until(due)
            self._gauge.point(self.elapsed, server_of(self._status))

    async def _show(self, view: View) -> None:
        while True:
            await trio.sleep(_LOOK)
            view.update(self.progress())

    def progress(self) -> Progress:
        """Return how the run goes."""
        gauge, elapsed = self._gauge, self.elapsed
        length = self._phase_end - self._phase_start
        gone = (elapsed - self._phase_start) / length if length > 0 else 1.0
        lately = gauge.lately()
        return Progress(
            phase=self._phase,
            fraction=min(1.0, max(0.0, gone)),
            elapsed=elapsed,
            clients=self.plan.clients,
            connected=gauge.total("connected"),
            sent_s=lately.sent_s,
            received_s=lately.received_s,
            latency_ms=lately.latency_ms,
            totals={
                "sent": gauge.total("sent"),
                "received": gauge.total("received"),
                "closed": gauge.total("closed"),
                **gauge.by_kind("counts"),
            },
            errors=gauge.by_kind("errors"),
            lag_ms_max=lately.lag_ms_max,
            workers=self._status["workers"] if self._status else None,
            note=self._marks[-1].text if self._marks else "",
        )

    # What comes of it

    def found(self) -> Results:
        """Return what was found."""
        gauge, counts = self._gauge, self._gauge.by_kind("counts")
        lag = gauge.lag.percentile(0.99)
        received = gauge.total("received")
        return Results(
            verdict="pass",
            scenario=self._scenario.name,
            canaries=len(self._canaries.canaries),
            clients=self.plan.clients,
            connected=gauge.most,
            closed=gauge.total("closed"),
            sent=gauge.total("sent"),
            expected=received
            - counts.get("duplicated", 0)
            - counts.get("misrouted", 0)
            + counts.get("lost", 0),
            received=received,
            lost=counts.get("lost", 0),
            duplicated=counts.get("duplicated", 0),
            reordered=counts.get("reordered", 0),
            misrouted=counts.get("misrouted", 0),
            corrupted=counts.get("corrupted", 0),
            errors=gauge.by_kind("errors") | self._errors,
            latency_ms=results.Percentiles(**gauge.latency.summary())
            if gauge.latency.total
            else results.Percentiles(),
            generator=results.Generator(
                cpu_s=round(gauge.total("cpu_s") + time.process_time(), 3),
                lag_ms_p99=lag,
                late=lag > LATE_MS,
            ),
            violations=[
                results.Violation(
                    kind=kind,
                    room=str(room),
                    sender=sender,
                    number=number,
                    t=round((t - self._began) / _NS, 3),
                    what=what,
                )
                for kind, room, sender, number, t, what in gauge.violations()[
                    : results.MOST_VIOLATIONS
                ]
            ],
            early=self._early,
            started_at=self._started_at.isoformat(timespec="seconds"),
            duration_s=round(self._duration, 3),
            plan=msgspec.structs.asdict(self.plan) | {"server": self.server.name},
            machine=machine(),
            versions=versions(),
            phases=self._phases,
            marks=self._marks,
            notes=[
                *self._notes,
                *seating.notes(self.plan, len(self._canaries.canaries)),
                *_forgiven(gauge.by_kind("forgiven")),
            ],
            series=gauge.points,
            histogram=self._histogram(),
        )

    def _histogram(self) -> results.Histogram | None:
        latency = self._gauge.latency
        if not latency.total:
            return None
        hdr = HdrHistogram(1, 3_600_000_000, 3)
        buckets: list[tuple[float, int]] = []
        for us, count in latency.pairs():
            hdr.record_value(max(1, us), count)
            buckets.append((us / 1000, count))
        encoded = hdr.encode()
        if not isinstance(encoded, str):
            encoded = base64.b64encode(encoded).decode()
        return results.Histogram(encoded=encoded, buckets=buckets)


def _forgiven(ends: dict[str, int]) -> list[str]:
    """Tell of the ends of connections that the scenario was about."""
    return [
        f"{wording.many(count, 'connection')} ended as was to be expected "
        f"({wording.kind(kind)})"
        for kind, count in sorted(ends.items())
    ]
