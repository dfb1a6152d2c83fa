"""Nothing that acts on a terminal or a line gets through."""

import sys

import pytest

from hubbub.escape import JOINERS, plain, quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ümlaut, 日本, 😀", "plain text, ümlaut, 日本, 😀"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J\x7f\0", "\\x9b2J\\x7f\\x00"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("a\u2028b\u0085c", "a\\u2028b\\x85c"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_every_character_comes_out_printable() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert plain(everything).isprintable()


def test_kept_characters_stay() -> None:
    assert plain("👩\u200d🚀\u202e", keep=JOINERS) == "👩\u200d🚀\\u202e"


def test_quoted_text_is_short() -> None:
    assert quoted("a\n") == '"a\\n"'
    assert len(quoted("x" * 1000)) == 62
