"""Load messages: what is written is read, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.loadtest.message import (
    MAGIC,
    SMALLEST,
    Head,
    decode,
    due,
    encode,
    filler,
    intact,
)

U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
SIZES = st.integers(SMALLEST, SMALLEST + 300)


@given(U32, U32, U64, U64, U64, U64, SIZES)
def test_what_was_encoded_is_decoded(
    room: int, sender: int, number: int, when: int, sent: int, before: int, size: int
) -> None:
    payload = encode(room, sender, number, when, sent, before, size)
    assert len(payload) == size
    head = decode(payload)
    assert head is not None
    assert head[:7] == (MAGIC, room, sender, number, when, sent, before)
    assert intact(payload, head)
    assert due(payload) == when


@given(SIZES, st.data())
def test_one_changed_bit_is_noticed(size: int, data: st.DataObject) -> None:
    payload = bytearray(encode(1, 2, 3, 4, 5, 6, size))
    at = data.draw(st.integers(0, size - 1))
    payload[at] ^= 1 << data.draw(st.integers(0, 7))
    head = decode(bytes(payload))
    assert head is None or not intact(bytes(payload), head)


def test_message_put_together_of_two_is_noticed() -> None:
    one, two = (encode(1, 2, number, 4, 5, 6, 100) for number in (3, 4))
    mixed = one[:SMALLEST] + two[SMALLEST:]
    head = decode(mixed)
    assert head is not None
    assert not intact(mixed, head)


@pytest.mark.parametrize(
    "payload",
    [b"", MAGIC, b"HbL2" + bytes(100), encode(1, 2, 3, 4, 5, 6, SMALLEST)[1:]],
)
def test_what_is_no_message_is_not_decoded(payload: bytes) -> None:
    assert decode(payload) is None


def test_smallest_message_is_all_head() -> None:
    payload = encode(7, 8, 9, 10, 11, 12, SMALLEST)
    head = decode(payload)
    assert isinstance(head, Head)
    assert head.room == 7
    assert intact(payload, head)


def test_filler_depends_on_sender_and_number_and_is_readable() -> None:
    fillers = {filler(sender, number, 20) for sender in range(4) for number in range(4)}
    assert len(fillers) > 12
    assert all(33 <= byte < 127 for text in fillers for byte in text)


@given(U32, U64, st.integers(0, 1000))
def test_filler_has_the_size_that_was_asked_for(
    sender: int, number: int, size: int
) -> None:
    assert len(filler(sender, number, size)) == size
