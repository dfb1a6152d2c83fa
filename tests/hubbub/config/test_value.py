"""Values as people write them, and back."""

import tomllib

import pytest

from hubbub.config.table import ENTRIES, Value
from hubbub.config.value import (
    from_text,
    from_toml,
    is_loopback,
    origin_problem,
    to_people,
    to_toml,
)
from hubbub.server.websocket.origin import parse_origin


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("port", " 80 ", 80),
        ("port", "+80", 80),
        ("limits.message", "65536", 65536),
        ("limits.message", "64KiB", 65536),
        ("limits.message", "64 kib", 65536),
        ("limits.message", "1 MiB", 1 << 20),
        ("limits.message", "1.5MiB", 3 << 19),
        ("limits.message", "2GiB", 1 << 31),
        ("limits.message", "64kB", 64000),
        ("limits.message", "1MB", 1_000_000),
        ("limits.message", "100B", 100),
        ("drain.grace", "30", 30.0),
        ("drain.grace", "1e1", 10.0),
        ("drain.grace", "500ms", 0.5),
        ("drain.grace", "30s", 30.0),
        ("drain.grace", "2m", 120.0),
        ("drain.grace", "1.5h", 5400.0),
        ("drain.rate", "5", 5.0),
        ("echo", "true", True),
        ("echo", "YES", True),
        ("echo", "1", True),
        ("echo", "false", False),
        ("echo", "No", False),
        ("echo", "0", False),
        ("origins", "", ()),
        ("origins", "https://a", ("https://a",)),
        ("origins", "https://a , http://b:8000", ("https://a", "http://b:8000")),
        ("run_dir", "/run/hubbub", "/run/hubbub"),
        ("run_dir", "", ""),
        ("host", "fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_text_that_fits(key: str, text: str, value: Value) -> None:
    found = from_text(ENTRIES[key], text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("port", "٨٠"),
        ("port", "8_0"),
        ("port", "0x50"),
        ("port", "80.0"),
        ("port", "9" * 5000),
        ("limits.message", "0.3KiB"),
        ("limits.message", "-1KiB"),
        ("limits.message", "KiB"),
        ("limits.message", "64K"),
        ("limits.message", "1e3"),
        ("drain.grace", "inf"),
        ("drain.grace", "nan"),
        ("drain.grace", "1e999"),
        ("drain.grace", "1d"),
        ("drain.grace", "-1"),
        ("drain.rate", "5s"),
        ("host", "a b"),
        ("host", "a\nb"),
        ("run_dir", "a\0b"),
        ("run_dir", "a\udcff"),
        ("origins", "https://a,,https://b"),
    ],
)
def test_text_that_does_not_fit(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"needs|must") as caught:
        from_text(ENTRIES[key], text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), -1, -0.5])
def test_number_of_a_file_out_of_bounds(value: object) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        from_toml(ENTRIES["drain.grace"], value)


def test_whole_number_serves_where_a_fraction_may_stand() -> None:
    found = from_toml(ENTRIES["drain.grace"], 3)
    assert found == 3.0
    assert isinstance(found, float)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "http://localhost:5173",
        "http://[::1]:80",
        "https://EXAMPLE.com:443",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "https://xn--bcher-kva.example",
    ],
)
def test_origin_that_a_page_can_have(origin: str) -> None:
    assert origin_problem(origin) is None
    assert parse_origin(origin) is not None  # what the server will make of it


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "example.com",
        "https://",
        "https://*.example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://user@example.com",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:",
        "https://bücher.example",
        "https://a\n",
    ],
)
def test_origin_that_no_page_can_have(origin: str) -> None:
    assert origin_problem(origin)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "value",
    [0, 10.0, 1e-7, 1e16, True, False, "", 'a"b\\', "é\x7f😀", (), ("a", "b")],
)
def test_toml_reads_back(value: Value) -> None:
    found = tomllib.loads(f"x = {to_toml(value)}")["x"]
    assert (tuple(found) if isinstance(found, list) else found) == value


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("limits.message", 65536, "64 KiB"),
        ("limits.message", 1 << 31, "2 GiB"),
        ("limits.message", 1000, "1000 bytes"),
        ("limits.link", 0, "0"),
        ("drain.grace", 0.5, "0.5 s"),
        ("port", 80, "80"),
    ],
)
def test_value_as_a_sentence_shows_it(key: str, value: Value, text: str) -> None:
    assert to_people(ENTRIES[key], value) == text
