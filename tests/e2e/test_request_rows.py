"""The request under bad input: reliability rows H8-H10, H14 and D13, and /healthz.

See test_handshake_rows.py for what holds in every test.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import wait_for
from tests.e2e.raw import (
    CLOSE,
    HEAD,
    Raw,
    Served,
    ask_http,
    begin,
    check_log,
    close,
    frame,
    join,
    serving,
    upgrade,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("request")) as found:
        yield found


@pytest.fixture
def port(served: Served) -> Iterator[int]:
    """The port; afterwards the neighbours must not have noticed anything."""
    yield served.port
    served.lobby.check()


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
    served: Served, port: int
) -> None:
    for path in ("/rooms/%6c%6Fbby", "/rooms/lobby?/../ws", "/rooms/lobby?%00=%2F"):
        with join(port, path) as member:
            member.say("found it")
            served.lobby.check(b"found it")
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
        (upgrade("/rooms/lobby", f"X-A: {'x' * 8150}\r\n" * 2), 431),
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


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/rooms/lobby", 405), ("/nowhere", 404), ("/rooms/.", 400)],
)
def test_the_answer_to_head_has_no_body(port: int, path: str, status: int) -> None:
    """RFC 9110 section 9.3.2; Content-Length is what a GET would be told."""
    with Raw(port) as client:
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        start, end, body = client.read_rest().partition(b"\r\n\r\n")
        assert start.startswith(f"HTTP/1.1 {status} ".encode())
        assert (end, body) == (b"\r\n\r\n", b"")
        assert b"Connection: close" in start


# H14, D12, D13: what answers and log give away


def test_strangers_text_reaches_neither_answers_nor_the_log_raw(
    served: Served, port: int
) -> None:
    forged = '%0d%0a{"event":"FORGED"}'
    evil = ("\x1b[2J\x1b]0;FORGED\x07", "\r\nFORGED", "\u202eFORGED", "FORGED\x00")
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
    events = check_log(served.cluster)
    assert any(event["event"] == "handshake_refused" for event in events)
    assert "FORGED" not in {event["event"] for event in events}


def test_a_flood_of_bad_handshakes_does_not_flood_the_log(
    served: Served, port: int
) -> None:
    before = served.cluster.log.stat().st_size
    refused = served.worker()["refused"]
    for _ in range(500):
        assert ask_http(port, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").status == 404
    wait_for(lambda: served.worker()["refused"] >= refused + 500)
    assert served.cluster.log.stat().st_size - before < 32 * 1024
