"""The reactor of mass clients on real sockets: how it connects, speaks and ends."""

import os
import resource
import socket
from time import monotonic_ns

import pytest

from hubbub.loadtest.message import decode, intact
from hubbub.loadtest.swarm import reactor as module
from hubbub.loadtest.swarm.client import State
from hubbub.loadtest.swarm.frames import BINARY, CLOSE, PING, PONG
from tests.loadtest.swarm.hall import ANN, ANSWER, ROOM, Hall, end, frames_of, served

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


# Ending


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
