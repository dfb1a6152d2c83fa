"""A browser page with nothing but `new WebSocket(...)`: two tabs of a real chromium."""

import json
import os
import signal
from collections.abc import Callable, Iterator

import msgpack
import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.page import Site, Tab, open_browser, open_site
from tests.e2e.people import Native, plain

pytestmark = pytest.mark.slow

UNUSUAL = "naïve ☃ 👩‍👩‍👧 \u0000\u2028 end"
ALL_BYTES = bytes(range(256)) * 16

OpenTab = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as made:
        yield made


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as made:
        yield made


@pytest.fixture
def open_tab(browser: Browser, site: Site) -> Iterator[OpenTab]:
    """Open tabs with the site's page; all are closed."""
    made: list[Tab] = []

    def open_tab(host: str = "127.0.0.1") -> Tab:
        made.append(Tab(browser, site.origin(host)))
        return made[-1]

    yield open_tab
    site.let_go.set()
    for tab in made:
        tab.page.close()


def test_two_tabs_and_a_program_talk(cluster: Cluster, open_tab: OpenTab) -> None:
    cluster.start("--workers", "2", "--identify")
    url = cluster.url("/rooms/lobby")
    one, two = open_tab().join(url), open_tab().join(url)
    program, elsewhere = plain(url, 0), plain(url, 1)
    one.send(UNUSUAL)
    assert two.hear_text() == UNUSUAL
    for member in (program, elsewhere):
        assert member.recv(5) == UNUSUAL
    two.send(ALL_BYTES)
    assert one.hear_binary() == ALL_BYTES
    for member in (program, elsewhere):
        assert member.recv(5) == ALL_BYTES
    elsewhere.send("")
    elsewhere.send(b"")
    assert (program.recv(5), program.recv(5)) == ("", b"")
    for socket in (one, two):
        assert (socket.hear(), socket.hear()) == ({"text": ""}, {"binary": []})
    for number in range(100):
        (program, elsewhere)[number % 2].send(f"{number % 2} {number}")
    for socket in (one, two):
        heard = [socket.hear_text().split() for _ in range(100)]
        for publisher in range(2):
            numbers = [int(n) for who, n in heard if who == str(publisher)]
            assert numbers == list(range(publisher, 100, 2))


def test_page_reads_the_close_codes(cluster: Cluster, open_tab: OpenTab) -> None:
    cluster.start("--workers", "2")
    url, tab = cluster.url("/rooms/closing"), open_tab()
    for code, reason in ((1000, ""), (3000, "moved on"), (4001, "ein Grund ☃")):
        leaver = tab.join(url)
        leaver.close(code, reason)
        closed = leaver.hear()
        assert (closed["code"], closed["wasClean"]) == (code, True)
    loud, stayed = tab.join(url), open_tab().join(url)
    loud.send("x" * 65536)
    assert stayed.hear_text() == "x" * 65536
    loud.send("x" * 65537)
    assert loud.hear() == {
        "code": 1009,
        "reason": "message too big",
        "wasClean": True,
    }
    sockets = [stayed, tab.join(url)]
    cluster.send_signal(signal.SIGTERM)
    for socket in sockets:
        assert socket.hear() == {
            "code": 1001,
            "reason": "server going away",
            "wasClean": True,
        }
    assert cluster.wait() == 0


def test_tab_that_hangs_is_closed_and_nobody_else(
    cluster: Cluster, open_tab: OpenTab, site: Site
) -> None:
    # What is said compresses too well to fill anything.
    settings = ("limits.outbox=128KiB", "compression=false")
    cluster.start("--workers", "1", *(x for s in settings for x in ("--set", s)))
    url = cluster.url("/rooms/busy")
    # Two origins: tabs of one might share a process, and hang together.
    hanging, other = open_tab("127.0.0.1"), open_tab("localhost")
    slow, awake = hanging.join(url), other.join(url)
    speaker = plain(url)
    hanging.hang()
    assert site.hanging.wait(10)
    sent = 0
    while not cluster.worker(0)["slow_closed"]:
        for _ in range(20):
            speaker.send(f"{sent} " + "x" * 50_000)
            assert awake.hear_text().startswith(f"{sent} ")
            sent += 1
        assert sent < 2000
    site.let_go.set()
    expected = 0
    while "text" in (heard := slow.hear()):
        assert heard["text"].startswith(f"{expected} ")
        expected += 1
    assert heard == {"code": 4008, "reason": "reading too slowly", "wasClean": True}
    speaker.send("and on")
    assert awake.hear_text() == "and on"


def test_page_sees_its_worker_die_and_comes_back(
    cluster: Cluster, open_tab: OpenTab
) -> None:
    cluster.start("--workers", "1")
    url, tab = cluster.url("/rooms/lobby"), open_tab()
    socket = tab.join(url)
    os.kill(cluster.worker(0)["pid"], signal.SIGKILL)
    assert socket.hear() == {"code": 1006, "reason": "", "wasClean": False}
    again = tab.join(url)
    other = open_tab().join(url)
    other.send("welcome back")
    assert again.hear_text() == "welcome back"


def test_page_sees_a_cluster_without_supervisor_close(
    cluster: Cluster, open_tab: OpenTab
) -> None:
    cluster.start("--workers", "2")
    socket = open_tab().join(cluster.url("/rooms/lobby"))
    cluster.send_signal(signal.SIGKILL)
    assert socket.hear() == {
        "code": 1012,
        "reason": "worker restarting",
        "wasClean": True,
    }


def test_page_speaks_the_native_dialects(cluster: Cluster, open_tab: OpenTab) -> None:
    cluster.start("--workers", "2", "--identify")
    url = cluster.url("/ws")
    socket = open_tab().open(url, "hubbub.v1.json")
    assert socket.hear() == {"open": "hubbub.v1.json"}
    welcome = json.loads(socket.hear_text())
    assert welcome["type"] == "welcome"
    socket.send(json.dumps({"type": "join", "id": 1, "room": "lobby"}))
    joined = json.loads(socket.hear_text())
    assert (joined["type"], joined["id"], joined["members"]) == ("ok", 1, 1)

    packed = open_tab().open(url, "unknown", "hubbub.v1.msgpack")
    assert packed.hear() == {"open": "hubbub.v1.msgpack"}
    assert msgpack.unpackb(packed.hear_binary())["type"] == "welcome"
    packed.send(msgpack.packb({"type": "join", "id": "a", "room": "lobby"}))
    joined = msgpack.unpackb(packed.hear_binary())
    assert (joined["type"], joined["id"], joined["members"]) == ("ok", "a", 2)

    listener = plain(cluster.url("/rooms/lobby"))
    data = {"greeting": UNUSUAL, "n": [1, 2.5, None, True]}
    publish = {"type": "publish", "id": 2, "room": "lobby", "data": data}
    socket.send(json.dumps(publish))
    assert json.loads(socket.hear_text()) == {"type": "ok", "id": 2}
    heard = msgpack.unpackb(packed.hear_binary())
    assert (heard["type"], heard["room"], heard["data"]) == ("message", "lobby", data)
    assert heard["from"] == welcome["connection"]
    relayed = listener.recv(5)
    assert isinstance(relayed, str)
    assert json.loads(relayed) == data

    packed.send(
        msgpack.packb({"type": "publish", "room": "lobby", "data": b"\x00\xff"})
    )
    heard = json.loads(socket.hear_text())
    assert (heard["encoding"], heard["data"]) == ("base64", "AP8=")
    assert listener.recv(5) == b"\x00\xff"

    socket.send(json.dumps({"type": "dance", "id": 3}))
    error = json.loads(socket.hear_text())
    assert (error["type"], error["id"], error["code"]) == ("error", 3, "unknown_type")
    socket.send(b"\x00")
    assert socket.hear()["code"] == 1003


def test_page_of_another_origin_is_refused(
    cluster: Cluster, open_tab: OpenTab, site: Site
) -> None:
    cluster.start("--workers", "1", "--origin", site.origin())
    own, foreign = open_tab("127.0.0.1"), open_tab("localhost")
    for path in ("/rooms/lobby", "/ws"):
        url = cluster.url(path)
        assert "open" in own.open(url).hear()
        # All that a page may know about a refusal; the status is for the console.
        assert foreign.open(url).hear() == {
            "code": 1006,
            "reason": "",
            "wasClean": False,
        }
    wait_for(lambda: cluster.worker(0)["connections"] == 2)


def test_page_is_in_many_rooms(cluster: Cluster, open_tab: OpenTab) -> None:
    cluster.start("--workers", "2", "--set", "limits.rooms=30")
    names = [f"room-{n}" for n in range(30)]
    tab = open_tab()
    plain_ones = [tab.join(cluster.url(f"/rooms/{name}")) for name in names]
    one = open_tab().open(cluster.url("/ws"), "hubbub.v1.json")
    assert "open" in one.hear()
    assert json.loads(one.hear_text())["type"] == "welcome"
    for number, name in enumerate(names):
        one.send(json.dumps({"type": "join", "id": number, "room": name}))
        assert json.loads(one.hear_text())["members"] == 2
    one.send(json.dumps({"type": "join", "id": "more", "room": "one-more"}))
    assert json.loads(one.hear_text())["code"] == "too_many_rooms"

    program = Native(cluster.url("/ws"))
    for name, member in zip(names, plain_ones, strict=True):
        program.ask("publish", room=name, data=f"to {name}")
        assert member.hear_text() == f"to {name}"
        heard = json.loads(one.hear_text())
        assert (heard["room"], heard["data"]) == (name, f"to {name}")
    tab.page.reload()  # Leaves every room at once.

    def members() -> int:
        return sum(worker["connections"] for worker in cluster.status()["workers"])

    wait_for(lambda: members() == 2)


def test_room_opened_as_a_page_says_what_it_is(
    cluster: Cluster, open_tab: OpenTab
) -> None:
    cluster.start("--workers", "1")
    answer = open_tab().page.goto(f"http://127.0.0.1:{cluster.port}/rooms/lobby")
    assert answer is not None
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "WebSocket" in answer.text()
