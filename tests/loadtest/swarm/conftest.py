"""What tests of the swarm share."""

from collections.abc import Iterator

import pytest

from tests.loadtest.swarm.hall import Hall


@pytest.fixture
def size() -> int:
    return 100


@pytest.fixture
def hall(size: int) -> Iterator[Hall]:
    made = Hall(size)
    yield made
    made.close()
