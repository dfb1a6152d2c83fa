"""Workers at their limit of open files: who is in stays, the others wait in line."""

import os
import resource
import select
import socket
import time
from dataclasses import replace

import pytest

from hubbub.supervisor import control_client
from tests.e2e.raw import upgrade
from tests.faults.conftest import MakeScenario
from tests.faults.rig import Plan, Rig, sizes

pytestmark = pytest.mark.fault

_LIMIT = 160
_STRANGERS = 1000
_LEAVE = 100
_REQUEST = upgrade("/rooms/waiting")
_TICK = os.sysconf("SC_CLK_TCK")


class Queue:
    """Clients that connect all at once, and are admitted when there is room."""

    def __init__(self, port: int, count: int) -> None:
        self._epoll = select.epoll()
        self.waiting: dict[int, socket.socket] = {}
        self.admitted: list[socket.socket] = []
        self.answers: dict[bytes, int] = {}
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), 5)
            client.setblocking(False)
            client.send(_REQUEST)
            self.waiting[client.fileno()] = client
            self._epoll.register(client, select.EPOLLIN)

    def read(self, seconds: float = 0.0) -> None:
        """Take answers for a while."""
        end = time.monotonic() + seconds
        while True:
            for number, _ in self._epoll.poll(max(0.0, end - time.monotonic()), 256):
                client = self.waiting.pop(number)
                self._epoll.unregister(client)
                try:
                    status = client.recv(4096)[9:12]
                except ConnectionError as error:
                    status = type(error).__name__.encode()
                self.answers[status] = self.answers.get(status, 0) + 1
                self.admitted.append(client)
            if time.monotonic() >= end:
                return

    def leave(self, count: int) -> None:
        """Let some of the admitted go."""
        for client in self.admitted[:count]:
            client.close()
        del self.admitted[:count]

    def close(self) -> None:
        for client in [*self.admitted, *self.waiting.values()]:
            client.close()
        self._epoll.close()


def cpu(rig: Rig) -> dict[int, float]:
    """Return the CPU time of each worker, seconds."""
    found = {}
    for row in rig.rows():
        with open(f"/proc/{row['pid']}/stat") as file:
            cells = file.read().rpartition(")")[2].split()
        found[row["slot"]] = (int(cells[11]) + int(cells[12])) / _TICK
    return found


def busiest(rig: Rig, seconds: float) -> float:
    """Return the largest share of a CPU that a worker takes, percent."""
    begun, before = time.monotonic(), cpu(rig)
    rig.load(seconds)
    passed = time.monotonic() - begun
    return max((now - before[slot]) / passed for slot, now in cpu(rig).items()) * 100


@sizes
def test_s16_open_files_run_out(scenario: MakeScenario, plan: Plan) -> None:
    crowd = replace(plan.crowd, rooms=20, members=15) if plan.full else plan.crowd
    plan = replace(plan, crowd=crowd)
    words = f"workers limited to {_LIMIT} open files, {_STRANGERS} more clients"
    with scenario("S16", words, plan) as rig:
        rig.calm()
        for row in rig.rows():
            resource.prlimit(row["pid"], resource.RLIMIT_NOFILE, (_LIMIT, _LIMIT))
        sessions = [one for one in rig.crowd.history.joined() if one.ended is None]
        told = len(rig.cluster.log_text().splitlines())
        before = busiest(rig, plan.calm)
        begun = time.monotonic()
        rig.strangers = _STRANGERS
        queue = Queue(rig.cluster.port, _STRANGERS)
        try:
            rig.wait(lambda: all(row["accept_pauses"] for row in rig.rows()))
            queue.read(1.0)
            rig.report.equal("their answers", set(queue.answers), {b"101"})
            rig.report.tell("admitted", len(queue.admitted))
            rig.report.at_least("wait in line", len(queue.waiting), _LEAVE)
            rig.report.tell("CPU of the busiest worker before", before, "%")
            rig.report.at_most(
                "and while all are full", busiest(rig, plan.after), 30, "%"
            )
            asked = time.monotonic()
            control_client.ask(rig.cluster.run_dir, {"type": "status"}, 5)
            took = time.monotonic() - asked
            rig.report.at_most("status answered after", took, 1.0, "s")
            queue.read()
            first, left = len(queue.admitted), time.monotonic()
            queue.leave(_LEAVE)
            while len(queue.admitted) < first and time.monotonic() - left < 10:
                queue.read(0.01)
            rig.report.at_most(
                f"{_LEAVE} leave, as many are let in after",
                time.monotonic() - left,
                2.0,
                "s",
            )
            ended = time.monotonic()
        finally:
            queue.close()
        rig.wait(lambda: crowd_only(rig))
        rig.settle()
        closed = [one for one in sessions if one.ended is not None]
        rig.report.equal("sessions closed", len(closed), 0)
        slots = set(range(plan.workers))
        rig.check_latency("everybody", [((begun, ended), slots)], 2.0)
        lines = len(rig.cluster.log_text().splitlines()) - told
        rig.report.at_most("lines of log", lines, 50)


def crowd_only(rig: Rig) -> bool:
    """Return whether nobody but the crowd is connected."""
    total = sum(row["connections"] for row in rig.rows())
    return bool(total == len(rig.crowd.clients))
