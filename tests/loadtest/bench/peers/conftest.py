"""Relays for tests: they run in the tests' own interpreter."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hubbub.loadtest.bench.peers.install import Installed
from hubbub.loadtest.bench.peers.peer import RELAYS, Peer, Relay, serve

BROKEN = Path(__file__).with_name("broken_relay.py")


def _serve(relay: str | Path, fault: str = "") -> AbstractContextManager[Relay]:
    installed = Installed(sys.executable, "", {"FAULT": fault})
    return serve(Peer("test", str(relay), lambda _: installed), installed)


Broken = Callable[[str], AbstractContextManager[Relay]]


@pytest.fixture
def broken() -> Broken:
    """Start a relay with a fault; none, if it is empty."""
    return lambda fault: _serve(BROKEN, fault)


Own = Callable[[str], AbstractContextManager[Relay]]


@pytest.fixture
def own() -> Own:
    """Start a relay of ours whose library the tests have anyway."""
    return lambda name: _serve(RELAYS / f"relay_{name}.py")
