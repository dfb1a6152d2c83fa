"""Read the head of an HTTP request, byte by byte if need be, and trust none of it.

httptools parses; the policy is here, because the parser has none: it takes HTTP/1.0
and 2.0, CONNECT and h2c as upgrades, knows no limits and would go on with a second
request in the same call. So a `RequestReader` counts raw bytes from the first one,
refuses as soon as a limit is passed, checks the syntax of every line (RFC 9112) and
gives the parser exactly one complete head.

The rules, in the order in which they are applied to each line: its length, the
number of lines, its syntax. How a request was cut into pieces never changes the
answer. Nothing a client sent is ever part of a refusal's reason.
"""

import re
from functools import lru_cache
from typing import Final

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from hubbub.server.websocket.request import Refused, Request, large_body
from hubbub.settings import KIB, Limits

TARGET_LIMIT: Final = 4 * KIB
"""Longest request target in bytes; longer ones get 414."""

# What an API may be asked with; any other method gets 405 without being parsed.
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
)
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# A request begins with a method, or with the empty line of RFC 9112 section 2.2.
_OPENING: Final = frozenset(
    b"\r!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
_REQUEST_LINE: Final = re.compile(rb"(%b+) ([!-~]+) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN)
# RFC 3986 section 3.2.2, without IPvFuture; an empty host is refused as well.
_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?"
)
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
# A length that the parser cannot count: too large is the better answer than wrong.
_HUGE_BODY: Final = re.compile(rb"(?i:\ncontent-length):[ \t]*[0-9]{19,}[ \t]*\r\n")


@lru_cache(maxsize=8)
def _field_lines(most: int) -> re.Pattern[bytes]:
    """Return the pattern of up to `most` well-formed field lines (RFC 9112 section 5).

    No space before the colon, no obs-fold, no control bytes, CRLF and nothing less.
    No two parts of it can match the same byte, so that it tries nothing twice.
    """
    return re.compile(rb"(?:%b+:[\t -~\x80-\xff]*\r\n){0,%d}" % (_TOKEN, most))


class _Fields:
    """Collects what the parser finds."""

    __slots__ = ("count", "headers")

    def __init__(self) -> None:
        self.count = 0
        self.headers: dict[str, list[str]] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        key = name.decode("ascii").lower()
        # The parser strips white space before a value, not after it.
        text = value.decode("latin-1").rstrip(" \t")
        values = self.headers.get(key)
        if values is None:
            self.headers[key] = [text]
        else:
            values.append(text)


class RequestReader:
    """The bytes of a connection until its first request is complete.

    Feed it everything that is received until it returns a request or raises
    `Refused`; it is spent then. It costs time in proportion to the bytes fed,
    however they are cut.

    Attributes:
        rest: what followed the head in the same piece: early frames after an
            upgrade. Whoever takes over the connection must read it first.
    """

    __slots__ = (
        "_buffer",
        "_count",
        "_limits",
        "_line",
        "_method",
        "_minor",
        "_target",
        "rest",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Nothing is copied for a request that comes in one piece, as nearly all do.
        self._buffer: bytearray | None = None
        self._line = 0  # where the first unfinished line begins
        self._count = 0  # complete field lines
        self._method = ""  # empty until the request line is complete
        self._target = ""
        self._minor = 0
        self.rest = b""

    def feed(self, data: bytes) -> Request | None:
        """Take what was received.

        Args:
            data: the next bytes, at least one.

        Returns:
            The request once its head is complete, else None: feed more.

        Raises:
            Refused: answer with `refusal_response`, then close. It is raised with
                the first byte over a limit, not at the end of the head.
        """
        if not data:
            return None
        buffer: bytes | bytearray
        if self._buffer is not None:
            self._buffer += data
            buffer = self._buffer
        elif data[0] in _OPENING:
            buffer = data
        else:
            # The usual case is the first byte of TLS: 0x16.
            raise Refused(
                400, "This is not HTTP; connect with ws:// or http:// and without TLS."
            )
        if b"\n" in data:
            end = self._take_lines(buffer)
            if end:
                self.rest = bytes(buffer[end:])
                self._buffer = None
                return self._parse(bytes(buffer[:end]))
        self._check_unfinished_line(buffer)
        if self._buffer is None:
            self._buffer = bytearray(data)
        return None

    def _take_lines(self, buffer: bytes | bytearray) -> int:
        """Check every complete line; return where the head ends, 0 if not here."""
        limits = self._limits
        stop = min(len(buffer), limits.header_bytes)
        line = self._line
        if not self._method:
            if buffer.startswith(b"\r\n"):
                # RFC 9112 section 2.2: be lenient about one empty line before. So
                # is the parser.
                self._line = line = 2
            end = buffer.find(b"\n", line, stop)
            if end < 0:
                return 0
            self._take_request_line(buffer, line, end)
            line = end + 1
        match = _field_lines(limits.headers + 1).match(buffer, line, stop)
        end = match.end() if match else line
        self._check_field_lines(buffer, line, end)
        if buffer.startswith(b"\r\n", end, stop):
            return end + 2
        wrong = buffer.find(b"\n", end, stop)
        if wrong >= 0:
            self._check_field_lines(buffer, end, wrong + 1)
            raise Refused(
                400,
                "Send each header as 'name: value' on a line of its own that ends "
                "with CR LF.",
            )
        self._line = end
        return 0

    def _take_request_line(
        self, buffer: bytes | bytearray, line: int, end: int
    ) -> None:
        """Check the request line, whose line feed is at `end`, and remember it."""
        self._check_request_line_length(buffer, line, end)
        match = _REQUEST_LINE.fullmatch(buffer, line, end + 1)
        if match is None:
            raise Refused(400, "Begin with a line such as 'GET /ws HTTP/1.1'.")
        method, target, major, minor = match.groups()
        if major != b"1":
            raise Refused(505, "Speak HTTP/1.1.")
        self._method = method.decode("ascii")
        self._target = target.decode("ascii")
        self._minor = int(minor)
        if self._method not in _METHODS:
            raise Refused(405, "Use the method GET.", (("Allow", "GET"),))
        # RFC 9112 section 3.2 has three more forms, for proxies; a fragment is
        # never sent.
        if self._target[0] != "/" or "#" in self._target:
            raise Refused(400, "Ask for a path that begins with / and has no #.")

    def _check_request_line_length(
        self, buffer: bytes | bytearray, line: int, end: int
    ) -> None:
        target = buffer.find(b" ", line, end) + 1
        if (
            target
            and end - target > TARGET_LIMIT
            and buffer.find(b" ", target, target + TARGET_LIMIT + 1) < 0
        ):
            raise Refused(
                414, f"Ask for a path and query of at most {TARGET_LIMIT} bytes."
            )
        longest = self._limits.request_line
        if _length(buffer, line, end) > longest:
            raise Refused(414, f"Send a request line of at most {longest} bytes.")

    def _check_field_lines(
        self, buffer: bytes | bytearray, line: int, end: int
    ) -> None:
        """Check length and number of the field lines between `line` and `end`."""
        longest = self._limits.request_line
        self._count += buffer.count(b"\n", line, end)
        if self._count > self._limits.headers:
            raise Refused(431, f"Send at most {self._limits.headers} headers.")
        if end - line > longest + 1:
            while line < end:
                feed = buffer.find(b"\n", line)
                if _length(buffer, line, feed) > longest:
                    raise _long_line(longest)
                line = feed + 1

    def _check_unfinished_line(self, buffer: bytes | bytearray) -> None:
        limits = self._limits
        # No further than where the head is too long, however much came with it: the
        # limit that is passed first is the one that is told.
        end = min(len(buffer), limits.header_bytes + 1)
        if not self._method:
            self._check_request_line_length(buffer, self._line, end)
        elif _length(buffer, self._line, end) > limits.request_line:
            raise _long_line(limits.request_line)
        if end > limits.header_bytes:
            raise Refused(
                431, f"Send headers of at most {limits.header_bytes} bytes in all."
            )

    def _parse(self, head: bytes) -> Request:
        fields = _Fields()
        parser = HttpRequestParser(fields)
        if self._minor > 1:
            # RFC 9110 section 2.5: a higher minor version is read as the highest
            # one known. The parser knows only 1.1.
            parser.set_dangerous_leniencies(lenient_version=True)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            pass  # its way to say that headers of an upgrade are complete
        except HttpParserCallbackError:
            raise  # ours, not the client's
        except HttpParserError as error:
            if _HUGE_BODY.search(head) and b"transfer-encoding" not in head.lower():
                raise large_body() from error
            raise Refused(400, "Send a well-formed HTTP request.") from error
        if fields.count != self._count:
            # The parser saw other lines than were checked.
            raise Refused(400, "Send a well-formed HTTP request.")
        request = Request(self._method, self._target, self._minor, fields.headers)
        _check_host(request)
        request.body = _declared_body(request)
        return request


def _length(buffer: bytes | bytearray, line: int, end: int) -> int:
    """Return the length of a line without its line end, be it complete or not."""
    return end - line - (buffer[end - 1] == 0x0D)


def _long_line(longest: int) -> Refused:
    return Refused(431, f"Send headers of at most {longest} bytes a line.")


def _check_host(request: Request) -> None:
    """Want exactly one valid Host (RFC 9112 section 3.2); HTTP/1.0 may have none."""
    hosts = request.headers.get("host")
    if hosts is None:
        if request.minor == 0:
            return
    elif len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
        return
    raise Refused(400, "Send exactly one Host header: the name and port of the URL.")


def _declared_body(request: Request) -> int:
    """Return the length of the body; be strict, or requests could be smuggled in."""
    headers = request.headers
    if "transfer-encoding" in headers:
        # RFC 9112 section 6.3: with Content-Length it may be an attack, and a
        # server need not know any coding (RFC 9110 section 10.1.4, 411).
        raise Refused(400, "Send no Transfer-Encoding; give the Content-Length.")
    lengths = headers.get("content-length")
    if lengths is None:
        return 0
    if len(lengths) != 1 or not _DIGITS.fullmatch(lengths[0]):
        raise Refused(400, "Send one Content-Length: the number of bytes.")
    return int(lengths[0])
