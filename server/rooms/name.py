"""Which names a room may have: the one rule every dialect shares.

A name travels through URLs, JSON, the bus and log lines; this alphabet needs no
escaping in any of them.
"""

import re
from typing import Final

LONGEST_NAME: Final = 164
"""Most characters a room's name may have."""

_NAME: Final = re.compile(rf"[A-Za-z0-9_.:=@,;-]{{1,{LONGEST_NAME}}}")


def valid_room(name: str) -> bool:
    """Say whether `name` may be a room's name.

    `.` and `..` fit the alphabet, but a client's URL library resolves them away
    before the request is sent, so that no URL could name those rooms.
    """
    return _NAME.fullmatch(name) is not None and name not in (".", "..")
