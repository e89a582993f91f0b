"""What a call gives in one package, and what differs between two of these."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from .calls import Call, Drawn, Named

# Relative and absolute, by dtype: both packages round, each in its own order.
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-5}


class Outcome(NamedTuple):
    """An array that was computed: its dtype's name, its values on the host and its printed form."""

    dtype: str
    values: np.ndarray[Any, Any]
    printed: str


def made(package: Any, value: Any) -> Any:
    """An argument as the package takes it."""
    if isinstance(value, Drawn):
        return package.array(value.values).astype(getattr(package, value.dtype))
    if isinstance(value, Named):
        return getattr(package, value.name)
    if isinstance(value, list):
        return [made(package, v) for v in value]
    return value


def outcome(package: Any, call: Call) -> Any:
    """What a call gives: an outcome, a list of them, text, or the error that it raised."""
    try:
        package.random.seed(0)
        function = package
        for part in call.name.split("."):
            function = getattr(function, part)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arguments = [made(package, a) for a in call.arguments]
            keywords = {name: made(package, value) for name, value in call.keywords.items()}
            return host(package, function(*arguments, **keywords))
    except Exception as error:
        return error


def host(package: Any, result: Any) -> Any:
    """A result on the host. The array is printed first: that evaluates it in its own dtype."""
    if isinstance(result, package.array):
        printed, dtype = repr(result), str(result.dtype).rpartition(".")[2]
        wide = result.astype(package.float32) if dtype in ("float16", "bfloat16") else result
        return Outcome(dtype, np.array(wide), printed)
    if isinstance(result, tuple | list):
        return [host(package, r) for r in result]
    return str(result).replace("monel.core.", "").replace("mlx.core.", "")


def difference(want: Any, got: Any) -> str | None:
    """What differs, in one word and the details; None where nothing does."""
    if isinstance(want, Exception) or isinstance(got, Exception):
        return error_difference(want, got)
    if type(want) is not type(got) or (isinstance(want, list) and len(want) != len(got)):
        return f"kind: {got!r}, not {want!r}"
    if isinstance(want, list):
        found = (difference(w, g) for w, g in zip(want, got, strict=True))
        return next((f for f in found if f), None)
    if isinstance(want, str):
        return None if want == got else f"text: {got}, not {want}"
    return array_difference(want, got)


def error_difference(want: Any, got: Any) -> str | None:
    """What differs where one of the two raised, or both."""
    if not isinstance(got, Exception):
        return f"accepts: MLX raises {type(want).__name__}: {first_line(want)}"
    if not isinstance(want, Exception):
        return f"refuses: {type(got).__name__}: {first_line(got)}"
    if "bad_cast" in str(want) or isinstance(got, type(want)):
        return None
    either = (TypeError, ValueError)
    if isinstance(want, either) and isinstance(got, either):
        return None  # of a wrong Python type: in MLX one or the other, depending on the function
    return f"error: {type(got).__name__}, not {type(want).__name__}: {first_line(want)}"


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:100]


def array_difference(want: Outcome, got: Outcome) -> str | None:
    """What differs between two arrays. Floats that rounding moved may print otherwise."""
    if want.dtype != got.dtype:
        return f"dtype: {got.dtype}, not {want.dtype}"
    if want.values.shape != got.values.shape:
        return f"shape: {got.values.shape}, not {want.values.shape}"
    near = 0.0 if want.values.dtype.kind in "biu" else TOLERANCE.get(want.dtype, 3e-5)
    with np.errstate(all="ignore"):
        parts = ((a.real, a.imag) for a in (want.values, got.values))
        pairs = zip(*parts, strict=True)
        close = np.all([np.isclose(w, g, near, near, equal_nan=True) for w, g in pairs], axis=0)
    if not close.all():
        place = tuple(int(i) for i in np.argwhere(~close)[0])
        return f"value: {got.values[place]} at {place}, not {want.values[place]}"
    if want.values.tobytes() == got.values.tobytes() and want.printed != got.printed:
        return f"print: {got.printed!r}, not {want.printed!r}"
    return None
