"""Conversion to PyTorch and back."""

import numpy as np
import pytest

import monel.core as mx

torch = pytest.importorskip("torch")


def test_round_trip_through_a_memoryview():
    a = mx.arange(3)
    b = torch.tensor(memoryview(a))
    c = mx.array(b.numpy())
    assert b.tolist() == [0, 1, 2]
    assert c.tolist() == [0, 1, 2]


def test_a_tensor_of_two_axes_goes_through_numpy():
    a = mx.arange(6).reshape(2, 3)
    b = torch.tensor(np.array(a))
    assert b.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_torch_imports_by_dlpack_without_a_copy():
    a = mx.array([1.0, 2.0, 3.0])
    b = torch.from_dlpack(a)
    b[0] = 5.0
    assert a.tolist() == [5.0, 2.0, 3.0]


def test_a_tensor_becomes_an_array():
    a = mx.array(torch.arange(6, dtype=torch.float32).reshape(2, 3))
    assert a.dtype == mx.float32
    assert a.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_gradients_agree():
    x = np.linspace(-2, 2, 9, dtype="float32")
    ours = mx.grad(lambda x: (mx.tanh(x) * mx.sin(x)).sum())(mx.array(x))
    leaf = torch.tensor(x, requires_grad=True)
    (torch.tanh(leaf) * torch.sin(leaf)).sum().backward()
    assert np.allclose(np.array(ours), leaf.grad.numpy(), atol=1e-6)
