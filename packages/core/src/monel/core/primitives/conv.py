"""Convolution over channels-last arrays: one primitive, whose transposes are convolutions, too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import float32
from ..base.errors import DTypeError, ShapeError
from ..graph.primitive import Primitive, Sample, call
from .arguments import stays_open
from .convert import cast
from .elementwise import add
from .flatten import flatten_axes, unflatten_axis
from .kinds import move_axis, scalar_like
from .shape import flip_axes, reshape_like

if TYPE_CHECKING:
    import numpy as np

__all__: list[str] = []

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """How one spatial axis is convolved; padding may be negative here, which crops."""

    stride: int = 1
    low: int = 0
    high: int = 0
    kernel_dilation: int = 1
    input_dilation: int = 1

    def padded(self, n: int) -> int:
        """Return the length of an axis of length ``n`` once dilated and padded."""
        return max(n - 1, 0) * self.input_dilation + min(n, 1) + self.low + self.high

    def extent(self, k: int) -> int:
        """Return how many places a dilated kernel of length ``k`` covers."""
        return (k - 1) * self.kernel_dilation + 1

    def length(self, n: int, k: int) -> int:
        """Return the length of the result."""
        return (self.padded(n) - self.extent(k)) // self.stride + 1


class Conv(Primitive, name="conv", export_name="Convolution"):
    """Sums of products of a sliding kernel with an input that is dilated, then padded.

    Input (N, *spatial, C), weight (O, *kernel, C / groups), result (N, *lengths, O). Output
    channels are divided among ``groups`` in order, each reading its own share of the input
    channels. ``flip`` reverses the kernel. Paddings are not negative.
    """

    linear: ClassVar[str | None] = "each"
    stride: Sizes
    padding_low: Sizes
    padding_high: Sizes
    kernel_dilation: Sizes
    input_dilation: Sizes
    groups: int = 1
    flip: bool = False

    @property
    def windows(self) -> list[Window]:
        """One ``Window`` for each spatial axis."""
        parts = (self.stride, self.padding_low, self.padding_high)
        return [Window(*w) for w in zip(*parts, self.kernel_dilation, self.input_dilation)]

    def abstract(self, x: Any, w: Any) -> AbstractArray:
        windows = self.windows
        if x.dtype is not w.dtype or not x.dtype.floating:
            raise DTypeError(f"conv: expected one floating dtype, got {x} and {w}")
        if x.ndim != len(windows) + 2 or w.ndim != x.ndim:
            raise ShapeError(f"conv: {len(windows)} windows do not fit {x} and {w}")
        if min((*self.padding_low, *self.padding_high)) < 0:
            raise ShapeError("conv: paddings must not be negative")
        _check_channels(x, w, self.groups)
        lengths = []
        for window, n, k in zip(windows, x.shape[1:-1], w.shape[1:-1]):
            if k < 1 or window.padded(n) < window.extent(k):
                raise ShapeError(
                    f"conv: Spatial dimensions of the padded input cannot be smaller than those of "
                    f"the weight, got {x} and {w} with {window}"
                )
            lengths.append(window.length(n, k))
        shape = (x.shape[0], *lengths, w.shape[0])
        check_shape("conv", shape, x.dtype.size)
        return AbstractArray(shape, x.dtype)

    def reference(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        import numpy as np

        dtype = x.dtype
        wide = np.float32 if dtype.itemsize == 2 else dtype
        x, w = _numpy_padded(x.astype(wide), self.windows), w.astype(wide)
        spatial = tuple(range(1, x.ndim - 1))
        if self.flip:
            w = np.flip(w, spatial)
        extents = [v.extent(k) for v, k in zip(self.windows, w.shape[1:-1])]
        seen = np.lib.stride_tricks.sliding_window_view(x, extents, spatial)
        steps = [slice(None, None, v.stride) for v in self.windows]
        inner = [slice(None, None, v.kernel_dilation) for v in self.windows]
        seen = seen[(slice(None), *steps, slice(None), *inner)]
        every = [slice(None)] * (len(spatial) + 1)
        c, o = w.shape[-1], w.shape[0] // self.groups
        axes = list(range(x.ndim, x.ndim + len(spatial)))
        kernel = list(range(1, w.ndim - 1))
        out = [
            np.tensordot(
                seen[(*every, slice(g * c, (g + 1) * c))],
                w[g * o : (g + 1) * o],
                ([x.ndim - 1, *axes], [w.ndim - 1, *kernel]),
            )
            for g in range(self.groups)
        ]
        return np.concatenate(out, -1).astype(dtype)

    def decompose(self, x: Any, w: Any) -> Any:
        if x.dtype.size == 2:
            wide = self.bind(cast(x, float32), cast(w, float32))
            return cast(wide, x.dtype)
        windows, spatial = self.windows, range(1, x.ndim - 1)
        lengths = self.abstract(x.value, w.value).shape[1:-1]
        x = _padded(x, windows)
        if self.flip:
            w = flip_axes(w, tuple(spatial))
        total = None
        for place in itertools.product(*[range(k) for k in w.shape[1:-1]]):
            part = _places(x, windows, place, lengths)
            term = _by_groups(part, _tap(w, place), self.groups)
            total = term if total is None else add(total, term)
        return total

    def transpose(self, ct: Any, i: int, operands: Any) -> Any:
        x, w = operands
        if stays_open(ct):
            # The windows below hold the lengths of all three, so a replay at others is refused.
            ct, x, w = (_of_fixed_lengths(v) for v in (ct, x, w))
        return self._for_input(ct, x, w) if i == 0 else self._for_weight(ct, x, w)

    def _for_input(self, ct: Any, x: Any, w: Any) -> Any:
        """Convolve the cotangent with the kernel reversed, stride and dilation exchanged."""
        windows = []
        for v, n, k, o in zip(self.windows, x.shape[1:-1], w.shape[1:-1], ct.shape[1:-1]):
            low = v.extent(k) - 1 - v.low
            whole = (n - 1) * v.input_dilation + v.extent(k)
            high = whole - ((o - 1) * v.stride + 1) - low
            windows.append(Window(v.input_dilation, low, high, v.kernel_dilation, v.stride))
        swapped = _grouped_swap(w, self.groups)
        return convolve(ct, swapped, windows, self.groups, not self.flip)

    def _for_weight(self, ct: Any, x: Any, w: Any) -> Any:
        """Convolve the input with the cotangent, batch and channels exchanged."""
        windows = []
        for v, n, k, o in zip(self.windows, x.shape[1:-1], w.shape[1:-1], ct.shape[1:-1]):
            whole = (k - 1) * v.kernel_dilation + (o - 1) * v.stride + 1
            high = whole - ((n - 1) * v.input_dilation + 1) - v.low
            windows.append(Window(v.kernel_dilation, v.low, high, v.stride, v.input_dilation))
        last = x.ndim - 1
        spatial = tuple(range(1, last))
        # Input channels (g, c) and batch n: c becomes the batch, (g, n) the channels.
        parts = unflatten_axis(x, last, (self.groups, -1))
        turned = call("transpose", parts, axes=(last + 1, *spatial, last, 0))
        images = flatten_axes(turned, last, last + 1)
        kernels = call("transpose", ct, axes=(last, *spatial, 0))
        made = convolve(images, kernels, windows, self.groups, False)
        made = call("transpose", made, axes=(last, *spatial, 0))
        return flip_axes(made, spatial) if self.flip else made

    def batch(self, operands: Any, dims: Any) -> Any:
        (x, w), (dx, dw) = operands, dims
        if dw is None:
            x = move_axis(x, dx, 0)
            return divided(self.bind(flatten_axes(x, 0, 1), w), x), 0
        w = move_axis(w, dw, 0)
        size = w.shape[0]
        if dx is not None:
            # Every entry of the batch is so many groups of its own.
            x = move_axis(x, dx, x.ndim - 2)
            x = flatten_axes(x, x.ndim - 2, x.ndim - 1)
            many = self._with_groups(size * self.groups)
            out = many.bind(x, flatten_axes(w, 0, 1))
            return unflatten_axis(out, out.ndim - 1, (size, -1)), out.ndim - 1
        parts = unflatten_axis(w, 1, (self.groups, -1))
        parts = call("transpose", parts, axes=(1, 0, *range(2, parts.ndim)))
        out = self.bind(x, flatten_axes(parts, 0, 2) if parts.ndim > 2 else parts)
        last = out.ndim - 1
        out = unflatten_axis(out, last, (self.groups, size, -1))
        out = call("transpose", out, axes=(*range(last), last + 1, last, last + 2))
        return flatten_axes(out, last + 1, last + 2), last

    def _with_groups(self, groups: int) -> Conv:
        return Conv(
            self.stride,
            self.padding_low,
            self.padding_high,
            self.kernel_dilation,
            self.input_dilation,
            groups,
            self.flip,
        )

    @classmethod
    def samples(cls, rng: np.random.Generator) -> Iterator[Sample]:
        one, two, three, none = (1,), (1, 1), (1, 1, 1), (0, 0, 0)
        for x, w, p in [
            ((2, 5, 2), (3, 3, 2), cls(one, (0,), (0,), one, one)),
            ((1, 6, 2), (2, 2, 2), cls((2,), (1,), (2,), (2,), one, flip=True)),
            ((1, 4, 4), (6, 2, 2), cls(one, (1,), (0,), one, (2,), 2)),
            ((2, 4, 5, 1), (2, 2, 3, 1), cls((2, 1), (1, 0), (0, 1), two, two)),
            ((1, 3, 3, 2, 2), (2, 2, 1, 2, 2), cls((1, 2, 1), none, none, three, three)),
            ((1, 3, 1), (1, 2, 1), cls(one, (3,), (2,), one, one)),
            ((0, 3, 1), (2, 2, 1), cls(one, (0,), (0,), one, one)),
        ]:
            operands = tuple(rng.standard_normal(s).astype("float32") for s in (x, w))
            yield Sample(p, operands, tolerance=4.0)


def _of_fixed_lengths(v: Any) -> Any:
    """Return ``v`` such that a replay at other spatial lengths raises ShapeError."""
    for axis in range(1, v.ndim - 1):
        v = unflatten_axis(v, axis, (v.shape[axis],))
    return v


def divided(made: Any, like: Any) -> Any:
    """Divide axis 0 of ``made`` into two, as long as the first two axes of ``like``."""
    if not stays_open(like):
        return unflatten_axis(made, 0, (like.shape[0], -1))
    lead, rest = like, call("select", made, axis=0, index=0)
    for axis in reversed(range(2, like.ndim)):
        lead = call("select", lead, axis=axis, index=0)
    lead = call("expand_dims", lead, axes=tuple(range(2, 2 + rest.ndim)))
    witness = add(lead, call("expand_dims", rest, axes=(0, 1)))
    return reshape_like(made, witness)


def _check_channels(x: Any, w: Any, groups: int) -> None:
    if groups < 1 or x.shape[-1] != w.shape[-1] * groups:
        raise ShapeError(
            f"conv: Expect the input channels in the input and weight array to match but got {x} "
            f"and {w} with {groups} groups: the weight's last axis must have the input's channels "
            f"over the groups"
        )
    if w.shape[0] % groups:
        raise ShapeError(
            f"conv: If groups > 1, the output channels must be divisible by the number of groups. "
            f"Got {w.shape[0]} output channels and {groups} groups"
        )


def convolve(
    x: Any, w: Any, windows: list[Window], groups: int, flip: bool, stream: Any = None
) -> Any:
    """Convolve with windows whose paddings may be negative: what they crop is cut off first."""
    if any(v.low < 0 or v.high < 0 for v in windows):
        x, windows = _cropped(x, windows)
    stride, low, high, kernel, dilation = zip(*windows)
    return Conv(stride, low, high, kernel, dilation, groups, flip).bind(x, w, stream=stream)


def _cropped(x: Any, windows: list[Window]) -> tuple[Any, list[Window]]:
    """Return ``x`` dilated and cropped where its paddings are negative, and windows without."""
    cut = [v.low < 0 or v.high < 0 for v in windows]
    dilated = [v if c else Window() for v, c in zip(windows, cut)]
    x = _padded(x, [Window(input_dilation=v.input_dilation) for v in dilated])
    start = [max(-v.low, 0) for v in windows]
    stop = [n + min(v.high, 0) for v, n in zip(windows, x.shape[1:-1])]
    for v, a, b in zip(windows, start, stop):
        if b < a:
            raise ShapeError(f"conv: the negative padding of {v} leaves nothing of {x.value}")
    x = call(
        "slice",
        x,
        start=(0, *start, 0),
        stop=(x.shape[0], *stop, x.shape[-1]),
        step=(1,) * x.ndim,
    )
    kept = [
        Window(v.stride, max(v.low, 0), max(v.high, 0), v.kernel_dilation, 1) if c else v
        for v, c in zip(windows, cut)
    ]
    return x, kept


def _padded(x: Any, windows: list[Window]) -> Any:
    low = (0, *[v.low for v in windows], 0)
    high = (0, *[v.high for v in windows], 0)
    interior = (0, *[v.input_dilation - 1 for v in windows], 0)
    if not any((*low, *high, *interior)):
        return x
    return call("pad", x, scalar_like(0, x), low=low, high=high, interior=interior)


def _numpy_padded(x: Any, windows: list[Window]) -> Any:
    import numpy as np

    shape = (x.shape[0], *[v.padded(n) for v, n in zip(windows, x.shape[1:-1])], x.shape[-1])
    out = np.zeros(shape, x.dtype)
    inner = [
        slice(v.low, v.low + max(n - 1, 0) * v.input_dilation + min(n, 1), v.input_dilation)
        for v, n in zip(windows, x.shape[1:-1])
    ]
    out[(slice(None), *inner)] = x
    return out


def _places(x: Any, windows: list[Window], place: Sizes, lengths: Sizes) -> Any:
    """Return what the tap at ``place`` of the kernel sees of a padded input."""
    start = [k * v.kernel_dilation for v, k in zip(windows, place)]
    stop = [a + (n - 1) * v.stride + 1 for v, a, n in zip(windows, start, lengths)]
    step = (1, *[v.stride for v in windows], 1)
    return call("slice", x, start=(0, *start, 0), stop=(x.shape[0], *stop, x.shape[-1]), step=step)


def _tap(w: Any, place: Sizes) -> Any:
    """Return the matrix (O, C) of ``w`` at one place of the kernel."""
    for k in place:
        w = call("select", w, axis=1, index=k)
    return w


def _by_groups(x: Any, matrix: Any, groups: int) -> Any:
    """Multiply the channels of ``x`` by ``matrix`` (O, C / groups), group by group."""
    if groups == 1:
        return call("matmul", x, call("transpose", matrix, axes=(1, 0)))
    last = x.ndim - 1
    parts = unflatten_axis(x, last, (groups, -1))
    rows = call("expand_dims", parts, axes=(last + 1,))
    table = call("transpose", unflatten_axis(matrix, 0, (groups, -1)), axes=(0, 2, 1))
    made = call("squeeze", call("matmul", rows, table), axes=(last + 1,))
    return flatten_axes(made, last, last + 1)


def _grouped_swap(w: Any, groups: int) -> Any:
    """Exchange the channels of a weight: (O, *kernel, C / g) becomes (C, *kernel, O / g)."""
    last = w.ndim - 1
    spatial = tuple(range(1, last))
    if groups == 1:
        return call("transpose", w, axes=(last, *spatial, 0))
    parts = unflatten_axis(w, 0, (groups, -1))
    turned = call("transpose", parts, axes=(0, last + 1, *[a + 1 for a in spatial], 1))
    return flatten_axes(turned, 0, 1)
