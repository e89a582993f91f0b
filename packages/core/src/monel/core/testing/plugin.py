"""The kit as a pytest plugin: a report of conformance runs, and a choice of primitives.

pytest loads this module wherever monel-core is installed, so it imports nothing of the kit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .report import Outcome


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's options."""
    group = parser.getgroup("monel")
    group.addoption(
        "--monel-report",
        metavar="FILE",
        help="write the report of conformance runs to FILE: .md, .json or .html",
    )
    group.addoption(
        "--monel-only",
        metavar="NAMES",
        help="check these primitives alone, separated by commas: --monel-only=cumsum,sort",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes where a report is wanted; under pytest-xdist in the first process."""
    path = config.getoption("--monel-report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path(path)), "monel-report")


class Recorder:
    """Gathers what became of each case, and writes the report at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the outcome of a case; a later phase that fails overrides it."""
        notes = [note for key, note in report.user_properties if key == "monel"]
        if not notes or (report.when != "call" and report.outcome == "passed"):
            return
        from .report import Outcome

        result = "gap" if hasattr(report, "wasxfail") else report.outcome
        note = {"way": "", **notes[0]}
        message = str(report.longrepr or "").strip() if result == "failed" else ""
        self.outcomes[report.nodeid] = Outcome(
            **note, result=result, test=report.nodeid, message=message
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the report and say where it is."""
        from .report import summarise, totals, write

        write(self.path, self.outcomes.values())
        for summary in summarise(self.outcomes.values()):
            terminalreporter.write_line(f"{summary['backend']}: {totals(summary)}")
        terminalreporter.write_line(f"conformance report: {self.path}")
