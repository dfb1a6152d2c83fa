"""What the limits of `/echo` let through."""

import pytest

from hubbub.server.reactor.session import ECHO_LIMITS
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.frames import BINARY

FIRST, CONTINUED, LAST = b"\x02\xc0", b"\x00\xc0", b"\x80\x80"
"""Heads of fragments of 64 bytes, and of an empty one that ends the message."""


@pytest.mark.parametrize(("fragments", "heard"), [(65536, True), (65537, False)])
def test_echo_takes_65536_fragments_and_an_empty_one_that_ends_them(
    fragments: int, heard: bool
) -> None:
    mask, payload = bytes(4), b"*" * 64
    decoder = Decoder(ECHO_LIMITS)
    more = (CONTINUED + mask + payload) * (fragments - 1)
    events = decoder.feed(FIRST + mask + payload + more + LAST + mask)
    assert (events == [(BINARY, payload * fragments)]) == heard
    assert (decoder.failure is None) == heard
