"""What workers say to each other survives the stop, death and return of any."""

import json
import os
import signal

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import Native, plain

pytestmark = pytest.mark.slow


def test_stopped_worker_is_told_what_it_missed(cluster: Cluster) -> None:
    cluster.start(
        *("--workers", "2", "--identify", "--set", "limits.link=256KiB"),
        *("--set", "watchdog.late=60s"),
    )
    speaker = Native(cluster.url("/ws"), slot=0)
    near = Native(cluster.url("/ws"), slot=0)
    far = Native(cluster.url("/ws"), slot=1)
    far_plain = plain(cluster.url("/rooms/other"), 1)
    for one in (near, far):
        one.ask("join", room="lobby")
    stopped = cluster.worker(1)["pid"]
    os.kill(stopped, signal.SIGSTOP)
    count = 1000
    for number in range(count):
        # Acknowledged and delivered here, whatever becomes of the stopped peer.
        speaker.ask("publish", room="lobby", data=f"{number} " + "x" * 2000)
        assert near.receive()["data"].split()[0] == str(number)
    assert cluster.worker(0)["outbox_bytes"] == 0
    os.kill(stopped, signal.SIGCONT)
    heard: list[int] = []
    while True:
        event = far.receive()
        if event["type"] == "gap":
            break
        heard.append(int(event["data"].split()[0]))
    assert event == {"type": "gap", "room": "lobby"}
    assert heard == list(range(len(heard)))
    # What still fitted into the queue for its next link comes after the gap.
    speaker.ask("publish", room="lobby", data="after")
    kept: list[int] = []
    while (data := far.receive()["data"]) != "after":
        kept.append(int(data.split()[0]))
    assert kept == list(range(count - len(kept), count))
    expected = count - len(heard) - len(kept)
    assert heard
    assert expected > 0

    def missed() -> bool:
        workers = cluster.status()["workers"]
        return (workers[0]["bus_missed"], workers[1]["bus_gaps"]) == (
            expected,
            expected,
        )

    wait_for(missed)
    # The new link carries both ways, and to the room that missed nothing.
    far.ask("publish", room="lobby", data="answer")
    assert near.receive()["data"] == "after"
    assert near.receive()["data"] == "answer"
    speaker.ask("publish", room="other", data="plain hears it too")
    assert far_plain.recv(5) == "plain hears it too"
    lost = [e for e in cluster.journal() if e["event"] == "link_lost"]
    assert lost
    assert cluster.worker(1)["generation"] == 1


def test_survivors_lose_nothing_while_a_third_dies_and_returns(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "3", "--identify", "--set", "restarts.intensity=20")
    one, two = (Native(cluster.url("/ws"), slot=slot) for slot in (0, 1))
    for session in (one, two):
        session.ask("join", room="lobby")
    plain(cluster.url("/rooms/lobby"), 2)
    said = 0

    def exchange(count: int) -> None:
        nonlocal said
        numbers = range(said, said + count)
        said += count
        for number in numbers:
            for session in (one, two):
                session.send({"type": "publish", "room": "lobby", "data": number})
        for session in (one, two):
            assert [session.receive()["data"] for _ in numbers] == list(numbers)

    exchange(50)
    for generation in range(2, 5):
        os.kill(cluster.worker(2)["pid"], signal.SIGKILL)
        exchange(300)
        wait_for(lambda g=generation: cluster.worker(2)["generation"] == g)
        exchange(300)
        wait_for(lambda: cluster.worker(2)["state"] == "ready")
        exchange(50)
    newcomer = plain(cluster.url("/rooms/lobby"), 2)
    one.send({"type": "publish", "room": "lobby", "data": {"still": "here"}})
    assert json.loads(newcomer.recv(5)) == {"still": "here"}
    newcomer.send("me too")
    assert one.receive()["data"] == "me too"


def test_members_counts_the_whole_room(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    sessions = [Native(cluster.url("/ws"), slot=slot) for slot in (0, 1, 1)]
    counts = [session.ask("join", room="lobby")["members"] for session in sessions]
    assert counts == [1, 2, 3]
    sessions[0].ask("leave", room="lobby")
    assert sessions[0].ask("join", room="lobby")["members"] == 3
    os.kill(cluster.worker(1)["pid"], signal.SIGKILL)
    wait_for(lambda: cluster.worker(1)["generation"] == 2)
    sessions[0].ask("leave", room="lobby")
    assert sessions[0].ask("join", room="lobby")["members"] == 1
