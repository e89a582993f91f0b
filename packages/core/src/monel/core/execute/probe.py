"""Trying a backend in a child process first, so that one that crashes takes nothing with it.

The verdict is kept in the user's cache folder, by version, so that start-up pays once.
``MONEL_PROBE=0`` turns probing off; ``python -m monel.core doctor --store`` tries again.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Seconds that loading a backend may take in the child; MONEL_PROBE_SECONDS overrides it.
LIMIT = 60.0

# How a verdict begins where loading did not end in an exception of Python.
_FATAL = "loading it"

_CHILD = "import sys; from monel.core.execute.probe import load; load(sys.argv[1])"


def load(name: str) -> None:
    """Load a backend and ask for its devices: what the child process does."""
    from .discovery import plugins

    print(", ".join(plugins().backend(name).devices()))


def enabled() -> bool:
    """Return whether backends are tried in a child process."""
    return os.environ.get("MONEL_PROBE", "1") != "0"


def verdict(name: str, distribution: str, version: str) -> str | None:
    """Return why a backend can't be loaded, from the cache or by trying it; None: it can."""
    path = _path()
    key = _key(name, distribution, version)
    known = _read(path)
    if key in known:
        return known[key]
    if not _is_installed(distribution):
        return None
    found = try_loading(name)
    store(name, distribution, version, found)
    return found


def kept(name: str, distribution: str, version: str) -> str | None:
    """Return why a backend can't be loaded, where that was found out before; tries nothing."""
    return _read(_path()).get(_key(name, distribution, version))


def is_fatal(reason: str) -> bool:
    """Whether a verdict tells of a crash or a hang, so that loading for real must not be tried."""
    return reason.startswith(_FATAL)


def _is_installed(distribution: str) -> bool:
    """Whether a child process would find the plugin, too; one registered by hand it would not."""
    from importlib import metadata

    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def store(name: str, distribution: str, version: str, reason: str | None) -> bool:
    """Keep a verdict; returns whether it could be written."""
    import json
    import tempfile

    path = _path()
    known = _read(path)
    known[_key(name, distribution, version)] = reason
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(known, file, indent=1, sort_keys=True)
        os.replace(file.name, path)
    except OSError:
        # A home that can't be written to costs a probe at each start, nothing else.
        return False
    return True


def try_loading(name: str) -> str | None:
    """Load backend ``name`` in a child process; return what went wrong, or None."""
    import subprocess

    limit = float(os.environ.get("MONEL_PROBE_SECONDS", LIMIT))
    environment = {**os.environ, "MONEL_PROBE": "0"}
    # The child sees what this process can import, changes of sys.path included.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, name],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"{_FATAL} took more than {limit:g} seconds"
    except OSError:
        # No child can be started here: the verdict is left to loading it for real.
        return None
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"{_FATAL} ended the process with {_signal_name(-done.returncode)}"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"{_FATAL} ended with exit status {done.returncode}"


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _path() -> Path:
    from pathlib import Path

    folder = os.environ.get("MONEL_CACHE")
    if folder:
        return Path(folder) / "probes.json"
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "monel" / "probes.json"


def _key(name: str, distribution: str, version: str) -> str:
    import hashlib

    place = hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{name} {distribution} {version} python {python} {place}"


def _read(path: Path) -> dict[str, str | None]:
    import json

    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
