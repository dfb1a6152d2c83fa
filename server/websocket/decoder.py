"""Bytes of a client to messages: the receiving half of RFC 6455 section 5.

Pure: `feed` takes what a read returned and returns what it completed. One decoder
a connection, so it is small when nothing is in progress: a whole small message in
one read, the usual case, touches no state at all. Everything else goes through
`_Partial`, which takes payload as it comes (unmasked and, for text, validated at
once), so that a long message is never scanned twice, bad UTF-8 is refused inside
the fragment that carries it, and a limit is judged on the declared length, before
anything is buffered.
"""

from codecs import utf_8_decode
from typing import Final

from hubbub.codes import Close
from hubbub.server.websocket.deflate import inflate
from hubbub.server.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_CONTROL_PAYLOAD,
    PONG,
    TEXT,
    ProtocolError,
    parse_close,
)
from hubbub.settings import Limits

MOST_EVENTS: Final = 1024
"""Messages and control frames that one `feed` returns at most."""

Event = tuple[int, bytes]
"""(opcode, payload): a whole message (TEXT, BINARY) or one control frame."""

_from_bytes = int.from_bytes
_MASK: Final = 0x80
_RSV1: Final = 0x40
"""A message is compressed (RFC 7692 section 6)."""
_SMALL: Final = 125
"""Longest payload whose length is in the first two bytes (section 5.2)."""
_ALL: Final = tuple((1 << 8 * size) - 1 for size in range(_SMALL + 1))
"""By size, an integer of so many bytes of ones."""
_REPEAT: Final = tuple(
    sum(1 << at for at in range(0, 8 * size, 32)) for size in range(_SMALL + 1)
)
"""By size, what a mask is multiplied with to cover so many bytes."""
_FINAL_TEXT: Final = 0x80 | TEXT
_FINAL_BINARY: Final = 0x80 | BINARY


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Return `payload` xor `mask` repeated (section 5.3); its own inverse."""
    size = len(payload)
    key = (mask * ((size + 3) >> 2))[:size]
    return (_from_bytes(payload, "little") ^ _from_bytes(key, "little")).to_bytes(
        size, "little"
    )


def _most_declared(compressed: bool, limits: Limits) -> int:
    """Return the most payload bytes that the frames of a message may declare.

    What does not compress grows a little (RFC 1951 section 3.2.4: 5 bytes a block).
    """
    most = limits.message
    return most + (most >> 8) + 64 if compressed else most


def _validated(opcode: int, payload: bytes) -> bytes:
    if opcode == TEXT and not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise ProtocolError(Close.INVALID_DATA) from None
    return payload


class _Partial:
    """A message in progress: its fragments so far and the frame being received."""

    __slots__ = (
        "carry",
        "compressed",
        "final",
        "fragments",
        "mask",
        "opcode",
        "payload",
        "remaining",
        "size",
    )

    def __init__(self, opcode: int, compressed: bool) -> None:
        self.opcode = opcode
        self.compressed = compressed
        self.payload = bytearray()
        self.size = 0
        """Payload bytes declared by all frames so far."""
        self.fragments = 0
        self.carry = b""
        """The first bytes of a UTF-8 sequence that is not complete yet."""
        self.remaining = 0
        """Payload bytes of the current frame still to come."""
        self.final = False
        self.mask = b""

    def begin_frame(self, size: int, final: bool, mask: bytes, limits: Limits) -> None:
        self.size += size
        self.fragments += 1
        if self.size > _most_declared(self.compressed, limits):
            raise ProtocolError(Close.TOO_BIG)
        if self.fragments > limits.fragments:
            raise ProtocolError(Close.TOO_BIG, "too many fragments")
        self.remaining = size
        self.final = final
        self.mask = mask

    def take(self, chunk: bytes) -> None:
        """Take the next masked bytes of the current frame."""
        size = len(chunk)
        part = unmask(chunk, self.mask)
        turn = size & 3
        if turn:
            self.mask = self.mask[turn:] + self.mask[:turn]
        self.remaining -= size
        self.payload += part
        if self.opcode != TEXT or self.compressed:
            return  # Compressed text can be judged only as a whole.
        if self.carry or not part.isascii():
            self._validate(part)

    def _validate(self, part: bytes) -> None:
        text = self.carry + part
        try:
            _, used = utf_8_decode(text, "strict", False)
        except UnicodeDecodeError:
            raise ProtocolError(Close.INVALID_DATA) from None
        self.carry = text[used:]
        if b"\xed\xa0" <= self.carry < b"\xee":
            # Half a surrogate: Python waits for its third byte, whatever that is.
            raise ProtocolError(Close.INVALID_DATA)

    def finish(self, limits: Limits) -> Event:
        if self.compressed:
            whole = inflate(bytes(self.payload), limits.message)
            return self.opcode, _validated(self.opcode, whole)
        if self.carry:
            raise ProtocolError(Close.INVALID_DATA)
        return self.opcode, bytes(self.payload)


_ENDED: Final = _Partial(0, False)
"""In progress for ever: nothing that comes after a failure or a close frame counts."""


class Decoder:
    """Turns the bytes of one client into messages.

    After each `feed` handle the events it returned, in order, then look at
    `failure`: if it is set, send a close frame with its code and end the
    connection. After a failure or a close frame all further bytes are ignored.
    Then look at `more`: one read may hold ten thousand tiny messages, or thousands
    that inflate to fifty megabytes, and who is to carry them out has others to serve.

    Args:
        limits: `message` and `fragments` are judged here.
        deflate: whether permessage-deflate was negotiated.

    Attributes:
        failure: the rule that was broken, or None.
        more: whether frames wait that have come and were not taken: feed it b"",
            and no new bytes, when there is time for them.
        idle: whether nothing is in progress, waits or has failed.
        serial: counts messages of more than one frame or read (and control frames
            of more than one read), so that a caller with a clock can tell whether
            the one in progress is still the same.
    """

    __slots__ = (
        "_compressible",
        "_limits",
        "_partial",
        "_tail",
        "failure",
        "idle",
        "more",
        "serial",
    )

    def __init__(self, limits: Limits, deflate: bool = False) -> None:
        self._limits = limits
        self._compressible = (TEXT, BINARY) if deflate else ()
        self._tail = b""
        self._partial: _Partial | None = None
        self.idle = limits.message > _SMALL
        self.failure: ProtocolError | None = None
        self.more = False
        self.serial = 0

    @property
    def in_progress(self) -> bool:
        """Whether a message or frame has begun and not ended."""
        if self._partial is not None:
            return self._partial is not _ENDED
        return bool(self._tail and not self.more)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; return the messages and control frames they complete.

        At most MOST_EVENTS at a time, and of messages that are not tiny no more than
        one beyond `limits.message` bytes.

        Guarantees:
            Never raises for anything a peer can send: see `failure`.
            Text is valid UTF-8; a close payload is well formed.
        """
        size = len(data) - 6
        if 0 <= size <= _SMALL and self.idle and data[1] == size + _MASK:
            # Exactly one small message: 3 of 4 reads ever made.
            first = data[0]
            if first == _FINAL_TEXT or first == _FINAL_BINARY:
                payload = (
                    _from_bytes(data[6:], "little")
                    ^ _from_bytes(data[2:6], "little") * _REPEAT[size] & _ALL[size]
                ).to_bytes(size, "little")
                if first == _FINAL_BINARY or payload.isascii():
                    return [(first & 15, payload)]
        events: list[Event] = []
        if self._partial is _ENDED:
            return events
        try:
            self._parse(data, events)
        except ProtocolError as error:
            # The failure outlives this call: kept with its traceback and context it
            # would be a reference cycle that holds `data` until a collection.
            error.__context__ = None
            self.failure = error.with_traceback(None)
            self._partial = _ENDED
            self._tail = b""
        self.idle = (
            self._partial is None and not self._tail and self._limits.message > _SMALL
        )
        return events

    def _parse(self, data: bytes, events: list[Event]) -> None:
        fresh = 0  # Frames that begin before it were counted by an earlier read.
        if self._tail:
            data = self._tail + data
            self._tail = b""
            fresh = 0 if self.more else 1
            self.more = False
        limit = self._limits.message
        at, end, taken = 0, len(data), 0
        while at < end:
            if len(events) >= MOST_EVENTS or taken > limit:
                self._tail = data[at:]
                self.more = True
                return
            if self._partial is None and end - at >= 6:
                # A whole small message, in one read: 3 of 4 frames ever received.
                first = data[at]
                size = data[at + 1] - _MASK
                stop = at + 6 + size
                if (
                    0 <= size < 126
                    and stop <= end
                    and (first == _FINAL_TEXT or first == _FINAL_BINARY)
                    and size <= limit
                ):
                    mask = _from_bytes(data[at + 2 : at + 6], "little")
                    payload = (
                        _from_bytes(data[at + 6 : stop], "little")
                        ^ mask * _REPEAT[size] & _ALL[size]
                    ).to_bytes(size, "little")
                    if first == _FINAL_TEXT and not payload.isascii():
                        try:
                            payload.decode()
                        except UnicodeDecodeError:
                            raise ProtocolError(Close.INVALID_DATA) from None
                    events.append((first & 15, payload))
                    at = stop
                    continue
            begins = self._partial is None and at >= fresh
            used = self._step(data, at, end, events)
            if self._partial is _ENDED:
                return
            if begins and (used == at or self._partial is not None):
                self.serial += 1
            if used == at:
                self._tail = data[at:]
                return
            if events and self._partial is None:
                taken += len(events[-1][1])
            at = used

    def _step(self, data: bytes, at: int, end: int, events: list[Event]) -> int:
        """Take one frame or a part of one; return where the next begins."""
        partial = self._partial
        if partial is not None and partial.remaining:
            stop = min(end, at + partial.remaining)
            partial.take(data[at:stop])
            self._finish_frame(partial, events)
            return stop
        if end - at < 2:
            return at
        first, second = data[at], data[at + 1]
        opcode = first & 15
        self._check_head(first, second, opcode)
        size, head = second - _MASK, at + 2
        if size > MAX_CONTROL_PAYLOAD:
            width = 2 if size == 126 else 8
            if end - head < width:
                return at
            size = _from_bytes(data[head : head + width], "big")
            head += width
            if size < (126 if width == 2 else 65536) or size >> 63:
                raise ProtocolError(Close.PROTOCOL_ERROR, "length in a wrong form")
            # Judged before the mask has come: nothing is buffered for it.
            compressed = partial.compressed if partial else bool(first & _RSV1)
            so_far = partial.size if partial else 0
            if so_far + size > _most_declared(compressed, self._limits):
                raise ProtocolError(Close.TOO_BIG)
        if end - head < 4:
            return at
        mask, body = data[head : head + 4], head + 4
        if opcode >= CLOSE:
            if end - body < size:
                return at
            self._control(opcode, unmask(data[body : body + size], mask), events)
            return body + size
        if partial is None:
            compressed = bool(first & _RSV1)
            most = _most_declared(compressed, self._limits)
            if first & 0x80 and end - body >= size and size <= most:
                payload = unmask(data[body : body + size], mask)
                if compressed:
                    payload = inflate(payload, self._limits.message)
                events.append((opcode, _validated(opcode, payload)))
                return body + size
            partial = self._partial = _Partial(opcode, compressed)
        partial.begin_frame(size, bool(first & 0x80), mask, self._limits)
        stop = min(end, body + size)
        if stop > body:
            partial.take(data[body:stop])
        self._finish_frame(partial, events)
        return stop

    def _check_head(self, first: int, second: int, opcode: int) -> None:
        reserved = first & 0x70
        if reserved and (reserved != _RSV1 or opcode not in self._compressible):
            raise ProtocolError(Close.PROTOCOL_ERROR, "reserved bit set")
        if second < _MASK:
            raise ProtocolError(Close.PROTOCOL_ERROR, "frame not masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise ProtocolError(Close.PROTOCOL_ERROR, "reserved opcode")
            if not first & 0x80:
                raise ProtocolError(Close.PROTOCOL_ERROR, "fragmented control frame")
            if second - _MASK > MAX_CONTROL_PAYLOAD:
                raise ProtocolError(Close.PROTOCOL_ERROR, "control frame too long")
        elif opcode > BINARY:
            raise ProtocolError(Close.PROTOCOL_ERROR, "reserved opcode")
        elif opcode == CONTINUATION:
            if self._partial is None:
                raise ProtocolError(Close.PROTOCOL_ERROR, "nothing to continue")
        elif self._partial is not None:
            raise ProtocolError(Close.PROTOCOL_ERROR, "message inside a message")

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == CLOSE:
            parse_close(payload)
            self._partial = _ENDED
        events.append((opcode, payload))

    def _finish_frame(self, partial: _Partial, events: list[Event]) -> None:
        if not partial.remaining and partial.final:
            self._partial = None
            events.append(partial.finish(self._limits))
