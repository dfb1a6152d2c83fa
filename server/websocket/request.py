"""The head of a request, as a value, and the exception that refuses one."""

from typing import Final

from hubbub.server.websocket.query import parse_query
from hubbub.settings import KIB

BODY_LIMIT: Final = 64 * KIB
"""Largest body in bytes a request may declare; larger ones get 413."""

Pairs = tuple[tuple[str, str], ...]


class Refused(Exception):
    """The request is answered with an HTTP status and the connection closed.

    Attributes:
        status: the HTTP status.
        reason: one sentence for people that says what to do instead. It never holds
            anything the client sent, so that it may be shown and counted by.
        headers: header fields the status calls for, such as Allow.
    """

    def __init__(self, status: int, reason: str, headers: Pairs = ()) -> None:
        super().__init__(status, reason, headers)
        self.status = status
        self.reason = reason
        self.headers = headers


class Request:
    """The head of one request.

    Attributes:
        method: as sent, one of the methods an HTTP API may use.
        target: as sent; always begins with `/`.
        path: the target without its query, not decoded.
        minor: the minor version of HTTP: 0, 1 or (rarely) more.
        headers: every header field: lower-case name, values in the order sent.
        body: length in bytes of the body that follows; 0 for none.
    """

    __slots__ = ("body", "headers", "method", "minor", "path", "target")

    def __init__(
        self, method: str, target: str, minor: int, headers: dict[str, list[str]]
    ) -> None:
        self.method = method
        self.target = target
        self.path = target.partition("?")[0]
        self.minor = minor
        self.headers = headers
        self.body = 0

    @property
    def query(self) -> dict[str, str]:
        """The first value of each name in the query, decoded. Made at each call."""
        return parse_query(self.target.partition("?")[2])

    @property
    def is_upgrade(self) -> bool:
        """Whether the client asks for the WebSocket protocol (RFC 6455 4.2.1)."""
        return self.has_token("upgrade", "websocket") and self.has_token(
            "connection", "upgrade"
        )

    def has_token(self, name: str, token: str) -> bool:
        """Say whether `token` (lower case) is in the list that header `name` is."""
        for value in self.headers.get(name, ()):
            value = value.lower()
            if value == token:
                return True
            if "," in value and token in [part.strip() for part in value.split(",")]:
                return True
        return False


def large_body() -> Refused:
    """Return the refusal of a body over `BODY_LIMIT`."""
    return Refused(413, f"Send at most {BODY_LIMIT} bytes in the body.")


def check_no_body(request: Request) -> None:
    """Refuse a request that declares a body where there is no use for one.

    Raises:
        Refused: 413 for one over `BODY_LIMIT`, else 400.
    """
    if request.body > BODY_LIMIT:
        raise large_body()
    if request.body:
        raise Refused(400, "Send no body with this request.")


def check_get(request: Request) -> None:
    """Refuse what is not a plain GET or HEAD, as for `/healthz`.

    Raises:
        Refused: 405 for another method, 400 or 413 for a body.
    """
    if request.method not in ("GET", "HEAD"):
        raise Refused(405, "Use the method GET.", (("Allow", "GET, HEAD"),))
    check_no_body(request)
