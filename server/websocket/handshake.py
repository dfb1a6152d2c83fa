"""The opening handshake of RFC 6455 section 4.2, as functions of a request.

What the driver of a connection does with a piece of bytes, until one step raises
`Refused` (send `refusal_response`, then close) or the last one is done:

    request = reader.feed(data)                    # None: wait for more
    where = route(request.path)
    upgrade = check_upgrade(request, settings.origins)
    subprotocol = choose_subprotocol(upgrade.subprotocols)   # at /ws only
    send(upgrade_response(upgrade, subprotocol))
    frames.feed(reader.rest)                       # early frames are not lost

`/healthz` takes `check_get` and `http_response` instead of the last three. All these
names can be imported from here.
"""

import re
from binascii import b2a_base64
from collections.abc import Iterable
from hashlib import sha1
from typing import Final, NamedTuple

from hubbub.server.websocket.origin import origin_allowed
from hubbub.server.websocket.reader import RequestReader
from hubbub.server.websocket.request import (
    Refused,
    Request,
    check_get,
    check_no_body,
)
from hubbub.server.websocket.response import (
    header_lines,
    http_response,
    refusal_response,
)
from hubbub.server.websocket.route import Endpoint, Route, route

__all__ = [
    "JSON",
    "MSGPACK",
    "Endpoint",
    "Refused",
    "Request",
    "RequestReader",
    "Route",
    "Upgrade",
    "accept_key",
    "check_get",
    "check_upgrade",
    "choose_subprotocol",
    "http_response",
    "refusal_response",
    "route",
    "upgrade_response",
]

JSON: Final = "hubbub.v1.json"
MSGPACK: Final = "hubbub.v1.msgpack"

# RFC 6455 section 1.3.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Exactly 16 bytes in base64. The low bits of the last character belong to no byte;
# clients that leave them set are let in (RFC 4648 section 3.5 leaves it to us).
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 section 15.5.22 wants Upgrade with every 426, RFC 6455 section 4.4 the
# version.
_UPGRADE_REQUIRED: Final = (
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
)


class Upgrade(NamedTuple):
    """What a valid opening handshake asks for."""

    key: str
    """The Sec-WebSocket-Key."""
    subprotocols: list[str]
    """The subprotocols offered, the client's favourite first."""
    extensions: str
    """The extensions offered, as sent; empty for none."""


def check_upgrade(request: Request, origins: tuple[str, ...]) -> Upgrade:
    """Check an opening handshake (RFC 6455 section 4.2.1).

    Args:
        request: from a `RequestReader`, which has checked syntax, limits and Host.
        origins: the origins of web pages that may connect; empty for any. A request
            without Origin does not come from a browser and is let in.

    Raises:
        Refused: with the status that says what is wrong.
    """
    if request.method != "GET":
        raise Refused(405, "Use the method GET.", (("Allow", "GET"),))
    if request.minor < 1:
        raise Refused(400, "Speak HTTP/1.1.")
    check_no_body(request)
    if not request.is_upgrade:
        raise Refused(
            426,
            "Connect with a WebSocket client: this path needs the headers "
            "'Upgrade: websocket' and 'Connection: Upgrade'.",
            _UPGRADE_REQUIRED,
        )
    headers = request.headers
    if headers.get("sec-websocket-version") != ["13"]:
        raise Refused(426, "Send 'Sec-WebSocket-Version: 13'.", _UPGRADE_REQUIRED)
    keys = headers.get("sec-websocket-key", ())
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise Refused(400, "Send one Sec-WebSocket-Key: 16 bytes in base64.")
    sent = headers.get("origin")
    if sent is not None and (len(sent) != 1 or not origin_allowed(sent[0], origins)):
        raise Refused(
            403, "Pages of this origin may not connect; the setting 'origins' says who."
        )
    offered = headers.get("sec-websocket-protocol")
    return Upgrade(
        keys[0],
        _tokens(offered) if offered else [],
        ", ".join(headers.get("sec-websocket-extensions", ())),
    )


def _tokens(values: list[str]) -> list[str]:
    """Return the tokens of a list header; empty elements are none (RFC 9110 5.6.1)."""
    tokens = []
    for part in ",".join(values).split(","):
        token = part.strip(" \t")
        if token:
            if not _TOKEN.fullmatch(token):
                raise Refused(400, "Offer subprotocols as names between commas.")
            tokens.append(token)
    return tokens


def choose_subprotocol(offered: list[str]) -> str | None:
    """Choose the subprotocol of the native dialect.

    Args:
        offered: the client's subprotocols, its favourite first.

    Returns:
        The client's favourite among ours. None if it offers none at all: then JSON
        is spoken, and the answer names no subprotocol.

    Raises:
        Refused: 400 if it offers others only.
    """
    if not offered:
        return None
    for subprotocol in offered:
        if subprotocol in (JSON, MSGPACK):
            return subprotocol
    raise Refused(400, f"Offer the subprotocol {JSON} or {MSGPACK}, or none.")


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that proves that `key` was understood."""
    digest = sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    return b2a_base64(digest, newline=False).decode("ascii")


def upgrade_response(
    upgrade: Upgrade,
    subprotocol: str | None = None,
    extra_headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return the answer with which the connection becomes a WebSocket.

    Args:
        upgrade: what was asked for.
        subprotocol: one of those offered, or None.
        extra_headers: more header fields.

    Raises:
        ValueError: the subprotocol was not offered, or a field is malformed.
    """
    if subprotocol is None:
        chosen = ""
    elif subprotocol in upgrade.subprotocols:
        chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    else:
        raise ValueError(f"subprotocol {subprotocol!r} was not offered")
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(upgrade.key)}\r\n"
        f"{chosen}{header_lines(extra_headers)}\r\n"
    ).encode("ascii")
