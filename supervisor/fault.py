"""What may be asked of `hubbub fault`. Pure: a request in, a worker's message out."""

from collections.abc import Mapping
from typing import Final

FAULTS: Final = ("block", "spin", "raise", "exit", "truncate-bus", "leak", "balloon")
LARGEST_BYTES: Final = 1 << 40
LARGEST_OFFSET: Final = 1024 * 1024
"""Largest offset of truncate-bus, bytes: frames are shorter."""


class BadFault(ValueError):
    """There is no such fault; the text says what is wrong."""


def parse(request: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    """Check a request for a fault.

    Args:
        request: `slot` and `fault`; `seconds` for block and spin (10), `code` for
            exit (1), `offset` for truncate-bus (None: the middle), `bytes` for
            balloon (in all) and leak (a second).

    Returns:
        The slot, and the message for its worker.

    Raises:
        BadFault: something in it is wrong.
    """
    slot, fault = request.get("slot"), request.get("fault")
    seconds, code = request.get("seconds", 10.0), request.get("code", 1)
    offset = request.get("offset")
    if fault not in FAULTS:
        raise BadFault(f"there is no fault {fault!r:.80}")
    if not isinstance(slot, int) or isinstance(slot, bool):
        raise BadFault("slot is a number")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= 3600:
        raise BadFault("seconds is a number from 0 to 3600")
    if not isinstance(code, int) or not 0 <= code <= 255:
        raise BadFault("code is a number from 0 to 255")
    if offset is not None:
        if not isinstance(offset, int) or not 1 <= offset <= LARGEST_OFFSET:
            raise BadFault(f"offset is a number from 1 to {LARGEST_OFFSET}")
    size = request.get("bytes", 1 << 20)
    if not isinstance(size, int) or not 1 <= size <= LARGEST_BYTES:
        raise BadFault(f"bytes is a number from 1 to {LARGEST_BYTES}")
    values = {"bytes": size, "seconds": float(seconds), "code": code, "offset": offset}
    return slot, {"type": "fault", "fault": fault, **values}
