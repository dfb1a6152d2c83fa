"""The peers, their relays and the page about them."""

from pathlib import Path

from hubbub.loadtest.bench.peers.catalogue import PEERS
from hubbub.loadtest.bench.peers.peer import RELAYS

PAGE = Path(__file__).resolve().parents[4] / "docs" / "benchmarks.md"


def test_every_relay_is_there_and_used() -> None:
    used = {peer.relay for peer in PEERS.values()}
    there = {one.name for one in RELAYS.iterdir() if one.name.startswith("relay_")}
    assert used == there


def test_page_tells_of_every_peer() -> None:
    told = PAGE.read_text().partition("## Peers")[2]
    for name in PEERS:
        assert f"| `{name}` |" in told
