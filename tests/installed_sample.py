"""A distribution of examples/ as if it were installed, for processes that the tests start."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path


def installed(root: Path, folder: Path, *sources: Path) -> Callable[..., list[str]]:
    """Return what runs Python in `folder` and gives its lines; the sample at `root` is found there.

    It has its entry points, and `sources` on the path.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["monel.plugins.v1"]
    info = folder / "installed" / f"{project['name'].replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    text = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[monel.plugins.v1]\n{text}")

    def run(*command: str, **variables: str) -> list[str]:
        old = os.environ.get("PYTHONPATH")
        paths = [str(info.parent), *map(str, sources), *([old] if old else [])]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run
