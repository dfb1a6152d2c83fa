"""The server under load: one of our own, or one that is given; what is none is told."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from hubbub.loadtest import target
from hubbub.loadtest.target import Target, check_answers, given_server, own_cluster
from hubbub.people.place import Place
from hubbub.people.problem import Problem, Refused

Script = Callable[[socket.socket], None]


def to(port: int) -> Target:
    place = Place(False, "127.0.0.1", port, "/ws")
    return Target(place, ("127.0.0.1", port), None, f"ws://127.0.0.1:{port}")


@contextmanager
def serving(script: Script) -> Iterator[Target]:
    """Serve one connection in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                script(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield to(listener.getsockname()[1])
        finally:
            thread.join()


def answering(*parts: bytes) -> Script:
    def script(peer: socket.socket) -> None:
        peer.recv(65536)
        for part in parts:
            peer.sendall(part)

    return script


# What is given


def test_url_tells_where_the_server_is() -> None:
    found = given_server("ws://127.0.0.1:81")
    assert found.address == ("127.0.0.1", 81)
    assert found.place.authority == "127.0.0.1:81"
    assert found.name == "ws://127.0.0.1:81"
    assert found.run_dir is None
    assert found.status() is None


def test_name_is_looked_up_and_kept_for_the_server() -> None:
    found = given_server("http://localhost:81/")
    assert found.address == ("127.0.0.1", 81)
    assert found.name == "ws://localhost:81"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", 'the load test needs a URL such as ws://127.0.0.1:8080, not "non'),
        ("ftp://a", "the load test needs a URL"),
        ("ws://a:99999", "the load test needs a URL"),
        ("wss://127.0.0.1", "the load test speaks ws://, not wss://"),
        ("ws://127.0.0.1:81/rooms/x", "give the URL without a path: ws://127.0.0.1:81"),
        ("ws://nobody.invalid:81", '"nobody.invalid" has no IPv4 address'),
        ("ws://[::1]:81", '"::1" has no IPv4 address'),
    ],
)
def test_what_is_no_url_of_a_server_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        given_server(url)
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


# Whether it answers


def test_server_with_rooms_is_accepted() -> None:
    with serving(answering(b"HTTP/1.1 101 Swit", b"ching Protocols\r\n\r\n")) as server:
        check_answers(server, "/rooms/x")


def test_handshake_asks_for_the_room_at_the_host() -> None:
    asked: list[bytes] = []

    def script(peer: socket.socket) -> None:
        asked.append(peer.recv(65536))
        peer.sendall(b"HTTP/1.1 101 fine\r\n")

    with serving(script) as server:
        check_answers(server, "/rooms/x")
    assert asked[0].startswith(b"GET /rooms/x HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", '"HTTP/1.1 404 Not Found"'),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", '"HTTP/1.1 200 OK"'),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what is no HTTP"),
        (b"\0" * 5000, "what is no HTTP"),
        (b"", "nothing"),
    ],
)
def test_server_that_is_no_websocket_is_one_sentence(answer: bytes, told: str) -> None:
    with serving(answering(answer)) as server, pytest.raises(Problem) as problem:
        check_answers(server, "/rooms/x")
    assert str(problem.value) == (
        f"{server.name} is no server with rooms: a WebSocket at /rooms/x was answered "
        f"with {told}"
    )


def test_server_that_resets_is_one_sentence() -> None:
    def script(peer: socket.socket) -> None:
        peer.recv(1)  # What is left unread makes the end an RST.

    with serving(script) as server, pytest.raises(Problem) as problem:
        check_answers(server, "/rooms/x")
    reset = f"{server.name} cannot be reached: Connection reset by peer"
    assert str(problem.value) == reset


def test_server_that_says_nothing_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(target, "_PATIENCE", 0.05)
    over = threading.Event()
    with serving(lambda peer: assert_(over.wait(5))) as server:
        with pytest.raises(Problem, match=r"^ws://127\.0\.0\.1:\d+ does not answer$"):
            check_answers(server, "/rooms/x")
        over.set()


def assert_(condition: bool) -> None:
    assert condition


def test_nobody_listens_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = to(listener.getsockname()[1])
    with pytest.raises(Problem) as problem:
        check_answers(server, "/rooms/x")
    assert str(problem.value) == f"{server.name} cannot be reached: Connection refused"


# Files


NEEDED = """
import resource, sys
from hubbub.loadtest.target import need_files
from hubbub.people.problem import Refused
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[1])))
try:
    need_files(int(sys.argv[2]), int(sys.argv[3]))
except Refused as refused:
    print(refused)
else:
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def need(limit: int, clients: int, processes: int) -> str:
    """Ask in a process of its own, whose limit cannot be raised again."""
    command = [sys.executable, "-c", NEEDED, str(limit), str(clients), str(processes)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_limit_of_files_is_raised_as_far_as_it_goes() -> None:
    assert need(1064, 1000, 1) == "(1064, 1064)"


def test_too_few_files_are_one_sentence_with_a_way_out() -> None:
    assert need(1000, 3000, 1) == (
        "3000 clients in 1 process need 3064 open files each, the limit is 1000: raise "
        "it (ulimit -Hn) or give --processes 4"
    )
    assert need(1000, 3000, 4) == "(1000, 1000)"
    assert "in 3 processes need 1064 open files each" in need(1000, 3000, 3)


# A cluster of our own


def test_cluster_of_our_own_serves_and_leaves_nothing_behind() -> None:
    with own_cluster(1, None) as server:
        check_answers(server, "/rooms/x")
        assert server.run_dir is not None
        status = server.status()
        assert status is not None
        assert [row["state"] for row in status["workers"]] == ["ready"]
        pids = [row["pid"] for row in status["workers"]]
        folder = server.run_dir.parent
        assert folder.is_dir()
    assert not folder.exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert server.status() is None


def test_cluster_of_our_own_is_found_again_by_its_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with own_cluster(1, None) as server:
        monkeypatch.setenv("HUBBUB_RUN_DIR", str(server.run_dir))
        assert given_server(server.name).run_dir == server.run_dir
        assert given_server("ws://127.0.0.1:9").run_dir is None


def test_cluster_is_ended_when_the_load_fails() -> None:
    port = 0

    def fail() -> None:
        nonlocal port
        with own_cluster(1, None) as server:
            port = server.place.port
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.slow
def test_cluster_ends_when_the_load_is_killed() -> None:
    script = (
        "import time\n"
        "from hubbub.loadtest.target import own_cluster\n"
        "with own_cluster(1, None) as server:\n"
        "    print(server.status()['cluster']['pid'], flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
        assert load.stdout is not None
        supervisor = psutil.Process(int(load.stdout.readline()))
        everybody = [supervisor, *supervisor.children(recursive=True)]
        load.kill()
    _, alive = psutil.wait_procs(everybody, 20)
    assert not alive


def test_cluster_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(Refused, match=r"^a cluster of our own did not start: .+"),
        own_cluster(100_000, None),
    ):
        pytest.fail("it must not start")
