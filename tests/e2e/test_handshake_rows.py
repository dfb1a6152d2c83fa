"""The opening handshake under bad input: reliability rows H1-H12, H14, O1, D1, D13.

Every client is a raw socket, every refusal is checked for its hygiene where it is
read (`Raw.read_response`), and after every test two neighbours in the room of all
those requests still talk and have heard nothing else.
"""

import base64
import select
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.raw import (
    ACCEPT,
    BINARY,
    CLOSE,
    FIN,
    HEAD,
    KEY,
    TEXT,
    Neighbours,
    Raw,
    ask_http,
    check_log,
    close,
    frame,
    head,
    join,
    upgrade,
)

pytestmark = pytest.mark.slow

HANDSHAKE = 1.0
LATEST = HANDSHAKE + 1.5
MOST = 6
"""Connections of the worker of `full`."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One worker, whose log is checked at the end."""
    cluster = Cluster(tmp_path_factory.mktemp("handshake"))
    try:
        cluster.start("--workers", "1", "--set", f"limits.handshake={HANDSHAKE}s")
        yield cluster
    finally:
        cluster.end()
    check_log(cluster)


@pytest.fixture(scope="module")
def lobby(served: Cluster) -> Iterator[Neighbours]:
    members = Neighbours(served)
    yield members
    members.end()


@pytest.fixture
def port(served: Cluster, lobby: Neighbours) -> Iterator[int]:
    """The port; afterwards the neighbours must not have noticed anything."""
    yield served.port
    lobby.check()


def without(name: str, *instead: str) -> bytes:
    """Return a handshake for the lobby with other lines for the header `name`."""
    lines = [
        line
        for line in HEAD.splitlines(keepends=True)
        if not line.lower().startswith(name.lower() + ":")
    ]
    assert len(lines) == HEAD.count("\r\n") - 1
    more = "".join(f"{line}\r\n" for line in instead)
    text = f"GET /rooms/lobby HTTP/1.1\r\n{''.join(lines)}{more}\r\n"
    return text.encode("latin-1")


def begin(line: bytes) -> bytes:
    """Return a handshake with another request line."""
    return line + b"\r\n" + HEAD.encode() + b"\r\n"


# H1: method and version


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "BREW"],
)
def test_only_get_may_upgrade(port: int, method: str) -> None:
    answer = ask_http(port, begin(f"{method} /rooms/lobby HTTP/1.1".encode()))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_connect_is_no_upgrade(port: int) -> None:
    assert ask_http(port, begin(b"CONNECT localhost:80 HTTP/1.1")).status == 405


@pytest.mark.parametrize(
    ("version", "status"),
    [
        *(("HTTP/1.0", 400), ("HTTP/2.0", 505), ("HTTP/0.9", 505), ("HTTP/1.2", 101)),
        *(("HTTP/11", 400), ("http/1.1", 400), ("HTTP/1.1 ", 400), ("", 400)),
    ],
)
def test_only_http_1_1_and_later_1_x_may_upgrade(
    port: int, version: str, status: int
) -> None:
    answer = ask_http(port, begin(f"GET /rooms/lobby {version}".encode()))
    assert answer.status == status


@pytest.mark.parametrize(
    "first",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + upgrade("/rooms/lobby"),
        b"\n\n\n" + upgrade("/rooms/lobby"),
        b"\x81\x85\x00\x00\x00\x00hello",
    ],
    ids=["http2", "tls", "proxy", "line feeds", "a frame"],
)
def test_what_is_no_http_1_is_refused_at_its_first_line(
    port: int, first: bytes
) -> None:
    assert ask_http(port, first).status in (400, 405, 505)


# H2: Host


@pytest.mark.parametrize(
    "hosts",
    [
        *((), ("Host: a", "Host: b"), ("Host: a", "Host: a"), ("Host:",)),
        *(("Host: a b",), ("Host: a/b",), ("Host: u@h",), ("Host: a:80:80",)),
        *(("Host: [::1",), ("Host: a:x",), ("Host: a,b",), ("Host: http://a",)),
    ],
    ids=repr,
)
def test_exactly_one_valid_host(port: int, hosts: tuple[str, ...]) -> None:
    answer = ask_http(port, without("Host", *hosts))
    # A comma may be in a registered name (RFC 3986 section 3.2.2).
    assert answer.status == (101 if hosts == ("Host: a,b",) else 400)


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1:8080", "[::1]:80", "a:"])
def test_any_valid_host_will_do(port: int, host: str) -> None:
    assert ask_http(port, without("Host", f"Host: {host}")).status == 101


# H3: Upgrade and Connection; H5: the version


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        *(("Upgrade", ()), ("Upgrade", ("Upgrade: h2c",)), ("Connection", ())),
        *(("Upgrade", ("Upgrade: websockets",)), ("Upgrade", ("Upgrade: web socket",))),
        *(("Connection", (f"Connection: {v}",)) for v in ("close", "Upgraded", "")),
    ],
    ids=repr,
)
def test_without_the_words_for_it_an_upgrade_is_required(
    port: int, name: str, lines: tuple[str, ...]
) -> None:
    answer = ask_http(port, without(name, *lines))
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["connection"] == "close, Upgrade"
    assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "lines",
    [
        *((), ("12",), ("14",), ("0",), ("",), ("013",), ("13, 8",), ("13", "13")),
        *(("13", "8"), ("thirteen",), ("+13",), ("13.0",), ("255",)),
    ],
    ids=repr,
)
def test_the_version_is_exactly_13(port: int, lines: tuple[str, ...]) -> None:
    fields = [f"Sec-WebSocket-Version: {line}" for line in lines]
    answer = ask_http(port, without("Sec-WebSocket-Version", *fields))
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"
    assert answer.headers["upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("Upgrade", ("Upgrade: WebSocket",)),
        ("Upgrade", ("uPGRADE: h2c, WEBSOCKET",)),
        ("Connection", ("Connection: keep-alive, Upgrade",)),
        ("Connection", ("Connection: keep-alive", "CONNECTION: UPGRADE")),
    ],
    ids=repr,
)
def test_the_words_for_it_have_no_case_and_may_be_in_lists(
    port: int, name: str, lines: tuple[str, ...]
) -> None:
    assert ask_http(port, without(name, *lines)).status == 101


# H4: the key; H6: the answer; H7: subprotocols


@pytest.mark.parametrize(
    "keys",
    [
        *((), ("",), ("short",), (KEY, KEY), (KEY[:-1],), (KEY[:-2],), (KEY + "=",)),
        *((base64.b64encode(bytes(size)).decode(),) for size in (15, 17, 24)),
        *((f"{KEY}, {KEY}",), ("!" * 22 + "==",), (KEY[:10] + " " + KEY[11:],)),
    ],
    ids=repr,
)
def test_the_key_is_16_bytes_in_base64_and_there_once(
    port: int, keys: tuple[str, ...]
) -> None:
    fields = [f"Sec-WebSocket-Key: {key}" for key in keys]
    assert ask_http(port, without("Sec-WebSocket-Key", *fields)).status == 400


def test_the_answer_proves_the_key_and_adds_nothing(port: int) -> None:
    extra = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-one; a=1\r\n"
    for sent in ("", extra):
        answer = ask_http(port, upgrade("/rooms/lobby", sent))
        assert answer.status == 101
        assert answer.headers == {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": ACCEPT,
        }


@pytest.mark.parametrize(
    ("offered", "status", "chosen"),
    [
        ([], 101, None),
        (["hubbub.v1.json"], 101, "hubbub.v1.json"),
        (["x, hubbub.v1.msgpack, hubbub.v1.json"], 101, "hubbub.v1.msgpack"),
        (["x", "hubbub.v1.json"], 101, "hubbub.v1.json"),
        *((["chat"], 400, None), (["HUBBUB.V1.JSON"], 400, None), (["{}"], 400, None)),
    ],
)
def test_the_subprotocol_is_one_of_ours_that_was_offered(
    port: int, offered: list[str], status: int, chosen: str | None
) -> None:
    lines = "".join(f"Sec-WebSocket-Protocol: {one}\r\n" for one in offered)
    answer = ask_http(port, upgrade("/ws", lines))
    assert answer.status == status
    assert answer.headers.get("sec-websocket-protocol") == chosen


# H8: bodies; H9: the syntax of headers


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        *((["Content-Length: 0"], 101), (["Content-Length: 5"], 400)),
        *((["Content-Length: 65537"], 413), ([f"Content-Length: {'9' * 40}"], 413)),
        *(
            ([f"Content-Length: {v}"], 400)
            for v in ("-1", "+5", "0x5", "5, 5", "", "a")
        ),
        (["Content-Length: 0", "Content-Length: 0"], 400),
        (["Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        (["Transfer-Encoding: identity"], 400),
        (["Transfer-Encoding: \x0bchunked"], 400),
    ],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/rooms/lobby", "/healthz"])
def test_no_body_is_taken(port: int, path: str, lines: list[str], status: int) -> None:
    extra = "".join(f"{line}\r\n" for line in lines)
    answer = ask_http(port, upgrade(path, extra), b"0\r\n\r\n")
    assert answer.status == (200 if (path, status) == ("/healthz", 101) else status)


@pytest.mark.parametrize(
    "lines",
    [
        *("X-A : 1\r\n", "X-A: 1\r\n folded\r\n", " X-A: 1\r\n", "X-A: a\0b\r\n"),
        *("X-A: a\rb\r\n", "X-A: 1\n", "X-A\r\n", ": 1\r\n", "X(A): 1\r\n"),
        *("X A: 1\r\n", "X-\xe9: 1\r\n", "X-A: \x1b[2J\r\n", "X-A: 1\r\r\n"),
        *("X-A: 1\r\n\tfolded\r\n", "X-A: a\x7fb\r\n", "\x00\r\n", "X-A: 1\n\r\n"),
    ],
    ids=repr,
)
def test_malformed_headers_are_refused(port: int, lines: str) -> None:
    assert ask_http(port, upgrade("/rooms/lobby", lines)).status == 400


# H10: the target; limits of size


@pytest.mark.parametrize(
    "target",
    [
        *(
            "/",
            "//",
            "/.",
            "/..",
            "/rooms",
            "/rooms/",
            "/rooms//lobby",
            "//rooms/lobby",
        ),
        *("/rooms/lobby/", "/ROOMS/lobby", "/rooms/../rooms/lobby", "/./rooms/lobby"),
        *("/rooms/.", "/rooms/..", "/rooms/%2e%2e", "/rooms/a/../lobby"),
        *("/rooms/lobby%00", "/rooms/%2Flobby", "/rooms/lobby%2F", "/rooms%2Flobby"),
        *("/rooms/lobby%20", "/rooms/lobby%0d%0aX-A:1", "/rooms/%256cobby"),
        *("/rooms/lobby%", "/rooms/%zz", "/rooms/%e2%98%83", "/rooms/lobby\\"),
        *(
            "/rooms/lobby;/../x",
            "/rooms/" + "x" * 165,
            "/rooms/lobby#x",
            "/rooms/?echo=1",
        ),
        *("/ws/", "//ws", "/ws%00", "/%77s", "/ws/../ws", "/WS", "/ws;x", "/echo"),
        *("/healthz/", "/%68ealthz", "/healthz%00", "/x/../healthz", "/.;/healthz"),
        *("/admin", "/metrics", "/debug", "/workers", "/api/snapshot", "/favicon.ico"),
        *("http://localhost/rooms/lobby", "ws://localhost/ws", "*", "ws", "?", "%2Fws"),
        *("/rooms/\xe9", "/rooms/lobby\x01", "/rooms/lobby\t", "/rooms/lob\0by", ""),
    ],
)
def test_only_our_own_paths_lead_anywhere(port: int, target: str) -> None:
    answer = ask_http(port, begin(f"GET {target} HTTP/1.1".encode("latin-1")))
    assert answer.status in (400, 404)


def test_a_room_is_decoded_once_and_the_query_never_routes(
    port: int, lobby: Neighbours
) -> None:
    for path in ("/rooms/%6c%6Fbby", "/rooms/lobby?/../ws", "/rooms/lobby?%00=%2F"):
        with join(port, path) as member:
            member.say("found it")
            lobby.check(b"found it")
    assert ask_http(port, upgrade("/rooms/" + "x" * 164)).status == 101


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade("/rooms/lobby?" + "x" * (4096 - 13)), 101),
        (upgrade("/rooms/lobby?" + "x" * (4097 - 13)), 414),
        (b"GET /" + b"x" * 5000, 414),
        (b"x" * 8193, 414),
        (upgrade("/rooms/lobby", f"X-A: {'x' * (8192 - 5)}\r\n"), 101),
        (upgrade("/rooms/lobby", f"X-A: {'x' * (8193 - 5)}\r\n"), 431),
        (upgrade("/rooms/lobby")[:-2] + b"X-A: " + b"x" * 9000, 431),
        (upgrade("/rooms/lobby", f"X-A: {'x' * 8000}\r\n" * 2), 431),
        (upgrade("/rooms/lobby", "X: 1\r\n" * 95), 101),
        (upgrade("/rooms/lobby", "X: 1\r\n" * 96), 431),
        (upgrade("/rooms/lobby")[:-2] + b"X: 1\r\n" * 10_000, 431),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else str(len(value)),
)
def test_limits_of_size_hold_to_the_byte(
    port: int, request_: bytes, status: int
) -> None:
    assert ask_http(port, request_).status == status


# H11: early frames; H12: a second request


def test_early_frames_are_not_lost(port: int, lobby: Neighbours) -> None:
    early = frame(TEXT, b"early") + frame(BINARY, b"\xff") + frame(TEXT, b"split")
    with Raw(port) as member:
        member.send(upgrade("/rooms/lobby?echo=1"), early[:-3])
        assert member.read_response().status == 101
        assert member.read_frame() == (TEXT, b"early")
        assert member.read_frame() == (BINARY, b"\xff")
        member.send(early[-3:], close(1000))
        assert member.read_frame() == (TEXT, b"split")
        assert member.read_close() == 1000
    lobby.check(b"early", b"\xff", b"split")


def test_early_frames_arrive_however_the_bytes_are_cut(port: int) -> None:
    # The end of the head and the first frame, cut at every place.
    data = upgrade("/rooms/cut?echo=1") + frame(TEXT, b"hi") + close(4000)
    for cut in range(len(data) - 20, len(data)):
        with Raw(port) as member:
            member.send(data[:cut])
            member.send(data[cut:])
            assert member.read_response().status == 101
            assert list(member.read_frames()) == [
                (TEXT, b"hi"),
                (CLOSE, (4000).to_bytes(2, "big")),
            ]


def test_early_bad_frames_are_answered_with_a_code(port: int) -> None:
    with Raw(port) as member:
        member.send(upgrade("/rooms/lobby"), head(FIN | TEXT, 5, mask=False), b"hello")
        assert member.read_response().status == 101
        assert member.read_close() == 1002


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (begin(b"GET /nowhere HTTP/1.1"), 404),
        (begin(b"POST /rooms/lobby HTTP/1.1"), 405),
        (without("Sec-WebSocket-Version"), 426),
        (upgrade("/rooms/lobby", "Transfer-Encoding: chunked\r\n"), 400),
        (upgrade("/rooms/lobby", "X : 1\r\n"), 400),
        (b"x" * 8193 + b"\r\n", 414),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_second_request_is_never_answered(
    port: int, first: bytes, status: int
) -> None:
    """The neighbours would hear the frame, `read_response` find more than a body."""
    second = upgrade("/rooms/lobby") + frame(TEXT, b"smuggled")
    with Raw(port) as client:
        client.send(first, second)
        assert client.read_response().status == status
    with Raw(port) as client:
        client.send(first)
        assert client.socket.recv(1, socket.MSG_PEEK)
        client.send(second)
        assert client.read_response().status == status


def test_who_sends_a_long_body_reads_the_refusal(port: int) -> None:
    for _ in range(10):
        with Raw(port) as client:
            client.send(begin(b"POST /ws HTTP/1.1")[:-2], b"Content-Length: 1048576")
            client.send(b"\r\n\r\n")
            for _ in range(16):
                client.send(bytes(65536))
            assert client.read_response().status in (405, 413)


# D1, D2: the time a handshake may take


def closing_times(
    clients: list[Raw], drip: Callable[[Raw], None] | None = None
) -> list[float]:
    """Return after how many seconds each client was answered; drip bytes meanwhile."""
    started = time.monotonic()
    waiting = {client.socket: client for client in clients}
    times = []
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 0.1)
        for found in ready:
            times.append(time.monotonic() - started)
            assert waiting.pop(found).read_response().status == 408
        assert time.monotonic() - started < LATEST + 1
        if drip is not None:
            for client in waiting.values():
                drip(client)
    return times


def test_a_slow_handshake_ends_in_time_whatever_it_does(
    port: int, lobby: Neighbours
) -> None:
    request = upgrade("/rooms/lobby")
    silent = [Raw(port) for _ in range(100)]
    slow = [Raw(port) for _ in range(20)]
    stuck = [Raw(port) for _ in range(20)]
    for client in stuck:
        client.send(request[:-1])
    sent = dict.fromkeys(slow, 0)

    def drip(client: Raw) -> None:
        lobby.check()  # Meanwhile others are served.
        if client in sent and sent[client] <= time.monotonic() - started:
            client.send(request[sent[client] :][:1])
            sent[client] += 1

    started = time.monotonic()
    times = closing_times([*silent, *slow, *stuck], drip)
    assert HANDSHAKE <= min(times)
    assert max(times) <= LATEST
    assert max(sent.values()) >= 1
    for client in (*silent, *slow, *stuck):
        client.socket.close()


def test_a_handshake_in_many_pieces_is_in_time(port: int) -> None:
    with Raw(port) as client:
        for byte in upgrade("/rooms/lobby"):
            client.send(bytes((byte,)))
        assert client.read_response().status == 101


def test_who_leaves_in_the_middle_is_forgotten(served: Cluster, port: int) -> None:
    for cut in (0, 1, 20, 100):
        client = Raw(port)
        client.send(upgrade("/rooms/lobby")[:cut])
        client.socket.close()
    assert served.worker(0)["refused"] > 0
    wait_for(lambda: served.worker(0)["connections"] == 2, 4)


# H14, D12, D13: what answers and log give away


def test_strangers_text_reaches_neither_answers_nor_the_log_raw(
    served: Cluster, port: int
) -> None:
    forged = '%0d%0a{"event":"FORGED"}'
    evil = ("\x1b[2J\x1b]0;FORGED\x07", "\r\nFORGED", "‮FORGED", "FORGED\x00")
    for text in (forged, *evil):
        raw = text.encode()
        requests = (
            b"GET /" + raw + b" HTTP/1.1\r\n" + HEAD.encode() + b"\r\n",
            b"GET /rooms/" + raw + b" HTTP/1.1\r\n" + HEAD.encode() + b"\r\n",
            raw + b" / HTTP/1.1\r\n\r\n",
            upgrade("/rooms/lobby")[:-2] + b"X-" + raw + b": 1\r\n\r\n",
            upgrade("/rooms/lobby")[:-2] + b"Origin: " + raw + b"\r\n\r\n",
            upgrade("/ws")[:-2] + b"Sec-WebSocket-Protocol: " + raw + b"\r\n\r\n",
        )
        for request in requests:
            answer = ask_http(port, request)
            assert b"FORGED" not in answer.body
            assert "FORGED" not in repr(answer.headers)
        with join(port) as member:
            member.send(close(4000, raw))
            assert member.read_close() == 4000
        with join(port, f"/rooms/lobby?x={forged}") as member:
            member.send(frame(CLOSE, b"\x00\x00" + raw))
            assert member.read_close() == 1002
    events = check_log(served)
    assert any(event["event"] == "handshake_refused" for event in events)
    assert "FORGED" not in {event["event"] for event in events}


def test_a_flood_of_bad_handshakes_does_not_flood_the_log(
    served: Cluster, port: int
) -> None:
    before = served.log.stat().st_size
    refused = served.worker(0)["refused"]
    for _ in range(500):
        assert ask_http(port, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").status == 404
    wait_for(lambda: served.worker(0)["refused"] == refused + 500)
    assert served.log.stat().st_size - before < 32 * 1024


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


# /healthz


@pytest.mark.parametrize(
    ("line", "status"),
    [
        *(("GET /healthz HTTP/1.1", 200), ("GET /healthz?x=1 HTTP/1.1", 200)),
        *(("GET /healthz HTTP/1.0", 200), ("POST /healthz HTTP/1.1", 405)),
    ],
)
def test_health_is_plain_http(port: int, line: str, status: int) -> None:
    answer = ask_http(port, f"{line}\r\nHost: a\r\n\r\n".encode())
    assert answer.status == status
    assert (status == 200) == (answer.body == b"ok\n")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/rooms/lobby", "/nowhere", "/rooms/."])
def test_the_answer_to_head_has_no_body(port: int, path: str) -> None:
    """RFC 9110 section 9.3.2; Content-Length is what a GET would be told."""
    with Raw(port) as client:
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        start, end, body = client.read_rest().partition(b"\r\n\r\n")
        assert start.startswith(b"HTTP/1.1 ")
        assert (end, body) == (b"\r\n\r\n", b"")
        assert b"Connection: close" in start
