"""monel.core: lazy arrays and composable function transforms, on any backend."""

from __future__ import annotations

from . import fast, methods, operator_table, random
from .base.devices import *
from .base.dtypes import *
from .constants import *
from .construct import *
from .execute.evaluation import *
from .execute.memory import *
from .execute.placement import *
from .files import *
from .graph.handle import *
from .interchange import *
from .namespace import *
from .ops.arithmetic import *
from .ops.blocks import *
from .ops.broadcasting import *
from .ops.convolutions import *
from .ops.creation import *
from .ops.diagonals import *
from .ops.differences import *
from .ops.einsum import *
from .ops.gathering import *
from .ops.indexing import *
from .ops.joining import *
from .ops.manipulation import *
from .ops.padding import *
from .ops.products import *
from .ops.ranges import *
from .ops.reductions import *
from .ops.sets import *
from .ops.windows import *
from .primitives.argreduce import *
from .primitives.bitwise import *
from .primitives.combined import *
from .primitives.compare import *
from .primitives.convert import *
from .primitives.dot import *
from .primitives.elementwise import *
from .primitives.exponential import *
from .primitives.reduce import *
from .primitives.scan import *
from .primitives.sort import *
from .primitives.special import *
from .primitives.trigonometric import *
from .primitives.unary import *
from .printing import *
from .transforms.compile import *
from .transforms.custom import *
from .transforms.jvp import *
from .transforms.vjp import *
from .transforms.vmap import *

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Give ``BackendSpec`` and ``hookimpl`` on demand: pluggy is not imported before."""
    if name in ("BackendSpec", "hookimpl"):
        from . import plugin

        return getattr(plugin, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
