"""python -m monel.io: look into files of arrays, convert and verify them, piece by piece."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monel.core.plugin import BackendError, FormatError

from .conversion import DTYPES, QUANTIZATIONS, convert
from .inspection import show, verify

__all__ = ["main"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m monel.io", description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    shown = commands.add_parser("show", help="names, shapes, dtypes, sizes and metadata")
    shown.add_argument("file")
    shown.add_argument("--json", action="store_true", help="as JSON, metadata in full")
    shown.add_argument("--format", help="take the file for this format")
    shown.set_defaults(run=lambda given: show(given.file, given.format, given.json))

    made = commands.add_parser(
        "convert", help="write a file in another format, dtype, quantization"
    )
    made.add_argument("file")
    made.add_argument("out", help="its extension says the format")
    made.add_argument("--dtype", choices=DTYPES, help="cast floating arrays to this dtype")
    made.add_argument(
        "--quantize",
        choices=QUANTIZATIONS,
        help="quantize floating arrays of two or more axes whose last is a multiple of 32",
    )
    made.add_argument("--format", help="take the file for this format")
    made.set_defaults(
        run=lambda given: convert(
            given.file, given.out, given.format, dtype=given.dtype, quantize=given.quantize
        )
    )

    checked = commands.add_parser("verify", help="read everything; end with 1 if it is malformed")
    checked.add_argument("file")
    checked.add_argument("--format", help="take the file for this format")
    checked.set_defaults(run=lambda given: verify(given.file, given.format))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns 0, or 1 where the file is at fault and 2 where the call is."""
    given = parser().parse_args(arguments)
    try:
        given.run(given)
    except (FormatError, OSError) as error:
        return complain(given.command, error, 1)
    except (BackendError, ValueError, ModuleNotFoundError) as error:
        return complain(given.command, error, 2)
    return 0


def complain(command: str, error: Exception, status: int) -> int:
    """Say what is wrong on standard error."""
    print(f"{command}: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
