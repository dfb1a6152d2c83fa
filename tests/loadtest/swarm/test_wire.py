"""What a run and its processes say to each other."""

from hypothesis import given
from hypothesis import strategies as st

from hubbub.loadtest.swarm.wire import Message, Reader, encode, pair

MESSAGES = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.integers(0, 1 << 63) | st.text(max_size=50), max_size=5
    ),
    max_size=5,
)


@given(MESSAGES, st.lists(st.integers(1, 100), max_size=20))
def test_messages_come_whole_however_reads_divide_them(
    messages: list[Message], steps: list[int]
) -> None:
    data = b"".join(encode(message) for message in messages)
    reader, found = Reader(), []
    for step in [*steps, len(data)]:
        found += reader.feed(data[:step])
        data = data[step:]
    assert found == messages


def test_numbers_may_be_names_as_those_of_senders_are() -> None:
    message: Message = {"is": "totals", "senders": {7: [1, 2, 3]}}
    assert Reader().feed(encode(message)) == [message]


def test_both_ends_of_a_pair_hear_each_other() -> None:
    ours, theirs = pair()
    with ours, theirs:
        ours.sendall(encode({"do": "end"}))
        assert Reader().feed(theirs.recv(100)) == [{"do": "end"}]
