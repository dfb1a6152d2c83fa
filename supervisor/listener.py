"""The one listening socket that every worker inherits, and the file limit it needs."""

import errno
import resource
import socket
import time
from collections.abc import Callable
from typing import Final

from hubbub.supervisor.refusal import Refusal

BACKLOG: Final = 4096
PATIENCE: Final = 3.0
"""How long a predecessor's port is tried again, seconds: its workers are leaving."""
_LOOK = 0.05

FILES_SUPERVISOR: Final = 64
FILES_WORKER: Final = 32


def open_listener(
    host: str,
    port: int,
    kernel_buffer: int,
    *,
    patience: float = 0.0,
    wait: Callable[[float], object] = time.sleep,
) -> socket.socket:
    """Make the listening socket.

    SO_SNDBUF is set before listen() and TCP_NODELAY on the listener, because accept
    inherits both (Linux): no worker needs a system call for them per connection.

    Args:
        host: an address or a name; of a name's addresses the first is taken.
        port: the port; 0 takes any free one.
        kernel_buffer: SO_SNDBUF of a connection, bytes.
        patience: how long a port in use is tried again, seconds.
        wait: sleeps between two tries; what is true of its answer means give up.

    Raises:
        Refusal: the address cannot be listened on; says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise Refusal(f"host {host!r} is not an address: {error}") from error
    deadline = time.monotonic() + patience
    while True:
        try:
            return _listen(family, kind, protocol, address, kernel_buffer)
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            left = deadline - time.monotonic()
            if not busy or left <= 0 or wait(min(_LOOK, left)):
                raise Refusal(_sentence(host, port, error)) from error


def _listen(
    family: int, kind: int, protocol: int, address: object, kernel_buffer: int
) -> socket.socket:
    listener = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_buffer)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _sentence(host: str, port: int, error: OSError) -> str:
    place = authority(host, port)
    match error.errno:
        case errno.EADDRINUSE:
            return f"{place} is in use by another process; choose another port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine"
        case errno.EACCES:
            return f"{place} needs a privilege that this user does not have"
    return f"cannot listen on {place}: {error.strerror}"


def authority(host: str, port: int) -> str:
    """Return host and port as they stand in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def raise_file_limit(workers: int) -> int:
    """Raise the soft limit of open files to the hard one.

    Returns:
        The limit of each process now.

    Raises:
        Refusal: it is too low for this many workers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            # Above the kernel's fs.nr_open, as some containers have it: keep what is.
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = FILES_SUPERVISOR + FILES_WORKER * workers
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise Refusal(
            f"the limit of {soft} open files is too low for {workers} workers, "
            f"which need {needed}; raise it with ulimit -Hn"
        )
    return soft
