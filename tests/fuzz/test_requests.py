"""Fuzzed opening handshakes: an answer, the same however they come, and no echo."""

import re
from random import Random

import pytest

from hubbub.server.websocket.deflate import WINDOWS, negotiate
from hubbub.server.websocket.handshake import (
    Endpoint,
    Refused,
    RequestReader,
    check_get,
    check_upgrade,
    choose_subprotocol,
    refusal_response,
    route,
    upgrade_response,
)
from hubbub.settings import Limits
from tests.fuzz.handshakes import BAD, GOOD, MARK, TEMPLATES, handshake
from tests.fuzz.mutation import cut
from tests.fuzz.seed import each

pytestmark = pytest.mark.slow
STATUSES = {400, 403, 404, 405, 411, 413, 414, 426, 431, 503, 505}
_HEAD = re.compile(rb"HTTP/1\.1 \d{3} [A-Za-z -]+\r\n(?:[A-Za-z-]+: [ -~]+\r\n)+\r\n")

Outcome = tuple[int, bytes, bytes]
"""Status, the whole answer, and the bytes that are left for what comes next."""


def answer(pieces: list[bytes]) -> Outcome | None:
    """Return the answer to what comes in `pieces`; None while it is incomplete."""
    reader = RequestReader(Limits())
    for number, piece in enumerate(pieces):
        try:
            request = reader.feed(piece)
            if request is None:
                continue
            target = route(request.path)
            left = reader.rest + b"".join(pieces[number + 1 :])
            if target.endpoint is Endpoint.HEALTH:
                check_get(request)
                return 200, b"", left
            upgrade = check_upgrade(request, ())
            subprotocol = None
            if target.endpoint is Endpoint.NATIVE:
                subprotocol = choose_subprotocol(upgrade.subprotocols)
            return 101, upgrade_response(upgrade, subprotocol), left
        except Refused as refused:
            return refused.status, refusal_response(refused), b""
    return None


def test_templates_are_refused_or_not_as_they_should_be() -> None:
    assert len(TEMPLATES) >= 30
    good = {name: answer([data]) for name, data in GOOD.items()}
    assert {name for name, found in good.items() if found and found[0] <= 200} == set(
        GOOD
    )
    bad = {name: answer([data]) for name, data in BAD.items()}
    assert {name for name, found in bad.items() if found and found[0] >= 400} == set(
        BAD
    )


def test_fuzzed_handshake_has_one_answer_however_it_comes() -> None:
    seen: set[int] = set()

    def check(random: Random) -> None:
        _, data = handshake(random)
        if not data:
            return
        whole = answer([data])
        assert answer(cut(random, data, 12)) == whole
        if whole is None:
            return
        status, head, _ = whole
        seen.add(status)
        assert status in STATUSES | {101, 200}
        if status != 200:
            assert _HEAD.match(head), head
            assert MARK.encode() not in head

    each("handshakes", 6000, check)
    assert seen >= {101, 200, 400, 404, 405, 414, 426, 431, 505}


_NAMES = (
    "permessage-deflate",
    "permessage-deflat",
    "x-webkit-deflate-frame",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)
_MARKS = (";", ";", ",", "=", '"', " ", "\t", "8", "9", "15", "010", "16", "99", "²")


def test_fuzzed_offer_is_agreed_to_as_the_rfc_has_it_or_not_at_all() -> None:
    agreed = 0

    def check(random: Random) -> None:
        nonlocal agreed
        parts = ["permessage-deflate"] if random.random() < 0.8 else []
        for _ in range(random.randrange(6)):
            parts += [random.choice((";", "; ", *_MARKS)), random.choice(_NAMES)]
            if random.random() < 0.4:
                parts += ["=", random.choice(_MARKS)]
        agreement = negotiate("".join(parts))
        if agreement is None:
            return
        agreed += 1
        assert agreement.window in WINDOWS
        name, *answers = agreement.answer.split("; ")
        assert name == "permessage-deflate"
        assert answers[:2] == [
            "server_no_context_takeover",
            "client_no_context_takeover",
        ]
        # RFC 7692 section 7.1.2.1: only who asked for a window is told one.
        assert answers[2:] in ([], [f"server_max_window_bits={agreement.window}"])
        assert bool(answers[2:]) <= ("server_max_window_bits" in "".join(parts))

    each("offers", 4000, check)
    assert agreed > 200
