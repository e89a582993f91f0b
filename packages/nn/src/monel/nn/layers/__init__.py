"""The layers, one family a module."""

from __future__ import annotations

from . import (
    activations,
    attention,
    containers,
    conv,
    dropout,
    embedding,
    functions,
    linear,
    norm,
    pooling,
    positional,
    quantized,
    recurrent,
    transformer,
    upsample,
)
from .activations import *
from .attention import *
from .containers import *
from .conv import *
from .distributed import (
    AllToShardedLinear,
    FullyShardedModule,
    QuantizedAllToShardedLinear,
    QuantizedShardedToAllLinear,
    ShardedToAllLinear,
    fully_shard,
)
from .dropout import *
from .embedding import *
from .functions import *
from .linear import *
from .norm import *
from .pooling import *
from .positional import *
from .quantized import *
from .recurrent import *
from .transformer import *
from .upsample import *

__all__ = [
    "AllToShardedLinear",
    "FullyShardedModule",
    "QuantizedAllToShardedLinear",
    "QuantizedShardedToAllLinear",
    "ShardedToAllLinear",
    "fully_shard",
]
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += containers.__all__
__all__ += conv.__all__
__all__ += dropout.__all__
__all__ += embedding.__all__
__all__ += functions.__all__
__all__ += linear.__all__
__all__ += norm.__all__
__all__ += pooling.__all__
__all__ += positional.__all__
__all__ += quantized.__all__
__all__ += recurrent.__all__
__all__ += transformer.__all__
__all__ += upsample.__all__
