"""Fuzzing of the readers under limits of memory and time: minutes instead of examples.

python fuzz_readers.py [READER...] [--seconds N] [--engine hypothesis|atheris]

Each reader and engine has a process of its own, in which a signal, two seconds spent on one input,
memory beyond the limit, an attempt to run code, or any error but FormatError is a failure; the
input that caused it is kept. `nox -s fuzz` runs all of them.
"""

from __future__ import annotations

import argparse
import io
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from monel.core.plugin import FormatError, HostTensor, LazyTensor, open_source
from monel.io import gguf, npy, npz, safetensors, sharded
from monel.io.gguf_blocks import PLAIN, TensorType, tensor_type
from monel.io.gguf_packing import BlockTensor

# Bytes of address space that a process may take beyond what it has after reading the seeds.
MEMORY = {"hypothesis": 96 << 20, "atheris": 1 << 30}
CPU_SECONDS = 2
LARGEST = 1 << 16

ARRAY = HostTensor((2, 3), "float32", np.arange(6, dtype="float32").tobytes())
ARRAYS = {"a": ARRAY, "b": HostTensor((3,), "int8", b"abc")}
SHARD = "model-00001-of-00001.safetensors"
INDEX = f'{{"metadata": {{"total_size": 27}}, "weight_map": {{"a": "{SHARD}", "b": "{SHARD}"}}}}'


def written(save: Callable[..., None], arrays: Any, **options: Any) -> bytes:
    target = io.BytesIO()
    save(target, arrays, **options)
    return target.getvalue()


def blocks(kind: TensorType) -> BlockTensor:
    data = bytes(range(30)) * 20
    return BlockTensor(kind, (kind.block,), lambda: iter([memoryview(data[: kind.size])]))


def quantizations() -> dict[str, BlockTensor]:
    """A tensor of each type of GGUF that is read in blocks."""
    kinds = [tensor_type(code) for code in map(int, GGML_QUANT_SIZES) if code not in PLAIN]
    return {kind.name: blocks(kind) for kind in kinds if kind is not None}


def rich_gguf() -> bytes:
    """Metadata of every kind, tensors of every type."""
    names = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64 bool".split()
    metadata: dict[str, Any] = {n: HostTensor((), n, np.ones((), n).tobytes()) for n in names}
    metadata |= {"t": "text", "l": ["a", "é"], "n": [["a"], ["b"]], "v": ARRAYS["b"]}
    return written(gguf.save, ARRAYS | quantizations(), metadata=metadata)


SEEDS: dict[str, tuple[Callable[..., Any], bytes]] = {
    "npy": (npy.load, written(npy.save, ARRAY)),
    "npz": (npz.load, written(npz.save, ARRAYS)),
    "npz-compressed": (npz.load, written(npz.save, ARRAYS, compressed=True)),
    "safetensors": (safetensors.load, written(safetensors.save, ARRAYS, metadata={"k": "v"})),
    "gguf": (gguf.load, rich_gguf()),
    "index": (sharded.load, INDEX.encode()),
}
EXTREMES = [b"\x00" * 8, b"\xff" * 8, b"\xff" * 4, (2**62).to_bytes(8, "little"), b"\x80", b"\x7f"]


@st.composite
def damage(draw: Any) -> Any:
    """What to do to a file: overwrite, insert, or delete at places given as fractions of it."""
    word = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(EXTREMES))
    edit = st.tuples(st.sampled_from("oid"), st.floats(0, 1), word)
    return draw(st.lists(edit, min_size=1, max_size=4))


def damaged(data: bytes, edits: Any) -> bytes:
    for kind, where, word in edits:
        at = int(where * len(data))
        if kind == "o":
            data = data[:at] + word + data[at + len(word) :]
        elif kind == "i":
            data = data[:at] + word + data[at:]
        else:
            data = data[:at] + data[at + len(word) :]
    return data


class Reader:
    """One reader, with a folder for what must lie on the disk."""

    def __init__(self, name: str, folder: Path) -> None:
        self.load, self.seed = SEEDS[name]
        self.path = folder / "model.safetensors.index.json" if name == "index" else None
        (folder / SHARD).write_bytes(SEEDS["safetensors"][1])

    def __call__(self, data: bytes) -> None:
        """Read everything that a file of ``data`` holds, or be refused."""
        try:
            for tensor in self.tensors(data):
                done = sum(piece.nbytes for piece in tensor.pieces())
                assert done == tensor.nbytes, f"{done} bytes of {tensor.nbytes} were read"
                # Deflated data grow by 1032 at most, IQ1_S from 50 bytes to 512.
                assert done <= 1032 * (len(data) + len(SEEDS["safetensors"][1]))
        except FormatError as error:
            assert error.reason and error.offset >= 0

    def tensors(self, data: bytes) -> Iterator[LazyTensor]:
        if self.path is None:
            source = open_source(io.BytesIO(data))
        else:
            self.path.write_bytes(data)
            source = open_source(self.path)
        found = self.load(source)
        yield from found.values() if isinstance(found, dict) else [found]


class Watch:
    """Inside of it, running code that comes as data, or reaching out, ends the process."""

    BAD = ("exec", "compile", "pickle.", "marshal.", "os.system", "os.exec", "subprocess.",
           "socket.", "ctypes.")  # fmt: skip

    def __init__(self) -> None:
        self.armed = False
        sys.addaudithook(self.hook)

    def hook(self, event: str, _: Any) -> None:
        if self.armed and event.startswith(self.BAD):
            os.write(2, f"an input made the reader cause {event!r}\n".encode())
            os.abort()

    def __enter__(self) -> None:
        self.armed = True

    def __exit__(self, *_: object) -> None:
        self.armed = False


def limit_memory(engine: str) -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY[engine]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_hypothesis(reader: Reader, seconds: float, kept: Path) -> int:
    """Try damaged seeds and plain bytes until the time is over; return how many."""
    import signal

    with open(kept, "w+b") as file:
        file.truncate(8 + 4 * LARGEST)
        current = mmap.mmap(file.fileno(), 0)
    end, count, watch = time.monotonic() + seconds, 0, Watch()

    def attempt(data: bytes) -> None:
        nonlocal count
        if time.monotonic() > end or len(data) > 4 * LARGEST:
            return
        current[: 8 + len(data)] = len(data).to_bytes(8, "little") + data
        # Ends the process by a signal; time that other processes take does not count.
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
        with watch:
            reader(data)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        count += 1

    often = settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    number = 0
    while time.monotonic() < end:
        number += 1
        seed(number)(often(given(damage())(lambda edits: attempt(damaged(reader.seed, edits)))))()
        seed(number)(often(given(st.binary(max_size=300))(attempt)))()
    return count


def readers_code() -> Iterator[Any]:
    """Yield the functions and methods of the readers, whose branches libFuzzer is to see."""
    for name, module in list(sys.modules.items()):
        if name.startswith("monel.io."):
            for thing in list(vars(module).values()):
                members = vars(thing).values() if isinstance(thing, type) else [thing]
                yield from (m for m in members if getattr(m, "__module__", "") == name
                            and isinstance(m, FunctionType))  # fmt: skip


def run_atheris(reader: Reader, seconds: float, kept: Path) -> None:
    """Hand over to libFuzzer, which ends the process."""
    import atheris

    corpus = kept.with_suffix(".corpus")
    corpus.mkdir()
    (corpus / "seed").write_bytes(reader.seed)
    limits = [f"-max_total_time={int(seconds)}", f"-timeout={5 * CPU_SECONDS}", "-rss_limit_mb=0"]
    places = [
        f"-max_len={LARGEST}",
        f"-artifact_prefix={kept}-",
        "-print_final_stats=1",
        str(corpus),
    ]
    for function in readers_code():
        atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *limits, *places], reader)
    atheris.Fuzz()


def child(name: str, engine: str, seconds: float, kept: Path) -> None:
    """Fuzz one reader by one engine in this process."""
    reader = Reader(name, kept.parent)
    reader(reader.seed)
    if engine == "atheris":
        limit_memory(engine)
        run_atheris(reader, seconds, kept)
        return
    reader(b"")
    limit_memory(engine)
    print(f"{name}, {engine}: {run_hypothesis(reader, seconds, kept)} inputs", flush=True)


def engines() -> list[str]:
    return ["hypothesis", *(["atheris"] if find_spec("atheris") else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(SEEDS)}; all by default")
    parser.add_argument("--seconds", type=float, default=120, help="for each reader and engine")
    parser.add_argument("--engine", choices=["hypothesis", "atheris"], help="both by default")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given_ = parser.parse_args()
    if given_.child:
        child(given_.readers[0], given_.engine, given_.seconds, given_.child)
        return 0
    failed = []
    for name in given_.readers or SEEDS:
        for engine in [given_.engine] if given_.engine else engines():
            kept = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-{engine}-")) / "input"
            command = [sys.executable, __file__, name, "--engine", engine, "--child", str(kept)]
            started = time.monotonic()
            done = subprocess.run(
                [*command, "--seconds", str(given_.seconds)],
                stderr=subprocess.STDOUT,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=given_.seconds * 2 + 120,
            )
            spent = time.monotonic() - started
            if done.returncode:
                failed.append(f"{name}, {engine}")
                print(done.stdout[-6000:])
                print(f"{name}, {engine}: status {done.returncode}; its input is at {kept}*")
            else:
                found = re.findall(r"(?:executed_units: *| hypothesis: )([0-9]+)", done.stdout)
                print(f"{name}, {engine}: {found[-1]} inputs in {spent:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
