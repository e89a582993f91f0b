"""array's methods and properties are the public functions of the same names."""

from __future__ import annotations

import numpy as np
import pytest

import monel.core as mx

A = mx.array([[0.5, -1.5, 2.0], [1.0, 0.25, -3.0]])

ELEMENTWISE = ("abs", "cos", "exp", "sin", "square", "reciprocal", "conj")
POSITIVE = ("log", "log10", "log1p", "log2", "rsqrt", "sqrt")
REDUCTIONS = ("max", "mean", "min", "prod", "std", "sum", "var", "logsumexp")
SCANS = ("cummax", "cummin", "cumprod", "cumsum", "logcumsumexp")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    assert getattr(A, name)().tolist() == getattr(mx, name)(A).tolist()


@pytest.mark.parametrize("name", POSITIVE)
def test_elementwise_of_positive(name):
    x = mx.abs(A)
    assert getattr(x, name)().tolist() == getattr(mx, name)(x).tolist()


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_reductions(name, axis):
    got = getattr(A, name)(axis, keepdims=True)
    assert got.tolist() == getattr(mx, name)(A, axis, keepdims=True).tolist()


@pytest.mark.parametrize("name", SCANS)
def test_scans(name):
    got = getattr(A, name)(axis=1, reverse=True)
    assert got.tolist() == getattr(mx, name)(A, axis=1, reverse=True).tolist()


@pytest.mark.parametrize(("name", "want"), [("argmax", [2, 0]), ("argmin", [1, 2])])
def test_positions(name, want):
    assert getattr(A, name)(axis=1).tolist() == want


@pytest.mark.parametrize(("name", "want"), [("all", False), ("any", True)])
def test_truth(name, want):
    assert getattr(A > 0, name)().item() is want


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (A.T, (3, 2)),
        (A.mT, (3, 2)),
        (A.reshape(3, 2), (3, 2)),
        (A.reshape((3, -1)), (3, 2)),
        (A.reshape([6]), (6,)),
        (A.reshape(-1), (6,)),
        (A.transpose(), (3, 2)),
        (A.transpose(1, 0), (3, 2)),
        (A.transpose((1, 0)), (3, 2)),
        (A.transpose(0, 1), (2, 3)),
        (A.flatten(), (6,)),
        (A[None].squeeze(0), (2, 3)),
        (A.swapaxes(0, 1), (3, 2)),
        (A.moveaxis(0, 1), (3, 2)),
        (A.diagonal(), (2,)),
        (mx.array([1, 2]).diag(), (2, 2)),
        (mx.array(1).reshape(), ()),
    ],
)
def test_shapes(result, shape):
    assert result.shape == shape


def test_split_gives_a_list():
    assert [part.shape for part in A.split(3, axis=1)] == [(2, 1)] * 3


def test_astype():
    assert A.astype(mx.int32).tolist() == [[0, -1, 2], [1, 0, -3]]


def test_astype_of_the_same_dtype():
    assert A.astype(mx.float32).tolist() == A.tolist()


def test_view_reads_the_bits():
    assert mx.array([1.0]).view(mx.uint32).tolist() == [0x3F800000]


def test_round_takes_decimals():
    assert mx.array(2.345).round(1).item() == np.float32(2.3)


@pytest.mark.parametrize(("name", "want"), [("real", [1, 3]), ("imag", [2, -4])])
def test_complex_parts(name, want):
    assert getattr(mx.array([1 + 2j, 3 - 4j]), name).tolist() == want


def test_attributes():
    a = mx.zeros((2, 3), mx.int16)
    assert (a.ndim, a.size, a.itemsize, a.nbytes, a.shape) == (2, 6, 2, 12, (2, 3))


def test_array_namespace():
    assert A.__array_namespace__() is mx


def test_arrays_take_no_attributes():
    with pytest.raises(AttributeError):
        mx.array(1).name = "a"


def test_hash_is_by_identity():
    a, b = mx.array(1), mx.array(1)
    assert len({a: 0, b: 1}) == 2


@pytest.mark.parametrize("name", ["sum", "reshape", "tolist", "at", "T"])
def test_documented(name):
    assert getattr(mx.array, name).__doc__
