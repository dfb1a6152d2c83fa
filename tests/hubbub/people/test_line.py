"""One message, one line."""

import json

import pytest

from hubbub.people.line import message_line

HOSTILE = "a\r\nb\x1b[2J\u202e\ud800"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("hello world", "hello world"),
        ("", ""),
        ("👩\u200d🚀 ok", "👩\u200d🚀 ok"),
        ({"a": [1, 2.5, None], "é": True}, '{"a":[1,2.5,null],"é":true}'),
        (7, "7"),
        (None, "null"),
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_data_is_the_line(data: object, line: str, terminal: bool) -> None:
    assert message_line({"type": "message", "data": data}, False, terminal) == line


def test_terminal_sees_nothing_that_acts_on_it() -> None:
    for data in (HOSTILE, [HOSTILE], {HOSTILE: 1}):
        line = message_line({"data": data}, False, True)
        assert line.isprintable()
    assert message_line({"data": HOSTILE}, False, True).startswith("a\\r\\nb\\x1b[2J")


def test_pipe_gets_text_as_it_is_but_for_line_breaks() -> None:
    line = message_line({"data": HOSTILE}, False, False)
    assert line == HOSTILE.replace("\r", "\\r").replace("\n", "\\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_whole_message_is_json(terminal: bool) -> None:
    message = {"type": "message", "from": "m", "data": HOSTILE + "é"}
    line = message_line(message, True, terminal)
    assert json.loads(line) == message
    assert "\n" not in line
    assert line.isascii() is terminal
