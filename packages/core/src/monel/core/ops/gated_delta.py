"""gated_delta_update: a linear attention whose state decays and is corrected step by step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..base.dtypes import bool_, float32, promote_all
from ..base.errors import DTypeError, ShapeError
from ..execute.placement import StreamContext
from ..graph.handle import array
from ..primitives.arguments import operand
from ..primitives.compare import equal
from ..primitives.convert import cast
from ..primitives.dot import matmul
from ..primitives.scan import cumprod
from ..primitives.triangles import grid
from .creation import zeros
from .joining import repeat, stack
from .manipulation import expand_dims, flatten, reshape, swapaxes
from .padding import pad
from .ranges import arange
from .searching import where

__all__ = ["gated_delta_update"]

# Steps that are solved for at once.
CHUNK = 32


def gated_delta_update(
    q: array,
    k: array,
    v: array,
    gamma: array,
    beta: array,
    initial_state: array | None = None,
    mask: array | None = None,
    stream: Any = None,
) -> list[array]:
    """Run a gated delta rule over time: ``S = gamma S (1 - beta k k') + beta v k'``, ``y = S q``.

    The state S of each head starts at ``initial_state`` or 0. Computed in float32, and in chunks:
    the steps of a chunk are one triangular system, so that the loop is over chunks only.

    Args:
      q: Queries of shape (B, T, G, D).
      k: Keys of shape (B, T, G, D).
      v: Values of shape (B, T, H, E); H is a multiple of G, whose heads are shared.
      gamma: Decay, of shape (B, T, H).
      beta: Rate of the correction, of shape (B, T, H).
      initial_state: Array of shape (B, H, E, D).
      mask: bool array of shape (B, T). Where it is False the state stays and y is 0.
    Returns:
      List of y, of shape (B, T, H, E) and the dtype in which q, k and v meet, and the last state,
      of shape (B, H, E, D) and dtype float32.
    Raises:
      ShapeError: Shapes do not fit.
      DTypeError: ``mask`` is not bool, or an operand is complex.
    Example:
      >>> import monel.core as mx
      >>> q = k = mx.ones((1, 2, 1, 1))
      >>> v, rate = mx.array([2.0, 4.0]).reshape(1, 2, 1, 1), mx.full((1, 2, 1), 0.5)
      >>> y, state = mx.fast.gated_delta_update(q, k, v, rate, rate)
      >>> y.flatten(), state.item()
      (array([1, 2.25], dtype=float32), 2.25)

    Source: Yang, Kautz and Hatamizadeh, "Gated Delta Networks", arXiv:2412.06464.
    """
    name = "gated_delta_update"
    given = [operand(name, x) for x in (q, k, v, gamma, beta)]
    keep = None if mask is None else operand(name, mask)
    start = None if initial_state is None else operand(name, initial_state)
    _check(name, given, start, keep)
    dtype = promote_all([x.dtype if x.dtype.inexact else float32 for x in given[:3]])
    with StreamContext(stream) if stream is not None else nullcontext():
        y, state = _update(given, start, keep)
        return [cast(y, dtype), state]


def _update(given: list[Any], start: Any, mask: Any) -> tuple[Any, Any]:
    """Return y and the last state in float32."""
    batch, steps, heads, size = given[2].shape
    q, k, v, gamma, beta = (cast(x, float32) for x in given)
    state = zeros((batch, heads, size, k.shape[3])) if start is None else cast(start, float32)
    if not steps:
        return zeros(v.shape), state
    if mask is not None:  # nothing decays there, and nothing is added
        beta = where(expand_dims(mask, 2), beta, 0.0)
        gamma = where(expand_dims(mask, 2), gamma, 1.0)
    q, k = (x if x.shape[2] == heads else repeat(x, heads // x.shape[2], 2) for x in (q, k))
    chunk = min(CHUNK, steps)
    fills = (0.0, 0.0, 0.0, 1.0, 0.0)
    padded = [_in_chunks(x, chunk, f) for x, f in zip((q, k, v, gamma, beta), fills)]
    made, state = _run(padded, state)
    y = swapaxes(flatten(stack(made, 2), 2, 3), 1, 2)[:, :steps]
    return (y if mask is None else where(reshape(mask, (batch, steps, 1, 1)), y, 0.0)), state


def _in_chunks(x: Any, chunk: int, fill: float) -> Any:
    """Turn (B, T, H, ...) into (B, H, T / chunk, chunk, ...); what is missing is ``fill``."""
    missing = -x.shape[1] % chunk
    if missing:
        x = pad(x, [(0, 0), (0, missing), *[(0, 0)] * (x.ndim - 2)], constant_values=fill)
    x = swapaxes(x, 1, 2)
    return reshape(x, (*x.shape[:2], -1, chunk, *x.shape[3:]))


def _run(given: list[Any], state: Any) -> tuple[list[Any], Any]:
    """Return y of each chunk, and the last state.

    With u the corrections of a chunk that starts at state S, S_i is the decay up to i times S, plus
    the sum over j <= i of the decay from j to i times u_j k_j'. So u solves a unit triangular
    system in which S stands on the right side only: it is solved once for all chunks.
    """
    q, k, v, gamma, beta = given
    size = gamma.shape[3]
    later, until = (grid(word, size, size, 0, None) for word in ("less", "less_equal"))
    column = expand_dims(gamma, 4)
    decay = where(until, cumprod(where(later, column, 1.0), 3), 0.0)  # from column to row
    whole = expand_dims(cumprod(gamma, 3), 4)  # from before the chunk
    rate = expand_dims(beta, 4)
    turned = swapaxes(k, 3, 4)
    system = where(later, rate * decay * matmul(k, turned), 0.0)
    inverse = _unit_inverse(system)
    fresh, stale = matmul(inverse, rate * v), matmul(inverse, rate * whole * k)
    scores = decay * matmul(q, turned)
    asked = whole * q
    left = swapaxes(decay[..., -1:, :], 3, 4) * k  # what of each key is left at the end
    made = []
    for n in range(gamma.shape[2]):
        at = swapaxes(state, 2, 3)
        u = fresh[:, :, n] - matmul(stale[:, :, n], at)
        made.append(matmul(asked[:, :, n], at) + matmul(scores[:, :, n], u))
        state = whole[:, :, n, -1:] * state + matmul(swapaxes(u, 2, 3), left[:, :, n])
    return made, state


def _unit_inverse(below: Any) -> Any:
    """Return the inverse of 1 + ``below``, which is strictly lower triangular, block by block.

    Of [[A, 0], [B, D]] it is [[A', 0], [-D' B A', D']]: a round doubles the blocks that are done.
    """
    size = below.shape[-1]
    made = cast(grid("equal", size, size, 0, None), float32)
    block = 1
    while block < size:
        made = made - matmul(made, matmul(where(_corners(size, block), below, 0.0), made))
        block *= 2
    return made


def _corners(size: int, block: int) -> array:
    """Return where row and column lie in the lower left block of a pair of blocks."""
    place = arange(size) // block
    row, column = expand_dims(place, 1), expand_dims(place, 0)
    return equal(row - column, 1) & equal(row % 2, 1)


def _check(name: str, given: list[Any], state: Any, mask: Any) -> None:
    q, k, v, gamma, beta = given
    for x in (*given, *([state] if state is not None else [])):
        if x.dtype.name == "complex64":
            raise DTypeError(f"{name}: not supported for complex64, got {x.value}")
    for x in (q, k, v):
        if x.ndim != 4:
            raise ShapeError(f"{name}: q, k and v must have 4 dimensions, got {x.value}")
    if q.shape != k.shape:
        raise ShapeError(f"{name}: q and k must have one shape, got {q.value} and {k.value}")
    if v.shape[:2] != q.shape[:2]:
        raise ShapeError(f"{name}: v must agree with q in batch and steps: {v.value}, {q.value}")
    if not q.shape[2] or v.shape[2] % q.shape[2]:
        raise ShapeError(
            f"{name}: the heads of v must be a multiple of those of q: {v.value}, {q.value}"
        )
    for word, x in (("gamma", gamma), ("beta", beta)):
        if x.shape != v.shape[:3]:
            raise ShapeError(f"{name}: {word} must be of shape {v.shape[:3]}, got {x.value}")
    wanted = (v.shape[0], *v.shape[2:], q.shape[3])
    if state is not None and state.shape != wanted:
        raise ShapeError(f"{name}: initial_state must be of shape {wanted}, got {state.value}")
    if mask is not None and mask.shape != v.shape[:2]:
        raise ShapeError(f"{name}: mask must be of shape {v.shape[:2]}, got {mask.value}")
    if mask is not None and mask.dtype is not bool_:
        raise DTypeError(f"{name}: mask must be bool, got {mask.value}")
