"""Clients that send what costs them little and should cost a server a lot."""

import select
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.e2e.raw import BINARY, CLOSE, CONTINUATION, PING, TEXT, Raw, frame, head
from tests.e2e.raw import upgrade as handshake
from tests.faults.client import split

MIB: Final = 1 << 20
_OFFER: Final = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
_NATIVE: Final = "Sec-WebSocket-Protocol: hubbub.v1.json\r\n"


@dataclass(frozen=True)
class Flood:
    """What one offender does.

    Attributes:
        name: in words.
        data: what it sends.
        code: the close code it must get.
        path: where it connects.
        lines: more headers of its handshake.
        again: whether it sends its data again and again.
        deaf: how long it reads nothing, seconds.
        lasting: whether it is ended for going on, so that it takes `limits.flood`.
        most: bytes it gets rid of before it is dropped without a code, because it
            floods on while it is being closed; 0: it is told its code.
    """

    name: str
    data: bytes
    code: int
    path: str = "/rooms/floods"
    lines: str = ""
    again: bool = False
    deaf: float = 0.0
    lasting: bool = False
    most: int = 0


@dataclass
class Fate:
    """What became of an offender."""

    code: int = 0
    """Its close code; 0: none was read."""
    took: float = 0.0
    """Until its connection had ended, seconds."""
    sent: int = 0
    """Bytes that the kernel took."""


def bomb() -> bytes:
    """Return 64 MiB of zeros as one compressed message of 64 KiB."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = squeeze.compress(bytes(64 * MIB)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return head(0xC0 | BINARY, len(data[:-4])) + data[:-4]


def command(data: bytes) -> bytes:
    """Return a native publish of this JSON text."""
    return frame(TEXT, b'{"type":"publish","id":1,"room":"floods","data":%b}' % data)


def floods() -> list[Flood]:
    """Return one of each kind."""
    crumbs = frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"a", fin=False) * 65535
    deep = command(b"[" * 200 + b"]" * 200)
    deeper = command(b"[" * 60_000)
    lone = command(b'"\\ud800"')
    return [
        Flood(
            "messages of 20 bytes",
            frame(TEXT, b"twenty bytes of text") * 1000,
            1008,
            again=True,
            lasting=True,
        ),
        Flood(
            "messages of 4 KiB, echoed and not read",
            frame(TEXT, b"x" * 4096) * 10,
            4008,
            "/rooms/floods?echo=1",
            again=True,
            deaf=0.5,
            most=64 * MIB,
        ),
        Flood("pings", frame(PING, b"ping" * 8) * 1000, 1008, again=True, lasting=True),
        Flood("65,536 fragments of 1 byte", crumbs, 1009),
        Flood("64 MiB deflated to 64 KiB", bomb(), 1009, lines=_OFFER),
        Flood("1 TiB declared", head(0x80 | BINARY, 1 << 40), 1009),
        Flood("JSON 200 deep", deep, 1008, "/ws", _NATIVE, again=True),
        Flood("JSON 60,000 deep", deeper, 1008, "/ws", _NATIVE, again=True),
        Flood("lone surrogates in UTF-8", frame(TEXT, b"\xed\xa0\x80"), 1007),
        Flood("lone surrogates in JSON", lone, 1008, "/ws", _NATIVE, again=True),
    ]


def run(
    port: int, flood: Flood, meanwhile: Callable[[], None], patience: float
) -> Fate:
    """Let an offender do its worst until its connection has ended.

    Args:
        port: of the server on loopback.
        flood: what it does.
        meanwhile: called again and again; takes a moment.
        patience: seconds after which it gives up.
    """
    fate, begun = Fate(), time.monotonic()
    with Raw(port) as client:
        client.send(handshake(flood.path, flood.lines))
        assert client.read_response().status == 101
        client.socket.setblocking(False)
        unsent, data, sending = flood.data, b"", True
        poll = select.poll()
        while time.monotonic() < begun + patience:
            listening = time.monotonic() >= begun + flood.deaf
            mask = select.POLLIN * listening | select.POLLOUT * sending
            poll.register(client.socket, mask)
            ready = poll.poll(20)
            meanwhile()
            for _, mask in ready:
                if mask & select.POLLOUT and sending:
                    try:
                        sent = client.socket.send(unsent)
                    except OSError:
                        sending = False  # It was told why.
                        continue
                    fate.sent += sent
                    unsent = unsent[sent:] or (flood.data if flood.again else b"")
                    sending = bool(unsent)
                if mask & ~select.POLLOUT:
                    try:
                        more = client.socket.recv(MIB)
                    except BlockingIOError:
                        continue
                    except OSError:
                        more = b""
                    if not more:
                        fate.took = time.monotonic() - begun
                        return fate
                    frames, taken = split(data + more)
                    data = (data + more)[taken:]
                    for opcode, payload in frames:
                        if opcode == CLOSE:
                            fate.code = int.from_bytes(payload[:2], "big")
                            sending = False
    fate.took = float("nan")
    return fate
