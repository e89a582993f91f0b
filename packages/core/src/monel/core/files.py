"""Arrays in files: formats are plugins, loading is lazy, saving replaces a file as a whole."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .base.avals import AbstractArray
from .base.dtypes import dtype_named
from .base.errors import DTypeError
from .base.storage import open_source, open_target
from .construct import from_host
from .contract.formats import Format, HostTensor, LazyTensor
from .execute.kernels import core_kernel
from .graph import value as graph
from .graph.handle import array, wrap
from .graph.primitive import record_values
from .interchange import host_bytes, host_view
from .primitives.arguments import flag
from .primitives.load import Load
from .progress import Counted, Progress
from .recognition import format_for_saving, format_named, installed_formats, recognised

__all__ = ["load", "save", "save_gguf", "save_safetensors", "savez", "savez_compressed"]

# Bytes that are written at a time, so that a bar moves.
_PIECE = 16 << 20


def load(
    file: Any,
    /,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    stream: Any = None,
    mmap: bool = False,
    progress: bool = False,
    **options: Any,
) -> Any:
    """Load the array or arrays of a file; their data are read when they are evaluated.

    The format is found by the extension, then by the first bytes, so a file whose extension lies is
    read for what it is. monel-io brings npy, npz, safetensors, also in shards, and gguf.

    Args:
      file: Path, or seekable binary file object, which is read from its present position.
      format: Name of the format, which is then taken at its word.
      return_metadata: Return a pair of the arrays and the file's metadata.
      stream: Stream or device on which the arrays are to be.
      mmap: Map the file into memory instead of reading it: arrays whose data lie in it as the
        backend needs them use these pages, the others are copied. A process that cuts the file
        short meanwhile ends this one.
      progress: Show a bar of the bytes that have been read, once arrays are evaluated.
      options: Passed to the format: ``strict=False`` lets safetensors read trailing bytes.
    Returns:
      An array (npy), or a dict of arrays by name; their data come from the file as it was when
      it was opened, even if it is replaced before they are evaluated.
    Raises:
      FormatError: The file is malformed or of no known format. A ValueError and a RuntimeError.
      MissingFileError: There is no such file. A FileNotFoundError, RuntimeError and ValueError.
      ValueError: Unknown ``format``, metadata asked of a format without, or ``mmap`` of what is
        no file on the disk.
    Example:
      >>> import io, monel.core as mx
      >>> file = io.BytesIO()
      >>> mx.savez(file, a=mx.array([1, 2]))
      >>> _ = file.seek(0)
      >>> mx.load(file)["a"]
      array([1, 2], dtype=int32)
    """
    chosen = format_named("load", format) if format is not None else None
    installed_formats("load")
    source = open_source(file, "load", flag("load", "mmap", mmap))
    if chosen is None:
        chosen = recognised("load", source)
    if return_metadata and not chosen.metadata:
        raise ValueError(f"load: metadata not supported for format {chosen.name}")
    answer = chosen.load(source, return_metadata=bool(return_metadata), **options)
    found, metadata = answer if return_metadata else (answer, {})
    if flag("load", "progress", progress):
        found = _counted(found, f"load {os.path.basename(source.path or 'file')}")
    arrays = _arrays(chosen, found, stream)
    if not return_metadata:
        return arrays
    return arrays, {key: _metadata_out(value) for key, value in metadata.items()}


def save(file: Any, arr: array, *, progress: bool = False) -> None:
    """Save an array in NumPy's ``.npy`` format; bfloat16 as ml_dtypes writes it.

    Args:
      file: Path, to which ``.npy`` is added if it lacks it, or binary file object. A path with the
        extension of another installed format of one array is written in that.
      arr: The array, which is evaluated first.
      progress: Show a bar of the bytes that have been written.
    Raises:
      TypeError: ``arr`` is no array.
    Example:
      >>> import io, monel.core as mx
      >>> mx.save(io.BytesIO(), mx.ones(3))
    """
    _check_array("save", "the array", arr)
    _write("save", "npy", file, {"": arr}, progress, lambda tensors: tensors[""])


def savez(file: Any, *args: array, **kwargs: array) -> None:
    """Save arrays in NumPy's ``.npz`` format, not compressed.

    Args:
      file: Path, to which ``.npz`` is added if it lacks it, or binary file object.
      args: Arrays, saved under the names ``arr_0``, ``arr_1``...
      kwargs: Arrays, saved under their keywords.
    Raises:
      TypeError: An argument is no array.
      ValueError: A keyword is the name of a positional array.
    Example:
      >>> import io, monel.core as mx
      >>> mx.savez(io.BytesIO(), mx.ones(3), bias=mx.zeros(2))
    """
    _savez("savez", file, args, kwargs, False)


def savez_compressed(file: Any, *args: array, **kwargs: array) -> None:
    """Save arrays in NumPy's ``.npz`` format, compressed.

    Args:
      file: Path, to which ``.npz`` is added if it lacks it, or binary file object.
      args: Arrays, saved under the names ``arr_0``, ``arr_1``...
      kwargs: Arrays, saved under their keywords.
    Raises:
      TypeError: An argument is no array.
      ValueError: A keyword is the name of a positional array.
    Example:
      >>> import io, monel.core as mx
      >>> mx.savez_compressed(io.BytesIO(), zeros=mx.zeros(1000))
    """
    _savez("savez_compressed", file, args, kwargs, True)


def save_safetensors(
    file: Any,
    arrays: dict[str, array],
    metadata: dict[str, str] | None = None,
    *,
    progress: bool = False,
    **options: Any,
) -> None:
    """Save arrays in the safetensors format, in shards where ``file`` names an index of them.

    Args:
      file: Path, to which ``.safetensors`` is added if it lacks it, or binary file object. For a
        path that ends with ``.safetensors.index.json`` several files are written beside it.
      arrays: Names to arrays.
      metadata: Strings to strings.
      progress: Show a bar of the bytes that have been written.
      options: Passed to the format: ``max_shard_size="5GB"`` bounds the files of an index.
    Raises:
      TypeError: ``arrays`` is no dict of arrays.
      ValueError: A name or metadata that the format cannot hold.
    Source: https://huggingface.co/docs/safetensors
    Example:
      >>> import io, monel.core as mx
      >>> mx.save_safetensors(io.BytesIO(), {"w": mx.ones(3)}, {"format": "mlx"})
    """
    _check_arrays("save_safetensors", arrays)
    _write("save_safetensors", "safetensors", file, arrays, progress, metadata=metadata, **options)


def save_gguf(
    file: Any,
    arrays: dict[str, array],
    metadata: dict[str, Any] | None = None,
    *,
    progress: bool = False,
) -> None:
    """Save arrays in the GGUF format, version 3.

    Quantized arrays in groups of 32, ``x.weight`` (uint32), ``x.scales`` and ``x.biases``, become
    one tensor ``x.weight`` of type Q4_0, Q4_1 or Q8_0, scales and biases rounded to float16: 4 bits
    as Q4_0 where every bias is -8 scales, else as Q4_1; 8 bits as Q8_0, where every bias must be
    -128 scales.

    Args:
      file: Path, to which ``.gguf`` is added if it lacks it, or binary file object.
      arrays: Names to arrays of at most 4 dimensions, floating or int8 to int64, or quantized.
      metadata: Names to arrays of at most one dimension, str, or lists of these.
      progress: Show a bar of the bytes that have been written.
    Raises:
      TypeError: ``arrays`` is no dict of arrays, or a value of metadata has no form in GGUF.
      ValueError: A dtype, shape or quantization that GGUF lacks.
    Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    Example:
      >>> import io, monel.core as mx
      >>> mx.save_gguf(io.BytesIO(), {"w": mx.ones(3)}, {"general.name": "tiny"})
    """
    _check_arrays("save_gguf", arrays)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"save_gguf: metadata must be a dict, got {type(metadata).__name__}")
    held = {key: _metadata_in(value) for key, value in (metadata or {}).items()}
    _write("save_gguf", "gguf", file, arrays, progress, metadata=held)


def _savez(
    function: str, file: Any, args: tuple[Any, ...], kwargs: dict[str, Any], compressed: bool
) -> None:
    arrays = {f"arr_{i}": a for i, a in enumerate(args)}
    for name in arrays:
        if name in kwargs:
            raise ValueError(f"{function}: Cannot use un-named variables and keyword {name}")
    _check_arrays(function, arrays | kwargs)
    _write(function, "npz", file, arrays | kwargs, False, compressed=compressed)


def _arrays(fmt: Format, found: Any, stream: Any) -> Any:
    if isinstance(found, LazyTensor):
        return _lazy(found, stream)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"load: format {fmt.name!r} returned {type(found).__name__}, "
            f"not a LazyTensor or a dict of them"
        )
    return {name: _lazy(tensor, stream) for name, tensor in found.items()}


def _counted(found: Any, title: str) -> Any:
    """Return what a format found with readers that move one bar together."""
    single = isinstance(found, LazyTensor)
    tensors = {"": found} if single else dict(found)
    progress = Progress(title, sum(tensor.nbytes for tensor in tensors.values()))
    counted = {
        name: tensor._replace(reader=Counted(tensor.reader, progress))
        for name, tensor in tensors.items()
    }
    return counted[""] if single else counted


def _lazy(tensor: LazyTensor, stream: Any) -> array:
    made = Load(tensor.shape, dtype_named(tensor.dtype_name), tensor.reader)
    return made.bind(stream=stream)


def load_lazily(aval: AbstractArray, reader: Callable[[memoryview], None]) -> Any:
    """Return the Value of an array that ``reader`` fills when it is evaluated."""
    return record_values(Load(aval.shape, aval.dtype, reader), ())


@core_kernel("load")
def _load(target: graph.Target) -> Callable[..., Any]:
    backend = target.backend

    def adopted(p: Load) -> Any:
        mapped = getattr(p.reader, "mapped", None)
        data = mapped(math.prod(p.shape) * p.dtype.size) if mapped is not None else None
        return data and backend.adopt(data, p.shape, p.dtype, target.device)

    def kernel(ctx: Any, p: Load) -> Any:
        if not backend.supports_dtype(p.dtype, target.device):
            raise DTypeError(f"load: device {target.device} does not support {p.dtype.name}")
        if not p.shape or all(p.shape):
            buffer = adopted(p)
            if buffer is not None:
                return buffer
            buffer = ctx.empty(p.shape, p.dtype)
            view = _bytes_of(backend.host_view(buffer, p.shape, p.dtype))
            if view is not None:
                p.reader(view)
                return buffer
        data = p.reference().reshape(-1).view("uint8").data
        return backend.from_host(data, p.shape, p.dtype, target.device)

    return kernel


def _bytes_of(view: memoryview | None) -> memoryview | None:
    """Return host memory as bytes, or ``None`` where it is not one run of them."""
    if view is None:
        return None
    import numpy as np

    held = np.asarray(view)
    if not held.flags.c_contiguous or not held.flags.writeable:
        return None
    return held.reshape(-1).view("uint8").data


def _check_array(function: str, what: str, a: Any) -> None:
    if not isinstance(a, array):
        raise TypeError(
            f"{function}: expected {what} to be an array, got {type(a).__name__}; "
            f"convert it with mx.array"
        )


def _check_arrays(function: str, arrays: Any) -> None:
    if not isinstance(arrays, Mapping):
        raise TypeError(f"{function}: expected a dict of arrays, got {type(arrays).__name__}")
    for name, a in arrays.items():
        if not isinstance(name, str):
            raise TypeError(f"{function}: expected str as names, got {name!r}")
        _check_array(function, repr(name), a)


def _host(a: array, progress: Progress | None = None) -> HostTensor:
    """Evaluate ``a``; return it as what a format writes, its bytes fetched when they are due."""
    value = a.value
    graph.evaluate(value)
    if progress is None:
        return HostTensor(value.shape, value.dtype.name, lambda: contents(value))
    return HostTensor(value.shape, value.dtype.name, lambda: _pieces(value, progress))


def _pieces(value: graph.Value, progress: Progress) -> Iterator[memoryview]:
    data = contents(value)
    for at in range(0, data.nbytes, _PIECE):
        piece = data[at : at + _PIECE]
        yield piece
        progress.advance(piece.nbytes)


def contents(value: graph.Value) -> memoryview:
    """Return the elements as bytes, in place where the host can see them in one run."""
    view = _bytes_of(host_view(value))
    return host_bytes(value) if view is None else view


def _metadata_in(value: Any) -> Any:
    """Return a value of metadata with its arrays as what a format writes."""
    if isinstance(value, array):
        return _host(value)
    if isinstance(value, list | tuple) and any(isinstance(v, array | list | tuple) for v in value):
        return [_metadata_in(item) for item in value]
    return value


def _metadata_out(value: Any) -> Any:
    """Return a value of metadata with its numbers as arrays."""
    if isinstance(value, HostTensor):
        dtype = dtype_named(value.dtype_name)
        return wrap(from_host(bytes(value.data), value.shape, dtype))
    if isinstance(value, list) and any(isinstance(item, HostTensor | list) for item in value):
        return [_metadata_out(item) for item in value]
    return value


def _write(
    function: str,
    name: str,
    file: Any,
    arrays: Mapping[str, array],
    progress: bool,
    choose: Callable[[dict[str, HostTensor]], Any] = lambda tensors: tensors,
    **options: Any,
) -> None:
    """Evaluate ``arrays`` and write what ``choose`` makes of them to ``file``."""
    path = os.fsdecode(os.fspath(file)) if isinstance(file, str | os.PathLike) else None
    fmt = format_for_saving(function, name, path)
    if path is not None and not path.lower().endswith(tuple(fmt.extensions)):
        path += fmt.extensions[0]
    bar = None
    if flag(function, "progress", progress):
        title = f"save {os.path.basename(path or 'file')}"
        bar = Progress(title, sum(a.nbytes for a in arrays.values()))
    tensors = choose({name: _host(a, bar) for name, a in arrays.items()})
    save: Callable[..., None] = fmt.save  # type: ignore[assignment]
    try:
        if fmt.several and path is not None:
            save(path, tensors, **options)
        else:
            with open_target(file if path is None else path, function) as target:
                save(target, tensors, **options)
    finally:
        if bar is not None:
            bar.close()
