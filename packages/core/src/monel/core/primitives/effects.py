"""Calls of Python functions on the host, pure or for their effect, and the order of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.avals import AbstractArray
from ..base.dtypes import bool_, float32
from ..base.errors import DTypeError, ShapeError
from ..base.tree import LEAF, Constant, flatten, unflatten
from ..graph.handle import array
from ..graph.primitive import Primitive, Sample, apply

if TYPE_CHECKING:
    import numpy as np

__all__ = ["depends", "host_call"]


class Depends(Primitive, name="depends"):
    """The first operands, computed only after the others: each output is its operand."""

    count: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = self.count

    def abstract(self, *operands: Any) -> Any:
        return self._first([AbstractArray(x.shape, x.dtype) for x in operands])

    def reference(self, *operands: Any) -> Any:
        return self._first(operands)

    def _first(self, operands: Any) -> Any:
        return operands[0] if self.count == 1 else tuple(operands[: self.count])

    def jvp(self, primals: Any, tangents: Any, outputs: Any) -> Any:
        return tuple(tangents[: self.count])

    def vjp(self, primals: Any, cotangents: Any, outputs: Any, wanted: Any) -> Any:
        return tuple(cotangents) + (None,) * (len(primals) - self.count)

    def batch(self, operands: Any, dims: Any) -> Any:
        return self.bind(*operands), self._first(dims)


def depends(inputs: array | Sequence[array], dependencies: array | Sequence[array]) -> Any:
    """Return ``inputs`` such that computing one of them computes ``dependencies`` first.

    Derivatives flow through ``inputs`` only. Work that is pure needs no order; this is for memory
    (what is recomputed waits for what comes before it) and for what the host does.

    Args:
      inputs: An array, or a sequence of arrays.
      dependencies: An array, or a sequence of arrays.
    Returns:
      The same array or, for a sequence, a list of the same arrays.
    Raises:
      ValueError: One of them is no array.
    Example:
      >>> import monel.core as mx
      >>> mx.depends(mx.array(1.0), mx.ones(3).sum())
      array(1, dtype=float32)
    """
    single = isinstance(inputs, array)
    held = _arrays("inputs", inputs)
    if not held:
        return []
    made = after(held, _arrays("dependencies", dependencies))
    return made[0] if single else list(made)


def after(held: Sequence[array], dependencies: Sequence[array]) -> tuple[array, ...]:
    """Return the arrays ``held``, computed after ``dependencies``."""
    made = apply(Depends(count=len(held)), (*held, *dependencies))
    return made if isinstance(made, tuple) else (made,)


def _arrays(what: str, given: Any) -> list[array]:
    given = [given] if isinstance(given, array) else given
    if not isinstance(given, list | tuple) or not all(isinstance(x, array) for x in given):
        raise DTypeError(
            f"depends: {what} must be an array or a sequence of arrays, got {type(given).__name__}"
        )
    return list(given)


class HostCall(Primitive, name="host_call"):
    """What the Python function ``fun`` returns for the operands as NumPy arrays.

    Attributes:
      fun: Takes an array for each operand, returns a sequence with an array for each result.
      results: Shape and dtype of each result.
    """

    interned = False
    required = True
    host = True
    asked: ClassVar[int] = 0
    nondifferentiable: ClassVar[str | None] = (
        "what a function on the host computes is not known; give it one with mx.custom_function, "
        "or stop the gradient with mx.stop_gradient"
    )
    fun: Callable[..., Sequence[Any]]
    results: tuple[AbstractArray, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.results)

    def abstract(self, *operands: Any) -> Any:
        return self.results[0] if self.outputs == 1 else self.results

    def reference(self, *operands: Any) -> Any:
        given = [_read_only(x) for x in operands]
        made = [_checked(r, a) for r, a in zip(self.fun(*given), self.results, strict=True)]
        return made[0] if self.outputs == 1 else tuple(made)

    def batch(self, operands: Any, dims: Any) -> Any:
        # What the function does with a further axis only its author knows: one call a row.
        return NotImplemented

    def __str__(self) -> str:
        return f"{self.export_name} [{getattr(self.fun, '__name__', type(self.fun).__name__)}]"

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        x, y = (rng.standard_normal(s).astype("float32") for s in ((2, 3), (3,)))
        first = AbstractArray((2, 3), float32)
        yield Sample(cls(_sums, (first,)), (x, y))
        yield Sample(cls(_sums_and_first, (first, AbstractArray((3,), float32))), (x, y))


def _sums(x: Any, y: Any) -> Any:
    return (x + y,)


def _sums_and_first(x: Any, y: Any) -> Any:
    return x + y, y


class Callback(HostCall, name="callback"):
    """A call of ``fun`` for what it does besides: never folded, merged, duplicated or reordered."""

    effect = True


class Report(Callback, name="report"):
    """A callback that returns nothing that could be asked for: it runs as soon as it can."""

    eager = True


def _read_only(x: Any) -> Any:
    import numpy as np

    seen = np.asarray(x).view()
    seen.flags.writeable = False
    return seen


def _checked(result: Any, aval: AbstractArray) -> Any:
    """Return a function's result as an array of ``aval``."""
    import numpy as np

    found = np.asarray(result)
    if found.shape != aval.shape:
        raise ShapeError(
            f"host_call: the function returned an array of shape {found.shape}, "
            f"but {aval} was announced"
        )
    if not np.can_cast(found.dtype, aval.dtype.numpy, "same_kind"):
        raise DTypeError(
            f"host_call: the function returned {found.dtype} where {aval} was announced"
        )
    # A copy: what the function keeps it may write to.
    return np.array(found, aval.dtype.numpy)


def host_call(
    fun: Callable[..., Any],
    results: Any,
    *args: Any,
    effect: bool = False,
    stream: Any = None,
) -> Any:
    """Call the Python function ``fun`` on the host when the result is evaluated.

    It works inside every transform: ``compile`` calls ``fun`` each time the compiled function
    runs, ``vmap`` calls it once for each row. It has no derivative; ``mx.custom_function`` gives
    it one.

    A call is pure unless ``effect`` says otherwise: it may be left out, repeated or merged with an
    equal one. A call with an effect runs at most once, when it or a later effect of its stream is
    evaluated, and in the order in which the effects of a stream were recorded. With ``results``
    None it is an effect of which nothing is asked: it runs at once, inside ``compile`` each time
    the compiled function runs.

    Args:
      fun: Takes ``args`` with NumPy arrays, which can't be written to, in place of arrays.
      results: A tree of arrays, whose shapes and dtypes are those of what ``fun`` returns; their
        values are not used. None: ``fun`` returns nothing of interest.
      args: Trees of arrays; anything else in them is passed on.
      effect: Whether ``fun`` does something besides computing its result.
    Returns:
      A tree like ``results``.
    Raises:
      TypeError: ``fun`` can't be called.
      ValueError: ``results`` holds no array; at evaluation: the result has another shape or dtype.
    Example:
      >>> import monel.core as mx
      >>> import numpy as np
      >>> x = mx.array([3.0, 1.0, 2.0])
      >>> mx.host_call(np.sort, x, x)
      array([1, 2, 3], dtype=float32)
      >>> def step(x):
      ...     mx.host_call(lambda v: print("sum", v), None, x.sum())
      ...     return x * 2
      >>> mx.compile(step)(x)
      sum 6.0
      array([6, 2, 4], dtype=float32)
    Source: ``jax.pure_callback`` and ``jax.experimental.io_callback``.
    """
    if not callable(fun):
        raise TypeError(f"host_call: expected a callable, got {type(fun).__name__}")
    leaves: list[Any] = []
    structure = flatten(args, array, leaves)
    if results is None:
        done = Report(_Returning(fun, structure, None), (AbstractArray((0,), bool_),))
        apply(done, tuple(leaves), stream)
        return None
    likes: list[Any] = []
    wanted = flatten(results, array, likes)
    if not likes:
        raise ShapeError(
            "host_call: results must be a tree with arrays of the result's shapes and dtypes, or "
            f"None; got {type(results).__name__}"
        )
    cls = Callback if effect else HostCall
    primitive = cls(_Returning(fun, structure, wanted), tuple([x.value.aval for x in likes]))
    made = apply(primitive, tuple(leaves), stream)
    return unflatten(wanted, iter(made if isinstance(made, tuple) else (made,)))


class _Returning:
    """A function of trees as one of arrays; ``wanted`` is the structure of its result, or None."""

    def __init__(self, fun: Callable[..., Any], structure: Any, wanted: Any) -> None:
        self.fun = fun
        self.structure = structure
        self.wanted = wanted
        self.__name__ = getattr(fun, "__name__", type(fun).__name__)

    def __call__(self, *arrays: Any) -> Sequence[Any]:
        import numpy as np

        made = self.fun(*unflatten(self.structure, iter(arrays)))
        if self.wanted is None:
            return (np.empty(0, np.bool_),)
        found: list[Any] = []
        _collect(self.wanted, made, found)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Returning):
            return NotImplemented
        return (self.fun, self.structure, self.wanted) == (other.fun, other.structure, other.wanted)

    def __hash__(self) -> int:
        return hash((self.structure, self.wanted))


def _collect(structure: Any, tree: Any, found: list[Any]) -> None:
    """Append what ``tree`` holds where ``structure`` has arrays."""
    if structure is LEAF:
        found.append(tree)
    elif not isinstance(structure, Constant):
        keys = structure.keys
        same = isinstance(tree, dict if keys is not None else list | tuple)
        if not same or len(tree) != len(structure.children):
            raise ShapeError(
                f"host_call: the function returned {type(tree).__name__}, "
                f"but {structure} was announced"
            )
        for i, child in enumerate(structure.children):
            _collect(child, tree[i if keys is None else keys[i]], found)
