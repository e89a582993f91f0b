"""Compile every kernel with the device's own compiler: what each primitive's samples launch.

On a Mac this is Apple's compiler. The names of those that it refuses are printed with its messages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from monel.backends import metal
from monel.backends.metal.device import MetalBackend
from monel.backends.metal.runtime import RuntimeFailure
from monel.core.plugin import REGISTRY, DTypeError, Primitive, dtype_named


class Caller:
    """What kernels ask of an evaluation."""

    device = "metal:0"

    def __init__(self, backend: MetalBackend) -> None:
        self.backend = backend
        self.target = self


def samples() -> Iterator[tuple[Primitive, list[np.ndarray]]]:
    """Every sample whose operands the device can hold."""
    for name, primitive in sorted(REGISTRY.items()):
        if "::" in name or primitive.effect:
            continue
        for p, operands, *_ in primitive.samples(np.random.default_rng(0)):
            arrays = [np.asarray(o) for o in operands]
            if all(a.dtype != np.float64 for a in arrays):
                yield p, arrays


def launch(caller: Caller, p: Any, arrays: list[np.ndarray]) -> bool:
    """Run the kernel of a sample; whether it has one."""
    backend = caller.backend
    dtypes = tuple(dtype_named(a.dtype.name) for a in arrays) or (p.abstract().dtype,)
    kernel = backend.kernel(p.name, dtypes)
    if kernel is None:
        return False
    buffers = [
        backend.from_host(a.tobytes(), a.shape, dtype, caller.device)
        for a, dtype in zip(arrays, dtypes)
    ]
    made = kernel(caller, p, *buffers)
    backend.synchronize(caller.device)
    return made is not NotImplemented


def main() -> int:
    caller = Caller(metal.load())
    compiled, refused = set(), []
    for p, arrays in samples():
        try:
            if launch(caller, p, arrays):
                compiled.add(p.name)
        except DTypeError:
            continue
        except RuntimeFailure as error:
            refused.append(f"{p.name}: {error}")
    print("\n".join(refused))
    print(f"{caller.backend.runtime.device_name}: {len(compiled)} primitives have kernels that run")
    return bool(refused)


if __name__ == "__main__":
    sys.exit(main())
