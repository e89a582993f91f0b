"""Hold monel.core against the array API standard 2024.12, and say what fraction it passes.

    python tests/array_api/check.py

Signatures come from standard_2024_12.json. Results and dtypes are compared with those of
array-api-strict, function by function and dtype by dtype, special values included. What differs on
purpose is in EXCEPTIONS, with the reason; anything else makes the exit status 1.
"""

from __future__ import annotations

import fnmatch
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import array_api_strict as strict
import numpy as np

import monel.core as mx

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))
import compare

SIGNATURES = Path(__file__).with_name("standard_2024_12.json")

INTEGERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64"]
BOOL = ["bool"]
NUMERIC = INTEGERS + FLOATS + COMPLEX
EVERY = BOOL + NUMERIC

# Functions that return default integers, which the standard leaves open: NumPy's are of 64 bits.
DEFAULT_INTEGERS = """argmax argmin argsort count_nonzero cumulative_prod cumulative_sum nonzero
prod searchsorted sum unique_all unique_counts unique_inverse""".split()

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -2.5, 3.0, 1e-3, 1e30]

# Places where monel does what MLX does, or cannot do otherwise, with the reason.
EXCEPTIONS = {
    "signature clip *": "MLX's a_min and a_max by place, the standard's min and max by name",
    "signature full fill_value*": "MLX's vals by place, the standard's fill_value by name",
    "signature full_like fill_value*": "MLX's vals by place, the standard's fill_value by name",
    "argmax * dtype": "uint32, as in MLX",
    "argmin * dtype": "uint32, as in MLX",
    "argsort * dtype": "uint32, as in MLX",
    "searchsorted dtype": "uint32, as in MLX",
    "cumulative_* dtype": "that of the operand, as in MLX",
    "cumulative_prod *int8 * values": "8 bits wrap, as in MLX",
    "* float64 complex64 dtype": "MLX has no complex128",
    "* complex64 float64 dtype": "MLX has no complex128",
    "floor_divide float* special values": "1 // -inf is the floor of -0.0, as in MLX",
    "* int64 uint64 dtype": "MLX promotes these two to float32; the standard leaves it open",
}


class Case(NamedTuple):
    """One call: what it is called, how, and with which operands."""

    name: str
    function: Callable[..., Any]
    operands: tuple[np.ndarray, ...]


def values(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Operands: special values for floating dtypes, and small numbers."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        return rng.integers(0 if dtype.startswith("u") else -6, 7, shape).astype(dtype)
    made = rng.standard_normal(shape)
    if dtype in COMPLEX:
        return (made + 1j * rng.standard_normal(shape)).astype(dtype)
    return made.astype(dtype)


def special(dtype: str, swapped: bool = False) -> np.ndarray:
    """Every pair of special values: the first of each pair, or the second."""
    grid = np.meshgrid(SPECIAL, SPECIAL, indexing="ij")
    return grid[int(swapped)].ravel().astype(dtype)


UNARY = {
    "abs": NUMERIC, "acos": FLOATS + COMPLEX, "acosh": FLOATS + COMPLEX, "asin": FLOATS + COMPLEX,
    "asinh": FLOATS + COMPLEX, "atan": FLOATS + COMPLEX, "atanh": FLOATS + COMPLEX,
    "bitwise_invert": BOOL + INTEGERS, "ceil": INTEGERS + FLOATS, "conj": COMPLEX,
    "cos": FLOATS + COMPLEX, "cosh": FLOATS + COMPLEX, "exp": FLOATS + COMPLEX,
    "expm1": FLOATS + COMPLEX, "floor": INTEGERS + FLOATS, "imag": COMPLEX, "isfinite": NUMERIC,
    "isinf": NUMERIC, "isnan": NUMERIC, "log": FLOATS + COMPLEX, "log10": FLOATS + COMPLEX,
    "log1p": FLOATS + COMPLEX, "log2": FLOATS + COMPLEX, "logical_not": BOOL,
    "negative": [d for d in NUMERIC if not d.startswith("u")], "positive": NUMERIC,
    "real": COMPLEX, "reciprocal": FLOATS + COMPLEX, "round": NUMERIC, "sign": NUMERIC,
    "signbit": FLOATS, "sin": FLOATS + COMPLEX, "sinh": FLOATS + COMPLEX,
    "sqrt": FLOATS + COMPLEX, "square": NUMERIC, "tan": FLOATS + COMPLEX,
    "tanh": FLOATS + COMPLEX, "trunc": INTEGERS + FLOATS,
}  # fmt: skip
BINARY = {
    "add": NUMERIC, "atan2": FLOATS, "bitwise_and": BOOL + INTEGERS, "bitwise_left_shift": INTEGERS,
    "bitwise_or": BOOL + INTEGERS, "bitwise_right_shift": INTEGERS, "bitwise_xor": BOOL + INTEGERS,
    "copysign": FLOATS, "divide": FLOATS + COMPLEX, "equal": EVERY,
    "floor_divide": INTEGERS + FLOATS, "greater": INTEGERS + FLOATS,
    "greater_equal": INTEGERS + FLOATS, "hypot": FLOATS, "less": INTEGERS + FLOATS,
    "less_equal": INTEGERS + FLOATS, "logaddexp": FLOATS, "logical_and": BOOL, "logical_or": BOOL,
    "logical_xor": BOOL, "maximum": INTEGERS + FLOATS, "minimum": INTEGERS + FLOATS,
    "multiply": NUMERIC, "nextafter": FLOATS, "not_equal": EVERY, "pow": NUMERIC,
    "remainder": INTEGERS + FLOATS, "subtract": NUMERIC,
}  # fmt: skip
REDUCED: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "all": (EVERY, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "any": (EVERY, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "argmax": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"axis": -1, "keepdims": True}]),
    "argmin": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"axis": -1, "keepdims": True}]),
    "argsort": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"descending": True}]),
    "count_nonzero": (EVERY, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "cumulative_prod": (NUMERIC, [{"axis": 1}, {"axis": 2, "include_initial": True}]),
    "cumulative_sum": (NUMERIC, [{"axis": 1}, {"axis": 2, "include_initial": True}]),
    "diff": (NUMERIC, [{}, {"axis": 0}, {"axis": 1, "n": 2}]),
    "expand_dims": (EVERY, [{"axis": 0}, {"axis": -1}]),
    "flip": (EVERY, [{}, {"axis": 1}, {"axis": (0, 2)}]),
    "matrix_transpose": (EVERY, [{}]),
    "max": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "mean": (FLOATS, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "min": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}]),
    "ones_like": (EVERY, [{}, {"dtype": "int8"}]),
    "permute_dims": (EVERY, [{"axes": (2, 0, 1)}]),
    "prod": (NUMERIC, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"dtype": "float64"}]),
    "repeat": (EVERY, [{"by": (2,), "axis": 1}]),
    "reshape": (EVERY, [{"shape": (4, 6)}, {"shape": (-1,), "copy": True}]),
    "roll": (EVERY, [{"shift": 1}, {"shift": (1, 2), "axis": (0, 1)}]),
    "sort": (INTEGERS + FLOATS, [{}, {"axis": 1}, {"descending": True, "stable": False}]),
    "std": (FLOATS, [{}, {"axis": 1, "correction": 1}, {"axis": (0, 2), "keepdims": True}]),
    "sum": (NUMERIC, [{}, {"axis": 1}, {"axis": (0, 2), "keepdims": True}, {"dtype": "float64"}]),
    "tile": (EVERY, [{"by": ((2, 1, 1),)}]),
    "tril": (EVERY, [{}, {"k": 1}]),
    "triu": (EVERY, [{}, {"k": -1}]),
    "unstack": (EVERY, [{}, {"axis": 1}]),
    "var": (FLOATS, [{}, {"axis": 1, "correction": 1}, {"correction": 0.5}]),
    "zeros_like": (EVERY, [{}, {"dtype": "int8"}]),
}


def dtype_in(space: Any, name: str) -> Any:
    return getattr(space, "bool_" if name == "bool" and space is mx else name)


def called(name: str, options: dict[str, Any]) -> Callable[..., Any]:
    """The function ``name`` of a namespace on operands, with dtypes of that namespace."""

    def call(space: Any, *operands: Any) -> Any:
        given = dict(options)
        if "dtype" in given:
            given["dtype"] = dtype_in(space, given["dtype"])
        return getattr(space, name)(*operands, *given.pop("by", ()), **given)

    return call


def cases() -> Iterator[Case]:
    """Every call that is compared."""
    for name, dtypes in UNARY.items():
        for dtype in dtypes:
            yield Case(f"{name} {dtype}", called(name, {}), (values(dtype, (3, 4)),))
            if dtype in FLOATS:
                yield Case(f"{name} {dtype} special", called(name, {}), (special(dtype),))
    for name, dtypes in BINARY.items():
        yield from binary_cases(name, dtypes)
    for name, (dtypes, forms) in REDUCED.items():
        for dtype in dtypes:
            for options in forms:
                shown = " ".join(f"{k}={v}" for k, v in options.items())
                operands = (values(dtype, (2, 3, 4)),)
                yield Case(f"{name} {dtype} {shown}".strip(), called(name, options), operands)
    yield from other_cases()


def binary_cases(name: str, dtypes: list[str]) -> Iterator[Case]:
    shifts = "shift" in name
    for one in dtypes:
        for other in dtypes:
            if not promotes(one, other):
                continue
            a, b = values(one, (3, 4)), values(other, (4,), 1)
            b = np.abs(b) if shifts or (name == "pow" and other in INTEGERS) else b
            if name in ("floor_divide", "remainder") and other in INTEGERS:
                b = np.where(b == 0, 1, b).astype(other)
            yield Case(f"{name} {one} {other}", called(name, {}), (a, b))
        if one in FLOATS:
            pair = (special(one), special(one, swapped=True))
            yield Case(f"{name} {one} special", called(name, {}), pair)


def promotes(one: str, other: str) -> bool:
    """Whether the standard says how two dtypes meet; uint64 with signed integers it does not."""
    try:
        strict.result_type(dtype_in(strict, one), dtype_in(strict, other))
    except TypeError:
        return False
    return True


def other_cases() -> Iterator[Case]:
    """Functions with forms of their own."""
    forms: dict[str, Callable[..., Any]] = {
        "arange": lambda xp: xp.arange(1, 8, 2, dtype=xp.float32),
        "astype": lambda xp, a, b: xp.astype(a, xp.int32, copy=False),
        "broadcast_arrays": lambda xp, a, b: xp.broadcast_arrays(a, b[:1, :]),
        "broadcast_to": lambda xp, a, b: xp.broadcast_to(b, (2, 3, 4)),
        "clip": lambda xp, a, b: xp.clip(a, min=-0.5, max=0.5),
        "clip of one side": lambda xp, a, b: xp.clip(a, None, b),
        "concat": lambda xp, a, b: xp.concat([a, b], axis=1),
        "concat flat": lambda xp, a, b: xp.concat([a, b], axis=None),
        "empty": lambda xp: xp.empty((2, 3)).shape,
        "eye": lambda xp: xp.eye(3, 4, k=1, dtype=xp.float32),
        "full": lambda xp: xp.full((2, 3), 7.0, dtype=xp.float32),
        "isdtype": lambda xp, a, b: xp.isdtype(a.dtype, ("real floating", "bool")),
        "linspace": lambda xp: xp.linspace(0, 1, 5, dtype=xp.float32, endpoint=False),
        "matmul": lambda xp, a, b: xp.matmul(a, xp.matrix_transpose(b)),
        "meshgrid": lambda xp, a, b: xp.meshgrid(a[0, :], b[:, 0], indexing="ij"),
        "moveaxis": lambda xp, a, b: xp.moveaxis(xp.expand_dims(a, axis=0), 0, 2),
        "nonzero": lambda xp, a, b: xp.nonzero(a > 0),
        "searchsorted": lambda xp, a, b: xp.searchsorted(xp.sort(a[0, :]), b, side="right"),
        "squeeze": lambda xp, a, b: xp.squeeze(a[:1, :], axis=0),
        "stack": lambda xp, a, b: xp.stack([a, b], axis=1),
        "take": lambda xp, a, b: xp.take(a, xp.asarray([2, 0]), axis=1),
        "take_along_axis": lambda xp, a, b: xp.take_along_axis(a, xp.asarray([[1], [0], [2]])),
        "tensordot": lambda xp, a, b: xp.tensordot(a, b, axes=((0,), (0,))),
        "unique_all": lambda xp, a, b: xp.unique_all(xp.round(a)),
        "unique_counts": lambda xp, a, b: xp.unique_counts(xp.round(a)),
        "unique_inverse": lambda xp, a, b: xp.unique_inverse(xp.round(a)),
        "unique_values": lambda xp, a, b: xp.unique_values(xp.round(a)),
        "vecdot": lambda xp, a, b: xp.vecdot(a, b),
        "where": lambda xp, a, b: xp.where(a > b, a, b),
        "array mask": lambda xp, a, b: a[a > 0],
        "array in place": lambda xp, a, b: _in_place(a, b),
        "array device": lambda xp, a, b: a.to_device(a.device),
        "array namespace": lambda xp, a, b: (
            a.__array_namespace__(api_version="2024.12") is not None
        ),
        "zeros device": lambda xp: xp.zeros((2,), dtype=xp.float32, device=xp.zeros(1).device),
        "dlpack": lambda xp, a, b: xp.from_dlpack(a),
    }
    no_operands = ("arange", "empty", "eye", "full", "linspace", "zeros device")
    pair = (values("float32", (3, 4)), values("float32", (3, 4), 1))
    for name, call in forms.items():
        yield Case(name, call, () if name in no_operands else pair)


def _in_place(a: Any, b: Any) -> Any:
    a += b
    a[0, :] = 0.0
    return a


def leaves(made: Any) -> list[Any]:
    """The arrays of a result, and what it holds besides."""
    return [x for part in made for x in leaves(part)] if isinstance(made, tuple | list) else [made]


def judged(case: Case) -> Iterator[tuple[str, str]]:
    """What is checked of a case, with what is wrong, or nothing."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            want = leaves(case.function(strict, *(strict.asarray(x.copy()) for x in case.operands)))
        except Exception as error:
            yield case.name, f"array-api-strict refuses it: {error}"
            return
        try:
            got = leaves(
                case.function(mx, *(mx.array(x, dtype_in(mx, x.dtype.name)) for x in case.operands))
            )
            dtypes = [wrong_dtype(case, w, g) for w, g in zip(want, got, strict=True)]
            found = [wrong_values(w, g) for w, g in zip(want, got, strict=True)]
        except Exception as error:
            yield case.name, f"{type(error).__name__}: {error}"
            return
    yield f"{case.name} dtype", next(filter(None, dtypes), "")
    yield f"{case.name} values", next(filter(None, found), "")


def wrong_dtype(case: Case, want: Any, got: Any) -> str:
    if not hasattr(want, "dtype"):
        return ""
    one, other = (str(x.dtype).rpartition(".")[2] for x in (want, got))
    name = case.name.split()[0]
    kept = name.startswith(("sum", "prod", "cum")) and one in [str(x.dtype) for x in case.operands]
    if name in DEFAULT_INTEGERS and not kept:
        one = {"int64": "int32", "uint64": "uint32"}.get(one, one)
    return "" if one == other else f"{other}, not {one}"


def wrong_values(want: Any, got: Any) -> str:
    if not hasattr(want, "dtype"):
        return "" if want == got else f"{got!r}, not {want!r}"
    one, other = np.asarray(want), np.array(got)
    if one.shape != other.shape:
        return f"shape {other.shape}, not {one.shape}"
    tolerance = 1e-12 if "float64" in (str(one.dtype), str(other.dtype)) else 2e-5
    if np.allclose(one, other, rtol=tolerance, atol=tolerance * 1e-3, equal_nan=True):
        return ""
    place = np.flatnonzero(~np.isclose(one, other, rtol=tolerance, atol=1e-8, equal_nan=True))
    return f"{other.ravel()[place[0]]!r}, not {one.ravel()[place[0]]!r}" if place.size else ""


def signatures() -> Iterator[tuple[str, str]]:
    """What is checked of signatures, with what is wrong, or nothing."""
    spaces = {"functions": mx, "linalg": None, "fft": None, "array": mx.array}
    for part, names in json.loads(SIGNATURES.read_text()).items():
        space = spaces[part] or getattr(mx, part, None)
        for name, want in names.items():
            shown = name if part in ("functions", "array") else f"{part}.{name}"
            if not hasattr(space, name):
                yield f"signature {shown}", "missing"
            elif want != "property" and part != "array":
                wrong = list(differing(want, getattr(space, name)))
                yield f"signature {shown} {'; '.join(wrong)}".strip(), "; ".join(wrong)
            else:
                yield f"signature {shown}", ""


def differing(want: str, function: Any) -> Iterator[str]:
    """Differences between a signature of the standard and a function; None is any default."""
    ours = compare.inspect.signature(function)
    for text in compare.differences(compare.parsed(want), ours):
        if " defaults to " not in text or not any(x in text for x in ("not None", "to None,")):
            if " defaults to float32, not None" not in text:
                yield text


def excepted(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in EXCEPTIONS)


def main() -> int:
    checked = list(signatures())
    for case in cases():
        checked += judged(case)
    wrong = [(name, text) for name, text in checked if text]
    unlisted = [(name, text) for name, text in wrong if not excepted(name)]
    for name, text in unlisted:
        print(f"{name}: {text}")
    passed = len(checked) - len(wrong)
    print(
        f"array API 2024.12: {passed} of {len(checked)} checks pass, {passed / len(checked):.1%};"
    )
    print(f"{len(wrong) - len(unlisted)} differ with a reason, {len(unlisted)} without")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
