"""Keys of random numbers: made of a seed, split, and the default one of each thread."""

from __future__ import annotations

import os
import threading
from typing import Any

from ..base.dtypes import uint32
from ..base.errors import DTypeError, ShapeError
from ..graph.handle import array, wrap
from ..primitives.arguments import call_on, integer, operand
from ..primitives.bits import RandomBits
from ..primitives.create import constant, pack

__all__ = ["key", "seed", "split"]


class Thread(threading.local):
    """The default key of one thread: a list of one array, replaced at every draw without a key."""

    def __init__(self) -> None:
        self.state = [key(int.from_bytes(os.urandom(8), "little"))]


def key(seed: int) -> array:
    """Return the key of a seed: two uint32, its high and its low half.

    Args:
      seed: An int from 0 to 2**64 - 1.
    Returns:
      uint32 array of shape (2,).
    Raises:
      TypeError: ``seed`` is no such int.
    Example:
      >>> import monel.core as mx
      >>> mx.random.key(7)
      array([0, 7], dtype=uint32)
    """
    number = integer("key", "seed", seed)
    if not 0 <= number < 1 << 64:
        raise TypeError(f"key: expected a seed from 0 to 2**64 - 1, got {number}")
    return wrap(constant(pack([number >> 32, number & 0xFFFFFFFF], uint32), (2,), uint32))


thread = Thread()


def seed(seed: int) -> None:
    """Set the calling thread's default key to ``key(seed)``.

    Args:
      seed: An int from 0 to 2**64 - 1.
    Raises:
      TypeError: ``seed`` is no such int.
    Example:
      >>> import monel.core as mx
      >>> mx.random.seed(0)
      >>> mx.random.uniform(shape=(2,))
      array([0.576551, 0.299172], dtype=float32)
    """
    thread.state[0] = key(seed)


def split(key: array, num: int = 2, stream: Any = None) -> array:
    """Return independent keys made of one.

    Args:
      key: uint32 array of shape (2,).
      num: How many.
    Returns:
      uint32 array of shape (num, 2).
    Raises:
      ValueError: ``key`` is no key, or ``num`` is negative.
    Example:
      >>> import monel.core as mx
      >>> mx.random.split(mx.random.key(0))
      array([[4146024105, 967050713],
             [2718843009, 1272950319]], dtype=uint32)
    """
    count = integer("split", "num", num)
    if count < 0:
        raise ShapeError(f"split: num must not be negative, got {count}")
    words = one_key("split", operand("split", key))
    return RandomBits(shape=(count, 2), width=4).bind(words, stream=stream)


def one_key(function: str, key: Any) -> Any:
    """Return ``key`` checked, or the next of the thread's keys where it is None."""
    if key is None:
        pair = RandomBits(shape=(2, 2), width=4).bind(thread.state[0])
        thread.state[0] = call_on(None, "select", pair, axis=0, index=0)
        return call_on(None, "select", pair, axis=0, index=1)
    found = operand(function, key)
    if found.dtype is not uint32:
        raise DTypeError(f"{function}: Expected key type uint32 but received {found.value}")
    if found.shape != (2,):
        raise ShapeError(f"{function}: Expected key shape (2,) but received {found.value}")
    return found


def random_bits(function: str, shape: tuple[int, ...], width: int, key: Any, stream: Any) -> Any:
    """Return uniform unsigned integers of ``width`` bytes, from ``key`` or the thread's next."""
    return RandomBits(shape=shape, width=width).bind(one_key(function, key), stream=stream)
