"""Clients that take their time: silent, dripping, or half done."""

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tests.e2e.raw import TEXT, frame, upgrade


class Sloth(Enum):
    """How a client takes its time."""

    SILENT = "silent"
    """Connects, and says nothing."""
    DRIP = "drip"
    """Sends its handshake a byte at a time."""
    HALF = "half a frame"
    """Is upgraded, and sends half a frame."""
    IDLE = "upgraded, then nothing"
    """Is upgraded, and answers no ping."""


_REQUEST = upgrade("/rooms/sloths", "X-Long: " + "a" * 1000 + "\r\n")
_FRAME = frame(TEXT, b"half of this" * 8)


@dataclass(eq=False)
class Animal:
    """One of them."""

    kind: Sloth
    socket: socket.socket
    begun: float
    """When it connected, or was upgraded and began to do nothing."""
    ended: float = 0.0
    dripped: int = 0
    data: bytes = field(default=b"", repr=False)

    @property
    def end(self) -> str:
        """What it was told: an HTTP status, a close code, or nothing."""
        head, _, frames = self.data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            return head[9:12].decode() or "nothing"
        at = frames.find(b"\x88")
        return str(int.from_bytes(frames[at + 2 : at + 4], "big")) if at >= 0 else "cut"


class Sloths:
    """Many of them on one epoll.

    Args:
        port: of the server on loopback.
        pause: between two bytes of who drips, seconds.
    """

    def __init__(self, port: int, pause: float) -> None:
        self.all: list[Animal] = []
        self._port = port
        self._pause = pause
        self._dripped = 0.0
        self._epoll = select.epoll()
        self._live: dict[int, Animal] = {}

    def arrive(self, kinds: list[Sloth]) -> None:
        """Let one of each kind connect."""
        for kind in kinds:
            made = socket.create_connection(("127.0.0.1", self._port))
            if kind in (Sloth.HALF, Sloth.IDLE):
                made.sendall(_REQUEST)
            made.setblocking(False)
            animal = Animal(kind, made, time.monotonic())
            self.all.append(animal)
            self._live[made.fileno()] = animal
            self._epoll.register(made.fileno(), select.EPOLLIN)

    def watch(self, meanwhile: Callable[[], None], patience: float) -> None:
        """Go on until all have been sent away, or for `patience` seconds.

        Args:
            meanwhile: called again and again; takes a moment.
            patience: seconds.
        """
        end = time.monotonic() + patience
        while self._live and time.monotonic() < end:
            for number, _ in self._epoll.poll(0.02, 256):
                self._read(self._live[number])
            if time.monotonic() > self._dripped + self._pause:
                self._dripped = time.monotonic()
                self._drip()
            meanwhile()

    def close(self) -> None:
        for animal in self.all:
            animal.socket.close()
        self._epoll.close()

    def _read(self, animal: Animal) -> None:
        try:
            data = animal.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            animal.ended = time.monotonic()
            self._epoll.unregister(animal.socket.fileno())
            del self._live[animal.socket.fileno()]
            animal.socket.close()
            return
        if not animal.data and data.startswith(b"HTTP/1.1 101 "):
            animal.begun = time.monotonic()
            if animal.kind is Sloth.HALF:
                animal.socket.send(_FRAME[: len(_FRAME) // 2])
        animal.data += data

    def _drip(self) -> None:
        for animal in self._live.values():
            if animal.kind is Sloth.DRIP:
                at = animal.dripped
                try:
                    animal.socket.send(_REQUEST[at : at + 1])
                except OSError:
                    continue  # It has been answered; the answer is still to be read.
                animal.dripped += 1
