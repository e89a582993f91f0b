"""Random bits as a function of a key and a counter, from which every distribution is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import Dtype, uint8, uint16, uint32
from ..base.errors import DTypeError, ShapeError
from ..graph.primitive import Sample, call
from .kinds import LocallyConstant, move_axis, scalar_like

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

_DTYPES: dict[int, Dtype] = {1: uint8, 2: uint16, 4: uint32}
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class RandomBits(LocallyConstant, name="random_bits"):
    """Uniform unsigned integers of ``width`` bytes for each key of an array of keys.

    A key is two uint32, the last axis of the operand. Threefry-2x32 in 20 rounds turns key and
    counter into two words (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
    For n words, counter i < n // 2 gives words i and i + (n + 1) // 2; where n is odd, the word in
    the middle is the first of counter (n // 2, 0). Narrow integers are cut from words, low part
    first.
    """

    shape_dependent = True
    zero_in = (0,)
    shape: tuple[int, ...]
    width: int

    def abstract(self, key: Any) -> AbstractArray:
        if key.dtype is not uint32:
            raise DTypeError(f"random: Expected key type uint32 but received {key}")
        if not key.shape or key.shape[-1] != 2:
            raise ShapeError(f"random: a key has the shape (2,), got {key}")
        shape = (*key.shape[:-1], *self.shape)
        check_shape("random", shape, self.width)
        return AbstractArray(shape, _DTYPES[self.width])

    @property
    def words(self) -> int:
        """How many uint32 words one key gives."""
        return -(-math.prod(self.shape) * self.width // 4)

    def reference(self, key: np.ndarray) -> np.ndarray:
        import numpy as np

        n, lead = self.words, key.shape[:-1]
        half, odd = n // 2, n % 2
        first = np.arange(half + odd, dtype=np.uint32)
        second = np.where(first < half, first + np.uint32(half + odd), np.uint32(0))
        a, b = _numpy_threefry(key[..., :1], key[..., 1:], first, second)
        bits = np.ascontiguousarray(np.concatenate([a, b[..., :half]], -1))
        cut = bits.view(_DTYPES[self.width].numpy)[..., : math.prod(self.shape)]
        return cut.reshape(lead + self.shape)

    def decompose(self, key: Any) -> Any:
        n, last = self.words, key.ndim - 1
        half, odd = n // 2, n % 2
        first = call("iota", shape=(half + odd,), dtype=uint32, axis=0)
        wrapped = call("add", first, scalar_like(half + odd, first))
        low = call("less", first, scalar_like(half, first))
        second = call("where", low, wrapped, scalar_like(0, first))
        k0, k1 = (_part(key, last, i, i + 1) for i in (0, 1))
        a, b = _threefry(k0, k1, first, second)
        bits = call("concatenate", a, _part(b, last, 0, half), axis=last)
        if self.width < 4:
            bits = call("bitcast", bits, dtype=_DTYPES[self.width])
            bits = _part(bits, last, 0, math.prod(self.shape))
        return call("reshape", bits, shape=(*key.shape[:-1], *self.shape))

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(move_axis(operands[0], dims[0], 0)), 0

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        for keys, shape, width in [
            ((2,), (4,), 4),
            ((2,), (3, 3), 4),
            ((2,), (5,), 2),
            ((3, 2), (7,), 1),
            ((2,), (), 4),
            ((2,), (0,), 4),
        ]:
            key = rng.integers(0, 2**32, keys, dtype="uint32")
            yield Sample(cls(shape=shape, width=width), (key,))


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    first, last = [0] * x.ndim, list(x.shape)
    first[axis], last[axis] = start, stop
    return call("slice", x, start=tuple(first), stop=tuple(last), step=(1,) * x.ndim)


def _numpy_threefry(k0: Any, k1: Any, a: Any, b: Any) -> tuple[Any, Any]:
    import numpy as np

    keys = (k0, k1, k0 ^ k1 ^ np.uint32(_PARITY))
    a, b = a + keys[0], b + keys[1]
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            a = a + b
            b = (b << np.uint32(r) | b >> np.uint32(32 - r)) ^ a
        a = a + keys[(i + 1) % 3]
        b = b + keys[(i + 2) % 3] + np.uint32(i + 1)
    return a, b


def _threefry(k0: Any, k1: Any, a: Any, b: Any) -> tuple[Any, Any]:
    def constant(number: int) -> Any:
        return scalar_like(number, k0)

    keys = (k0, k1, call("bitwise_xor", call("bitwise_xor", k0, k1), constant(_PARITY)))
    a, b = call("add", a, keys[0]), call("add", b, keys[1])
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            a = call("add", a, b)
            left = call("shift_left", b, constant(r))
            turned = call("bitwise_or", left, call("shift_right", b, constant(32 - r)))
            b = call("bitwise_xor", turned, a)
        a = call("add", a, keys[(i + 1) % 3])
        b = call("add", call("add", b, keys[(i + 2) % 3]), constant(i + 1))
    return a, b
