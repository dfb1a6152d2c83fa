"""The command: options, and what becomes of a run that is not valid."""

from pathlib import Path

import pytest

from hubbub.loadtest.bench.__main__ import FIGURES, parse, run
from hubbub.loadtest.bench.peers.catalogue import PEERS
from hubbub.loadtest.bench.row import Invalid, Options, Row, Target


def room(options: Options) -> list[Row]:
    target = Target("ratio", at_most=1.3)
    return [Row("room", "one room", "µs", options.seconds, 2.0, target=target)]


def lost(options: Options) -> list[Row]:
    raise Invalid("3 deliveries were lost")


def gone(options: Options) -> list[Row]:
    raise OSError(22, "Invalid argument")


def test_all_figures_and_peers_are_taken_if_none_is_named() -> None:
    asked = parse([])
    assert asked.figures == list(FIGURES)
    assert asked.peers == list(PEERS)
    assert asked.options == Options()
    assert asked.path == Path(".bench/bench.json")


def test_options_say_what_and_how_long_and_where() -> None:
    asked = parse(
        [
            *("--only", "pingpong, room", "--seconds", "5", "--rounds", "2"),
            *("--scale", "0.5", "--json", "some/file"),
        ]
    )
    assert asked.figures == ["pingpong", "room"]
    assert asked.options == Options(seconds=5.0, rounds=2, scale=0.5)
    assert asked.path == Path("some/file")


@pytest.mark.parametrize(
    ("arguments", "figures", "peers"),
    [
        (["--only", "room"], ["room"], []),
        (["--peers", "ws, nchan"], [], ["ws", "nchan"]),
        (["--peers", "all"], [], list(PEERS)),
        (["--peers", "none"], list(FIGURES), []),
        (["--only", "room", "--peers", "ws"], ["room"], ["ws"]),
        (["--only", "room", "--peers", "none"], ["room"], []),
    ],
)
def test_naming_one_kind_leaves_out_the_other(
    arguments: list[str], figures: list[str], peers: list[str]
) -> None:
    asked = parse(arguments)
    assert asked.figures == figures
    assert asked.peers == peers


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "rom"],
        ["--only", ""],
        ["--only", ","],
        ["--peers", ""],
        ["--peers", "none,ws"],
        ["--peers", "express"],
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--rounds", "0"],
        ["--rounds", "1.5"],
        ["--scale", "0"],
        ["--scale", "1.1"],
        ["--fast"],
    ],
)
def test_usage_error_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_run_that_is_not_valid_does_not_stop_the_others() -> None:
    rows, failures = run({"a": lost, "b": gone, "c": room}, Options(seconds=1.0))
    assert [row.name for row in rows] == ["room"]
    assert failures == {
        "a": "3 deliveries were lost",
        "b": "[Errno 22] Invalid argument",
    }


def test_other_sizes_have_no_targets() -> None:
    assert run({"room": room}, Options())[0][0].target is not None
    assert run({"room": room}, Options(scale=0.5))[0][0].target is None
