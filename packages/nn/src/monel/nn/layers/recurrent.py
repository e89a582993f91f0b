"""Recurrent layers over sequences of shape (N, L, D) or (L, D)."""

from __future__ import annotations

from collections.abc import Callable

import monel.core as mx

from ..module import Module
from .functions import tanh

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(Module):
    """h_t = nonlinearity(x_t @ Wxh.T + h_{t-1} @ Whh.T + bias), from h = 0.

    Args:
      input_size: Size of the last axis of the input, D.
      hidden_size: Size of the hidden state, H.
      bias: Whether to add a bias.
      nonlinearity: A function of one array; by default tanh.
    Raises:
      ValueError: ``nonlinearity`` cannot be called.
    Example:
      >>> nn.RNN(3, 4)(mx.ones((2, 5, 3))).shape
      (2, 5, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Callable[[mx.array], mx.array] | None = None,
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity or tanh
        if not callable(self.nonlinearity):
            raise ValueError(f"Nonlinearity must be callable. Current value: {nonlinearity}.")
        bound = hidden_size**-0.5
        self.hidden_size = hidden_size
        self.Wxh = mx.random.uniform(-bound, bound, (hidden_size, input_size))
        self.Whh = mx.random.uniform(-bound, bound, (hidden_size, hidden_size))
        self.bias = mx.random.uniform(-bound, bound, (hidden_size,)) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={self.nonlinearity}, bias={self.bias is not None}"
        )

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        """Return the hidden states of all steps, of shape (..., L, H).

        Args:
          x: Shape ``(..., L, D)``.
          hidden: The state before the first step, shape ``(..., H)``.
        """
        inputs = x @ self.Wxh.T
        if self.bias is not None:
            inputs = inputs + self.bias
        states = []
        for t in range(x.shape[-2]):
            step = inputs[..., t, :]
            hidden = self.nonlinearity(step if hidden is None else step + hidden @ self.Whh.T)
            states.append(hidden)
        return mx.stack(states, axis=-2)


class GRU(Module):
    """A gated recurrent unit.

    With r, z, n the thirds of ``Wx``, ``Wh`` and ``b``, in this order, and h = 0 at first::

        r = sigmoid(x @ Wxr.T + b_r + h @ Whr.T)
        z = sigmoid(x @ Wxz.T + b_z + h @ Whz.T)
        n = tanh(x @ Wxn.T + b_n + r * (h @ Whn.T + bhn))
        h = (1 - z) * n + z * h

    Args:
      input_size: Size of the last axis of the input, D.
      hidden_size: Size of the hidden state, H.
      bias: Whether to add ``b`` and ``bhn``.
    Example:
      >>> nn.GRU(3, 4)(mx.ones((2, 5, 3))).shape
      (2, 5, 4)

    Source: Cho et al., arXiv:1406.1078.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        bound = hidden_size**-0.5
        self.hidden_size = hidden_size
        self.Wx = mx.random.uniform(-bound, bound, (3 * hidden_size, input_size))
        self.Wh = mx.random.uniform(-bound, bound, (3 * hidden_size, hidden_size))
        self.b = mx.random.uniform(-bound, bound, (3 * hidden_size,)) if bias else None
        self.bhn = mx.random.uniform(-bound, bound, (hidden_size,)) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.b is not None}"
        )

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        """Return the hidden states of all steps, of shape (..., L, H).

        Args:
          x: Shape ``(..., L, D)``.
          hidden: The state before the first step, shape ``(..., H)``.
        """
        inputs = x @ self.Wx.T
        if self.b is not None:
            inputs = inputs + self.b
        states = []
        for t in range(x.shape[-2]):
            hidden = self._step(inputs[..., t, :], hidden)
            states.append(hidden)
        return mx.stack(states, axis=-2)

    def _step(self, inputs: mx.array, hidden: mx.array | None) -> mx.array:
        size = self.hidden_size
        gates, new = inputs[..., : 2 * size], inputs[..., 2 * size :]
        back = None
        if hidden is not None:
            projected = hidden @ self.Wh.T
            gates = gates + projected[..., : 2 * size]
            back = projected[..., 2 * size :]
        r, z = mx.split(mx.sigmoid(gates), 2, axis=-1)
        if back is not None:
            new = new + r * (back if self.bhn is None else back + self.bhn)
        elif self.bhn is not None:
            new = new + r * self.bhn
        n = mx.tanh(new)
        return (1 - z) * n if hidden is None else (1 - z) * n + z * hidden


class LSTM(Module):
    """A long short-term memory.

    With i, f, g, o the quarters of ``Wx``, ``Wh`` and ``bias``, in this order, and h = c = 0 at
    first, each step computes::

        i, f, o = sigmoid(...), g = tanh(...) of x @ Wx.T + bias + h @ Wh.T
        c = f * c + i * g
        h = o * tanh(c)

    Args:
      input_size: Size of the last axis of the input, D.
      hidden_size: Size of the hidden and of the cell state, H.
      bias: Whether to add a bias.
    Example:
      >>> hidden, cell = nn.LSTM(3, 4)(mx.ones((2, 5, 3)))
      >>> hidden.shape, cell.shape
      ((2, 5, 4), (2, 5, 4))

    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        bound = hidden_size**-0.5
        self.hidden_size = hidden_size
        self.Wx = mx.random.uniform(-bound, bound, (4 * hidden_size, input_size))
        self.Wh = mx.random.uniform(-bound, bound, (4 * hidden_size, hidden_size))
        self.bias = mx.random.uniform(-bound, bound, (4 * hidden_size,)) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.bias is not None}"
        )

    def __call__(
        self, x: mx.array, hidden: mx.array | None = None, cell: mx.array | None = None
    ) -> tuple[mx.array, mx.array]:
        """Return hidden and cell states of all steps, both of shape (..., L, H).

        Args:
          x: Shape ``(..., L, D)``.
          hidden: The hidden state before the first step, shape ``(..., H)``.
          cell: The cell state before the first step, shape ``(..., H)``.
        """
        inputs = x @ self.Wx.T
        if self.bias is not None:
            inputs = inputs + self.bias
        hiddens, cells = [], []
        for t in range(x.shape[-2]):
            gates = inputs[..., t, :]
            if hidden is not None:
                gates = gates + hidden @ self.Wh.T
            i, f, g, o = mx.split(gates, 4, axis=-1)
            added = mx.sigmoid(i) * mx.tanh(g)
            cell = added if cell is None else mx.sigmoid(f) * cell + added
            hidden = mx.sigmoid(o) * mx.tanh(cell)
            hiddens.append(hidden)
            cells.append(cell)
        return mx.stack(hiddens, axis=-2), mx.stack(cells, axis=-2)
