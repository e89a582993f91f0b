"""A compiled library of kernels: launching them, and what was found while they ran."""

from __future__ import annotations

import ctypes
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import compiler
from .translate import Entry, parse, translate

__all__ = ["ORDERS", "Finding", "Library", "LaunchError"]

ORDERS = ("forward", "reverse", "random")
MAX_THREADS = 1024
_REPORT_BYTES = 1 << 16
_lock = threading.Lock()

_SENTENCES = {
    "race": "data race on {name}: {detail}",
    "bounds": "{detail} of {name}",
    "uninitialised": "uninitialised threadgroup memory {name}: {detail}",
    "divergent": "{name} is not reached by every thread: {detail}",
    "threadgroup-memory": "{name}: {detail}",
    "absent-lane": "{name} {detail}, which takes no part",
    "division": "{name} {detail}",
    "order": "{detail}",
}


class LaunchError(ValueError):
    """A launch whose arguments do not fit the kernel."""


class Finding(NamedTuple):
    """Something wrong that a run showed."""

    kind: str
    kernel: str
    name: str
    detail: str
    group: int
    thread: int
    place: str
    other_group: int
    other_thread: int
    other_place: str

    def __str__(self) -> str:
        what = _SENTENCES[self.kind].format(name=self.name, detail=self.detail)
        text = f"{self.place}: {self.kernel}: {what} (thread {self.thread} of group {self.group}"
        if self.kind == "race":
            text += f"; thread {self.other_thread} of group {self.other_group}"
            text += f" at {self.other_place}" if self.other_place else ""
        return text + ")"


class _Launch(ctypes.Structure):
    _fields_ = [
        ("entry", ctypes.c_void_p),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("sizes", ctypes.POINTER(ctypes.c_ulong)),
        ("names", ctypes.POINTER(ctypes.c_char_p)),
        ("granules", ctypes.POINTER(ctypes.c_uint)),
        ("buffer_count", ctypes.c_uint),
        ("threadgroup_lengths", ctypes.POINTER(ctypes.c_uint)),
        ("threadgroup_count", ctypes.c_uint),
        ("grid", ctypes.c_uint * 3),
        ("group", ctypes.c_uint * 3),
        ("order", ctypes.c_uint),
        ("checked", ctypes.c_uint),
        ("seed", ctypes.c_ulong),
        ("report", ctypes.c_char_p),
        ("report_size", ctypes.c_ulong),
    ]


_runtime: ctypes.CDLL | None = None


def _load_runtime() -> ctypes.CDLL:
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = ctypes.CDLL(str(compiler.runtime()), mode=ctypes.RTLD_GLOBAL)
            _runtime.monel_launch.restype = ctypes.c_int
        return _runtime


class Library:
    """Kernels of one MSL text.

    Raises:
      MslError: The text cannot be read as MSL.
      CompileError: clang refuses it.
    """

    def __init__(self, source: str, *, checked: bool = False) -> None:
        self.checked = checked
        _, entries = parse(source)
        self.entries: dict[str, Entry] = {entry.host_name: entry for entry in entries}
        self._numbers = {entry.host_name: i for i, entry in enumerate(entries)}
        self._runtime = _load_runtime()
        self.path: Path = compiler.build(translate(source, entries), checked=checked)
        self._library = ctypes.CDLL(str(self.path))

    def _array(self, name: str, entry: Entry) -> list[int]:
        count = len(entry.kernel.buffers)
        symbol = f"{name}_{self._numbers[entry.host_name]}"
        return list((ctypes.c_uint * count).in_dll(self._library, symbol)) if count else []

    def element_sizes(self, name: str) -> dict[str, int]:
        """Return the bytes of one element of each buffer of kernel ``name``."""
        entry = self.entries[name]
        sizes = self._array("monel_sizes", entry)
        return {p.name: size for p, size in zip(entry.kernel.buffers, sizes)}

    def launch(
        self,
        name: str,
        buffers: Mapping[int, tuple[int, int]],
        grid: Sequence[int],
        group: Sequence[int],
        *,
        threadgroup_lengths: Sequence[int] = (),
        order: str = "forward",
        seed: int = 1,
    ) -> list[Finding]:
        """Run a kernel over ``grid`` threads in groups of ``group``.

        Args:
          name: Host name of the kernel.
          buffers: Address and length in bytes, by number of ``[[buffer(n)]]``.
          grid: Threads along x, y and z.
          group: Threads of a group along x, y and z, at most 1024 in all.
          threadgroup_lengths: Bytes of each ``[[threadgroup(n)]]``.
          order: In which order threads run: forward, reverse or random.
          seed: Of the random order.
        Returns:
          What was found, nothing in a library that is not checked but divergence.
        Raises:
          LaunchError: A buffer is missing, or the grid does not fit.
        """
        entry = self.entries[name]
        grid, group = _three(grid), _three(group)
        threads = group[0] * group[1] * group[2]
        if not 0 < threads <= MAX_THREADS or min(group) < 1 or min(grid) < 1:
            raise LaunchError(f"{name}: a group of {group} threads in a grid of {grid}")
        self._check(entry, buffers, threadgroup_lengths)
        launch = _Launch()
        kept = _fill_buffers(launch, entry, buffers, self._array("monel_granules", entry))
        lengths = (ctypes.c_uint * max(len(threadgroup_lengths), 1))(*threadgroup_lengths)
        launch.threadgroup_lengths, launch.threadgroup_count = lengths, len(threadgroup_lengths)
        entry_point = getattr(self._library, f"monel_entry_{self._numbers[name]}")
        launch.entry = ctypes.cast(entry_point, ctypes.c_void_p)
        launch.grid, launch.group = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*group)
        launch.order, launch.seed = ORDERS.index(order), seed
        launch.checked = self.checked
        report = ctypes.create_string_buffer(_REPORT_BYTES)
        launch.report, launch.report_size = ctypes.addressof(report), _REPORT_BYTES
        with _lock:
            count = self._runtime.monel_launch(ctypes.byref(launch))
        del kept
        return self._findings(name, report.value.decode()) if count else []

    def _check(
        self, entry: Entry, buffers: Mapping[int, tuple[int, int]], lengths: Sequence[int]
    ) -> None:
        for p in entry.kernel.parameters:
            if p.kind == "buffer" and p.number not in buffers:
                raise LaunchError(f"{entry.host_name}: buffer({p.number}) {p.name!r} is not set")
            if p.kind == "threadgroup" and p.number >= len(lengths):
                raise LaunchError(
                    f"{entry.host_name}: no length is set for threadgroup({p.number}) {p.name!r}"
                )

    def _findings(self, kernel: str, report: str) -> list[Finding]:
        rows = [line.split("\t") for line in report.splitlines()]
        places = self._places({int(row[i]) for row in rows for i in (5, 8)} - {0})
        return [
            Finding(
                *(kind, kernel, name, detail, int(group), int(thread)),
                *(places.get(int(pc), ""), int(other_group), int(other_thread)),
                places.get(int(other_pc), ""),
            )
            for kind, name, detail, group, thread, pc, other_group, other_thread, other_pc in rows
        ]

    def _places(self, offsets: set[int]) -> dict[int, str]:
        """Return ``file:line`` of return addresses in the library, through binutils."""
        if not offsets:
            return {}
        ordered = sorted(offsets)
        command = ["addr2line", "-i", "-a", "-e", str(self.path), *(hex(a - 1) for a in ordered)]
        out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found: dict[int, str] = {}
        for block in re.split(r"^0x", out, flags=re.MULTILINE)[1:]:
            head, *lines = block.splitlines()
            lines = [re.sub(r" \(discriminator \d+\)$", "", line) for line in lines]
            own = [x for x in lines if "metal_stdlib" not in x and "??" not in x]
            found[int(head, 16) + 1] = re.sub(r"^(\./)+", "", own[0]) if own else ""
        return found


def _three(sizes: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z


def _fill_buffers(
    launch: _Launch, entry: Entry, buffers: Mapping[int, tuple[int, int]], granules: list[int]
) -> Any:
    """Enter the buffers by number; returns what must live as long as the launch."""
    slots = max((*buffers, -1)) + 1
    known = {p.number: (p.name, g) for p, g in zip(entry.kernel.buffers, granules)}
    addresses = (ctypes.c_void_p * max(slots, 1))()
    sizes = (ctypes.c_ulong * max(slots, 1))()
    names = (ctypes.c_char_p * max(slots, 1))()
    shares = (ctypes.c_uint * max(slots, 1))()
    for i in range(slots):
        address, size = buffers.get(i, (0, 0))
        name, granule = known.get(i, (f"buffer({i})", 1))
        addresses[i], sizes[i], names[i], shares[i] = address, size, name.encode(), granule
    launch.buffers, launch.sizes, launch.names = addresses, sizes, names
    launch.granules, launch.buffer_count = shares, slots
    return addresses, sizes, names, shares
