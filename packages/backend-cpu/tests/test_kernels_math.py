"""Float32 functions against float64, with their error in units of the last place."""

from __future__ import annotations

import math

import numpy as np
import pytest

# Every 2999th float32 of both signs, subnormals, infinities and NaNs included.
WHOLE = np.arange(0, 2**32, 2999, dtype=np.uint64).astype(np.uint32).view(np.float32)
NORMAL = np.linspace(-20, 20, 200_001).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def on_elements(function):
    return np.vectorize(function, otypes=[np.float64])


FUNCTIONS = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 1.5),
    "log": (np.log, 1.0),
    "log1p": (np.log1p, 1.0),
    "log2": (np.log2, 1.0),
    "log10": (np.log10, 1.0),
    "tanh": (np.tanh, 1.5),
    "sigmoid": (sigmoid, 2.5),
    "erf": (on_elements(math.erf), 1.5),
    "sin": (np.sin, 1.6),
    "cos": (np.cos, 1.6),
    "tan": (np.tan, 2.6),
    "arctan": (np.arctan, 2.3),
    "arcsin": (np.arcsin, 2.3),
    "arccos": (np.arccos, 1.5),
    "sinh": (np.sinh, 2.5),
    "cosh": (np.cosh, 2.5),
    "arcsinh": (np.arcsinh, 2.5),
    "arccosh": (np.arccosh, 2.5),
    "arctanh": (np.arctanh, 2.5),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1.5),
    "reciprocal": (np.reciprocal, 0.5),
}


def errors(got, want):
    """Return errors in ulp, and whether results outside of float32 are the same infinity or NaN."""
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
    normal = np.isfinite(rounded) & (np.abs(want) < 3.4e38)
    size = np.maximum(np.abs(rounded[normal]), np.finfo(np.float32).tiny)
    ulp = np.abs(got[normal].astype(np.float64) - want[normal]) / np.spacing(size).astype(
        np.float64
    )
    special = ~normal
    alike = (got[special] == rounded[special]) | (np.isnan(got[special]) & np.isnan(want[special]))
    alike |= (np.abs(got[special]) > 3.3e38) & (np.abs(want[special]) < 3.41e38)
    return ulp, alike


@pytest.mark.parametrize("values", [WHOLE, NORMAL], ids=["whole range", "around zero"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_within_its_error(run, name, values):
    function, limit = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        want = function(values.astype(np.float64))
    ulp, alike = errors(run(name, values), want)
    assert ulp.max() <= limit
    assert alike.all()


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_circular_functions_hold_far_out(run, name):
    x = np.concatenate([np.linspace(-1000, 1000, 100_001), np.linspace(1000, 1e9, 50_000)]).astype(
        np.float32
    )
    ulp, _ = errors(run(name, x), getattr(np, name)(x.astype(np.float64)))
    assert ulp.max() <= 1.6


def test_pow_is_rounded_once(run, rng):
    x = np.exp(rng.uniform(-20, 20, 100_000)).astype(np.float32)
    y = rng.uniform(-8, 8, 100_000).astype(np.float32)
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64))
    ulp, alike = errors(run("pow", x, y), want)
    assert ulp.max() <= 0.6
    assert alike.all()


def test_pow_has_the_special_cases_of_c(run):
    special = np.array(
        [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, -0.5, 2, -2, 3, -3, 1e-40, 3e38], np.float32
    )
    x, y = (a.ravel() for a in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    got = run("pow", x, y)
    assert np.array_equal(got, want, equal_nan=True)
    numbers = ~np.isnan(want)
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))


def test_erfinv_inverts_erf(run):
    x = np.linspace(-0.9999, 0.9999, 20_001)
    y = run("erfinv", x)
    assert np.abs(on_elements(math.erf)(y) - x).max() < 1e-15
    single = run("erfinv", x.astype(np.float32))
    assert np.allclose(
        single, run("erfinv", x.astype(np.float32).astype(np.float64)), rtol=6e-7, atol=1e-9
    )


def test_erfinv_at_the_ends(run):
    got = run("erfinv", np.array([-1, 1, 2], np.float32))
    assert got[:2].tolist() == [-np.inf, np.inf]
    assert np.isnan(got[2])


def test_logaddexp_of_infinities(run):
    x = np.array([-np.inf, np.inf, 0, -np.inf, 80], np.float32)
    y = np.array([-np.inf, 1, 0, 3, 80], np.float32)
    assert np.allclose(run("logaddexp", x, y), np.logaddexp(x.astype(np.float64), y), rtol=3e-7)


@pytest.mark.parametrize("name", ["exp", "log1p", "tanh", "sin", "erf", "arctan", "sigmoid"])
def test_float64_is_computed_in_float64(run, name, rng):
    x = rng.uniform(0.1, 3, 500)
    function = FUNCTIONS[name][0]
    assert np.allclose(run(name, x), function(x), rtol=4e-16, atol=0)


def test_arctan2_covers_four_quadrants(run, rng):
    y, x = rng.standard_normal((2, 1000)).astype(np.float32)
    assert np.allclose(run("arctan2", y, x), np.arctan2(y.astype(np.float64), x), rtol=3e-7)
