"""The opening handshake: reliability rows H1-H7, H11 and H12.

Every client is a raw socket, every refusal is checked for its hygiene (H14) where it
is read, and after every test two neighbours in the room of all those requests still
talk and have heard nothing else.
"""

import base64
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.raw import (
    ACCEPT,
    BINARY,
    FIN,
    KEY,
    TEXT,
    Raw,
    Served,
    ask_http,
    begin,
    close,
    frame,
    head,
    serving,
    upgrade,
    without,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("handshake")) as found:
        yield found


@pytest.fixture
def port(served: Served) -> Iterator[int]:
    """The port; afterwards the neighbours must not have noticed anything."""
    yield served.port
    served.lobby.check()


# H1: method and version


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "BREW"],
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


# H11: early frames; H12: a second request


def test_early_frames_are_not_lost(served: Served, port: int) -> None:
    early = frame(TEXT, b"early") + frame(BINARY, b"\xff") + frame(TEXT, b"split")
    with Raw(port) as member:
        member.send(upgrade("/rooms/lobby?echo=1"), early[:-3])
        assert member.read_response().status == 101
        assert member.read_frame() == (TEXT, b"early")
        assert member.read_frame() == (BINARY, b"\xff")
        member.send(early[-3:])
        assert member.read_frame() == (TEXT, b"split")
        member.send(close(1000))
        assert member.read_close() == 1000
    served.lobby.check(b"early", b"\xff", b"split")


def test_early_frames_arrive_however_the_bytes_are_cut(port: int) -> None:
    # The end of the head and the first frame, cut at every place.
    data = upgrade("/rooms/cut?echo=1") + frame(TEXT, b"hi")
    for cut in range(len(data) - 12, len(data)):
        with Raw(port) as member:
            member.send(data[:cut])
            member.send(data[cut:])
            assert member.read_response().status == 101
            assert member.read_frame() == (TEXT, b"hi")
            member.send(close(4000))
            assert member.read_close() == 4000


def test_an_early_close_is_answered(port: int) -> None:
    with Raw(port) as member:
        member.send(upgrade("/rooms/lobby"), close(3000, b"bye"))
        assert member.read_response().status == 101
        assert member.read_close() == 3000


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
