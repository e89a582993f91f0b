"""``python -m monel.backends.metal check FILE.metal``: what is wrong with anyone's kernels.

How a kernel is to be run stands in comment lines of its file, one or more for each kernel:

    // check: NAME grid=X[,Y,Z] group=X[,Y,Z] BUFFER=dtype[shape][:zeros] SCALAR=dtype:VALUE
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 in order, 1 findings, 2 not understood."""
    parser = argparse.ArgumentParser(
        prog="python -m monel.backends.metal",
        description="Check Metal kernels on a machine without a GPU.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="run the kernels of a file, watched")
    check.add_argument("file", type=Path, help="a .metal file with lines '// check: ...'")
    check.add_argument("--kernel", help="only this kernel")
    check.add_argument(
        "--order",
        default="forward,reverse,random",
        help="orders of threads, separated by commas (default: all three)",
    )
    check.add_argument("--json", action="store_true", help="write the report as JSON")
    given = parser.parse_args(arguments)
    return _check(given.file, given.kernel, given.order.split(","), given.json)


def _check(path: Path, kernel: str | None, orders: list[str], as_json: bool) -> int:
    from .emulator.check import CheckError, check_file
    from .emulator.compiler import CompileError, EmulatorMissing
    from .emulator.translate import MslError

    try:
        report = check_file(path, kernel=kernel, orders=orders)
    except (CheckError, CompileError, EmulatorMissing, MslError, OSError) as error:
        if as_json:
            print(json.dumps({"error": str(error)}))
        else:
            print(error, file=sys.stderr)
        return 2
    print(json.dumps(report.as_dict(), indent=2) if as_json else report)
    return 1 if report.found else 0


if __name__ == "__main__":
    sys.exit(main())
