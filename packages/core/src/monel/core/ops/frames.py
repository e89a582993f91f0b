"""Short-time Fourier transforms: of overlapping frames of a signal, and back."""

from __future__ import annotations

from typing import Any

from ..base import dtypes
from ..base.dtypes import complex64, float32
from ..base.errors import ShapeError
from ..graph.handle import array
from ..graph.primitive import call
from ..primitives.arguments import describe, flag, integer, on_stream, operand
from ..primitives.convert import cast
from ..primitives.create import Full, Iota
from ..primitives.flatten import part
from ..primitives.fourier import Fft, Irfft, Rfft, fitted, scaling_of
from ..primitives.kinds import scalar_like
from ..primitives.shape import Pad
from ..primitives.triangles import swapped
from .gathering import take
from .padding import pad

__all__ = ["istft", "stft"]


class Framing:
    """Length, distance and window of the frames of a signal, checked."""

    def __init__(
        self, function: str, n_fft: int, hop_length: Any, win_length: Any, window: Any
    ) -> None:
        self.function = function
        self.length = n_fft
        if n_fft < 1:
            raise ShapeError(f"{function}: n_fft must be positive, got {n_fft}")
        given = n_fft // 4 if hop_length is None else integer(function, "hop_length", hop_length)
        if given < 1:
            raise ShapeError(f"{function}: hop_length must be positive, got {given}")
        self.hop = given
        self.window = self._window(win_length, window)

    def _window(self, win_length: Any, window: Any) -> Any:
        """Return the window in the middle of a frame, or None where it is all ones."""
        n, name = self.length, self.function
        if window is None:
            size = n if win_length is None else integer(name, "win_length", win_length)
            if size == n:
                return None
            values = Full((max(size, 0),), float32, 1.0).bind()
        else:
            values = operand(name, window)
            if values.ndim != 1:
                raise ShapeError(
                    f"{name}: window must be a one-dimensional array, got {describe(values)}"
                )
            values = values if values.dtype is complex64 else cast(values, float32)
            size = values.shape[0]
            if win_length is not None and integer(name, "win_length", win_length) != size:
                raise ShapeError(
                    f"{name}: window must have win_length={win_length} entries, got "
                    f"{describe(values)}"
                )
        if not 0 < size <= n:
            raise ShapeError(f"{name}: window length must not exceed n_fft, got {size} and {n}")
        before = (n - size) // 2
        return Pad((before,), (n - size - before,), (0,)).bind(values, scalar_like(0, values))

    def indices(self, count: int) -> Any:
        """Return the positions in the signal of the entries of ``count`` frames, a row each."""
        start = Iota(shape=(count, 1), dtype=dtypes.int64, axis=0).bind()
        place = Iota(shape=(1, self.length), dtype=dtypes.int64, axis=1).bind()
        return call("add", call("mul", start, scalar_like(self.hop, start)), place)

    def cut(self, x: Any) -> Any:
        """Return the frames of the last axis, weighted by the window."""
        count = (x.shape[-1] - self.length) // self.hop + 1
        made = take(x, self.indices(count), -1)
        return made if self.window is None else made * self.window

    def joined(self, x: Any) -> Any:
        """Return the sums of frames (..., count, length) where they overlap."""
        count = x.shape[-2]
        shape = (*x.shape[:-2], (count - 1) * self.hop + self.length)
        return Full(shape, float32, 0.0).bind().at[..., self.indices(count)].add(x)

    def divided(self, x: Any) -> Any:
        """Return the sums of weighted frames, divided by those of the squared weights."""
        rows = x.shape[-2:]
        weights = Full((self.length,), float32, 1.0).bind() if self.window is None else self.window
        weights = cast(weights, float32)
        sums = self.joined(x * weights)
        squares = self.joined(call("broadcast", weights * weights, shape=rows))
        zero, one = scalar_like(0, squares), scalar_like(1, squares)
        return sums / call("where", call("greater", squares, zero), squares, one)


def stft(
    x: Any,
    n_fft: int = 2048,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    norm: str = "backward",
    onesided: bool | None = None,
    stream: Any = None,
) -> array:
    """Return the transforms of overlapping frames of a signal.

    Args:
      x: Array of shape (..., samples).
      n_fft: The length of a frame.
      hop_length: The distance between frames; ``n_fft // 4`` by default.
      win_length: How many entries in the middle of a frame count; ``n_fft`` by default.
      window: Vector of ``win_length`` weights; ones by default.
      center: Fill up both ends of the signal, so that frame i is centred at ``i * hop_length``.
      pad_mode: How: ``"reflect"``, ``"edge"`` or ``"constant"``, as in ``mx.pad``.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
      onesided: Return non-negative frequencies only; True by default for real signals.
    Returns:
      complex64 array of shape (..., frequencies, frames).
    Raises:
      ShapeError: A length does not fit, ``x`` is a scalar or too short, or another ``norm``.
    Example:
      >>> import monel.core as mx
      >>> mx.fft.stft(mx.ones(16), n_fft=8, hop_length=4).shape
      (5, 5)
    """
    signal = operand("stft", x)
    if not signal.ndim:
        raise ShapeError(f"stft: Input must have at least one dimension, got {describe(signal)}")
    flag("stft", "center", center)
    length = integer("stft", "n_fft", n_fft)
    with on_stream(stream):
        frames = Framing("stft", length, hop_length, win_length, window)
        scaling = scaling_of("stft", norm, False)
        kind = complex64 if signal.dtype is complex64 else float32
        half = kind is float32 if onesided is None else flag("stft", "onesided", onesided)
        signal = cast(signal, kind)
        if center:
            widths = [(0, 0)] * (signal.ndim - 1) + [(length // 2, length // 2)]
            signal = pad(signal, widths, pad_mode)
        if signal.shape[-1] < length:
            raise ShapeError(
                f"stft: Input is too short for n_fft={length}: {describe(operand('stft', x))}"
            )
        lines = frames.cut(signal)
        axis = lines.ndim - 1
        if half:
            made = Rfft(axis=axis, scaling=scaling).bind(cast(lines, float32))
        else:
            made = Fft(axis=axis, scaling=scaling).bind(cast(lines, complex64))
        return swapped(made)


def istft(
    stft_matrix: Any,
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    norm: str = "backward",
    onesided: bool | None = None,
    length: int | None = None,
    stream: Any = None,
) -> array:
    """Return the signal of whose frames ``stft_matrix`` holds the transforms: inverts ``stft``.

    The frames are weighted by the window once more and added; the sum is divided by that of the
    squared windows.

    Args:
      stft_matrix: Array of shape (..., frequencies, frames).
      n_fft: The length of a frame; by default even, from the number of frequencies.
      hop_length: The distance between frames; ``n_fft // 4`` by default.
      win_length: How many entries in the middle of a frame count; ``n_fft`` by default.
      window: Vector of ``win_length`` weights; ones by default.
      center: The signal was filled up at both ends, which are cut off again.
      norm: ``"backward"``, ``"ortho"`` or ``"forward"``.
      onesided: The frequencies are the non-negative ones only; True by default.
      length: Cut the signal, or fill it with zeros, to this length.
    Returns:
      float32 array of shape (..., samples).
    Raises:
      ShapeError: A length does not fit, there are fewer than two axes or no frames, or another
        ``norm``.
    Example:
      >>> import monel.core as mx
      >>> x = mx.arange(16).astype(mx.float32)
      >>> mx.allclose(mx.fft.istft(mx.fft.stft(x, n_fft=8)), x, atol=1e-4)
      array(True, dtype=bool)
    """
    matrix = operand("istft", stft_matrix)
    if matrix.ndim < 2:
        raise ShapeError(
            f"istft: Input must have at least two dimensions (freq, frames), got {describe(matrix)}"
        )
    if not matrix.shape[-1]:
        raise ShapeError(f"istft: there are no frames in {describe(matrix)}")
    half = onesided is None or flag("istft", "onesided", onesided)
    flag("istft", "center", center)
    rows = matrix.shape[-2]
    size = (2 * (rows - 1) if half else rows) if n_fft is None else integer("istft", "n_fft", n_fft)
    wanted = None if length is None else integer("istft", "length", length)
    if wanted is not None and wanted < 0:
        raise ShapeError(f"istft: length must not be negative, got {wanted}")
    with on_stream(stream):
        frames = Framing("istft", size, hop_length, win_length, window)
        scaling = scaling_of("istft", norm, True)
        if rows != (size // 2 + 1 if half else size):
            raise ShapeError(
                f"istft: {rows} frequencies do not fit n_fft={size}, got {describe(matrix)}"
            )
        lines, axis = swapped(cast(matrix, complex64)), matrix.ndim - 1
        if half:
            made = Irfft(axis=axis, scaling=scaling, odd=size % 2 == 1).bind(lines)
        else:
            made = call("real", Fft(axis=axis, scaling=scaling, inverse=True).bind(lines))
        signal = frames.divided(made)
        if center:
            end = signal.shape[-1] - size // 2
            signal = part(signal, axis - 1, size // 2, max(end, size // 2))
        return signal if wanted is None else fitted(signal, axis - 1, wanted)
