"""Getting peers: each into a folder of its own that can be thrown away.

Nothing is installed on the system: Python packages go into a virtual environment, Node
packages into a `node_modules`, Debian packages are unpacked. What was installed once is
found again; what cannot be installed is `Missing`, with the reason.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 120.0
"""Seconds each command of an installation may take."""
_DONE = "installed"
"""The file that tells that a folder is complete."""
_STATE = Path("/var/lib/nginx")
"""Where Debian's nginx keeps temporary files: nchan makes it look there, whatever its
configuration says."""
_REASON = 150
"""Characters of a tool's own words that are worth a line."""


class Missing(Exception):
    """A peer cannot be had here."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A peer that can be started."""

    program: str
    """What runs its relay: an interpreter, or nginx."""
    version: str
    environment: dict[str, str] = field(default_factory=dict)
    module: str = ""
    """For nginx: the module it loads."""


def with_pip(folder: Path, *packages: str, libraries: Sequence[str] = ()) -> Installed:
    """Install Python packages, the first of which is the peer.

    Args:
        folder: where.
        packages: their names.
        libraries: Debian packages whose shared libraries the peer loads.

    Raises:
        Missing: pip or apt could not.
    """
    program = str(folder / "venv/bin/python")
    if not (folder / _DONE).exists():
        _run(sys.executable, "-m", "venv", str(folder / "venv"))
        pip = (program, "-m", "pip", "install", "--quiet", "--prefer-binary")
        _run(*pip, "--disable-pip-version-check", *packages)
    environment = {}
    if libraries:
        found = {str(one.parent) for one in _apt(folder, *libraries).rglob("*.so.*")}
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(sorted(found))
    ask = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    versions = _run(program, "-c", ask, *packages).split()
    (folder / _DONE).touch()
    named = [f"{a} {b}" for a, b in zip(packages, versions, strict=True)]
    version = ", ".join([*named, f"CPython {platform.python_version()}"])
    return Installed(program, version, environment)


def with_npm(folder: Path, package: str) -> Installed:
    """Install a Node package.

    Raises:
        Missing: there is no Node, or npm could not.
    """
    node = _tool("node")
    modules = folder / "node_modules"
    if not (folder / _DONE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        npm = (_tool("npm"), "install", "--silent", "--no-audit", "--no-fund")
        _run(*npm, "--prefix", str(folder), package)
    told = json.loads((modules / package / "package.json").read_text())
    (folder / _DONE).touch()
    version = f"{package} {told['version']}, Node {_run(node, '--version').strip()}"
    return Installed(node, version, {"NODE_PATH": str(modules)})


def nchan(folder: Path) -> Installed:
    """Get nginx with nchan: unpacked, not installed, so that nothing is started.

    Raises:
        Missing: apt could not, or what it got does not run here.
    """
    root = _apt(folder, "nginx", "libnginx-mod-nchan")
    try:
        _STATE.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"only root can make {_STATE}, which nchan wants") from error
    program = str(root / "usr/sbin/nginx")
    module = next(root.rglob("ngx_nchan_module.so"), None)
    if module is None:
        raise Missing("libnginx-mod-nchan holds no ngx_nchan_module.so")
    # nginx tells its version on stderr only; a library that lacks shows here.
    told = _run(program, "-v").strip().rpartition("/")[2]
    package = next(folder.glob("libnginx-mod-nchan_*.deb"))
    release = _run("dpkg-deb", "-f", str(package), "Version").strip()
    version = release.rpartition(":")[2].partition("+")[0]
    return Installed(program, f"nginx {told}, nchan {version}", module=str(module))


def _apt(folder: Path, *packages: str) -> Path:
    """Return a folder with the files of Debian packages."""
    root = folder / "root"
    done = root / _DONE
    if done.exists():
        return root
    get, unpack = _tool("apt-get"), _tool("dpkg-deb")
    root.mkdir(parents=True, exist_ok=True)
    download = (get, "download", "-qq", *packages)
    try:
        _run(*download, folder=folder)
    except Missing:
        if os.geteuid() != 0:
            raise
        # An image that has never asked what there is.
        _run(get, "update", "-qq")
        _run(*download, folder=folder)
    for package in folder.glob("*.deb"):
        _run(unpack, "-x", str(package), str(root))
    done.touch()
    return root


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"there is no {name} here")
    return found


def _run(*command: str, folder: Path | None = None) -> str:
    """Return what a command prints.

    Raises:
        Missing: it failed, with the last line that it said.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{name} took more than {_PATIENCE:.0f} s") from late
    except OSError as error:
        raise Missing(f"{name} does not run: {error.strerror}") from error
    if done.returncode:
        said = done.stdout.strip().rpartition("\n")[2][:_REASON]
        raise Missing(f"{name} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout
