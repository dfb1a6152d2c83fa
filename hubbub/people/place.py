"""Where a server is: the parts of its URL. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from hubbub.escape import quoted

DEFAULT = "ws://127.0.0.1:8080"
"""Where `hubbub serve` listens unless told otherwise."""

_SECURE = {"ws": False, "http": False, "wss": True, "https": True}
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Place:
    """A server to connect to."""

    secure: bool
    """Whether to speak TLS."""
    host: str
    """Name or address, without brackets."""
    port: int
    """TCP port."""
    target: str
    """Path and query of the WebSocket."""

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them (an IPv6 address in brackets)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.secure else 80
        return host if self.port == usual else f"{host}:{self.port}"


def parse_place(url: str) -> Place:
    """Read the URL of a server; without a path it is the native dialect's.

    Raises:
        ValueError: It is no such URL; the text is a sentence.
    """
    wrong = f"needs a URL such as {DEFAULT}, not {quoted(url)}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in _SECURE or not parts.hostname or not url.isascii():
        raise ValueError(wrong)
    if parts.username is not None or parts.fragment or not url.isprintable():
        raise ValueError(wrong)
    if " " in url or port == 0:
        raise ValueError(wrong)
    secure = _SECURE[parts.scheme]
    path = parts.path if parts.path not in ("", "/") else "/ws"
    return Place(
        secure=secure,
        # A server that listens on every address is met on this machine.
        host=_ANY_ADDRESS.get(parts.hostname, parts.hostname),
        port=port or (443 if secure else 80),
        target=f"{path}?{parts.query}" if parts.query else path,
    )
