"""What may be asked of a worker, and what is told."""

import pytest

from hubbub.supervisor.fault import FAULTS, LARGEST_OFFSET, BadFault, parse

NUMBERS = {"bytes": 1 << 20, "seconds": 10.0, "code": 1, "offset": None}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_defaults(fault: str) -> None:
    told = {"type": "fault", "fault": fault, **NUMBERS}
    assert parse({"type": "fault", "slot": 2, "fault": fault}) == (2, told)


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("seconds", 0, True),
        ("seconds", 3600, True),
        ("seconds", 3601, False),
        ("seconds", "1", False),
        ("code", 255, True),
        ("code", 256, False),
        ("code", 1.5, False),
        ("bytes", 1, True),
        ("bytes", 0, False),
        ("bytes", 1 << 41, False),
        ("offset", 1, True),
        ("offset", LARGEST_OFFSET, True),
        ("offset", 0, False),
        ("offset", LARGEST_OFFSET + 1, False),
        ("offset", "1", False),
        ("slot", True, False),
        ("slot", None, False),
        ("fault", "melt", False),
        ("fault", ["raise"], False),
    ],
)
def test_numbers_have_limits(name: str, value: object, fits: bool) -> None:
    request = {"slot": 0, "fault": "raise", name: value}
    if fits:
        assert parse(request)[1][name] == value
        return
    with pytest.raises(BadFault, match=f"{name} is a number|there is no fault"):
        parse(request)
