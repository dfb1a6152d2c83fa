"""Which names rooms may have."""

import pytest

from hubbub.server.rooms.name import LONGEST_NAME, valid_room

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:=@,;-"


@pytest.mark.parametrize(
    "name", ["lobby", "a", "...", ".a", "presence-x@y=z,1;2:3", "-", ALPHABET]
)
def test_usual_names_are_valid(name: str) -> None:
    assert valid_room(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "a%20",
        "lobby\n",
        "\nlobby",
        "a\0",
        "\u00e9",
        "\u0661",
        "a+b",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not valid_room(name)


def test_exactly_the_alphabet_is_allowed() -> None:
    allowed = {chr(code) for code in range(0x3000) if valid_room("a" + chr(code))}
    assert allowed == set(ALPHABET)


def test_both_sides_of_the_longest_name() -> None:
    assert LONGEST_NAME == 164
    assert valid_room("a" * (LONGEST_NAME - 1))
    assert valid_room("a" * LONGEST_NAME)
    assert not valid_room("a" * (LONGEST_NAME + 1))
