"""Where a load test runs: the machine, and the versions of what takes part."""

import os
import platform
from importlib.metadata import version

import hubbub
from hubbub.loadtest.results import Machine


def machine() -> Machine:
    """Return what the figures are taken on."""
    return Machine(
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def versions() -> dict[str, str]:
    """Return the versions of what a figure may depend on."""
    packages = ("trio", "trio-websocket", "msgpack", "msgspec")
    found = {package: version(package) for package in packages}
    return {"hubbub": hubbub.__version__, "python": platform.python_version()} | found
