"""The reactor of mass clients on real sockets; the test is the server."""

import os
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from time import monotonic, monotonic_ns

import pytest

from hubbub.loadtest.message import SMALLEST, decode, encode, intact
from hubbub.loadtest.swarm import reactor as module
from hubbub.loadtest.swarm.client import Client, Seat, State
from hubbub.loadtest.swarm.frames import BINARY, CLOSE, PING, PONG, head_size, masked
from hubbub.loadtest.swarm.reactor import Reactor
from hubbub.loadtest.swarm.tally import Tally

ROOM, ANN = 7, 1
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Hall:
    """One client, its reactor, and the test at the other end."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ends: list[str] = []
        self.left: list[tuple[int, int]] = []
        self.tally = Tally(1)
        self.reactor = Reactor(
            self.listener.getsockname(),
            "hall.example",
            lambda room: f"/rooms/load.{room}",
            size,
            self.tally,
            lambda client, why: self.ends.append(why),
            lambda client: self.left.append((client.sender, client.number)),
        )
        self.client = Client(Seat(5, ROOM))
        self.peer = self.listener
        self.closed = False

    def spin(self, condition: Callable[[], object]) -> None:
        """Run the reactor until something is so."""
        end = monotonic() + 5
        while not condition():
            assert monotonic() < end
            self.reactor.wait(0.01)

    def connect(self) -> bytes:
        """Have the client connect; return its request."""
        self.reactor.connect(self.client)
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(5)
        self.spin(lambda: self.client.state == State.UPGRADING)
        return self.peer.recv(65536)

    def join(self) -> None:
        self.connect()
        self.peer.sendall(ANSWER)
        self.spin(lambda: self.client.state == State.JOINED)

    def say(self, number: int, sender: int = ANN, room: int = ROOM) -> bytes:
        """Return the frame of a message."""
        now = monotonic_ns()
        return served(encode(room, sender, number, now, now, 0, self.size))

    def hears(self, *parts: bytes) -> None:
        """Let it hear these, each in a read of its own, and a last good message."""
        last = self.say(1, sender=99)
        for part in (*parts, last):
            self.peer.sendall(part)
            if part is not last:
                self.reactor.wait(0.01)
        self.spin(lambda: 99 in self.client.last)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.reactor.close([self.client])
            self.peer.close()
            self.listener.close()

    def counts(self) -> dict[str, int]:
        return {kind: n for kind, n in self.tally.ledger.counts.items() if n}


def served(payload: bytes, opcode: int = BINARY) -> bytes:
    data = masked(opcode, payload)
    head = head_size(len(payload))
    return bytes((data[0], data[1] & 0x7F)) + data[2:head] + payload


def frames_of(data: bytes) -> list[tuple[int, bytes]]:
    """Read a client's frames: the mask is there, and zero."""
    found = []
    while data:
        size, body = data[1] & 0x7F, 2
        assert data[1] & 0x80
        if size == 126:
            size, body = int.from_bytes(data[2:4], "big"), 4
        assert data[body : body + 4] == bytes(4)
        body += 4
        found.append((data[0] & 15, data[body : body + size]))
        data = data[body + size :]
    return found


@pytest.fixture
def size() -> int:
    return 100


@pytest.fixture
def hall(size: int) -> Iterator[Hall]:
    made = Hall(size)
    yield made
    made.close()


# Connecting


def test_client_asks_for_its_room_and_joins(hall: Hall) -> None:
    request = hall.connect().decode()
    assert request.startswith("GET /rooms/load.7 HTTP/1.1\r\nHost: hall.example\r\n")
    assert request.endswith("\r\n\r\n")
    before = monotonic_ns()
    hall.peer.sendall(ANSWER)
    hall.spin(lambda: hall.client.state == State.JOINED)
    assert before < hall.client.joined < monotonic_ns()
    assert (hall.tally.connected, hall.tally.joins) == (1, 1)
    assert hall.tally.whole == hall.client.joined


def test_answer_may_come_in_pieces_with_messages_behind_it(hall: Hall) -> None:
    hall.connect()
    for at in range(0, len(ANSWER), 40):
        hall.peer.sendall(ANSWER[at : at + 40])
        hall.reactor.wait(0.01)
    hall.spin(lambda: hall.client.state == State.JOINED)
    assert hall.tally.joins == 1


def test_messages_behind_the_answer_are_heard(hall: Hall) -> None:
    hall.connect()
    hall.peer.sendall(ANSWER + hall.say(1) + hall.say(2)[:50])
    hall.spin(lambda: hall.client.last == {ANN: 1})
    hall.peer.sendall(hall.say(2)[50:])
    hall.spin(lambda: hall.tally.received + hall.tally.ledger.counts["corrupted"] == 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "upgrade_503"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "upgrade_no_http"),
        (ANSWER.replace(b"s3p", b"xxx"), "upgrade_not_accepted"),
        (b"HTTP/1.1 101 " + b"x" * 70_000, "upgrade_endless"),
    ],
)
def test_server_that_does_not_let_it_in(hall: Hall, answer: bytes, kind: str) -> None:
    hall.connect()
    hall.peer.sendall(answer)
    hall.spin(lambda: hall.ends)
    assert hall.ends == [kind]
    assert hall.client.state == State.AWAY
    assert hall.tally.joins == hall.tally.connected == 0


@pytest.mark.parametrize("reset", [False, True])
def test_server_that_hangs_up_before_it_answers(hall: Hall, reset: bool) -> None:
    hall.connect()
    end(hall.peer, reset)
    hall.spin(lambda: hall.ends)
    assert hall.ends == ["upgrade_lost"]


def test_nobody_listens(hall: Hall) -> None:
    hall.listener.close()
    hall.reactor.connect(hall.client)
    hall.spin(lambda: hall.ends)
    assert hall.ends == ["connect_ECONNREFUSED"]
    assert hall.client.sock is None


def test_no_file_is_left_for_a_socket(hall: Hall) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        hall.reactor.connect(hall.client)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert hall.ends == ["connect_EMFILE"]
    assert hall.client.state == State.AWAY


# Hearing


def test_messages_are_counted_with_their_latencies(hall: Hall) -> None:
    hall.join()
    hall.hears(b"".join(hall.say(number) for number in range(1, 11)))
    assert hall.tally.received == 11
    assert hall.tally.latency.total == 11
    assert hall.tally.latency.percentile(1.0) < 5_000
    assert hall.counts() == {}
    assert hall.client.last == {ANN: 10, 99: 1}


@pytest.mark.parametrize("step", [1, 3, 50, 103, 104, 105, 207])
def test_messages_are_heard_however_reads_divide_them(hall: Hall, step: int) -> None:
    hall.join()
    data = b"".join(hall.say(number) for number in range(1, 9))
    hall.hears(*(data[at : at + step] for at in range(0, len(data), step)))
    assert hall.client.last[ANN] == 8
    assert (hall.tally.received, hall.counts()) == (9, {})


@pytest.mark.parametrize("size", [SMALLEST, 125, 126, 65535, 65536, 70_000])
def test_messages_of_any_size_are_heard(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1) + hall.say(2), hall.say(3))
    assert hall.client.last[ANN] == 3
    assert (hall.tally.received, hall.counts()) == (4, {})


def test_ping_between_messages_is_answered(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1) + served(b"still there?", PING) + hall.say(2))
    assert frames_of(hall.peer.recv(1000)) == [(PONG, b"still there?")]
    assert hall.client.last[ANN] == 2


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((1, 2, 4), {"lost": 1}),
        ((1, 2, 2), {"duplicated": 1}),
        ((1, 3, 2), {"reordered": 1}),
    ],
)
def test_sequences_are_checked_on_either_way(
    hall: Hall, numbers: tuple[int, ...], found: dict[str, int], slowly: bool
) -> None:
    hall.join()
    data = b"".join(hall.say(number) for number in numbers)
    hall.hears(data + served(b"", PING) if slowly else data)
    assert hall.counts() == found
    assert hall.tally.received == len(numbers) + 1


def test_strays_and_echoes_are_misrouted(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1, room=8) + hall.say(1, sender=5))
    assert hall.counts() == {"misrouted": 2}


@pytest.mark.parametrize(
    "frame",
    [
        served(b"hello"),
        served(b"\0" * 100),
        served(encode(ROOM, ANN, 1, 0, 0, 0, 101)),
        served(b"text", opcode=1),
    ],
)
def test_what_is_none_of_ours_is_corrupted_and_not_received(
    hall: Hall, frame: bytes
) -> None:
    hall.join()
    hall.hears(frame)
    assert hall.counts() == {"corrupted": 1}
    assert hall.tally.received == 1


def test_damaged_message_out_of_line_is_corrupted_and_not_received(hall: Hall) -> None:
    hall.join()
    frame = bytearray(hall.say(1))
    frame[2 + 4] ^= 1  # Its room.
    hall.hears(bytes(frame))
    assert hall.counts() == {"corrupted": 1}
    assert hall.tally.received == 1


def test_one_of_64_messages_in_line_is_looked_into(hall: Hall) -> None:
    hall.join()
    for number in range(1, 129):
        hall.peer.sendall(hall.say(number)[:-1] + b"\0")
        hall.spin(lambda number=number: hall.tally.received == number)
    # The first one, which is always looked into, and those that fill up 64.
    assert hall.counts() == {"corrupted": 3}
    assert [one.number for one in hall.tally.ledger.first] == [1, 64, 128]


# Ending


def end(peer: socket.socket, reset: bool) -> None:
    if reset:
        linger = struct.pack("ii", 1, 0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.close()


@pytest.mark.parametrize(
    ("reset", "kind"), [(False, "lost"), (True, "lost_ECONNRESET")]
)
def test_connection_that_is_lost(hall: Hall, reset: bool, kind: str) -> None:
    hall.join()
    end(hall.peer, reset)
    hall.spin(lambda: hall.ends)
    assert hall.ends == [kind]
    assert hall.tally.connected == 0


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (served(b"\x0f\xa8slow", CLOSE), "closed_4008"),
        (served(b"", CLOSE), "closed_1005"),
        (b"\xff\xff", "bad_frame"),
    ],
)
def test_server_that_closes_is_quoted(hall: Hall, frame: bytes, kind: str) -> None:
    hall.join()
    hall.peer.sendall(hall.say(1) + frame)
    hall.spin(lambda: hall.ends)
    assert hall.ends == [kind]
    assert hall.tally.received == 1
    assert hall.peer.recv(100) == b""


def test_client_can_come_back_after_its_connection_is_lost(hall: Hall) -> None:
    hall.join()
    hall.reactor.speak(hall.client, monotonic_ns())
    hall.peer.sendall(hall.say(7))
    hall.spin(lambda: hall.client.last)
    hall.peer.close()
    hall.spin(lambda: hall.ends)
    hall.join()
    assert hall.client.sender == 5 + (1 << 20)
    hall.hears(hall.say(9))
    assert hall.counts() == {}


def test_goodbye_that_is_answered_tells_what_was_said(hall: Hall) -> None:
    hall.join()
    hall.reactor.speak(hall.client, monotonic_ns())
    hall.reactor.leave(hall.client)
    assert hall.client.state == State.LEAVING
    assert hall.tally.connected == 0
    (first, second) = frames_of(hall.peer.recv(1000))
    assert (first[0], second) == (BINARY, (CLOSE, b"\x03\xe8"))
    # What it hears until then still counts.
    hall.peer.sendall(hall.say(1) + served(b"\x03\xe8", CLOSE))
    hall.spin(lambda: hall.left)
    assert hall.left == [(5, 1)]
    assert hall.ends == []
    assert hall.client.state == State.AWAY
    assert hall.tally.received == 1


def test_goodbye_that_is_not_answered_is_told_of(hall: Hall) -> None:
    hall.join()
    hall.reactor.leave(hall.client)
    hall.peer.close()
    hall.spin(lambda: hall.ends)
    assert hall.ends == ["goodbye_unanswered"]
    assert hall.left == []


@pytest.mark.parametrize("reset", [False, True])
def test_connection_is_cut_as_asked_for(hall: Hall, reset: bool) -> None:
    hall.join()
    hall.reactor.cut(hall.client, reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            hall.peer.recv(1)
    else:
        assert hall.peer.recv(1) == b""
    assert hall.client.state == State.AWAY
    assert hall.tally.connected == 0
    assert hall.ends == []


def test_sleeper_hears_nothing_and_its_end_is_its_own(hall: Hall) -> None:
    hall.join()
    hall.reactor.sleep(hall.client)
    hall.peer.sendall(hall.say(1))
    hall.reactor.wait(0.01)
    assert hall.tally.received == 0
    end(hall.peer, reset=True)
    hall.spin(lambda: hall.ends)
    assert hall.ends == ["ended_asleep"]


# Speaking


def test_client_says_whole_messages_in_order(hall: Hall) -> None:
    hall.join()
    dues = [monotonic_ns() - late for late in (5_000_000, 0, 0)]
    for due in dues:
        hall.reactor.speak(hall.client, due)
    found = frames_of(hall.peer.recv(65536))
    assert [opcode for opcode, _ in found] == [BINARY] * 3
    before = 0
    for number, (_, payload) in enumerate(found, 1):
        head = decode(payload)
        assert head is not None
        assert intact(payload, head)
        assert head[1:5] == (ROOM, 5, number, dues[number - 1])
        assert head.before == before
        before = head.sent
    assert hall.tally.sent == 3
    assert hall.client.sent == before
    assert hall.tally.lag.total == 3
    assert hall.tally.lag.percentile(1.0) >= 5.0


def test_who_is_away_says_nothing(hall: Hall) -> None:
    hall.reactor.speak(hall.client, monotonic_ns())
    hall.connect()
    hall.reactor.speak(hall.client, monotonic_ns())
    assert hall.tally.sent == 0
    assert hall.client.number == 0
    assert hall.tally.errors == {}


def test_pong_tells_that_everything_was_taken(hall: Hall) -> None:
    hall.join()
    hall.reactor.ask(hall.client)
    assert hall.client.asked
    assert frames_of(hall.peer.recv(100)) == [(PING, b"")]
    hall.peer.sendall(served(b"", PONG))
    hall.spin(lambda: not hall.client.asked)


@pytest.mark.parametrize("size", [60_000])
def test_what_the_kernel_does_not_take_is_kept_and_then_sent(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall.join()
    sock = hall.client.sock
    assert sock is not None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while len(hall.client.out) < 200_000:
        hall.reactor.speak(hall.client, monotonic_ns())
    monkeypatch.setattr(module, "_MOST_OUT", 100_000)
    hall.reactor.speak(hall.client, monotonic_ns())
    assert hall.tally.errors == {"unsaid": 1}
    said, taken = hall.tally.sent, bytearray()
    whole = said * (60_000 + 8)
    hall.peer.setblocking(False)

    def take() -> bool:
        try:
            taken.extend(hall.peer.recv(1 << 20))
        except BlockingIOError:
            pass
        return len(taken) == whole

    hall.spin(take)
    heads = [decode(payload) for _, payload in frames_of(bytes(taken))]
    assert [head.number for head in heads if head] == list(range(1, said + 1))
    assert hall.client.out == b""


def test_connection_that_breaks_while_it_speaks(hall: Hall) -> None:
    hall.join()
    end(hall.peer, reset=True)
    while not hall.ends:
        hall.reactor.speak(hall.client, monotonic_ns())
    assert hall.ends[0] in ("send_ECONNRESET", "send_EPIPE")
    assert hall.tally.connected == 0


def test_wait_is_true_to_a_fraction_of_a_millisecond(hall: Hall) -> None:
    times = []
    for _ in range(20):
        start = monotonic_ns()
        hall.reactor.wait(0.0002)
        times.append(monotonic_ns() - start)
    assert min(times) >= 150_000
    assert sorted(times)[len(times) // 2] < 1_500_000


def test_all_connections_end_with_the_reactor(hall: Hall) -> None:
    hall.join()
    hall.reactor.close([hall.client])
    hall.closed = True
    with hall.listener, hall.peer:
        assert frames_of(hall.peer.recv(100)) == [(CLOSE, b"\x03\xe8")]
        assert hall.peer.recv(100) == b""
