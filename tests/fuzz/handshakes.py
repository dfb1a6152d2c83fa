"""Opening handshakes as people who mean no good, or no WebSocket, send them."""

from random import Random
from typing import Final

from tests.e2e.raw import HEAD, KEY, begin, frame, upgrade, without
from tests.fuzz.mutation import cut, mutate

MARK: Final = "m4rk3r"
"""Stands in the paths and headers of templates: no answer and no log may have it."""


def _with(*lines: str) -> bytes:
    return upgrade(f"/rooms/{MARK}", "".join(f"{line}\r\n" for line in lines))


def _raw(extra: bytes) -> bytes:
    return f"GET /rooms/{MARK} HTTP/1.1\r\n{HEAD}".encode() + extra + b"\r\n"


GOOD: Final[dict[str, bytes]] = {
    "plain": upgrade(f"/rooms/{MARK}"),
    "native": upgrade("/ws", "Sec-WebSocket-Protocol: hubbub.v1.msgpack\r\n"),
    "browser": _with(
        "Origin: http://localhost",
        f"User-Agent: Mozilla/5.0 {MARK}",
        "Accept-Language: de,en;q=0.5",
        f"Cookie: a={MARK}; b=2",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ),
    "early frames": upgrade(f"/rooms/{MARK}") + frame(1, b"early") + frame(9, b"?"),
    "health": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
"""Answered with 101 or 200 as they are; what is changed a little may be, too."""

BAD: Final[dict[str, bytes]] = {
    "no upgrade": begin(b"GET / HTTP/1.1").replace(b"Upgrade", b"Elsewhere"),
    "method": begin(b"POST /rooms/lobby HTTP/1.1"),
    "no such method": begin(b"BREW /rooms/lobby HTTP/1.1"),
    "connect": begin(b"CONNECT localhost:80 HTTP/1.1"),
    "http/1.0": begin(b"GET /rooms/lobby HTTP/1.0"),
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "tls": bytes.fromhex("16030100f8010000f40303") + bytes(range(237)),
    "absolute target": begin(b"GET http://localhost/ws HTTP/1.1"),
    "target outside": begin(b"GET /rooms/../../etc/passwd HTTP/1.1"),
    "target with nul": begin(b"GET /rooms/%00%2f HTTP/1.1"),
    "long target": begin(b"GET /rooms/" + b"a" * 5000 + b" HTTP/1.1"),
    "no host": without("Host"),
    "two hosts": without("Host", "Host: a", f"Host: {MARK}"),
    "bad host": without("Host", "Host: a b/c"),
    "key": without("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="),
    "two keys": without(
        "Sec-WebSocket-Key", *[f"Sec-WebSocket-Key: {KEY}" for _ in range(2)]
    ),
    "version": without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
    "h2c": without("Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "folded": _raw(b"X-Folded: a\r\n b\r\n"),
    "space before colon": _raw(b"X-Spaced : a\r\n"),
    "nul": _raw(b"X-Nul: \x00" + MARK.encode() + b"\r\n"),
    "bare line feeds": upgrade(f"/rooms/{MARK}").replace(b"\r\n", b"\n"),
    "escape": _raw(b"X-Colour: \x1b[2J\x07\r\n"),
    "body": _with("Content-Length: 10") + b"0123456789",
    "chunked and length": _with("Transfer-Encoding: chunked", "Content-Length: 3"),
    "pipelined": begin(b"GET /no/such/path HTTP/1.1") + upgrade("/rooms/lobby"),
    "120 headers": _with(*[f"X-{n}: {MARK}" for n in range(120)]),
    "20 KiB of headers": _with(*[f"X-{n}: " + "a" * 4000 for n in range(5)]),
    "long header": _with("X-Long: " + "a" * 9000),
    "noise": b"\x00\x01SSH-2.0-OpenSSH\r\n\x80\xff\xfe",
}
"""Refused with an HTTP status, each of them."""

TEMPLATES: Final = tuple(GOOD.items()) + tuple(BAD.items())
_ALL: Final = tuple(GOOD.values()) + tuple(BAD.values())


def handshake(random: Random) -> tuple[str, bytes]:
    """Return the name of a template and what became of it."""
    name, data = random.choice(TEMPLATES)
    way = random.randrange(8)
    if way == 0:
        return name, data
    if way == 1:
        # A header again, huge, or many of them.
        head, found, rest = data.partition(b"\r\n")
        line = random.choice(data.split(b"\r\n"))
        more = random.choice((line, line * 40, (line + b"\r\n") * 40))
        return name, head + found + more + b"\r\n" + rest
    return name, mutate(random, data, _ALL)


def pieces(random: Random) -> tuple[str, list[bytes]]:
    """Return the same, in the pieces in which it is written."""
    name, data = handshake(random)
    if len(data) < 2 or random.random() < 0.6:
        return name, [data]
    return name, cut(random, data)
