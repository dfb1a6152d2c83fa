"""From the command line to a conversation across workers, and to the end of it."""

import os
import signal
import threading
import time
from urllib.request import urlopen

import pytest
import trio
import trio_websocket
from websockets.exceptions import ConnectionClosed

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import Native, plain

pytestmark = pytest.mark.slow


def closing_code(connection: object) -> int | None:
    """Read a websockets connection to its end; return the close code it got."""
    try:
        while True:
            connection.recv(10)  # type: ignore[attr-defined]
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


def test_plain_members_on_different_workers_hear_each_other(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    url = cluster.url("/rooms/lobby")
    here, there = plain(url, 0), plain(url, 1)
    here.send("text ☃")
    assert there.recv(5) == "text ☃"
    there.send(bytes(range(256)))
    assert here.recv(5) == bytes(range(256))
    for connection in (here, there):
        connection.close()


async def test_trio_websocket_talks_in_a_room(cluster: Cluster) -> None:
    await trio.to_thread.run_sync(lambda: cluster.start("--workers", "2", "--identify"))
    url = cluster.url("/rooms/lobby")
    with trio.fail_after(10):
        async with (
            trio_websocket.open_websocket_url(url) as one,
            trio_websocket.open_websocket_url(url) as two,
            trio_websocket.open_websocket_url(url + "?echo=1") as three,
        ):
            await one.send_message("hello")
            assert await two.get_message() == "hello"
            assert await three.get_message() == "hello"
            await three.send_message(b"\x00\xff")
            for member in (one, two, three):
                assert await member.get_message() == b"\x00\xff"
            await one.ping(b"still there?")


def test_ping_close_codes_and_the_message_limit(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    url = cluster.url("/rooms/limits?echo=1")
    member = plain(url)
    assert member.ping(b"payload").wait(5)
    member.send("x" * 65536)
    assert member.recv(5) == "x" * 65536
    member.send("x" * 65537)
    assert closing_code(member) == 1009
    for code in (1000, 1001, 3000, 4999):
        leaver = plain(url)
        leaver.close(code, "bye")
        assert leaver.protocol.close_rcvd is not None
        assert leaver.protocol.close_rcvd.code == code


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_join_holds_when_it_is_answered(cluster: Cluster, busy: bool) -> None:
    cluster.start("--workers", "2", "--identify")
    native = cluster.url("/ws")
    joiner, publisher = Native(native, slot=0), Native(native, slot=1)
    noise = []
    if busy:
        noise = [Native(native, slot=slot) for slot in (0, 1)]
        for slot in (0, 1):
            listener = plain(cluster.url("/rooms/noise"), slot)
            threading.Thread(target=closing_code, args=(listener,)).start()
    for number in range(1000):
        room = f"room-{number}"
        for one in noise:
            for _ in range(5):
                one.send({"type": "publish", "room": "noise", "data": "x" * 1000})
        assert joiner.ask("join", room=room)["type"] == "ok"
        publisher.send({"type": "publish", "room": room, "data": number})
        event = joiner.receive()
        assert (event["room"], event["data"]) == (room, number)
        joiner.ask("leave", room=room)
    assert not joiner.others


def test_a_killed_worker_is_replaced_and_others_notice_nothing(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "2", "--identify")
    url = cluster.url("/rooms/lobby")
    victim, survivor, other = plain(url, 1), plain(url, 0), plain(url, 0)
    before = cluster.worker(1)
    killed = time.monotonic()
    os.kill(before["pid"], signal.SIGKILL)
    survivor.send("meanwhile")
    assert other.recv(5) == "meanwhile"

    def ready_entries() -> list[float]:
        return [
            e["at"]
            for e in cluster.journal()
            if e["event"] == "ready" and e["slot"] == 1 and e["generation"] == 2
        ]

    wait_for(ready_entries)
    assert time.monotonic() - killed < 1.0
    exits = [e for e in cluster.journal() if e["event"] == "exit"]
    assert [(e["slot"], e["signal"]) for e in exits] == [(1, "SIGKILL")]
    assert closing_code(victim) is None
    newcomer = plain(url, 1)
    newcomer.send("back")
    assert survivor.recv(5) == "back"
    survivor.send("welcome")
    assert newcomer.recv(5) == "welcome"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_tells_every_client_and_leaves_nothing(
    cluster: Cluster, number: signal.Signals
) -> None:
    cluster.start("--workers", "2", "--identify")
    members = [plain(cluster.url("/rooms/lobby"), slot) for slot in (0, 1, 0, 1)]
    members.append(Native(cluster.url("/ws")).socket)
    started = time.monotonic()
    cluster.send_signal(number)
    assert [closing_code(member) for member in members] == [1001] * 5
    assert cluster.wait() == 0
    assert time.monotonic() - started < 2
    assert not cluster.processes()
    assert not cluster.run_dir.exists()
    assert cluster.journal()[-1]["event"] == "supervisor_stop"


def test_second_interrupt_stops_at_once(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    member = plain(cluster.url("/rooms/lobby"))
    os.kill(cluster.worker(0)["pid"], signal.SIGSTOP)
    os.kill(cluster.worker(1)["pid"], signal.SIGSTOP)
    cluster.send_signal(signal.SIGINT)
    wait_for(lambda: "draining" in cluster.log.read_text())
    cluster.send_signal(signal.SIGINT)
    assert cluster.wait(3) == 0
    assert not cluster.processes()
    assert closing_code(member) is None


def test_nothing_outlives_a_killed_supervisor(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    members = [plain(cluster.url("/rooms/lobby"), slot) for slot in (0, 1)]
    port = cluster.port
    cluster.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    assert [closing_code(member) for member in members] == [1012, 1012]
    wait_for(lambda: not cluster.processes(), 2)
    assert time.monotonic() - killed < 2
    cluster.wait()
    assert (cluster.run_dir / "control.sock").exists()
    # The next start recognises what is left, and has its port.
    cluster.start("--workers", "2", port=port)
    assert cluster.port == port


def test_next_start_waits_out_the_listener_of_its_predecessor(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "2")
    port, pids = cluster.port, [w["pid"] for w in cluster.status()["workers"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # They cannot close the listener meanwhile.
    cluster.send_signal(signal.SIGKILL)
    cluster.wait()
    cluster.start("--workers", "1", port=port, wait=False)
    wait_for(lambda: "predecessor_was_killed" in cluster.log_text())
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(cluster.is_ready)


def test_status_tells_the_whole_structure(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    one, two = (plain(cluster.url("/rooms/lobby"), slot) for slot in (0, 1))
    one.send("counted")
    two.recv(5)

    def counted() -> bool:
        workers = cluster.status()["workers"]
        return [w["delivered"] for w in workers] == [0, 1]

    wait_for(counted)
    status = cluster.status()
    assert set(status["cluster"]) >= {
        *("state", "pid", "version", "run_dir", "urls", "generation", "started_at"),
        *("uptime_s", "ready", "slots"),
    }
    assert set(status["cluster"]["urls"]) == {"public", "dashboard"}
    for slot, worker in enumerate(status["workers"]):
        assert set(worker) >= {
            *("slot", "pid", "generation", "state", "started_at", "uptime_s"),
            *("connections", "rooms", "memory", "cpu_percent", "loop_delay_ms"),
            *("messages_in", "delivered", "outbox_bytes", "bus_bytes", "slow_closed"),
            *("heartbeat_age_ms", "fds", "restarts", "last_exit"),
        }
        assert set(worker["memory"]) == {"private", "shared", "soft", "hard"}
        assert set(worker["loop_delay_ms"]) == {"p50", "p99", "max"}
        assert set(worker["restarts"]) == {"planned", "crash", "watchdog", "memory"}
        assert (worker["slot"], worker["state"]) == (slot, "ready")
        assert (worker["connections"], worker["rooms"]) == (1, 1)
        assert worker["fds"] == len(os.listdir(f"/proc/{worker['pid']}/fd"))
    table = cluster.run("status").stdout
    assert max(map(len, table.splitlines())) <= 80


def test_healthz_answers(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    with urlopen(f"http://127.0.0.1:{cluster.port}/healthz") as answer:
        assert (answer.status, answer.read()) == (200, b"ok\n")
