"""Ask a running cluster's supervisor one thing, and wait for the answer."""

import json
import socket
import time
from pathlib import Path
from typing import Final

from hubbub.supervisor.rundir import CONTROL

LARGEST: Final = 16 * 1024 * 1024
"""Longest answer taken, bytes: 256 workers need about 300 KiB."""


def ask(run_dir: Path, request: dict[str, object], timeout: float) -> dict[str, object]:
    """Send a request and return the answer.

    Args:
        run_dir: the cluster's run directory.
        request: its `type` is status, stop or fault.
        timeout: how long the whole may take, seconds.

    Raises:
        TimeoutError: there was no answer in time.
        OSError: nobody is there, or what came is no answer.
    """
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(run_dir / CONTROL))
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = bytearray()
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            connection.settimeout(left)
            data = connection.recv(65536)
            if not data or len(answer) > LARGEST:
                raise ConnectionError("the supervisor closed the connection")
            answer += data
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise ConnectionError("the answer is not JSON") from error
    if not isinstance(found, dict):
        raise ConnectionError("the answer is not an object")
    return found
