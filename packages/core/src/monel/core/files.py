"""Arrays in files: formats are plugins, loading is lazy, saving replaces a file as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from .base.dtypes import dtype_named
from .base.errors import BackendError, DTypeError
from .base.storage import FormatError, Source, open_source, open_target
from .construct import from_host
from .contract.formats import Format, HostTensor, LazyTensor
from .execute.discovery import plugins
from .execute.kernels import core_kernel
from .graph import value as graph
from .graph.handle import array, wrap
from .interchange import host_bytes, host_view
from .primitives.load import Load

__all__ = ["load", "save", "save_gguf", "save_safetensors", "savez", "savez_compressed"]

# Bytes at the start of a file within which a magic number may lie.
_HEAD = 64


def load(
    file: Any,
    /,
    format: str | None = None,
    return_metadata: bool = False,
    *,
    stream: Any = None,
    **options: Any,
) -> Any:
    """Load the array or arrays of a file; their data are read when they are evaluated.

    The format is found by the extension, then by the first bytes, so a file whose extension lies is
    read for what it is. monel-io brings npy, npz, safetensors and gguf.

    Args:
      file: Path, or seekable binary file object, which is read from its present position.
      format: Name of the format, which is then taken at its word.
      return_metadata: Return a pair of the arrays and the file's metadata.
      stream: Stream or device on which the arrays are to be.
      options: Passed to the format: ``strict=False`` lets safetensors read trailing bytes.
    Returns:
      An array (npy), or a dict of arrays by name; their data come from the file as it was when
      it was opened, even if it is replaced before they are evaluated.
    Raises:
      FormatError: The file is malformed or of no known format. A ValueError and a RuntimeError.
      MissingFileError: There is no such file. A FileNotFoundError and a RuntimeError.
      ValueError: Unknown ``format``, or metadata asked of a format without.
    Example:
      >>> import io, monel.core as mx
      >>> file = io.BytesIO()
      >>> mx.savez(file, a=mx.array([1, 2]))
      >>> _ = file.seek(0)
      >>> mx.load(file)["a"]
      array([1, 2], dtype=int32)
    """
    known = _formats("load")
    chosen = _named("load", format, known) if format is not None else None
    source = open_source(file, "load")
    if chosen is None:
        chosen = _recognised(source, known)
    if return_metadata and not chosen.metadata:
        raise ValueError(f"load: metadata not supported for format {chosen.name}")
    if not return_metadata:
        return _arrays(chosen, chosen.load(source, return_metadata=False, **options), stream)
    found, metadata = chosen.load(source, return_metadata=True, **options)
    shown = {key: _metadata_out(value) for key, value in metadata.items()}
    return _arrays(chosen, found, stream), shown


def save(file: Any, arr: array) -> None:
    """Save an array in NumPy's ``.npy`` format; bfloat16 as ml_dtypes writes it.

    Args:
      file: Path, to which ``.npy`` is added if it lacks it, or binary file object.
      arr: The array, which is evaluated first.
    Raises:
      TypeError: ``arr`` is no array.
    Example:
      >>> import io, monel.core as mx
      >>> mx.save(io.BytesIO(), mx.ones(3))
    """
    tensor = _host("save", "the array", arr)
    _write("save", "npy", file, lambda fmt, target: fmt(target, tensor))


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
    file: Any, arrays: dict[str, array], metadata: dict[str, str] | None = None
) -> None:
    """Save arrays in the safetensors format.

    Args:
      file: Path, to which ``.safetensors`` is added if it lacks it, or binary file object.
      arrays: Names to arrays.
      metadata: Strings to strings.
    Raises:
      TypeError: ``arrays`` is no dict of arrays.
      ValueError: A name or metadata that the format cannot hold.
    Source: https://huggingface.co/docs/safetensors
    Example:
      >>> import io, monel.core as mx
      >>> mx.save_safetensors(io.BytesIO(), {"w": mx.ones(3)}, {"format": "mlx"})
    """
    tensors = _tensors("save_safetensors", arrays)
    _write(
        "save_safetensors",
        "safetensors",
        file,
        lambda fmt, target: fmt(target, tensors, metadata=metadata),
    )


def save_gguf(file: Any, arrays: dict[str, array], metadata: dict[str, Any] | None = None) -> None:
    """Save arrays in the GGUF format, version 3.

    Args:
      file: Path, to which ``.gguf`` is added if it lacks it, or binary file object.
      arrays: Names to arrays of at most 4 dimensions, floating or int8 to int64.
      metadata: Names to arrays of at most one dimension, str, or lists of these.
    Raises:
      TypeError: ``arrays`` is no dict of arrays, or a value of metadata has no form in GGUF.
      ValueError: A dtype or shape that GGUF lacks.
    Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    Example:
      >>> import io, monel.core as mx
      >>> mx.save_gguf(io.BytesIO(), {"w": mx.ones(3)}, {"general.name": "tiny"})
    """
    tensors = _tensors("save_gguf", arrays)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"save_gguf: metadata must be a dict, got {type(metadata).__name__}")
    held = {key: _metadata_in(value) for key, value in (metadata or {}).items()}
    _write("save_gguf", "gguf", file, lambda fmt, target: fmt(target, tensors, metadata=held))


def _savez(
    function: str, file: Any, args: tuple[Any, ...], kwargs: dict[str, Any], compressed: bool
) -> None:
    arrays = {f"arr_{i}": a for i, a in enumerate(args)}
    for name in arrays:
        if name in kwargs:
            raise ValueError(f"{function}: Cannot use un-named variables and keyword {name}")
    tensors = _tensors(function, arrays | kwargs)
    _write(function, "npz", file, lambda fmt, target: fmt(target, tensors, compressed=compressed))


def _formats(function: str) -> list[Format]:
    """Return the formats installed; a core without any says how to get them."""
    found = plugins()
    if not found.formats:
        broken = found.broken.get("io")
        reason = f"monel-io is broken ({broken})" if broken else "no file format is installed"
        raise BackendError(f"{function}: {reason}; install it with: pip install monel-io")
    return list(found.formats)


def _named(function: str, name: str, known: list[Format]) -> Format:
    for candidate in known:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in known)
    raise ValueError(f"{function}: Unknown file format {name!r}; known are {names}")


def _recognised(source: Source, known: list[Format]) -> Format:
    """Return the format by the file's extension, unless its first bytes are another format's."""
    head = source.pread(0, min(source.size, _HEAD))
    extension = os.path.splitext(source.path or "")[1].lower()
    named = next((fmt for fmt in known if extension and extension in fmt.extensions), None)
    if named is not None and (not named.magic or named.matches(head)):
        return named
    found = next((fmt for fmt in known if fmt.matches(head)), named)
    if found is None:
        names = ", ".join(fmt.name for fmt in known)
        reason = (
            f"Unknown file format {extension.lstrip('.')!r}: neither extension nor first bytes "
            f"are those of {names}; format= names one"
        )
        raise FormatError(source.path, 0, "format", reason)
    return found


def _arrays(fmt: Format, found: Any, stream: Any) -> Any:
    if isinstance(found, LazyTensor):
        return _lazy(found, stream)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"load: format {fmt.name!r} returned {type(found).__name__}, "
            f"not a LazyTensor or a dict of them"
        )
    return {name: _lazy(tensor, stream) for name, tensor in found.items()}


def _lazy(tensor: LazyTensor, stream: Any) -> array:
    made = Load(tensor.shape, dtype_named(tensor.dtype_name), tensor.reader)
    return made.bind(stream=stream)


@core_kernel("load")
def _load(target: graph.Target) -> Callable[..., Any]:
    backend = target.backend

    def kernel(ctx: Any, p: Load) -> Any:
        if not backend.supports_dtype(p.dtype, target.device):
            raise DTypeError(f"load: device {target.device} does not support {p.dtype.name}")
        if not p.shape or all(p.shape):
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


def _host(function: str, what: str, a: Any) -> HostTensor:
    """Evaluate ``a``; return it as what a format writes, its bytes fetched when they are due."""
    if not isinstance(a, array):
        raise TypeError(
            f"{function}: expected {what} to be an array, got {type(a).__name__}; "
            f"convert it with mx.array"
        )
    value = a.value
    graph.evaluate(value)
    return HostTensor(value.shape, value.dtype.name, lambda: _contents(value))


def _contents(value: graph.Value) -> memoryview:
    """Return the elements as bytes, in place where the host can see them in one run."""
    view = _bytes_of(host_view(value))
    return host_bytes(value) if view is None else view


def _tensors(function: str, arrays: Any) -> dict[str, HostTensor]:
    if not isinstance(arrays, Mapping):
        raise TypeError(f"{function}: expected a dict of arrays, got {type(arrays).__name__}")
    for name in arrays:
        if not isinstance(name, str):
            raise TypeError(f"{function}: expected str as names, got {name!r}")
    return {name: _host(function, repr(name), a) for name, a in arrays.items()}


def _metadata_in(value: Any) -> Any:
    """Return a value of metadata with its arrays as what a format writes."""
    if isinstance(value, array):
        return _host("save_gguf", "metadata", value)
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
    function: str, name: str, file: Any, write: Callable[[Callable[..., None], Any], None]
) -> None:
    """Write by the format ``name`` to ``file``, whose arrays have been evaluated."""
    fmt = _named(function, name, _formats(function))
    if fmt.save is None:
        raise ValueError(f"{function}: the installed format {name!r} can only be read")
    if isinstance(file, str | os.PathLike):
        file = os.fsdecode(os.fspath(file))
        if not file.lower().endswith(tuple(fmt.extensions)):
            file += fmt.extensions[0]
    with open_target(file, function) as target:
        write(fmt.save, target)
