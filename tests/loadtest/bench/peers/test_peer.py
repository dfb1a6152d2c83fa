"""A relay as a process: started, stopped, ended with its children."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hubbub.loadtest.bench.connect import reset
from hubbub.loadtest.bench.machine import SERVED
from hubbub.loadtest.bench.peers.install import Installed
from hubbub.loadtest.bench.peers.peer import Peer, Relay, serve
from hubbub.loadtest.bench.peers.wire import PLAIN, arrive
from hubbub.loadtest.bench.row import Invalid
from tests.loadtest.bench.peers.conftest import Broken

pytestmark = pytest.mark.slow

FAMILY = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork():
    signal.signal(signal.SIGTERM, {how})
while True:
    signal.pause()
"""


def within(seconds: float, met: Callable[[], bool]) -> bool:
    """Return whether a condition was met in time."""
    end = time.monotonic() + seconds
    while not met() and time.monotonic() < end:
        time.sleep(0.01)
    return met()


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_relay_runs_on_the_servers_cpu_and_is_measured(broken: Broken) -> None:
    with broken("") as relay:
        (pid,) = relay.pids
        assert os.sched_getaffinity(pid) == {SERVED}
        assert relay.private_bytes() > 1 << 20
        before = relay.cpu_seconds()
        for one in arrive(relay.port, PLAIN, ["lobby"] * 20):
            reset(one)
        assert relay.cpu_seconds() > before > 0
    assert gone(pid)


def test_relay_that_has_no_turn_stands_still(broken: Broken) -> None:
    with broken("") as relay:
        process = psutil.Process(relay.pids[0])
        relay.pause()
        assert within(2, lambda: process.status() == psutil.STATUS_STOPPED)
        relay.resume()
        reset(arrive(relay.port, PLAIN, ["lobby"])[0])
        relay.pause()
    assert gone(process.pid)


def test_relay_that_does_not_start_tells_why(broken: Broken) -> None:
    with pytest.raises(Invalid, match="did not start: no luck"), broken("start"):
        pass


def kill(relay: Relay) -> None:
    """Kill a relay, and wait until it is gone."""
    psutil.Process(relay.pids[0]).kill()
    assert within(2, lambda: gone(relay.pids[0]))


def test_relay_that_ends_meanwhile_tells_why(broken: Broken) -> None:
    with pytest.raises(Invalid, match="the relay ended"), broken("") as relay:
        kill(relay)


@pytest.mark.parametrize("how", ["lambda *_: None", "lambda *_: os._exit(0)"])
def test_children_count_and_end_with_a_relay(tmp_path: Path, how: str) -> None:
    program = tmp_path / "family.py"
    program.write_text(FAMILY.format(how=how))
    installed = Installed(sys.executable, "")
    peer = Peer("family", str(program), lambda _: installed, children=1)
    with serve(peer, installed) as relay:
        assert len(relay.pids) == 2
        assert psutil.Process(relay.pids[1]).ppid() == relay.pids[0]
    for pid in relay.pids:
        assert within(2, lambda pid=pid: gone(pid))  # type: ignore[misc]
