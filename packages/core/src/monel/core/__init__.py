"""monel.core: lazy arrays and composable function transforms, on any backend.

``import monel.core`` loads names, dtypes and devices. A family of functions is loaded when the
first of its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import names
from .base.devices import *
from .base.dtypes import *
from .constants import *
from .graph import doors

if TYPE_CHECKING:
    # What type checkers and editors see. base/names.py, generated from this list by
    # packages/core/tools/names.py, says the same at run time.
    from . import cuda, distributed, fast, fft, linalg, metal, random
    from .construct import *
    from .contract.native import *
    from .debugging import *
    from .execute.evaluation import *
    from .execute.fallback import *
    from .execute.memory import *
    from .execute.placement import *
    from .export.dot import *
    from .export.function import *
    from .export.onnx import *
    from .export.stablehlo import *
    from .files import *
    from .graph.capture import Program as Program
    from .interchange import *
    from .namespace import *
    from .ops.aliases import *
    from .ops.arithmetic import *
    from .ops.blocks import *
    from .ops.broadcasting import *
    from .ops.convolutions import *
    from .ops.creation import *
    from .ops.diagonals import *
    from .ops.differences import *
    from .ops.einsum import *
    from .ops.floating import *
    from .ops.gathering import *
    from .ops.indexing import *
    from .ops.joining import *
    from .ops.manipulation import *
    from .ops.padding import *
    from .ops.products import *
    from .ops.quantization import *
    from .ops.ranges import *
    from .ops.reductions import *
    from .ops.rounded_products import *
    from .ops.searching import *
    from .ops.set_operations import *
    from .ops.sets import *
    from .ops.windows import *
    from .plugin import BackendSpec, hookimpl
    from .primitives.argreduce import *
    from .primitives.bitwise import *
    from .primitives.combined import *
    from .primitives.compare import *
    from .primitives.convert import *
    from .primitives.dot import *
    from .primitives.effects import *
    from .primitives.elementwise import *
    from .primitives.exponential import *
    from .primitives.fp8 import *
    from .primitives.hadamard import *
    from .primitives.reduce import *
    from .primitives.scan import *
    from .primitives.sort import *
    from .primitives.special import *
    from .primitives.trigonometric import *
    from .primitives.unary import *
    from .printing import *
    from .profiling import *
    from .transforms.compile import *
    from .transforms.cond import *
    from .transforms.custom import *
    from .transforms.jacobians import *
    from .transforms.jvp import *
    from .transforms.program import *
    from .transforms.scan import *
    from .transforms.vjp import *
    from .transforms.vmap import *
    from .transforms.while_loop import *

__version__ = "0.1.0"

_HOMES = {name: module for module, of in names.PUBLIC.items() for name in of.split()}

__all__ = sorted(name for name in _HOMES if not name.startswith("_"))

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load the family that holds ``name``."""
        if name in names.SUBMODULES:
            return doors.load(name)
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(doors.load(home), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES, *names.SUBMODULES})
