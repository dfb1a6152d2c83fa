"""The head of a request: limits, syntax, and that the cuts never matter."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.server.websocket.reader import RequestReader, _declared_body
from hubbub.server.websocket.request import Refused, Request
from hubbub.settings import Limits

LIMITS = Limits()
GOOD = (
    b"GET /rooms/lobby?echo=1&token=a%2Eb HTTP/1.1\r\n"
    b"Host: localhost:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"X-Empty:\r\n"
    b"x-twice: 1 \t\r\n"
    b"X-Twice:2\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)


def read(data: bytes, limits: Limits = LIMITS) -> Request:
    """Read a request that comes in one piece and must be complete."""
    request = RequestReader(limits).feed(data)
    assert request is not None
    return request


def refusal(data: bytes, limits: Limits = LIMITS) -> int:
    """Return the status with which `data` is refused, whole and byte by byte."""
    status, at = verdict([data], limits)
    assert isinstance(status, int)
    again, at_byte = verdict([bytes([byte]) for byte in data], limits)
    assert again == status
    assert at_byte <= at
    return status


def verdict(pieces: list[bytes], limits: Limits = LIMITS) -> tuple[object, int]:
    """Feed pieces; return what came of it in comparable form, and after how much."""
    reader = RequestReader(limits)
    fed = 0
    for index, piece in enumerate(pieces):
        fed += len(piece)
        try:
            request = reader.feed(piece)
        except Refused as refused:
            return refused.status, fed
        if request is not None:
            rest = reader.rest + b"".join(pieces[index + 1 :])
            return (
                request.method,
                request.target,
                request.minor,
                request.headers,
                request.body,
                rest,
            ), fed
    return None, fed


def with_line(line: bytes) -> bytes:
    """Return a good request with one more header line."""
    return GOOD[:-2] + line + b"\r\n\r\n"


def test_request_is_read_in_one_piece() -> None:
    request = read(GOOD)
    assert request.method == "GET"
    assert request.target == "/rooms/lobby?echo=1&token=a%2Eb"
    assert request.path == "/rooms/lobby"
    assert request.query == {"echo": "1", "token": "a.b"}
    assert request.minor == 1
    assert request.body == 0
    assert request.is_upgrade
    assert request.headers == {
        "host": ["localhost:8080"],
        "user-agent": ["Mozilla/5.0 (X11; Linux x86_64)"],
        "connection": ["keep-alive, Upgrade"],
        "upgrade": ["websocket"],
        "x-empty": [""],
        "x-twice": ["1", "2"],
        "sec-websocket-key": ["dGhlIHNhbXBsZSBub25jZQ=="],
        "sec-websocket-version": ["13"],
    }


def test_request_is_read_when_cut_at_every_byte() -> None:
    data = GOOD + b"rest"
    whole, _ = verdict([data])
    for cut in range(1, len(data)):
        assert verdict([data[:cut], data[cut:]])[0] == whole
    assert verdict([bytes([byte]) for byte in data])[0] == whole


def test_bytes_after_the_head_are_kept() -> None:
    reader = RequestReader(LIMITS)
    assert reader.feed(GOOD[:-1]) is None
    assert reader.feed(GOOD[-1:] + b"\x81\x80\0\0\0\0\r\n\r\n") is not None
    assert reader.rest == b"\x81\x80\0\0\0\0\r\n\r\n"


def test_second_request_in_the_same_piece_is_not_read() -> None:
    reader = RequestReader(LIMITS)
    request = reader.feed(GOOD + GOOD.replace(b"lobby", b"other"))
    assert request is not None
    assert request.path == "/rooms/lobby"
    assert reader.rest == GOOD.replace(b"lobby", b"other")


def test_large_rest_does_not_count_as_head() -> None:
    reader = RequestReader(LIMITS)
    assert reader.feed(GOOD + bytes(1 << 20)) is not None
    assert len(reader.rest) == 1 << 20


def test_no_bytes_are_no_request() -> None:
    reader = RequestReader(LIMITS)
    assert reader.feed(b"") is None
    assert reader.feed(GOOD) is not None


@pytest.mark.parametrize("minor", [0, 1, 2, 9])
def test_every_minor_version_of_one_is_read(minor: int) -> None:
    assert read(GOOD.replace(b"/1.1", b"/1.%d" % minor)).minor == minor


def test_one_empty_line_before_is_tolerated_and_two_are_not() -> None:
    assert read(b"\r\n" + GOOD).path == "/rooms/lobby"
    assert verdict([bytes([byte]) for byte in b"\r\n" + GOOD])[0] == verdict([GOOD])[0]
    assert refusal(b"\r\n\r\n" + GOOD) == 400


# --- refused at once -------------------------------------------------------------


@pytest.mark.parametrize(
    "first", [0x00, 0x0A, 0x16, 0x20, 0x22, 0x28, 0x3A, 0x7F, 0x80]
)
def test_first_byte_that_begins_no_request_is_enough(first: int) -> None:
    assert refusal(bytes([first])) == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /ws HTTP/2.0", 505),
        (b"GET /ws HTTP/0.9", 505),
        (b"GET /ws HTTP/3.1", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET /ws", 400),
        (b"GET", 400),
        (b"GET /ws HTTP/1", 400),
        (b"GET /ws HTTP/1.", 400),
        (b"GET /ws HTTP/11.1", 400),
        (b"GET /ws HTTP/1.11", 400),
        (b"GET /ws http/1.1", 400),
        (b"GET /ws HTTPS/1.1", 400),
        (b"GET /ws HTTP/1.1 ", 400),
        (b"GET  /ws HTTP/1.1", 400),
        (b"GET\t/ws HTTP/1.1", 400),
        (b"GET /ws  HTTP/1.1", 400),
        (b" GET /ws HTTP/1.1", 400),
        (b"G@T /ws HTTP/1.1", 400),
        (b"GET: /ws HTTP/1.1", 400),
        (b"SSH-2.0-OpenSSH_9.2", 400),
        (b"get /ws HTTP/1.1", 405),
        (b"FOO /ws HTTP/1.1", 405),
        (b"TRACE /ws HTTP/1.1", 405),
        (b"CONNECT localhost:8080 HTTP/1.1", 405),
        (b"CONNECT /ws HTTP/1.1", 405),
    ],
)
def test_request_line_is_refused_before_any_header(line: bytes, status: int) -> None:
    assert refusal(line + b"\r\n") == status


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"ws",
        b"ws://localhost/ws",
        b"http://localhost:8080/ws",
        b"HTTP://localhost:8080/rooms/lobby",
        b"localhost:8080",
        b"?/ws",
        b"\\ws",
        b"%2Fws",
        b"/ws#/rooms/lobby",
        b"/ws\0",
        b"/ws\x01",
        b"/ws\x7f",
        b"/ws\t",
        b"/ws\r",
        b"/rooms/\r/ws",
        b"/rooms/\n/ws",
        b"/rooms/caf\xc3\xa9",
        b"/rooms/a b",
    ],
)
def test_target_that_is_no_path_is_refused(target: bytes) -> None:
    assert refusal(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 400


@pytest.mark.parametrize(
    "line",
    [
        b"Name : value",
        b"Name\t: value",
        b" Name: value",
        b"Name: value\r\n folded",
        b"Name: value\r\n\tfolded",
        b"Name",
        b"\n",
        b": value",
        b"Na me: value",
        b"N@me: value",
        b"Na(me): value",
        b"N\xe4me: value",
        b"Na\0me: value",
        b"Name: val\0ue",
        b"Name: val\x01ue",
        b"Name: val\x0bue",
        b"Name: val\x7fue",
        b"Name: val\rue",
        b"Name: value\r",
        b"Name: value\r\r",
        b"Name: value\nOther: value",
        b"\rName: value",
        b"\nName: value",
    ],
)
def test_malformed_header_is_refused(line: bytes) -> None:
    assert refusal(with_line(line)) == 400


@pytest.mark.parametrize(
    "line", [b"N!#$%&'*+-.^_`|~0: v", b"Name: \xe4\xff\ttab", b"Name:", b"Name: \t "]
)
def test_unusual_header_is_accepted(line: bytes) -> None:
    assert (
        verdict([with_line(line)])[0]
        == verdict([bytes([byte]) for byte in with_line(line)])[0]
    )
    read(with_line(line))


def test_line_feeds_alone_end_no_line() -> None:
    assert refusal(GOOD.replace(b"\r\n", b"\n")) == 400
    assert refusal(GOOD[:-2] + b"\n") == 400


# --- limits, both sides ----------------------------------------------------------


def test_target_of_4_kib_is_accepted_and_one_more_byte_is_not() -> None:
    for size in (4095, 4096):
        target = b"/" + b"a" * (size - 1)
        request = read(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(request.target) == size
    line = b"GET /" + b"a" * 4096
    assert refusal(line) == 414
    assert refusal(line + b" HTTP/1.1\r\nHost: a\r\n\r\n") == 414
    assert verdict([line[:-1]])[0] is None


def test_request_line_over_the_limit_is_refused_before_it_ends() -> None:
    limits = Limits(request_line=300)
    fits = b"GET /" + b"a" * 286 + b" HTTP/1.1"
    assert len(fits) == 300
    tail = b"\r\nHost: a\r\n\r\n"
    read(fits + tail, limits)
    read(fits.replace(b"a ", b" ") + tail, limits)
    longer = fits.replace(b"/a", b"/aa")
    assert refusal(longer + tail, limits) == 414
    assert refusal(longer, limits) == 414
    assert refusal(b"A" * (LIMITS.request_line + 1)) == 414


def test_header_line_over_the_limit_is_refused_before_it_ends() -> None:
    limit = LIMITS.request_line
    for size in (limit - 1, limit):
        data = with_line(b"Name: " + b"a" * (size - 6))
        read(data)
        assert verdict([bytes([byte]) for byte in data])[0] == verdict([data])[0]
    longer = b"Name: " + b"a" * (limit - 5)
    assert refusal(GOOD[:-2] + longer) == 431
    assert refusal(with_line(longer)) == 431
    # The limit comes before the syntax, however it is cut.
    assert refusal(with_line(longer.replace(b":", b" "))) == 431


def test_second_of_many_long_lines_is_found() -> None:
    limits = Limits(request_line=300)
    longest = b"Name: " + b"a" * 294 + b"\r\n"
    assert read(GOOD[:-2] + longest * 9 + b"\r\n", limits).headers["name"]
    longer = b"N" + longest
    assert refusal(GOOD[:-2] + longest * 3 + longer + longest * 3, limits) == 431


def test_head_over_the_limit_is_refused_before_it_ends() -> None:
    limit = LIMITS.header_bytes
    room = limit - len(GOOD)
    lines = b"Name: " + b"a" * 7992 + b"\r\n"
    last = b"Last: " + b"a" * (room - len(lines) - 8) + b"\r\n"
    for shorter in (1, 0):
        head = GOOD[:-2] + lines + b"Last: " + last[6 + shorter :] + b"\r\n"
        assert len(head) == limit - shorter
        read(head + b"rest" * 100)
    longer = GOOD[:-2] + lines + last.replace(b"Last", b"Lasts") + b"\r\n"
    assert len(longer) == limit + 1
    assert refusal(longer) == 431
    assert verdict([longer[:-1]])[0] is None
    assert refusal(longer[:-4] + b"aaaa") == 431


def test_limit_that_is_passed_first_is_told_however_the_head_is_cut() -> None:
    data = GOOD[:-2] + b"Name: " + b"a" * 7992 + b"\r\nLast: " + b"a" * 20_000
    for size in (1, 1000, len(data)):
        reader = RequestReader(LIMITS)
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        with pytest.raises(Refused, match="at most 16384 bytes in all"):
            all(reader.feed(piece) is None for piece in pieces)


def test_headers_over_the_limit_are_refused_before_the_head_ends() -> None:
    count = GOOD.count(b"\n") - 2
    for headers in (99, 100):
        lines = b"a: b\r\n" * (headers - count)
        assert len(read(GOOD[:-2] + lines + b"\r\n").headers["a"]) == headers - count
    lines = b"a: b\r\n" * (101 - count)
    assert refusal(GOOD[:-2] + lines) == 431
    assert refusal(GOOD[:-2] + lines + b"\r\n") == 431
    assert refusal(GOOD[:-2] + lines[:-2] + b"\n") == 431


def test_flood_of_short_lines_is_refused() -> None:
    assert refusal(GOOD[:-2] + b"a:\r\n" * 100_000) == 431


# --- what the parser would let pass ----------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"localhost:8080",
        b"127.0.0.1",
        b"[::1]:8080",
        b"[::ffff:1.2.3.4]",
        b"my_host.example.",
        b"a:",
        b"EXAMPLE.com:443",
    ],
)
def test_valid_host_is_accepted(host: bytes) -> None:
    read(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"Host:\r\n",
        b"Host: \r\n",
        b"Host: a\r\nHost: a\r\n",
        b"Host: a\r\nhost: b\r\n",
        b"Host: a, b\r\n",
        b"Host: a b\r\n",
        b"Host: a/b\r\n",
        b"Host: a@b\r\n",
        b"Host: http://a\r\n",
        b"Host: a:b\r\n",
        b"Host: a:123456\r\n",
        b"Host: ::1\r\n",
        b"Host: [::1\r\n",
        b"Host: [a]b\r\n",
        b"Host: \xe4\r\n",
        b"Host: a?b\r\n",
        b"Host: a\\b\r\n",
        b"Host: <a>\r\n",
    ],
)
def test_host_that_is_not_exactly_one_valid_is_refused(lines: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\n" + lines + b"\r\n") == 400


def test_http_1_0_may_come_without_host_but_not_with_two() -> None:
    assert read(b"GET /healthz HTTP/1.0\r\n\r\n").headers == {}
    assert refusal(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: identity\r\n", 400),
        (b"Transfer-Encoding:\r\n", 400),
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n", 400),
        (b"Content-Length: 99999999999999999999999\r\nTransfer-Encoding: a\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        (b"Content-Length: 5, 5\r\n", 400),
        (b"Content-Length: -5\r\n", 400),
        (b"Content-Length: +5\r\n", 400),
        (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: 5 5\r\n", 400),
        (b"Content-Length: \xb2\r\n", 400),
        (b"Content-Length: 5.0\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: 99999999999999999999999\r\n", 413),
    ],
)
def test_doubtful_length_is_refused(lines: bytes, status: int) -> None:
    for method in (b"GET", b"POST"):
        head = method + b" /ws HTTP/1.1\r\nHost: a\r\n"
        assert refusal(head + lines + b"\r\n") == status
        assert (
            refusal(
                head
                + b"Upgrade: websocket\r\nConnection: upgrade\r\n"
                + lines
                + b"\r\n"
            )
            == status
        )


@pytest.mark.parametrize(
    "lengths", [["5", "5"], ["5", "6"], [""], ["+5"], ["5 5"], ["5, 5"], ["\u00b2"]]
)
def test_doubtful_length_is_refused_whatever_the_parser_says(
    lengths: list[str],
) -> None:
    with pytest.raises(Refused, match="Content-Length"):
        _declared_body(Request("POST", "/", 1, {"content-length": lengths}))


@pytest.mark.parametrize("length", [0, 1, 65536, 65537, 10**18])
def test_declared_body_is_noted(length: int) -> None:
    assert read(with_line(b"Content-Length: %d" % length)).body == length


# --- any bytes -------------------------------------------------------------------

SPECIAL = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"\r\n\r\n", b"#"),
        *(b"\r\n ", b"/", b"\xff", b"\x16", b"a" * 99, b"POST", b"Host: a\r\n"),
        *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request with up to four places overwritten, cut out or put in."""
    data = GOOD
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from([0, 0, 1, 2, 8, 40]))
        piece = draw(st.one_of(SPECIAL, st.binary(max_size=3), st.just(b"")))
        data = data[:at] + piece + data[at + cut :]
    return data


TIGHT = Limits(request_line=256, header_bytes=400, headers=9)


@settings(deadline=None)
@given(mutated(), st.data())
def test_how_a_mutated_request_is_cut_never_matters(
    data: bytes, draws: st.DataObject
) -> None:
    cuts = draws.draw(st.lists(st.integers(0, len(data)), max_size=6).map(sorted))
    pieces = [
        data[start:end]
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)
    ]
    for limits in (LIMITS, TIGHT):
        whole, _ = verdict([data], limits)
        assert verdict(pieces, limits)[0] == whole
        assert verdict([bytes([byte]) for byte in data], limits)[0] == whole


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_refused_or_waited_for(pieces: list[bytes]) -> None:
    result, _ = verdict(pieces)
    assert result is None or result in (400, 405, 414, 431, 505)


@settings(deadline=None)
@given(mutated())
def test_what_is_read_from_a_mutated_request_is_what_h11_reads(data: bytes) -> None:
    reader = RequestReader(LIMITS)
    try:
        request = reader.feed(data)
    except Refused:
        return
    if request is None:
        return
    head = data[: len(data) - len(reader.rest)].removeprefix(b"\r\n")
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(head)
    event = judge.next_event()
    assert isinstance(event, h11.Request)
    assert event.method.decode() == request.method
    assert event.target.decode() == request.target
    headers: dict[str, list[str]] = {}
    for name, value in event.headers:
        headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
    assert headers == request.headers
