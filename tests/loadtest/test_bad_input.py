"""`hubbub load` at what cannot be loaded, or not to the end: one sentence, a report."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND
from tests.loadtest.test_broken_servers import SERVER

pytestmark = pytest.mark.slow

SHORT = ("--clients", "40", "--rooms", "4", "--rate", "20", "--ramp", "100ms")


def load(
    *args: str, files: int | None = None, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    limit = (files, files) if files else None
    return subprocess.run(
        [COMMAND, "load", *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        preexec_fn=limit
        and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)),
    )


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence that the command ended with, and no report."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("hubbub: ")
    assert "PASS" not in done.stdout
    assert "FAIL" not in done.stdout
    return line.removeprefix("hubbub: ")


@pytest.fixture
def broken() -> Iterator[Callable[..., str]]:
    made: list[subprocess.Popen[str]] = []

    def start(*args: str) -> str:
        process = subprocess.Popen(
            [sys.executable, SERVER, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        made.append(process)
        assert process.stdout is not None
        return f"ws://127.0.0.1:{int(process.stdout.readline())}"

    yield start
    for process in made:
        process.kill()
        process.communicate()


def test_wrong_url() -> None:
    assert sentence(load("nonsense")) == (
        'the load test needs a URL such as ws://127.0.0.1:8080, not "nonsense"'
    )


def test_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
    assert sentence(load(url)) == f"{url} cannot be reached: Connection refused"


def test_server_that_is_no_websocket() -> None:
    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=serve)
        thread.start()
        told = sentence(load(url))
        thread.join()
    assert told.startswith(f"{url} is no server with rooms: a WebSocket at /rooms/")
    assert told.endswith('was answered with "HTTP/1.1 404 Not Found"')


def test_too_few_file_descriptors() -> None:
    told = sentence(load("--clients", "500", files=200))
    assert told == (
        "500 clients in 1 process need 564 open files each, the limit is 200: raise it "
        "(ulimit -Hn) or give --processes 4"
    )


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--expect", "p99"), "hubbub: "),
        (("--clients", "0"), "hubbub: clients must be"),
        (("--scenario", "nonsense"), "hubbub: there is no scenario"),
        (("--clients", "5", "--rooms", "6"), "hubbub: rooms (6) cannot be more than"),
        (("--plan", "/nonexistent.toml"), "hubbub: /nonexistent.toml cannot be read"),
        (("--json", "/nonexistent/x"), "hubbub: /nonexistent/x cannot be written"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(
    args: tuple[str, ...], told: str
) -> None:
    done = load(*args)
    assert done.returncode != 0
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_server_that_dies_in_the_middle(
    broken: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    url = broken("die", "--every", "400")
    done = load(url, *SHORT, "--duration", "1s", "--json", str(file))
    assert done.returncode == 1
    assert done.stderr == ""
    verdict = done.stdout.splitlines()[-1]
    assert verdict == "FAIL"
    found = read(file)
    assert found["verdict"] == "fail"
    assert f"the server closed {found['closed']} connections" in found["why"]
    assert found["connected"] == found["clients"] == 40
    assert found["closed"] == 45
    assert found["received"] > 2_000
    assert found["lost"] == 0
    assert found["latency_ms"]["p99"] > 0
    assert found["duration_s"] < 3


def test_ctrl_c_ends_early_with_a_full_report(
    broken: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    url = broken("none")
    process = subprocess.Popen(
        [COMMAND, "load", url, *SHORT, "--duration", "60s", "--json", file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if " hold " in line and "/s out, 0/s in" not in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=10)
    found = read(file)
    assert found["early"] is True
    assert found["received"] == found["expected"] > 0
    assert found["violations"] == []
    assert found["errors"] == {}
    assert found["duration_s"] < 10
    assert err == ""
    assert out.splitlines()[-1] == "PASS"
    assert process.returncode == 0


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
