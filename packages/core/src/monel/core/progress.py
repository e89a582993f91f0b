"""Bars for long loads and saves: tqdm's where that is installed, else lines of text."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from typing import Any

# A line of text is written at each of so many parts of the whole.
_LINES = 10


class Progress:
    """Bytes done of a total, shown on standard error; safe to advance from any thread.

    Nothing is shown before the first byte: what is loaded lazily may never be read.

    Args:
      title: What the bar says in front.
      total: Bytes at which it is full; it closes then.
    """

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._lock = threading.Lock()
        self._bar: Any = None
        self._lines = 0

    def advance(self, count: int) -> None:
        """Count ``count`` more bytes."""
        with self._lock:
            count = min(count, self.total - self.done)
            if count <= 0:
                return
            self.done += count
            if importlib.util.find_spec("tqdm") is None:
                self._write()
            else:
                self._move(count)

    def close(self) -> None:
        """Leave the bar as it stands."""
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _move(self, count: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            unit = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
            self._bar = tqdm(total=self.total, desc=self.title, file=sys.stderr, **unit)
        self._bar.update(count)
        if self.done == self.total:
            self._bar.close()
            self._bar = None

    def _write(self) -> None:
        lines = self.done * _LINES // self.total
        if lines > self._lines:
            self._lines = lines
            text = f"{self.title}: {100 * lines // _LINES}% of {self.total / (1 << 20):,.1f} MiB"
            print(text, file=sys.stderr, flush=True)


class Counted:
    """A reader that tells a ``Progress`` of what it has read."""

    __slots__ = ("_progress", "_reader")

    def __init__(self, reader: Callable[[memoryview], None], progress: Progress) -> None:
        self._reader, self._progress = reader, progress

    def __call__(self, out: memoryview) -> None:
        self._reader(out)
        self._progress.advance(out.nbytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
