"""The server under load: a cluster of our own, or one that somebody else runs."""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hubbub.escape import quoted
from hubbub.people.place import Place, parse_place
from hubbub.people.problem import Problem, Refused

_START = 20.0
_END = 40.0
_PATIENCE = 5.0
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1
"""linux/prctl.h."""


class NotOurs(Refused):
    """A scenario asks for more than a URL.

    Args:
        scenario: its name.
        url: of the server.
    """

    def __init__(self, scenario: str, url: str) -> None:
        super().__init__(
            f"scenario {scenario} acts on the workers of the server, and {url} is no "
            "cluster of this user on this machine (HUBBUB_RUN_DIR names its run "
            "directory); without a URL the load test runs one"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A server that answers."""

    place: Place
    address: tuple[str, int]
    """Numeric; what the clients connect to."""
    run_dir: Path | None
    """Of the cluster, where it is on this machine and ours to ask."""
    name: str
    """Its URL, for people."""

    def status(self) -> dict[str, Any] | None:
        """Return the cluster's status; None where it cannot be asked."""
        return self.ask({"type": "status"})

    def ask(self, request: dict[str, object]) -> dict[str, Any] | None:
        """Return the cluster's answer to a request; None where it cannot be asked."""
        if self.run_dir is None:
            return None
        from hubbub.supervisor import control_client

        try:
            return control_client.ask(self.run_dir, request, _PATIENCE)
        except OSError:
            return None


@contextmanager
def own_cluster(workers: int, cpu: int | None) -> Iterator[Target]:
    """Run a cluster on a free port for as long as the context lasts.

    Raises:
        Refused: it did not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="hubbub-load-"))
    run_dir = folder / "run"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    command = [sys.executable, "-m", "hubbub", "serve", "--port", "0", "--faults"]
    command += ["--workers", str(workers), "--run-dir", str(run_dir)]
    log = folder / "log"
    try:
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                cwd=folder,
                env=kept | {"XDG_STATE_HOME": str(folder)},
                start_new_session=True,  # Ctrl-C is for us; we end it.
                preexec_fn=lambda: _be_born(cpu),
            )
        try:
            yield _wait_ready(process, run_dir, log)
        finally:
            process.terminate()
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()  # Its workers follow within 2 s.
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _be_born(cpu: int | None) -> None:
    """Prepare the process of a cluster, before it becomes that."""
    # If we are killed, it ends in good order, too (prctl(2)).
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def _wait_ready(process: subprocess.Popen[bytes], run_dir: Path, log: Path) -> Target:
    from hubbub.supervisor import control_client

    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            told = control_client.ask(run_dir, {"type": "status"}, _PATIENCE)
        except OSError:
            time.sleep(0.02)
            continue
        cluster: Any = told["cluster"]
        if cluster["ready"] == cluster["slots"] and cluster["urls"]["public"]:
            place = parse_place(cluster["urls"]["public"])
            return Target(place, (place.host, place.port), run_dir, place_url(place))
        time.sleep(0.02)
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise Refused(f"a cluster of our own did not start: {_sentence(last)}")


def _sentence(line: str) -> str:
    try:
        event = json.loads(line)
    except ValueError:
        return line or "it said nothing"
    return str(event.get("event", line)) if isinstance(event, dict) else line


def place_url(place: Place) -> str:
    """Return the URL of a place, without a path."""
    return f"ws://{place.authority}"


def given_server(url: str) -> Target:
    """Return the server at `url`, with its run directory if it is a cluster of ours.

    Raises:
        Refused: the URL is none, or its host has no address.
    """
    try:
        place = parse_place(url)
    except ValueError as error:
        raise Refused(f"the load test {error}") from None
    if place.secure:
        raise Refused("the load test speaks ws://, not wss://: put it behind the proxy")
    if place.target != "/ws":
        raise Refused(f"give the URL without a path: {place_url(place)}")
    try:
        found = socket.getaddrinfo(
            place.host, place.port, socket.AF_INET, socket.SOCK_STREAM
        )
    except OSError:
        raise Refused(f"{quoted(place.host)} has no IPv4 address") from None
    host, port = found[0][4][:2]
    return Target(place, (str(host), int(port)), _run_dir_of(place), place_url(place))


def _run_dir_of(place: Place) -> Path | None:
    from hubbub.supervisor import control_client, rundir

    try:
        path = rundir.find(None)
        told: Any = control_client.ask(path, {"type": "status"}, _PATIENCE)
        public = parse_place(told["cluster"]["urls"]["public"])
    except (rundir.NotRunning, OSError, ValueError):
        return None
    return path if (public.host, public.port) == (place.host, place.port) else None


def check_answers(target: Target, path: str) -> None:
    """Make one opening handshake, so that a wrong server is one sentence.

    Raises:
        Problem: nobody answers, or no WebSocket server.
    """
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {target.place.authority}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    try:
        with socket.create_connection(target.address, _PATIENCE) as sock:
            sock.sendall(request)
            answer = b""
            while b"\r\n" not in answer and len(answer) < 4096:
                part = sock.recv(4096)
                if not part:
                    break
                answer += part
    except TimeoutError:
        raise Problem(f"{target.name} does not answer") from None
    except OSError as error:
        raise Problem(f"{target.name} cannot be reached: {error.strerror}") from None
    line = answer.partition(b"\r\n")[0].decode("latin-1")
    if not line.startswith("HTTP/1.1 101"):
        told = quoted(line) if line.startswith("HTTP/") else "what is no HTTP"
        told = told if answer else "nothing"
        raise Problem(
            f"{target.name} is no server with rooms: a WebSocket at {path} was "
            f"answered with {told}"
        )


def need_files(clients: int, processes: int) -> None:
    """Raise the limit of open files as far as it goes; check that it is enough.

    Raises:
        Refused: it is not.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = -(-clients // processes) + 64
    if needed > hard:
        many = "1 process" if processes == 1 else f"{processes} processes"
        raise Refused(
            f"{clients} clients in {many} "
            f"need {needed} open files each, the limit is {hard}: raise it "
            f"(ulimit -Hn) or give --processes {-(-clients // max(1, hard - 64))}"
        )
