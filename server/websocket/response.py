"""Plain HTTP answers. Every one of them ends its connection.

They say nothing of the server's version and nothing that a client sent. There is no
Date: this code has no clock, and RFC 9110 section 6.6.1 asks for none then.
"""

from collections.abc import Iterable
from http import HTTPStatus

from hubbub.server.websocket.request import Refused


def header_lines(headers: Iterable[tuple[str, str]]) -> str:
    """Return header fields as they are sent.

    Raises:
        ValueError: a field has a line end or a NUL in it; that is a mistake of ours.
    """
    lines = []
    for name, value in headers:
        line = f"{name}: {value}"
        if not line.isascii() or not line.isprintable() or ":" in name:
            raise ValueError(f"not a header field: {line!r}")
        lines.append(line + "\r\n")
    return "".join(lines)


def http_response(
    status: int,
    body: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    head_only: bool = False,
) -> bytes:
    """Return a complete answer; shut the connection down after it.

    Args:
        status: the HTTP status.
        body: plain text.
        headers: more header fields; `Upgrade` is named in Connection as well.
        head_only: leave the body out, as the answer to HEAD does.
    """
    content = body.encode()
    fields = list(headers)
    # RFC 9110 section 7.8: who sends Upgrade names it in Connection.
    upgrade = any(name.lower() == "upgrade" for name, _ in fields)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(content)}\r\n"
        f"Connection: close{', Upgrade' if upgrade else ''}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"{header_lines(fields)}\r\n"
    ).encode("ascii")
    return head if head_only else head + content


def refusal_response(refused: Refused, *, head_only: bool = False) -> bytes:
    """Return the answer to a request that is refused; its body is the reason."""
    return http_response(
        refused.status, refused.reason + "\n", refused.headers, head_only=head_only
    )
