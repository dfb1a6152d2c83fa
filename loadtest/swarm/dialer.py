"""Connecting, from as many addresses as it takes."""

import errno
import socket
from typing import Final

_MOST_ADDRESSES: Final = 250
_BIND_ADDRESS_NO_PORT: Final = 24
"""linux/in.h; the socket module has it from Python 3.12 on."""


class Dialer:
    """Connects to one address.

    Args:
        address: numeric, of the server.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._loopback = address[0].startswith("127.")
        self._bound = 0

    def connect(self, sock: socket.socket) -> int:
        """Begin to connect; go on from the next of 127.0.0.0/8 when ports run out.

        Returns:
            What connect(2) does: an errno, EINPROGRESS if all is well.
        """
        if self._bound:
            self._bind(sock)
        error = sock.connect_ex(self._address)
        while error == errno.EADDRNOTAVAIL and self._loopback:
            if self._bound == _MOST_ADDRESSES:
                break
            self._bound += 1
            self._bind(sock)
            error = sock.connect_ex(self._address)
        return error

    def _bind(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port is chosen at connect(), by the pair of addresses (ip(7)).
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.0.{1 + self._bound}", 0))
