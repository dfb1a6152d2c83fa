"""A worker module whose first import never ends."""

import os
import signal
from pathlib import Path

from fake_worker import WorkerSpec, run_worker

__all__ = ["WorkerSpec", "run_worker"]

_before = Path(os.environ["FAKE_TOLD"]) / "imported"
if not _before.exists():
    _before.touch()
    while True:
        signal.pause()
