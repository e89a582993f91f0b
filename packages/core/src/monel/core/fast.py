"""mx.fast: operations that a backend may compute in one kernel."""

from __future__ import annotations

from typing import Any

from .base.dtypes import bool_, finfo, float32, int32, promote, promote_all
from .base.errors import BackendError, DTypeError, ShapeError
from .graph import value as graph
from .graph.handle import array
from .graph.operators import broadcast_shapes
from .ops.gated_delta import gated_delta_update
from .ops.source_kernels import cuda_kernel, metal_kernel, precompiled_cuda_kernel
from .primitives.arguments import call_on, flag, integer, number, operand, stays_open
from .primitives.attention import Attention, Rope, causal_mask
from .primitives.combined import LayerNorm, RmsNorm, rms_scale, standardised, wide_of
from .primitives.convert import cast
from .primitives.elementwise import add, multiply, subtract
from .primitives.operands import to_array

__all__ = [
    "cross_entropy",
    "cuda_kernel",
    "gated_delta_update",
    "layer_norm",
    "metal_kernel",
    "precompiled_cuda_kernel",
    "rms_norm",
    "rope",
    "scaled_dot_product_attention",
]


def _normalised(function: str, x: Any, scales: list[Any], stream: Any) -> list[Any]:
    """Return ``x`` and its weight and bias (or None) in one floating dtype, checked."""
    a = operand(function, x)
    if not a.ndim:
        raise ShapeError(f"{function}: Input must have at least 1 dimension but got {a.value}")
    arrays = [None if s is None else operand(function, s) for s in scales]
    for word, s in zip(("weight", "bias"), arrays):
        if s is None:
            continue
        if s.ndim != 1 or s.shape != a.shape[-1:]:
            raise ShapeError(
                f"{function}: {word} must have 1 dimension with the same size as the last "
                f"dimension of x, {a.value}, got {s.value}"
            )
        if s.dtype.name == "complex64":
            raise DTypeError(f"{function}: {word} must be real, got {s.value}")
    dtype = promote_all([a.dtype, *[s.dtype for s in arrays if s is not None]])
    if not dtype.floating:
        raise DTypeError(f"{function}: Received unsupported type, {a.value}")
    return [None if s is None else cast(s, dtype, stream) for s in (a, *arrays)]


def _constant_row(number: float, like: Any, stream: Any) -> Any:
    """Return ``number`` as often as the last axis of ``like`` is long."""
    scalar = cast(to_array("fast", number), like.dtype, stream)
    return call_on(stream, "broadcast", scalar, shape=like.shape[-1:])


def rms_norm(x: array, weight: array | None, eps: float, *, stream: Any = None) -> array:
    """Scale ``x`` by the reciprocal of the root mean square of its last axis.

    Computes ``x / sqrt(mean(x**2) + eps) * weight``, half types in float32.

    Args:
      x: Floating array of shape (..., d).
      weight: Array of shape (d,), or None for 1.
      eps: Added under the root.
    Returns:
      Array of the shape of ``x`` and the promoted dtype.
    Raises:
      ShapeError: ``weight`` is not of shape (d,).
      DTypeError: ``x`` is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.fast.rms_norm(mx.array([3.0, 4.0]), None, eps=0.0)
      array([0.848528, 1.13137], dtype=float32)

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """
    a, w = _normalised("rms_norm", x, [weight], stream)
    eps = number("rms_norm", "eps", eps)
    if w is None:
        if stays_open(a):
            wide = wide_of(a)
            return cast(multiply(wide, rms_scale(wide, eps), stream), a.dtype, stream)
        w = _constant_row(1.0, a, stream)
    return RmsNorm(eps=eps).bind(a, w, stream=stream)


def layer_norm(
    x: array, weight: array | None, bias: array | None, eps: float, *, stream: Any = None
) -> array:
    """Shift and scale the last axis of ``x`` to mean 0 and variance 1, then by weight and bias.

    Computes ``(x - mean) / sqrt(variance + eps) * weight + bias``, half types in float32.

    Args:
      x: Floating array of shape (..., d).
      weight: Array of shape (d,), or None for 1.
      bias: Array of shape (d,), or None for 0.
      eps: Added under the root.
    Returns:
      Array of the shape of ``x`` and the promoted dtype.
    Raises:
      ShapeError: ``weight`` or ``bias`` is not of shape (d,).
      DTypeError: ``x`` is not floating.
    Example:
      >>> import monel.core as mx
      >>> mx.fast.layer_norm(mx.array([1.0, 3.0]), None, None, eps=0.0)
      array([-1, 1], dtype=float32)

    Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450.
    """
    a, w, b = _normalised("layer_norm", x, [weight, bias], stream)
    if (w is None or b is None) and stays_open(a):
        made, _ = standardised(wide_of(a), number("layer_norm", "eps", eps))
        made = made if w is None else multiply(made, wide_of(w), stream)
        made = made if b is None else add(made, wide_of(b), stream)
        return cast(made, a.dtype, stream)
    w = _constant_row(1.0, a, stream) if w is None else w
    b = _constant_row(0.0, a, stream) if b is None else b
    return LayerNorm(eps=number("layer_norm", "eps", eps)).bind(a, w, b, stream=stream)


def cross_entropy(logits: array, targets: array, *, stream: Any = None) -> array:
    """Return ``logsumexp(logits) - logits[target]`` along the last axis, in float32.

    Args:
      logits: Floating array of shape (..., classes).
      targets: Integer array of shape (...): the class of each row.
    Returns:
      float32 array of the shape of ``targets``.
    Raises:
      ValueError: Shapes or dtypes do not fit.
      IndexError: A target is no class; raised where the device checks indices.
    Example:
      >>> import monel.core as mx
      >>> mx.fast.cross_entropy(mx.array([[1.0, 2.0], [0.0, 0.0]]), mx.array([1, 0]))
      array([0.313262, 0.693147], dtype=float32)
    """
    name = "cross_entropy"
    x, classes = operand(name, logits), operand(name, targets)
    if not x.ndim:
        raise ShapeError(f"{name}: logits must have at least 1 dimension but got {x.value}")
    if not x.dtype.floating:
        raise DTypeError(f"{name}: Received unsupported logits type, {x.value}")
    if not classes.dtype.integral:
        raise DTypeError(f"{name}: targets must be integer class indices but got {classes.value}")
    if classes.shape != x.shape[:-1]:
        raise ShapeError(
            f"{name}: targets shape {classes.shape} does not match logits shape {x.shape} with "
            f"the last axis removed"
        )
    last, x = x.ndim - 1, cast(x, float32, stream)
    total = call_on(stream, "logsumexp", x, axis=last)
    places = call_on(stream, "expand_dims", classes, axes=(last,))
    chosen = call_on(stream, "take_along_axis", x, places, axis=last, function=name)
    return subtract(total, call_on(stream, "squeeze", chosen, axes=(last,)), stream)


def rope(
    a: array,
    dims: int,
    *,
    traditional: bool,
    base: float | None,
    scale: float,
    offset: int | array,
    freqs: array | None = None,
    stream: Any = None,
) -> array:
    """Apply rotary position encoding: turn pairs of features by angles that grow with the position.

    Args:
      a: Floating array of shape (B, ..., T, D).
      dims: How many of the features are turned; even.
      traditional: Pair neighbours instead of features ``dims / 2`` apart.
      base: Angles fall as powers of it; None where ``freqs`` is given.
      scale: Factor on positions.
      offset: First position: an int, or an integer array of shape () or (B,).
      freqs: Array of shape (dims / 2,): the positions in which a pair turns by one radian.
    Returns:
      Array of the shape and dtype of ``a``.
    Raises:
      ValueError: Shapes or dtypes do not fit, or both or neither of base and freqs are given.
    Example:
      >>> import monel.core as mx
      >>> x = mx.ones((1, 2, 2))
      >>> mx.fast.rope(x, 2, traditional=False, base=10000.0, scale=1.0, offset=0)
      array([[[1, 1],
              [-0.301169, 1.38177]]], dtype=float32)

    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding",
      arXiv:2104.09864.
    """
    x, places = operand("rope", a), to_array("rope", offset)
    if (base is None) == (freqs is None):
        word = "Neither base nor freqs has a value" if base is None else "Only one of them may be"
        raise ShapeError(f"rope: give exactly one of base and freqs: {word}")
    if places.dtype.inexact:
        raise DTypeError(f"rope: offset must be an integer but got {places.value}")
    if places.shape == (1,) and x.ndim and x.shape[0] != 1:
        places = call_on(stream, "squeeze", places, axes=(0,))
    places = cast(places, int32, stream)
    count = integer("rope", "dims", dims)
    power = None if base is None else number("rope", "base", base)
    if power is not None and not power > 0:
        raise ShapeError(f"rope: base must be positive, got {power}")
    factor = number("rope", "scale", scale)
    primitive = Rope(count, flag("rope", "traditional", traditional), power, factor)
    extra = () if freqs is None else (cast(operand("rope", freqs), float32, stream),)
    return primitive.bind(x, places, *extra, stream=stream)


def scaled_dot_product_attention(
    q: array,
    k: array,
    v: array,
    *,
    scale: float,
    mask: Any = None,
    sinks: array | None = None,
    force_fused: bool = False,
    stream: Any = None,
) -> array:
    """Return ``softmax(scale * q @ k.T + mask) @ v`` for every head; the softmax in float32.

    Args:
      q: Array of shape (B, H, L, D).
      k: Array of shape (B, G, S, D); H is a multiple of G, whose heads are shared.
      v: Array of shape (B, G, S, E).
      scale: Factor on the scores, usually ``D**-0.5``.
      mask: None; ``"causal"``: the last query sees all keys, each before it one less; a bool array
        (False is left out) or one that is added, of at most four axes that broadcast to
        (B, H, L, S).
      sinks: Array of shape (H,): a score a head that takes part in the softmax without a value.
      force_fused: Raise where no backend kernel exists instead of composing.
    Returns:
      Array of shape (B, H, L, E) and the promoted dtype.
    Raises:
      ValueError: Shapes or dtypes do not fit.
    Example:
      >>> import monel.core as mx
      >>> q = k = v = mx.ones((1, 2, 3, 4))
      >>> mx.fast.scaled_dot_product_attention(q, k, v, scale=0.5, mask="causal").shape
      (1, 2, 3, 4)

    Source: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """
    name = "scaled_dot_product_attention"
    arrays = [operand(name, x) for x in (q, k, v)]
    _check_attention(name, *arrays)
    dtype = promote_all([float32 if not x.dtype.inexact else x.dtype for x in arrays])
    arrays = [cast(x, dtype, stream) for x in arrays]
    if isinstance(mask, str) and mask != "causal":
        raise ShapeError(f"{name}: invalid mask option {mask!r}. Must be 'causal', or an array")
    causal = isinstance(mask, str)
    masks = [] if causal or mask is None else [_mask(name, mask, arrays, stream)]
    if force_fused:
        _check_fused(name, arrays, stream)
    scale = number(name, "scale", scale)
    if sinks is not None:
        return _with_sinks(name, arrays, scale, causal, masks, sinks, stream)
    return Attention(scale=scale, causal=causal).bind(*arrays, *masks, stream=stream)


def _check_attention(name: str, q: Any, k: Any, v: Any) -> None:
    for x in (q, k, v):
        if x.ndim != 4:
            raise ShapeError(f"{name}: input with shape {x.shape} expected to be rank 4")
        if x.dtype.name == "complex64":
            raise DTypeError(f"{name}: not supported for complex64, got {x.value}")
    if q.shape[3] != k.shape[3]:
        raise ShapeError(
            f"{name}: query, keys expected to have matching last dimension; found query "
            f"{q.value} for keys {k.value}"
        )
    if k.shape[1] != v.shape[1]:
        raise ShapeError(
            f"{name}: keys, values expected to have matching n_kv_heads; found keys with n_heads "
            f"{k.shape[1]} for values with n_heads {v.shape[1]}"
        )
    if q.shape[0] != k.shape[0] or k.shape[0] != v.shape[0] or k.shape[2] != v.shape[2]:
        raise ShapeError(
            f"{name}: batches, or lengths of keys and values, differ: {q.value}, {k.value}, "
            f"{v.value}"
        )
    if not k.shape[1] or q.shape[1] % k.shape[1]:
        raise ShapeError(
            f"{name}: n_heads must be a multiple of n_kv_heads, found n_heads {q.shape[1]} for "
            f"n_kv_heads {k.shape[1]}"
        )


def _check_fused(name: str, arrays: list[Any], stream: Any) -> None:
    slots = graph.slots
    where = slots.current_stream() if stream is None else slots.to_stream(stream)
    target = where.target or slots.resolve(where)
    if target.backend.kernel(Attention.name, tuple([x.dtype for x in arrays])) is None:
        raise BackendError(
            f"{name}: force_fused=True but no fused kernel is available on {target.device}"
        )


def _mask(name: str, mask: Any, arrays: list[Any], stream: Any) -> Any:
    m, (q, k, _) = operand(name, mask), arrays
    if m.ndim > 4:
        raise ShapeError(f"{name}: the mask with shape {m.shape} expected to have at most rank 4")
    scores = (*q.shape[:3], k.shape[2])
    if broadcast_shapes(name, scores, m.shape) != scores:
        raise ShapeError(f"{name}: the mask {m.value} does not broadcast to {scores}")
    if m.dtype is bool_:
        return m
    if promote(m.dtype, q.dtype) is not q.dtype:
        raise DTypeError(
            f"{name}: Mask type must promote to output type {q.dtype.name}, got {m.value}"
        )
    return cast(m, q.dtype, stream)


def _with_sinks(
    name: str, arrays: list[Any], scale: float, causal: bool, masks: Any, sinks: Any, stream: Any
) -> Any:
    """Compose attention whose softmax has one more score, without a value, for each head."""
    s, (q, k, v) = operand(name, sinks), arrays
    heads, groups = q.shape[1], k.shape[1]
    if s.shape != (heads,):
        raise ShapeError(f"{name}: Received invalid shape for sinks {s.shape}, expected ({heads},)")
    if heads != groups:
        k, v = (_repeated(x, heads // groups, stream) for x in (k, v))
    turned = call_on(stream, "transpose", k, axes=(0, 1, 3, 2))
    scores = wide_of(call_on(stream, "matmul", multiply(q, scale, stream), turned))
    least = cast(to_array(name, finfo(float32).min), scores.dtype, stream)
    if causal:
        scores = call_on(stream, "where", causal_mask(scores), scores, least)
    for m in masks:
        if m.dtype is bool_:
            scores = call_on(stream, "where", m, scores, least)
        else:
            scores = add(scores, cast(m, scores.dtype), stream)
    column = call_on(stream, "expand_dims", cast(s, scores.dtype, stream), axes=(0, 2, 3))
    column = call_on(stream, "broadcast", column, shape=(*scores.shape[:3], 1))
    joined = call_on(stream, "concatenate", column, scores, axis=3)
    weights = call_on(stream, "softmax", joined, axis=3, precise=True)
    start, stop = (0, 0, 0, 1), weights.shape
    weights = call_on(stream, "slice", weights, start=start, stop=stop, step=(1, 1, 1, 1))
    return call_on(stream, "matmul", cast(weights, v.dtype, stream), v)


def _repeated(x: Any, count: int, stream: Any) -> Any:
    """Repeat each head ``count`` times in a row."""
    b, heads, rows, d = x.shape
    spread = call_on(stream, "expand_dims", x, axes=(2,))
    spread = call_on(stream, "broadcast", spread, shape=(b, heads, count, rows, d))
    return call_on(stream, "flatten", spread, start=1, end=2)
