"""A peer, and its relay as a running process on the servers' CPU."""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hubbub.loadtest.bench.machine import (
    SERVED,
    cpu_seconds,
    pin,
    private_bytes,
    raise_file_limit,
)
from hubbub.loadtest.bench.peers.install import Installed
from hubbub.loadtest.bench.peers.wire import PLAIN, Wire
from hubbub.loadtest.bench.row import Invalid

RELAYS = Path(__file__).parent / "relays"
_START = 10.0
"""Seconds a relay has until it accepts."""
_END = 3.0
_LOOK = 0.02
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Server(Protocol):
    """What is measured."""

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""

    def private_bytes(self) -> int:
        """Return the private memory of all its processes."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A relay and how to get what it needs."""

    name: str
    relay: str
    """Its file in `relays/`."""
    install: Callable[[Path], Installed]
    """Installs into a folder, or finds what is there; raises Missing."""
    wire: Wire = PLAIN
    children: int = 0
    """Processes that the one started starts itself."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A running relay."""

    port: int
    pids: tuple[int, ...]
    """All its processes."""

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        return cpu_seconds(*self.pids)

    def private_bytes(self) -> int:
        """Return the private memory of all its processes."""
        return private_bytes(*self.pids)

    def pause(self) -> None:
        """Stop all its processes: it has no turn, and disturbs nobody who has."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them run again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            _send(pid, number)


@contextmanager
def serve(peer: Peer, installed: Installed) -> Iterator[Relay]:
    """Run a peer's relay on the servers' CPU; end it and its children afterwards.

    Raises:
        Invalid: it did not start, or ended while it was measured.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), _free_port()
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(peer, installed, port, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=_environment() | installed.environment,
                preexec_fn=_prepare,
            )
        pids: tuple[int, ...] = (process.pid,)
        children: list[int] = []
        try:
            pids = _wait(process, port, peer.children, log)
            children = [os.pidfd_open(child) for child in pids[1:]]
            try:
                yield Relay(port, pids)
            finally:
                # Better than what it looks like from outside, if there is such.
                if _ended(process):
                    raise Invalid(f"the relay ended: {_last_line(log)}")
        finally:
            for pid in pids:
                _send(pid, signal.SIGCONT)
            process.terminate()
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in children:
                _end(child)


def _command(peer: Peer, installed: Installed, port: int, folder: Path) -> list[str]:
    relay = RELAYS / peer.relay
    if relay.suffix != ".conf":
        return [installed.program, str(relay), str(port)]
    text = relay.read_text()
    values = {
        "MODULE": installed.module,
        "FOLDER": str(folder),
        "FILES": str(raise_file_limit()),
        "PORT": str(port),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    written = folder / relay.name
    written.write_text(text)
    return [installed.program, "-p", str(folder), "-e", "stderr", "-c", str(written)]


def _environment() -> dict[str, str]:
    """Return this environment without what would lead interpreters elsewhere."""
    strange = ("PYTHON", "NODE_", "HUBBUB_", "WS_NO_")
    return {k: v for k, v in os.environ.items() if not k.startswith(strange)}


def _prepare() -> None:
    """In the child: its CPU, its files, and an end when we end."""
    pin(SERVED)
    raise_file_limit()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _wait(
    process: subprocess.Popen[bytes], port: int, children: int, log: Path
) -> tuple[int, ...]:
    """Return all processes of a relay, as soon as it accepts connections."""
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        pids = _family(process.pid)
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            pids = ()
        if len(pids) == 1 + children:
            return pids
        time.sleep(_LOOK)
    raise Invalid(f"the relay did not start: {_last_line(log)}")


def _family(pid: int) -> tuple[int, ...]:
    """Return a process and its children."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return pid, *(int(child) for child in told.split())


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # It has ended; whoever measures it next finds out.


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a relay has ended; sockets are closed a moment before it has."""
    try:
        process.wait(_LOOK)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(handle: int) -> None:
    """Make sure that a child has ended, whose parent has; `handle` is a pidfd."""
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass  # As it should be.
    os.close(handle)


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2][:150]
