"""What frames may cost: reliability rows F7-F9, F15 and F16.

See test_frame_rows.py for what holds in every test.
"""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import plain
from tests.e2e.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    Served,
    frame,
    head,
    join,
    serving,
)

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
MESSAGE = 65536
MESSAGE_TIME = 1.0
INTERVAL = TIMEOUT = 0.5
LATE = 1.5
"""Seconds by which a deadline may be missed: the sweep looks twice a second."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limit = f"limits.message_time={MESSAGE_TIME}s"
    with serving(tmp_path_factory.mktemp("cost"), "--set", limit) as found:
        yield found


@pytest.fixture
def port(served: Served) -> Iterator[int]:
    """The port; afterwards the neighbours must not have noticed anything."""
    yield served.port
    served.lobby.check()


@pytest.fixture
def growth(served: Served) -> Callable[[], tuple[int, int]]:
    """Tell by how much private memory, and its peak, have grown in this test."""
    private, peak = served.private(), served.peak()
    return lambda: (served.private() - private, served.peak() - peak)


# F7: sizes


@pytest.mark.parametrize(
    ("size", "width", "code"),
    [
        *((MESSAGE + 1, 8, 1009), (1 << 32, 8, 1009), (1 << 40, 8, 1009)),
        *(((1 << 63) - 1, 8, 1009), (1 << 63, 8, 1002), ((1 << 64) - 1, 8, 1002)),
        *((125, 2, 1002), (0, 2, 1002), (65535, 8, 1002), (5, 8, 1002)),
    ],
)
@pytest.mark.parametrize("first", [FIN | TEXT, BINARY])
def test_a_length_is_judged_by_the_head_alone(
    port: int, first: int, size: int, width: int, code: int
) -> None:
    with join(port) as member:
        # Not even the mask has come.
        member.send(head(first, size, width=width)[:-4])
        assert member.read_close() == code


def test_the_limit_holds_for_a_message_to_the_byte(port: int) -> None:
    whole = b"x" * MESSAGE
    with join(port, "/rooms/limit?echo=1") as member:
        member.send(frame(TEXT, whole))
        assert member.read_frame() == (TEXT, whole)
        member.send(frame(TEXT, whole[:-1], fin=False), frame(CONTINUATION, b"x"))
        assert member.read_frame() == (TEXT, whole)
        member.send(frame(TEXT, whole[:-1], fin=False))
        member.send(head(FIN | CONTINUATION, 2))
        assert member.read_close() == 1009


def test_declared_lengths_take_no_memory(
    port: int, growth: Callable[[], tuple[int, int]]
) -> None:
    members = [join(port) for _ in range(30)]
    for number, member in enumerate(members):
        size = (1 << 40, 1 << 63, MESSAGE + 1)[number % 3]
        member.send(head(FIN | BINARY, size), bytes(256 * 1024))
    assert {member.read_close() for member in members} == {1009, 1002}
    assert max(growth()) < MIB
    for member in members:
        member.socket.close()


def test_65536_fragments_of_one_byte_take_no_memory(
    port: int, growth: Callable[[], tuple[int, int]]
) -> None:
    members = [join(port) for _ in range(5)]
    for member in members:
        member.send(frame(BINARY, fin=False))
        member.send(frame(CONTINUATION, b"x", fin=False) * 65536)
    assert [member.read_close() for member in members] == [1009] * 5
    assert max(growth()) < MIB
    for member in members:
        member.socket.close()


# F8: fragments and time


def test_a_message_has_at_most_1024_fragments(port: int) -> None:
    with join(port, "/rooms/limit?echo=1") as member:
        member.send(frame(TEXT, b"x", fin=False))
        member.send(frame(CONTINUATION, b"x", fin=False) * 1022)
        member.send(frame(CONTINUATION, b"x"))
        assert member.read_frame() == (TEXT, b"x" * 1024)
        member.send(frame(TEXT, b"x", fin=False))
        member.send(frame(CONTINUATION, b"x", fin=False) * 1023)
        member.send(frame(PING))
        assert member.read_frame() == (PONG, b"")
        member.send(frame(CONTINUATION))
        assert member.read_close() == 1009


def test_a_message_has_to_end_in_time(served: Served) -> None:
    """Dripping does not help; who ends its messages may take as long as it likes."""
    drips = {
        "fragments": (frame(TEXT, b"x", fin=False), frame(CONTINUATION, b"x", False)),
        "bytes of a frame": (head(FIN | TEXT, 1000), b"x"),
        "bytes of a head": (b"\x81", b""),
        "fragments and pongs": (
            frame(BINARY, b"x", fin=False),
            frame(PONG) + frame(CONTINUATION, b"x", False) + frame(PONG),
        ),
        "bytes of a ping": (head(FIN | PING, 100), b"x"),
    }
    members = {name: join(served.port, "/rooms/drip") for name in drips}
    honest = join(served.port, "/rooms/honest?echo=1")
    started = time.monotonic()
    for name, (begin, _) in drips.items():
        members[name].send(begin)
    waiting = {member.socket: name for name, member in members.items()}
    ended = {}
    whole = 0
    while waiting or whole < 10:
        honest.send(frame(TEXT, b"o", fin=False))
        ready, _, _ = select.select(list(waiting), [], [], 0.2)
        for found in ready:
            name = waiting.pop(found)
            ended[name] = time.monotonic() - started
            assert members[name].read_close() == 1008
        for name in waiting.values():
            members[name].send(drips[name][1])
        honest.send(frame(CONTINUATION, b"k"))
        assert honest.read_frame() == (TEXT, b"ok")
        whole += 1
        assert time.monotonic() - started < 10
    assert min(ended.values()) >= MESSAGE_TIME
    assert max(ended.values()) <= MESSAGE_TIME + LATE
    for client in (honest, *members.values()):
        client.socket.close()
    served.lobby.check()


# F9: pings


def test_pings_are_answered_in_order(port: int) -> None:
    payloads = [b"%d" % number for number in range(3000)]
    with join(port) as member:
        for start in range(0, 3000, 100):
            member.send(*(frame(PING, one) for one in payloads[start : start + 100]))
            for payload in payloads[start : start + 100]:
                assert member.read_frame() == (PONG, payload)


def test_a_flood_of_pings_takes_no_memory_and_ends(
    tmp_path: Path,
) -> None:
    """Pongs that nobody reads are collapsed; who goes on and on is closed."""
    args = ("--set", "limits.flood=1s", "--set", "limits.stalled=60s")
    pings = b"".join(frame(PING, b"%099d" % number) for number in range(2000))
    with serving(tmp_path, *args) as served:
        private, peak = served.private(), served.peak()
        with join(served.port, receive_buffer=4096) as member:
            with suppress(ConnectionError):
                for _ in range(50):
                    member.send(pings)
            assert served.private() - private < 2 * MIB
            assert served.peak() - peak < 2 * MIB
            frames = list(member.read_frames())
            answered = [int(payload) for opcode, payload in frames if opcode == PONG]
            assert len(answered) < 50_000
            assert frames[-1][1][:2] == (1008).to_bytes(2, "big")
        assert served.worker()["floods"] == 1
        served.lobby.check()


# F15: silence

# Answers pings as they come, one a read.
_ANSWER = """
import os, sys
print("running", flush=True)
while os.read(int(sys.argv[1]), 4096):
    os.write(int(sys.argv[1]), bytes.fromhex("8a8000000000"))
"""
_CLOSE_WAIT = 8
"""tcp_states.h: the other end has said its last."""


def test_who_is_silent_is_asked_and_then_closed(cluster: Cluster) -> None:
    cluster.start(
        *("--workers", "1", "--set", f"heartbeat.interval={INTERVAL}s"),
        *("--set", f"heartbeat.timeout={TIMEOUT}s"),
    )
    lobby = [plain(cluster.url("/rooms/lobby")) for _ in range(2)]
    stopped = join(cluster.port)
    fd = stopped.socket.fileno()
    with subprocess.Popen(
        [sys.executable, "-c", _ANSWER, str(fd)], pass_fds=[fd], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
        mute, polite, talker = (join(cluster.port) for _ in range(3))
        child.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        ended: dict[str, float] = {}
        pings = 0
        while time.monotonic() - started < INTERVAL + TIMEOUT + LATE:
            ready, _, _ = select.select([polite.socket], [], [], 0.1)
            if ready:
                assert polite.read_frame() == (PING, b"")
                polite.send(frame(PONG))
                pings += 1
            talker.send(frame(PONG))  # Any sign of life will do.
            state = stopped.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            if state[0] == _CLOSE_WAIT:
                ended.setdefault("stopped", time.monotonic() - started)
            if select.select([mute.socket], [], [], 0)[0] and "mute" not in ended:
                opcode, payload = mute.read_frame()
                if opcode == CLOSE:
                    ended["mute"] = time.monotonic() - started
                    assert int.from_bytes(payload[:2], "big") == 1011
                    assert mute.read_rest() == b""
                else:
                    assert opcode == PING
        assert set(ended) == {"stopped", "mute"}
        assert pings >= 2
        # Its process reads what it was told when it goes on.
        *asked, (opcode, payload) = stopped.read_frames()
        assert asked == [(PING, b"")]
        assert int.from_bytes(payload[:2], "big") == 1011
        child.kill()
    # Those that answer, by a library or by hand, are still there; nobody else is.
    wait_for(lambda: cluster.worker(0)["connections"] == 4, 4)
    assert cluster.worker(0)["silent"] == 2
    lobby[0].send("still here")
    assert lobby[1].recv(5) == "still here"
    for client in (stopped, mute, polite, talker):
        client.socket.close()
    for member in lobby:
        member.close()


# F16: closing so that the code is read


@pytest.mark.parametrize("receive_buffer", [0, 4096])
@pytest.mark.parametrize("chunk", [1400, 65536, MIB])
def test_who_keeps_sending_while_refused_reads_the_code(
    port: int, chunk: int, receive_buffer: int
) -> None:
    data = bytes(chunk)
    for _ in range(10):
        with join(port, receive_buffer=receive_buffer) as member:
            member.send(head(FIN | BINARY, MIB))
            for _ in range(MIB // chunk):
                member.send(data)
            assert member.read_close() == 1009


def test_who_never_stops_sending_is_cut_off_in_the_end(
    served: Served, port: int
) -> None:
    with join(port) as member:
        started = time.monotonic()
        member.send(head(FIN | BINARY, 1 << 40))
        sent = 0
        with suppress(ConnectionError):
            while time.monotonic() - started < 10:
                member.send(bytes(65536))
                sent += 65536
        assert time.monotonic() - started < 1 + LATE
        assert sent < 64 * MIB
    wait_for(lambda: served.worker()["connections"] == 2, 4)


def test_a_reset_in_the_middle_of_a_message_hurts_nobody(
    served: Served, port: int
) -> None:
    linger = struct.pack("ii", 1, 0)
    for sent in (head(FIN | TEXT, 100), b"\x81", frame(TEXT, fin=False), frame(PING)):
        with join(port) as member:
            member.send(sent)
            member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wait_for(lambda: served.worker()["connections"] == 2, 4)
    assert os.path.exists(f"/proc/{served.worker()['pid']}")
