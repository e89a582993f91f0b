"""Softmax, norms and scans of long rows and of rows with special values, watched."""

import numpy as np
import pytest
from launching import assert_agree, reference

from monel.core.plugin import REGISTRY, dtype_named

ROWS = [
    [-np.inf, 1.0, 2.0],
    [-np.inf, -np.inf, -np.inf],
    [np.inf, 1.0, 2.0],
    [np.nan, 1.0, 2.0],
    [1e30, -1e30, 0.0],
    [88.0, 89.0, -500.0],
]


@pytest.mark.parametrize("name", ["softmax", "logsumexp"])
def test_rows_of_special_values(name, device):
    x = np.array(ROWS, np.float32)
    p = REGISTRY[name](axis=1)
    (got,) = device.run(p, x)
    assert_agree(got, reference(p, x)[0])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["softmax", "logsumexp", "rms_norm", "layer_norm"])
def test_long_rows(name, dtype, device):
    rng = np.random.default_rng(1)
    kind = dtype_named(dtype).numpy
    x = rng.standard_normal((3, 5000)).astype("float32").astype(kind)
    extra = [rng.standard_normal(5000).astype("float32").astype(kind) for _ in range(2)]
    if name in ("softmax", "logsumexp"):
        p, operands = REGISTRY[name](axis=1), [x]
    else:
        p, operands = REGISTRY[name](eps=1e-5), [x, *extra[: 1 + (name == "layer_norm")]]
    (got,) = device.run(p, *operands)
    assert_agree(got, reference(p, *operands)[0])


@pytest.mark.parametrize("limit", [1024, 448, 256])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [False, True])
def test_scans_of_rows_longer_than_a_group(limit, reverse, inclusive, device):
    device.settings.max_threads = limit
    x = np.random.default_rng(2).integers(-9, 9, (2, 9000)).astype("int64")
    for name in ("cumsum", "cummax"):
        p = REGISTRY[name](axis=1, reverse=reverse, inclusive=inclusive)
        (got,) = device.run(p, x)
        assert_agree(got, reference(p, x)[0])


@pytest.mark.parametrize(("shape", "width"), [((5,), 1), ((7,), 2), ((3, 3), 4), ((4,), 4)])
def test_random_bits_are_those_of_threefry(shape, width, device):
    keys = np.array([[0, 0], [1, 2], [4146024105, 967050713]], np.uint32)
    p = REGISTRY["random_bits"](shape=shape, width=width)
    (got,) = device.run(p, keys)
    assert_agree(got, reference(p, keys)[0])
