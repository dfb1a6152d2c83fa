"""Who is not let in: slow handshakes (reliability row D1), origins (O1), 503 (D4).

See test_handshake_rows.py for what holds in every test.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.raw import Neighbours, Raw, Served, ask_http, join, serving, upgrade

pytestmark = pytest.mark.slow

HANDSHAKE = 1.0
LATEST = HANDSHAKE + 1.5
MOST = 6
"""Connections of the worker that is full."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(
        tmp_path_factory.mktemp("refusal"), "--set", f"limits.handshake={HANDSHAKE}s"
    ) as found:
        yield found


@pytest.fixture
def port(served: Served) -> Iterator[int]:
    """The port; afterwards the neighbours must not have noticed anything."""
    yield served.port
    served.lobby.check()


# D1, D2: the time a handshake may take


def closing_times(
    clients: list[Raw], meanwhile: Callable[[float], None]
) -> list[float]:
    """Return after how many seconds each client was told 408."""
    started = time.monotonic()
    waiting = {client.socket: client for client in clients}
    times = []
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 0.1)
        for found in ready:
            times.append(time.monotonic() - started)
            assert waiting.pop(found).read_response().status == 408
        assert time.monotonic() - started < LATEST + 1
        meanwhile(time.monotonic() - started)
    return times


def test_a_slow_handshake_ends_in_time_whatever_it_does(
    served: Served, port: int
) -> None:
    request = upgrade("/rooms/lobby")
    silent = [Raw(port) for _ in range(100)]
    slow = [Raw(port) for _ in range(20)]
    stuck = [Raw(port) for _ in range(20)]
    for client in stuck:
        client.send(request[:-1])
    sent = 0

    def drip(now: float) -> None:
        """Send one byte a second, and see that others are served."""
        nonlocal sent
        served.lobby.check()
        if sent <= now:
            for client in slow:
                with suppress(OSError):  # It is over for some already.
                    client.send(request[sent : sent + 1])
            sent += 1

    times = closing_times([*silent, *slow, *stuck], drip)
    assert sent > 1
    assert min(times) >= HANDSHAKE - 0.1  # They connected one after the other.
    assert max(times) <= LATEST
    for client in (*silent, *slow, *stuck):
        client.socket.close()


def test_a_handshake_in_many_pieces_is_in_time(port: int) -> None:
    with Raw(port) as client:
        for byte in upgrade("/rooms/lobby"):
            client.send(bytes((byte,)))
        assert client.read_response().status == 101


def test_who_leaves_in_the_middle_is_forgotten(served: Served, port: int) -> None:
    for cut in (0, 1, 20, 100):
        client = Raw(port)
        client.send(upgrade("/rooms/lobby")[:cut])
        client.socket.close()
    wait_for(lambda: served.worker()["connections"] == 2, 4)


# O1: the Origin allow-list


def test_only_pages_of_allowed_origins_may_connect(cluster: Cluster) -> None:
    allowed = ("https://example.com", "http://localhost:3000")
    cluster.start("--workers", "1", *(f"--origin={one}" for one in allowed))
    lobby = Neighbours(cluster)

    def status(*origins: str) -> int:
        lines = "".join(f"Origin: {origin}\r\n" for origin in origins)
        return ask_http(cluster.port, upgrade("/rooms/lobby", lines)).status

    for origin in (*allowed, "https://example.com:443", "HTTPS://EXAMPLE.COM"):
        assert status(origin) == 101
    assert status() == 101  # What is no browser sends none, or what it likes.
    for origin in (
        *("https://evil.example", "https://example.com.evil.example", "", "*"),
        *("https://evilexample.com", "https://example.com.", "null", "NULL"),
        *("http://example.com", "https://example.com:8443", "https://example.co"),
        *("https://sub.example.com", "https://example.com/", "https://example.com/x"),
        *("https://example.com@evil.example", "https://evil.example#example.com"),
        *("https://user@example.com", "example.com", "//example.com", "https://"),
        *("https://example.com https://evil.example", "http://localhost:3001"),
        *("http://localhost", "http://localhost:03000x", "wss://example.com"),
        *("https://example.com:", "https://example.com:443:443", "https://ex\xe4mple"),
        "https://example.com,https://example.com",
    ):
        assert status(origin) == 403, origin
    assert status(allowed[0], "https://evil.example") == 403
    assert status(allowed[0], allowed[0]) == 403
    lobby.check()
    lobby.end()


# 503: full, and going away


def test_a_full_worker_says_so_and_recovers(cluster: Cluster) -> None:
    cluster.start("--workers", "1", "--set", f"limits.connections={MOST}")
    lobby = Neighbours(cluster)
    others = [join(cluster.port) for _ in range(MOST - 2)]
    for _ in range(5):
        answer = ask_http(cluster.port, upgrade("/rooms/lobby"))
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert ask_http(cluster.port, upgrade("/nowhere")).status == 404
    health = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    assert ask_http(cluster.port, health).status == 200
    lobby.check()
    others.pop().socket.close()
    wait_for(lambda: ask_http(cluster.port, upgrade("/rooms/x")).status == 101)
    for other in others:
        other.socket.close()
    lobby.end()


def test_a_draining_worker_answers_503_to_whom_it_has_accepted(
    cluster: Cluster,
) -> None:
    """With these settings 100 connections are closed over some two seconds."""
    slowly = ("--set", "drain.pace=10s", "--set", "drain.rate=1")
    cluster.start("--workers", "1", *slowly)
    early = [join(cluster.port) for _ in range(100)]
    waiting = [Raw(cluster.port) for _ in range(4)]
    waiting[3].send(upgrade("/rooms/lobby")[:50])
    wait_for(lambda: cluster.worker(0)["connections"] == 104)
    assert cluster.process is not None
    cluster.process.terminate()
    assert early[0].read_close() == 1001
    waiting[0].send(upgrade("/rooms/lobby"))
    waiting[1].send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    refused, sick = waiting[0].read_response(), waiting[1].read_response()
    assert (refused.status, sick.status) == (503, 503)
    assert int(refused.headers["retry-after"]) >= 1
    assert sick.body == b"draining\n"
    for member in early[1:]:
        assert member.read_close() == 1001
    # Who has not asked completely by the end is told the same, not cut off.
    for client in waiting[2:]:
        assert client.read_response().status == 503
    assert cluster.wait() == 0
    for client in (*early, *waiting):
        client.socket.close()
