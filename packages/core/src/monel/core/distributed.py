"""mx.distributed: the group of one process that there always is, and its collectives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .base.errors import BackendError, DTypeError, ShapeError
from .execute.placement import to_stream
from .graph.handle import array, wrap
from .primitives.arguments import dtype_or, flag, integer, operand, shape_of
from .primitives.operands import to_array

__all__ = [
    "Group",
    "all_gather",
    "all_max",
    "all_min",
    "all_sum",
    "init",
    "is_available",
    "recv",
    "recv_like",
    "send",
    "sum_scatter",
]

# Ways in which processes may talk, as MLX names them; none of them is built in.
BACKENDS = ("any", "mpi", "nccl", "jaccl", "ring")


class Group:
    """Processes that compute together; made by ``init`` and ``split``. This one has one member.

    Raises:
      TypeError: It is called: groups are made by ``init``.
    Example:
      >>> import monel.core as mx
      >>> group = mx.distributed.init()
      >>> group.rank(), group.size()
      (0, 1)
    """

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError("Group: a group is made by mx.distributed.init")

    def rank(self) -> int:
        """Return the place of this process in the group.

        Example:
          >>> import monel.core as mx
          >>> mx.distributed.init().rank()
          0
        """
        return 0

    def size(self) -> int:
        """Return how many processes the group has.

        Example:
          >>> import monel.core as mx
          >>> mx.distributed.init().size()
          1
        """
        return 1

    def split(self, color: int, key: int = -1) -> Group:
        """Return the group of those members that give the same ``color``, in the order of ``key``.

        Raises:
          TypeError: ``color`` or ``key`` is no int.
          RuntimeError: The group has one member only.
        """
        integer("split", "color", color)
        integer("split", "key", key)
        raise BackendError("split: a group of one process cannot be split further")


_world = Group.__new__(Group)


def _check_backend(function: str, backend: str) -> None:
    if not isinstance(backend, str):
        raise TypeError(f"{function}: backend must be a str, got {type(backend).__name__}")
    if backend not in BACKENDS:
        raise BackendError(
            f"{function}: The only valid values for backend are {', '.join(BACKENDS)}, "
            f"got {backend!r}"
        )


def is_available(backend: str = "any") -> bool:
    """Return whether processes can talk through ``backend``. None is built in, so it is False.

    Args:
      backend: A name; those that MLX knows are ``"any"``, ``"mpi"``, ``"nccl"``, ``"jaccl"`` and
        ``"ring"``.
    Raises:
      TypeError: ``backend`` is no string.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.is_available()
      False
    """
    if not isinstance(backend, str):
        raise TypeError(f"is_available: backend must be a str, got {type(backend).__name__}")
    return False


def init(
    strict: bool = False,
    backend: str = "any",
    *,
    all_gather_factory: Callable[[int, int], Callable[[bytes, int], bytes]] | None = None,
) -> Group:
    """Return the group of all processes: here, the one that asks.

    Args:
      strict: Raise where no other process can be reached, instead of returning a group of one.
      backend: How to reach them: ``"any"``, ``"mpi"``, ``"nccl"``, ``"jaccl"`` or ``"ring"``.
      all_gather_factory: With ``backend="jaccl"`` only: how to exchange its addresses.
    Raises:
      RuntimeError: ``strict``, as no backend is built in.
      ValueError: Another ``backend``, or ``all_gather_factory`` with another one than ``"jaccl"``.
      TypeError: Arguments of other types.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.init().size()
      1
    """
    must = flag("init", "strict", strict)
    _check_backend("init", backend)
    factory: Any = all_gather_factory
    if factory is not None and not callable(factory):
        kind = type(factory).__name__
        raise TypeError(f"init: all_gather_factory must be a callable, got {kind}")
    if factory is not None and backend != "jaccl":
        raise BackendError("init: all_gather_factory is only supported with backend='jaccl'")
    if must:
        raise BackendError(
            f"init: Couldn't initialize backend {backend!r}: this build reaches no other process; "
            "strict=False gives a group of one"
        )
    return _world


def _check_group(function: str, group: Any) -> None:
    if group is not None and not isinstance(group, Group):
        raise TypeError(f"{function}: group must be a Group or None, got {type(group).__name__}")


def _alone(function: str, x: Any, group: Any, stream: Any) -> array:
    """Return ``x``, which is what every collective gives in a group of one."""
    _check_group(function, group)
    to_stream(stream)
    return wrap(to_array(function, x).value)


def all_sum(x: Any, *, group: Group | None = None, stream: Any = None) -> array:
    """Return the sum of ``x`` over the processes of a group.

    Args:
      x: Array of any shape and dtype, the same in each process.
      group: The group; None for that of all processes.
    Returns:
      Array of the shape and dtype of ``x``; of one process, ``x`` itself.
    Raises:
      TypeError: ``group`` is no group.
      ValueError: ``x`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.all_sum(mx.array([1, 2]))
      array([1, 2], dtype=int32)
    """
    return _alone("all_sum", x, group, stream)


def all_max(x: Any, *, group: Group | None = None, stream: Any = None) -> array:
    """Return the elementwise maximum of ``x`` over the processes of a group.

    Args:
      x: Array of any shape and dtype, the same in each process.
      group: The group; None for that of all processes.
    Returns:
      Array of the shape and dtype of ``x``; of one process, ``x`` itself.
    Raises:
      TypeError: ``group`` is no group.
      ValueError: ``x`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.all_max(mx.array([1, 2]))
      array([1, 2], dtype=int32)
    """
    return _alone("all_max", x, group, stream)


def all_min(x: Any, *, group: Group | None = None, stream: Any = None) -> array:
    """Return the elementwise minimum of ``x`` over the processes of a group.

    Args:
      x: Array of any shape and dtype, the same in each process.
      group: The group; None for that of all processes.
    Returns:
      Array of the shape and dtype of ``x``; of one process, ``x`` itself.
    Raises:
      TypeError: ``group`` is no group.
      ValueError: ``x`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.all_min(mx.array([1, 2]))
      array([1, 2], dtype=int32)
    """
    return _alone("all_min", x, group, stream)


def all_gather(x: Any, *, group: Group | None = None, stream: Any = None) -> array:
    """Return the arrays of all processes of a group, joined along the first axis.

    Args:
      x: Array of any shape and dtype, the same in each process.
      group: The group; None for that of all processes.
    Returns:
      Array of the dtype of ``x`` and shape (size * n, ...); of one process, ``x`` itself.
    Raises:
      TypeError: ``group`` is no group.
      ValueError: ``x`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.all_gather(mx.array([1, 2]))
      array([1, 2], dtype=int32)
    """
    return _alone("all_gather", x, group, stream)


def sum_scatter(x: Any, *, group: Group | None = None, stream: Any = None) -> array:
    """Return this process's part, along the first axis, of the sum of ``x`` over a group.

    Args:
      x: Array of shape (n, ...), n a multiple of the group's size.
      group: The group; None for that of all processes.
    Returns:
      Array of the dtype of ``x`` and shape (n / size, ...); of one process, ``x`` itself.
    Raises:
      TypeError: ``group`` is no group.
      ValueError: ``x`` is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.distributed.sum_scatter(mx.array([1, 2]))
      array([1, 2], dtype=int32)
    """
    return _alone("sum_scatter", x, group, stream)


def _no_partner(function: str, number: Any, group: Any) -> NoReturn:
    """Refuse to talk to process ``number``: in a group of one there is no other."""
    _check_group(function, group)
    integer(function, "dst" if function == "send" else "src", number)
    word = "send to" if function == "send" else "recv from"
    raise ShapeError(f"{function}: Cannot {word} a singleton group")


def send(x: Any, dst: int, *, group: Group | None = None, stream: Any = None) -> array:
    """Send ``x`` to another process of a group when the result is evaluated.

    Args:
      x: Array of any shape and dtype.
      dst: The other's rank.
      group: The group; None for that of all processes.
    Returns:
      Array equal to ``x``.
    Raises:
      ValueError: The group has one member only, or ``x`` is no array.
      TypeError: ``dst`` is no int, or ``group`` no group.
    """
    operand("send", x)
    _no_partner("send", dst, group)


def recv(
    shape: Any, dtype: Any, src: int, *, group: Group | None = None, stream: Any = None
) -> array:
    """Receive an array from another process of a group when the result is evaluated.

    Args:
      shape: Its shape.
      dtype: Its dtype.
      src: The other's rank.
      group: The group; None for that of all processes.
    Raises:
      ValueError: The group has one member only, or the shape is none.
      TypeError: ``src`` is no int, ``dtype`` no dtype, or ``group`` no group.
    """
    shape_of("recv", shape)
    if dtype is None:
        raise DTypeError("recv: expected a Dtype, got None")
    dtype_or("recv", dtype, dtype)
    _no_partner("recv", src, group)


def recv_like(x: Any, src: int, *, group: Group | None = None, stream: Any = None) -> array:
    """Receive an array of the shape and dtype of ``x`` from another process of a group.

    Args:
      x: Array whose shape and dtype are expected.
      src: The other's rank.
      group: The group; None for that of all processes.
    Raises:
      ValueError: The group has one member only, or ``x`` is no array.
      TypeError: ``src`` is no int, or ``group`` no group.
    """
    like = operand("recv_like", x)
    shape_of("recv_like", like.shape)
    _no_partner("recv_like", src, group)
