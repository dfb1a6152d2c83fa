"""What follows from settings."""

import pytest

from hubbub.settings import SPARE_FILES, Limits, Settings, most_connections


@pytest.mark.parametrize(
    ("configured", "open_files", "most"),
    [
        (0, 1000, 1000 - SPARE_FILES - 4),
        (100, 1000, 100),
        (5000, 1000, 1000 - SPARE_FILES - 4),  # what does not fit is no promise
        (0, 10, 1),
    ],
)
def test_a_worker_serves_what_is_configured_if_it_fits(
    configured: int, open_files: int, most: int
) -> None:
    settings = Settings(workers=4, limits=Limits(connections=configured))
    assert most_connections(settings, open_files) == most
