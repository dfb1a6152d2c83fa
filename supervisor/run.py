"""`hubbub serve`: put a supervisor together, run it, and clean up after it."""

import ctypes
import os
import secrets
import signal
import time
from contextlib import ExitStack
from typing import Final

from setproctitle import setproctitle

from hubbub import __version__
from hubbub.codes import Exit
from hubbub.server.stats.interest import Interest
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.settings import Settings, most_connections
from hubbub.supervisor import fault, journal, listener, rundir
from hubbub.supervisor.control import Answer, Control, Request
from hubbub.supervisor.dashboard.snapshot import Cluster, snapshot
from hubbub.supervisor.fleet import Fleet, Shared
from hubbub.supervisor.journal import Journal
from hubbub.supervisor.log import Log
from hubbub.supervisor.loop import READ, Loop, Signals
from hubbub.supervisor.refusal import Refusal
from hubbub.supervisor.zygote import ENTRY

TICK: Final = 0.25
"""Longest time between two looks at the deadlines, seconds."""

_PR_SET_CHILD_SUBREAPER = 36


def serve(settings: Settings, log: Log, entry: str = ENTRY) -> int:
    """Run a cluster until it is told to stop.

    Args:
        settings: the effective settings.
        log: where lines for people go.
        entry: what a worker runs, `module:function`; tests have their own.

    Returns:
        The exit code: 0 stopped, 3 the environment does not allow it, 70 every slot
        has failed.

    On shutdown: every worker drains (SIGTERM, SIGINT, `hubbub stop`) within the grace
    period; whoever is left, or a second signal, is a SIGKILL. Nothing of the cluster
    remains but the last journal.
    """
    with Signals() as signals, ExitStack() as stack:
        try:
            supervisor = Supervisor(settings, log, entry, signals, stack)
        except Refusal as refusal:
            if signals.wait(0):
                return Exit.CLEAN
            log.error(str(refusal))
            return Exit.CONFIGURATION
        return supervisor.run()


class Supervisor:
    """The parts of one supervisor.

    Args:
        settings, log, entry: as for `serve`.
        signals: the signals it hears.
        stack: takes what has to be undone in the end.

    Raises:
        Refusal: the environment does not allow it.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        entry: str,
        signals: Signals,
        stack: ExitStack,
    ) -> None:
        setproctitle("hubbub: supervisor")
        self._settings = settings
        self._log = log
        self._signals = signals
        self._workers = settings.workers or len(os.sched_getaffinity(0))
        limit = listener.raise_file_limit(self._workers)
        _become_subreaper()
        self._rundir = rundir.take(settings.run_dir)
        stack.callback(self._rundir.release)
        waits = settings.port in self._rundir.predecessor_ports
        if waits:
            log.info("predecessor_was_killed", port=settings.port)
        self._listener = listener.open_listener(
            settings.host,
            settings.port,
            settings.limits.kernel_buffer,
            patience=listener.PATIENCE if waits else 0.0,
            wait=signals.wait,
        )
        stack.callback(self._listener.close)
        port = self._listener.getsockname()[1]
        self._url = f"http://{listener.authority(settings.host, port)}"
        self._started_at = time.time()
        self._started = time.monotonic()
        self._rundir.publish(
            {
                "pid": os.getpid(),
                "host": settings.host,
                "port": port,
                "started_at": self._started_at,
                "version": __version__,
            }
        )
        self._journal = Journal(self._rundir.path)
        stack.callback(self._keep_journal)
        self._loop = Loop()
        stack.callback(self._loop.close)
        self._control = Control(
            self._rundir.control, self._loop, self._answer, time.monotonic
        )
        stack.callback(self._control.close)
        shared = Shared(
            self._listener,
            Scoreboard.create(self._workers),
            Interest.create(self._workers),
            secrets.token_hex(8),
        )
        stack.callback(os.close, shared.scoreboard.fd)
        stack.callback(os.close, shared.interest.fd)
        self._fleet = Fleet(
            settings,
            self._workers,
            shared,
            self._loop,
            log,
            self._journal,
            entry,
            self._all_ready,
        )
        log.info(
            "starting",
            url=self._url,
            run_dir=str(self._rundir.path),
            workers=self._workers,
            open_files=limit,
            most_connections=self._workers * most_connections(settings, limit),
            connections_each=most_connections(settings, limit),
        )
        self._journal.write(
            "supervisor_start", pid=os.getpid(), url=self._url, version=__version__
        )

    def run(self) -> int:
        """Poll and dispatch until nobody is left; return the exit code."""
        fleet = self._fleet
        # Counted by `take`; here it only has to end the poll.
        self._loop.add(self._signals.fd, READ, lambda events: None)
        now = expected = time.monotonic()
        fleet.start(now)
        while True:
            self._obey(now)
            due = fleet.tick(now, now - expected)
            self._control.tick(now)
            if fleet.finished:
                break
            timeout = TICK if due is None else min(TICK, max(0.0, due - now))
            expected = now + timeout
            self._loop.turn(timeout)
            now = time.monotonic()
        code = fleet.outcome or Exit.CLEAN
        self._journal.write("supervisor_stop", code=code)
        self._log.info("stopped", code=int(code))
        return code

    def _obey(self, now: float) -> None:
        """Do what signals ask for."""
        counts = self._signals.take()
        stops = counts[signal.SIGTERM] + counts[signal.SIGINT]
        if counts[signal.SIGHUP] and not stops and not self._fleet.stopping:
            revived = self._fleet.revive(now)
            self._log.warning(
                "reload is not available yet: code and settings stay as they are",
                revived=revived,
            )
        if stops and not self._fleet.stopping:
            stops -= 1
            self._stop(now, "signal")
        if stops:
            self._log.warning("stopping now: asked twice")
            self._journal.write("stop_now")
            self._fleet.kill(now)

    def _stop(self, now: float, asked_by: str) -> None:
        self._log.info("draining", asked_by=asked_by, grace=self._settings.drain.grace)
        self._journal.write("stop", asked_by=asked_by)
        # The workers have copies; whoever holds the last one ends the listening.
        self._listener.close()
        self._fleet.stop(now)

    def _all_ready(self) -> None:
        self._log.info(
            "listening",
            url=self._url,
            run_dir=str(self._rundir.path),
            workers=self._workers,
        )

    def _answer(self, request: Request) -> Answer:
        """Answer one request of the control socket."""
        match request.get("type"):
            case "status":
                return self._status()
            case "stop":
                if not self._fleet.stopping:
                    self._stop(time.monotonic(), "control socket")
                return {"ok": True}
            case "fault":
                return self._fault(request)
            case kind:
                return {"error": f"there is no request {kind!r:.80}"}

    def _status(self) -> Answer:
        fleet, now = self._fleet, time.monotonic()
        cluster = Cluster(
            pid=os.getpid(),
            version=__version__,
            run_dir=str(self._rundir.path),
            public=self._url,
            dashboard=None,
            started_at=self._started_at,
            uptime=now - self._started,
            now=now,
            wall=time.time(),
            announced=fleet.announced,
            stopping=fleet.stopping,
            journal_lost=self._journal.lost,
        )
        pids = {who: process.pid for who, process in fleet.processes.items()}
        readings, cpu = fleet.gauges.readings(), fleet.gauges.cpu_percent
        return snapshot(cluster, self._settings, fleet.slots, pids, readings, cpu)

    def _fault(self, request: Request) -> Answer:
        if not self._settings.faults:
            return {"error": "this cluster was not started with --faults"}
        try:
            slot, message = fault.parse(request)
        except fault.BadFault as error:
            return {"error": str(error)}
        why = self._fleet.fault(slot, message)
        return {"error": why} if why else {"ok": True}

    def _keep_journal(self) -> None:
        self._journal.close()
        why = journal.keep(self._rundir.path)
        if why:
            self._log.warning("the journal was not kept", reason=why)


def _become_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise Refusal("this kernel has no PR_SET_CHILD_SUBREAPER")
