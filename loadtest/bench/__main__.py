"""`python -m hubbub.loadtest.bench`: one room, server CPU beside the floor's.

The server runs pinned to one CPU, the crowd on another; CPU time is the operating
system's account of the worker process. Figures of one run are compared with each
other only: the ratio is the result.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubbub.loadtest.bench.crowd import Crowd, masked_text

_MESSAGE = 100


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pin(cpu: int) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[cpu % len(cpus)]})


@contextmanager
def _cluster() -> Iterator[tuple[int, int]]:
    """Start a cluster of one worker on the first CPU; give its port and worker pid."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hubbub"]
        run_dir = ["--run-dir", str(Path(folder) / "run")]
        serve = subprocess.Popen(
            [*command, "serve", "--port", "0", "--workers", "1", *run_dir],
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: _pin(0),
        )
        try:
            status = None
            end = time.monotonic() + 20
            while status is None or not status["workers"]:
                if time.monotonic() > end or serve.poll() is not None:
                    raise RuntimeError("the cluster did not start")
                time.sleep(0.1)
                found = subprocess.run(
                    [*command, "status", "--json", *run_dir],
                    capture_output=True,
                    check=False,
                )
                if found.returncode == 0:
                    status = json.loads(found.stdout)
                    if not status["cluster"]["ready"]:
                        status = None
            port = int(
                status["cluster"]["urls"]["public"].rpartition(":")[2].strip("/")
            )
            yield port, status["workers"][0]["pid"]
        finally:
            serve.terminate()
            serve.wait(40)


def _floor(members: int, rounds: int, interval: float) -> float:
    """Return the CPU seconds of the bare loop of send()."""
    size = _MESSAGE + 2
    loop = subprocess.Popen(
        [sys.executable, "-m", "hubbub.loadtest.bench.floor"]
        + [str(value) for value in (members, rounds, size, interval)],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: _pin(0),
    )
    assert loop.stdout is not None
    crowd = Crowd()
    crowd.connect(int(loop.stdout.readline()), members)
    if not crowd.drain_bytes(members * rounds * size, rounds * interval + 20):
        raise RuntimeError("the floor's bytes did not all come")
    seconds = float(loop.stdout.readline())
    loop.wait()
    loop.stdout.close()
    crowd.close()
    return seconds


def _room(members: int, rounds: int, interval: float) -> float:
    """Return the CPU seconds of a worker that serves the same as one room."""
    with _cluster() as (port, pid):
        crowd, speaker = Crowd(), Crowd()
        crowd.connect(port, members, "/rooms/bench")
        speaker.connect(port, 1, "/rooms/bench")
        frame = masked_text(b"x" * _MESSAGE)
        before = _cpu_seconds(pid)
        due = time.monotonic()
        for _ in range(rounds):
            speaker.sockets[0].send(frame)
            due += interval
            crowd.drain(due)
        if not crowd.drain_bytes(members * rounds * (_MESSAGE + 2), 20):
            raise RuntimeError("messages were lost")
        seconds = _cpu_seconds(pid) - before
        crowd.close()
        speaker.close()
    return seconds


def main() -> None:
    """Measure, print one line a figure, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20, help="messages a second")
    options = parser.parse_args()
    _pin(1)
    rounds, interval = int(options.seconds * options.rate), 1 / options.rate
    deliveries = options.members * rounds
    floor = _floor(options.members, rounds, interval) / deliveries
    room = _room(options.members, rounds, interval) / deliveries
    print(
        f"one room, {options.members} members, {options.rate:g} messages/s of "
        f"{_MESSAGE} bytes, {deliveries} deliveries\n"
        f"floor  {floor * 1e6:6.2f} µs CPU a delivery (a loop of send)\n"
        f"hubbub {room * 1e6:6.2f} µs CPU a delivery (worker, user + system)\n"
        f"ratio  {room / floor:6.2f}"
    )


if __name__ == "__main__":
    main()
