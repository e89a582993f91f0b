"""python -m monel.core plugins | doctor | info: what is installed, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from .contract.backend import API_VERSION
from .execute import probe
from .execute.discovery import CORE_BACKENDS, Plugin, Plugins, plugins


def describe_plugins() -> list[dict[str, Any]]:
    """Return one row for each entry point that was found."""
    found = plugins()
    return [
        {
            "distribution": plugin.distribution,
            "version": plugin.version,
            "entry": plugin.key.rpartition(":")[2],
            "api": plugin.speaks,
            "backends": plugin.backends,
            "formats": plugin.formats,
            **_standing(found, plugin),
        }
        for plugin in found.found
    ]


def _standing(found: Plugins, plugin: Plugin) -> dict[str, str]:
    """Return what is wrong with a plugin, and what its user can do about that."""
    trouble = found.trouble(plugin)
    if not plugin.error and not plugin.conflicts and not trouble:
        return {"status": "ok", "fix": ""}
    again = "try it again: python -m monel.core doctor --store; or " if trouble else ""
    status = plugin.error or "; ".join([*plugin.conflicts, *trouble])
    return {"status": status, "fix": again + plugin.fix}


def check_backend(name: str) -> str:
    """Load a backend, after a child process did, and compute 1 + 1; return its devices."""
    from . import eval as compute
    from .base.devices import Device, DeviceType
    from .graph.handle import array
    from .primitives.elementwise import add

    found = plugins()
    backend = found.probed(name)
    devices = ", ".join(backend.devices())
    device = Device(name, kind=DeviceType[found.specs[name].kinds[0]])
    two = add(array([1.0]), array([1.0]), stream=device)
    compute(two)
    if bytes(two) != bytes(array([2.0])):
        raise RuntimeError(f"1 + 1 on {name} is not 2")
    return f"computes on {devices}"


def check_plugins() -> str:
    """Return how many plugins are usable; raise with the reasons where one is not."""
    rows = describe_plugins()
    broken = [row for row in rows if row["status"] != "ok"]
    if broken:
        reasons = (f"{row['entry']}: {row['status']}; to fix it: {row['fix']}" for row in broken)
        raise RuntimeError("; ".join(reasons))
    return f"{len(rows)} usable"


def checks() -> list[tuple[str, Callable[[], str]]]:
    """Return every check of ``doctor``: core's own, one a backend, and those of plugins."""
    found = plugins()
    rows: list[tuple[str, Callable[[], str]]] = [("plugins", check_plugins)]
    for name in found.by_priority():
        rows.append((f"backend {name}", _bound(check_backend, name)))
    for _, group in found.ask("monel_doctor"):
        rows.extend(group)
    return rows


def _bound(check: Callable[[str], str], name: str) -> Callable[[], str]:
    return lambda: check(name)


def store_verdicts() -> None:
    """Try every backend in a child process and keep the verdicts; new processes go by them."""
    found = plugins()
    for name in found.by_priority():
        owner = found.owner(name)
        if owner is not None and name not in CORE_BACKENDS:
            reason = probe.try_loading(name)
            probe.store(name, owner.distribution, owner.version, reason)


def run_checks() -> list[dict[str, Any]]:
    """Return a row for each check; one that raises fails with its reason."""
    rows = []
    for name, check in checks():
        try:
            rows.append({"check": name, "result": "ok", "detail": str(check())})
        except (Exception, SystemExit) as error:
            rows.append({"check": name, "result": "FAILED", "detail": str(error) or repr(error)})
    return rows


def describe_system() -> dict[str, Any]:
    """Return versions, backends and the default device."""
    from .execute.placement import default_device, device_info

    device = default_device()
    found = plugins()
    return {
        "monel-core": _version("monel-core"),
        "backend API": API_VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": _version("numpy"),
        "ml-dtypes": _version("ml-dtypes"),
        "compiled": _is_compiled(),
        "backends": ", ".join(found.by_priority()),
        "default device": repr(device),
        **{f"device: {key}": fact for key, fact in device_info(device).items()},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _is_compiled() -> bool:
    from .graph import value

    return not (value.__file__ or "").endswith(".py")


def table(rows: list[dict[str, Any]]) -> str:
    """Return ``rows`` as aligned columns under their names."""
    if not rows:
        return "nothing found"
    cells = [[str(name) for name in rows[0]]]
    cells += [[_cell(row[name]) for name in rows[0]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def _cell(content: Any) -> str:
    if isinstance(content, list):
        return ", ".join(content) or "-"
    return str(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one report; return 1 where it shows something broken."""
    parser = argparse.ArgumentParser(prog="python -m monel.core", description=__doc__)
    parser.add_argument("report", choices=("plugins", "doctor", "info"))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--store", action="store_true", help="doctor: try each backend anew and keep the verdict"
    )
    options = parser.parse_args(arguments)
    if options.store and options.report == "doctor":
        store_verdicts()
    if options.report == "info":
        facts = describe_system()
        shown = [{"what": key, "value": fact} for key, fact in facts.items()]
        print(json.dumps(facts, indent=2) if options.json else table(shown))
        return 0
    rows = describe_plugins() if options.report == "plugins" else run_checks()
    print(json.dumps(rows, indent=2) if options.json else table(rows))
    key = "status" if options.report == "plugins" else "result"
    return 0 if all(row[key] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
