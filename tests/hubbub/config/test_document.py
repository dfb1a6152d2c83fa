"""Lines of every form in which TOML can give a key."""

from pathlib import Path

import pytest

from hubbub.config import ConfigError
from hubbub.config.document import MOST_BYTES, Assignment, parse, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment\n\n", []),
        ("port = 1", [("port", 1, 1)]),
        ("\n\nport = 1\n", [("port", 1, 3)]),
        ("port = 1\r\nhost = 'x'\r\n", [("port", 1, 1), ("host", "x", 2)]),
        ("port = 1\r\nhost = 'x'", [("port", 1, 1), ("host", "x", 2)]),
        ("[limits]\n# c\nmessage = 1", [("limits.message", 1, 3)]),
        ("  [ limits ] # c\n  message = 1", [("limits.message", 1, 2)]),
        ("limits.message = 1", [("limits.message", 1, 1)]),
        ("limits . 'message' = 1", [("limits.message", 1, 1)]),
        ('"limits".message = 1', [("limits.message", 1, 1)]),
        (
            "limits = {message = 1, rooms = 2}",
            [("limits.message", 1, 1), ("limits.rooms", 2, 1)],
        ),
        (
            "origins = [\n  'a', # c\n\n  'b',\n]\nport = 1",
            [("origins", ["a", "b"], 1), ("port", 1, 6)],
        ),
        (
            "run_dir = '''\nport = 2\n[limits]\n'''\nport = 1",
            [("run_dir", "port = 2\n[limits]\n", 1), ("port", 1, 5)],
        ),
        (
            "[limits]\nmessage = 1\n[drain]\npace = 2",
            [("limits.message", 1, 2), ("drain.pace", 2, 4)],
        ),
        ("[limits]\n", []),
        ("[limit]\nmessage = 1", [("limit", {}, 1), ("limit", {"message": 1}, 2)]),
        ("[[limits]]\n", [("limits", [{}], 1)]),
        (
            "[limits.deep]\nx = 1",
            [("limits.deep", {}, 1), ("limits.deep", {"x": 1}, 2)],
        ),
    ],
)
def test_every_form_of_key_has_its_line(
    text: str, expected: list[tuple[str, object, int]]
) -> None:
    assert parse(text, "x") == [Assignment(*one) for one in expected]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("port = ", "f:1: this is not TOML: Invalid value (the file ends too early)"),
        ("a = 1\nport 8080\n", "f:2: this is not TOML: Expected"),
        ("a = 1\na = 2", "f:2: this is not TOML: Cannot overwrite a value"),
        ("a = [1,\n2\n", "f:2: this is not TOML: Unclosed array (the file ends too"),
        ("a = \x1b[2J", "f:1: this is not TOML: "),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).isprintable()


def test_nest_too_deep_is_an_error() -> None:
    with pytest.raises(ConfigError, match="f: is nested too deeply"):
        parse("a = " + "[" * 100_000, "f")


def test_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"port = 1\nhost = '\xff'\n")
    with pytest.raises(ConfigError, match="x:2: this line is not UTF-8"):
        read(path, "x")


def test_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match=f"larger than {MOST_BYTES // 1024} KiB"):
        read(Path("/dev/zero"), "x")
