"""Where in the user's code an operation was recorded."""

from __future__ import annotations

import linecache
import sys
from types import CodeType, FrameType

_OURS = __package__.partition(".")[0] + "."

Origin = tuple[CodeType, int]


def user_frame() -> FrameType | None:
    """Return the innermost frame outside of monel."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OURS):
        frame = frame.f_back
    return frame


def caller() -> Origin | None:
    """Return code and instruction of the innermost frame outside of monel."""
    frame = user_frame()
    return None if frame is None else (frame.f_code, frame.f_lasti)


def described(origin: Origin) -> str:
    """Return file, line, function and text of a place in the code."""
    code, instruction = origin
    line = code.co_firstlineno
    for number, position in enumerate(code.co_positions()):
        if 2 * number > instruction:
            break
        line = position[0] or line
    text = linecache.getline(code.co_filename, line).strip()
    place = f"{code.co_filename}:{line}, in {code.co_name}"
    return f"{place}: {text}" if text else place
