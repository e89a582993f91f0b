"""The numbers behind the kit: samples and what is made of them, tolerances, differences, adjoints.

Everything that compares a primitive with its definition does it here, the tests of core included.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

import monel.core as mx
from monel.core.plugin import (
    DTYPES,
    REGISTRY,
    AbstractArray,
    Program,
    Sample,
    array,
    dtype_named,
)

from ..base.dtypes import from_numpy_dtype
from ..construct import from_host
from ..graph.handle import wrap

SEED = 0

# What recording and transforms make for themselves: tied to a graph or to a Program, not to
# operands that a sample could give.
MACHINERY = frozenset({"call", "checkpoint", "custom_function", "output", "placeholder"})
# Primitives that pass their operands on: nothing that samples would show.
PASSING = frozenset({"depends", "identity"})
# What nothing but one kind of device can run: no reference, so nothing that samples would show.
SOURCE = frozenset({"metal_kernel"})
# The derivative of a loop without a bound on its steps is differentiated by jvp alone.
FORWARD_ONLY = frozenset({"while_reverse"})

# Relative and absolute room by dtype; what is not listed must agree exactly.
TOLERANCES = {
    "float16": (1e-2, 1e-2),
    "bfloat16": (6e-2, 6e-2),
    "float32": (2e-5, 2e-6),
    "float64": (1e-9, 1e-10),
    "complex64": (5e-5, 1e-5),
}


def listed(made: Any) -> list[Any]:
    """Return one output or several as a list."""
    return list(made) if type(made) in (list, tuple) else [made]


def to_array(x: np.ndarray) -> array:
    """Return an array of exactly the dtype of ``x``, a constant that no device holds yet."""
    return wrap(from_host(np.ascontiguousarray(x).tobytes(), x.shape, from_numpy_dtype(x.dtype)))


def to_numpy(a: array) -> np.ndarray:
    """Return a copy of the values of ``a``."""
    return np.array(a)


def aval(x: np.ndarray) -> AbstractArray:
    """Return shape and dtype of an operand."""
    return AbstractArray(x.shape, from_numpy_dtype(x.dtype))


def avals(operands: Sequence[np.ndarray]) -> tuple[AbstractArray, ...]:
    """Return shape and dtype of each operand."""
    return tuple([aval(x) for x in operands])


def out_avals(sample: Sample) -> list[AbstractArray]:
    """Return shape and dtype of each output of a sample."""
    return listed(sample.primitive.abstract(*avals(sample.operands)))


def reference_of(sample: Sample) -> list[np.ndarray]:
    """Return the outputs of a sample by the definition of its primitive."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = listed(sample.primitive.reference(*sample.operands))
    return [np.asarray(out) for out in made]


def bound(primitive: Any) -> Callable[..., list[array]]:
    """Return ``primitive`` as a function from arrays to a list of arrays."""
    return lambda *operands: listed(primitive.bind(*operands))


def describe(sample: Sample) -> str:
    """Return a sample as it is named in messages."""
    return f"{sample.primitive} of ({', '.join(map(str, avals(sample.operands)))})"


# -- samples ------------------------------------------------------------------------------------


def sampled_names() -> list[str]:
    """Return core's primitives that samples can show, in alphabetical order."""
    return [n for n in sorted(REGISTRY) if n not in MACHINERY | PASSING | SOURCE and "::" not in n]


@cache
def samples_of(name: str) -> tuple[Sample, ...]:
    """Return the samples of a primitive, always the same."""
    return tuple(REGISTRY[name].samples(np.random.default_rng(SEED)))


def in_scope(sample: Sample) -> bool:
    """Return whether the meaning of the primitive takes these operands."""
    try:
        said = out_avals(sample)
        made = reference_of(sample)
    except Exception:
        # Whatever the definition refuses, in whatever way, is no case of the primitive.
        return False
    return all(aval(m) == s for m, s in zip(made, said, strict=True))


def resized(sample: Sample, sizes: Callable[[int], int]) -> Sample | None:
    """Return the sample with each dimension n replaced by ``sizes(n)``, or None out of scope."""
    shapes = [tuple([sizes(n) for n in x.shape]) for x in sample.operands]
    if all(s == x.shape for s, x in zip(shapes, sample.operands, strict=True)):
        return None
    operands = tuple(
        [
            np.resize(x, s) if x.size else np.ones(s, x.dtype)
            for x, s in zip(sample.operands, shapes, strict=True)
        ]
    )
    primitive = sample.primitive
    if primitive.shape_dependent:
        try:
            primitive = primitive.replayed(avals(sample.operands), avals(operands))
        except ValueError:
            return None
    made = Sample(primitive, operands, sample.tolerance)
    return made if in_scope(made) else None


def second_shape(sample: Sample) -> Sample | None:
    """Return the sample with every dimension above 1 one longer."""
    return resized(sample, lambda n: n + 1 if n > 1 else n)


def emptied(sample: Sample) -> list[Sample]:
    """Return the samples in which all dimensions of one length are 0."""
    lengths = sorted({n for x in sample.operands for n in x.shape if n > 1})
    made = [resized(sample, _without(gone)) for gone in lengths]
    return [s for s in made if s is not None]


def _without(gone: int) -> Callable[[int], int]:
    return lambda n: 0 if n == gone else n


def zero_dimensional(sample: Sample) -> Sample | None:
    """Return an elementwise sample on its first elements, without dimensions."""
    p, operands = sample.primitive, sample.operands
    if not (p.elementwise and operands and all(x.size and x.ndim for x in operands)):
        return None
    made = Sample(p, tuple([x.reshape(-1)[0].reshape(()) for x in operands]), sample.tolerance)
    return made if in_scope(made) else None


def in_dtype(sample: Sample, name: str) -> Sample | None:
    """Return the sample with the dtype of its deciding operand replaced, or None out of scope."""
    p = sample.primitive
    if not sample.operands:
        return None
    decides = sample.operands[p.dtype_operand].dtype
    dtype = dtype_named(name).numpy
    if decides == dtype:
        return None
    operands = []
    for place, x in enumerate(sample.operands):
        operands.append(converted(x, dtype, signed=place == 0) if x.dtype == decides else x)
    made = Sample(p, tuple(operands), sample.tolerance)
    return made if in_scope(made) else None


def converted(x: np.ndarray, dtype: Any, signed: bool) -> np.ndarray:
    """Return ``x`` as ``dtype``: integers small and not 0, so that nothing is undefined."""
    with np.errstate(all="ignore"):
        if np.dtype(dtype).kind not in "iu":
            return x.astype(dtype)
        small = np.nan_to_num(np.clip(np.real(x).astype("float64"), -1.5, 1.5)) * 3
    small = np.where(np.abs(small) < 1, 1, np.trunc(small))
    return (small if signed and np.dtype(dtype).kind == "i" else np.abs(small)).astype(dtype)


# -- layouts ------------------------------------------------------------------------------------


def strided(x: np.ndarray) -> list[array]:
    """Return ``x`` as arrays that are no contiguous storage where memory has views.

    Every other element of the last axis, from the second on; and the transpose of its transpose.
    """
    made = []
    if x.ndim:
        wide_ = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
        wide_[..., 1::2] = x
        made.append(to_array(wide_)[..., 1::2])
    if x.ndim > 1:
        made.append(to_array(np.ascontiguousarray(x.T)).T)
    return made


def rows(x: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return two rows to map over: ``x``, and ``x`` from its end."""
    return np.stack([x, x[::-1] if x.ndim else x], axis)


# -- comparing ----------------------------------------------------------------------------------


def difference(got: np.ndarray, want: np.ndarray, factor: float = 1.0) -> str | None:
    """Return how ``got`` differs from ``want`` by more than their dtype allows, or None."""
    got, want = np.asarray(got), np.asarray(want)
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return f"it is {aval(got)}, expected {aval(want)}"
    name = aval(want).dtype.name
    relative, absolute = TOLERANCES.get(name, (0.0, 0.0))
    exact = name not in TOLERANCES
    a, b = (got, want) if exact else (_wide(got), _wide(want))
    if exact:
        wrong = a != b
    else:
        with np.errstate(all="ignore"):
            scale = _scale(b)
            room = factor * (absolute * max(1.0, scale) + relative * np.abs(b))
            wrong = ~((a == b) | (np.abs(a - b) <= room) | (np.isnan(a) & np.isnan(b)))
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{count} of {want.size} elements differ; at {list(place)} it is {got[place]}, "
        f"expected {want[place]}"
    )


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype("complex128" if x.dtype.kind == "c" else "float64")


def _scale(x: np.ndarray) -> float:
    """Return the largest finite magnitude: sums lose absolute, not relative, accuracy."""
    return float(np.max(np.abs(x), initial=0, where=np.isfinite(x)))


# -- derivatives --------------------------------------------------------------------------------


def wide(primitive: Any, x: np.ndarray) -> array:
    """Return an operand as an array: floating ones in float64, unless a Program has a dtype."""
    if any(isinstance(v, Program) for v in primitive.parameters.values()):
        return to_array(x)
    return to_array(x.astype("float64") if x.dtype.kind == "f" else x)


def active(primitive: Any, dtypes: Sequence[Any]) -> list[int]:
    """Return the operands that have a derivative; half types are left out."""
    linear_in, zero_in = primitive.linear_in, primitive.zero_in
    return [
        i
        for i, dtype in enumerate(dtypes)
        if dtype.inexact and dtype.size > 2 and i not in zero_in
        if linear_in is None or i in linear_in
    ]


def differentiable(sample: Sample) -> bool:
    """Return whether a sample has a derivative at its operands, and a floating output."""
    p = sample.primitive
    if p.nondifferentiable is not None or not sample.operands:
        return False
    if not active(p, [a.dtype for a in avals(sample.operands)]):
        return False
    finite = all(np.all(np.isfinite(x)) for x in sample.operands if x.dtype.kind in "fc")
    return finite and all(a.dtype.inexact for a in out_avals(sample))


def moving(primitive: Any, operands: Sequence[array], places: Sequence[int]) -> Any:
    """Return ``primitive`` as a function of the operands at ``places`` alone."""

    def function(*given: array) -> list[array]:
        replaced = list(operands)
        for i, x in zip(places, given, strict=True):
            replaced[i] = x
        return listed(primitive.bind(*replaced))

    return function


def directions(rng: np.random.Generator, like: Sequence[Any]) -> list[np.ndarray]:
    """Return a random direction for each array or aval."""
    return [np.asarray(rng.standard_normal(x.shape)).astype(x.dtype.numpy) for x in like]


def inner(a: Any, b: Any) -> float:
    """Return the real inner product of two arrays."""
    return float(np.real(np.vdot(np.asarray(a), np.asarray(b))))


def check_derivatives(sample: Sample) -> None:
    """Compare jvp with central differences, and vjp with jvp by the adjoint law; in float64.

    Raises:
      AssertionError: They do not agree.
    """
    p, rng = sample.primitive, np.random.default_rng(SEED + 1)
    operands = [wide(p, x) for x in sample.operands]
    places = active(p, [x.dtype for x in operands])
    function = moving(p, operands, places)
    primals = [operands[i] for i in places]
    tangents = [to_array(t) for t in directions(rng, primals)]
    outs, pushed = mx.jvp(function, primals, tangents)
    if any(o.dtype.size <= 2 for o in outs):
        # Differences of half types say nothing.
        return
    single = any(x.dtype.name != "float64" for x in (*primals, *outs))
    step, close = (1e-2, 1e-2) if single else (1e-6, 1e-6)
    ahead = function(*[x + step * t for x, t in zip(primals, tangents, strict=True)])
    behind = function(*[x - step * t for x, t in zip(primals, tangents, strict=True)])
    for out, t, a, b in zip(outs, pushed, ahead, behind, strict=True):
        assert (t.shape, t.dtype) == (out.shape, out.dtype)
        if p.surrogate is not None:
            continue
        finite = np.isfinite(to_numpy(out))
        want = (to_numpy(a)[finite] - to_numpy(b)[finite]) / (2 * step)
        scale = max(1.0, float(np.max(np.abs(want), initial=0)))
        room = close * scale * sample.tolerance
        np.testing.assert_allclose(to_numpy(t)[finite], want, atol=room)
    if p.name in FORWARD_ONLY:
        return
    cotangents = [to_array(c) for c in directions(rng, outs)]
    _, pulled = mx.vjp(function, primals, cotangents)
    for x, g in zip(primals, pulled, strict=True):
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
    left = sum(inner(c, t) for c, t in zip(cotangents, pushed, strict=True))
    right = sum(inner(g, t) for g, t in zip(pulled, tangents, strict=True))
    room = 1e-4 if single else 1e-9
    assert math.isclose(left, right, rel_tol=room, abs_tol=room), (
        f"{describe(sample)}: <ct, J t> is {left}, <J^T ct, t> is {right}"
    )


def dtype_names() -> list[str]:
    """Return the names of all dtypes."""
    return [d.name for d in DTYPES]


def further_dtypes(name: str) -> Iterator[tuple[str, Sample]]:
    """Yield the first sample of a primitive in every other dtype that it takes."""
    found = [s for s in samples_of(name) if s.operands and all(x.size for x in s.operands)]
    for dtype in dtype_names() if found else ():
        made = in_dtype(found[0], dtype)
        if made is not None:
            yield dtype, made
