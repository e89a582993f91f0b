"""Functions as files: export_function, import_function and exporter.

A file holds a magic number and one CBOR item: the schema version, the user's metadata, the arrays
that its Programs hold, each once, and one Program a signature.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..base.avals import AbstractArray
from ..base.errors import DTypeError, MonelError, ShapeError
from ..base.program import Program, ProgramError, variable_name
from ..base.storage import FormatError, open_source, open_target
from ..files import load_lazily
from ..graph.capture import inline
from ..graph.handle import array, wrap
from ..passes.shapes import check_broadcasts, with_shapes
from ..primitives.create import constant
from ..transforms.tracing import check_callable, traced_program
from . import cbor
from .packing import SCHEMA, Packer, portable
from .unpacking import Unpacker, check_schema, field, unpack_constants, wrong

__all__ = ["FunctionExporter", "export_function", "exporter", "import_function"]

_MAGIC = b"\x93monelfn"

# Shorter constants are read with the file, longer ones when they are evaluated.
_LAZY = 64


class ExportError(MonelError, RuntimeError):
    """A function exported twice for one signature, or after its exporter was closed."""


class Signature:
    """What arguments a Program was traced for: avals by position, then by name."""

    __slots__ = ("avals", "keywords", "positional", "shapeless")

    def __init__(
        self,
        positional: int,
        keywords: tuple[str, ...],
        avals: tuple[AbstractArray, ...],
        shapeless: bool,
    ) -> None:
        self.positional = positional
        self.keywords = keywords
        self.avals = avals
        self.shapeless = shapeless

    @property
    def key(self) -> Any:
        """What a call must agree with: avals, or rank and dtype where shapes are open."""
        if self.shapeless:
            kinds: Any = tuple([(a.ndim, a.dtype) for a in self.avals])
        else:
            kinds = self.avals
        return self.positional, self.keywords, kinds

    def __str__(self) -> str:
        names = [*range(1, self.positional + 1), *[f'"{k}"' for k in self.keywords]]
        return "".join(f"\n   {n}: {_shown(a)}" for n, a in zip(names, self.avals, strict=True))

    @property
    def heading(self) -> str:
        return f"{self.positional} positional inputs and {len(self.keywords)} keyword inputs"


def _shown(aval: AbstractArray) -> str:
    return f"({','.join(map(str, aval.shape))}) {aval.dtype.name}"


def _arguments(function: str, args: Any, kwargs: Any) -> tuple[list[array], dict[str, array]]:
    """Return positional and keyword arrays, also where they came as one tuple and one dict."""
    if not kwargs and 0 < len(args) <= 2 and not isinstance(args[0], array):
        given = list(args)
        args = given.pop(0) if isinstance(given[0], tuple | list) else ()
        kwargs = given.pop(0) if given and isinstance(given[0], dict) else {}
        if given:
            args = given
    if not all(isinstance(a, array) for a in (*args, *kwargs.values())):
        raise DTypeError(
            f"[{function}] Inputs can either be a variable number of positional and keyword arrays "
            f"or a single tuple and/or dictionary of arrays."
        )
    return list(args), {str(name): kwargs[name] for name in sorted(kwargs)}


def _trace(fun: Any, args: Any, kwargs: Any, shapeless: bool) -> tuple[Signature, Program]:
    positional, keywords = _arguments("export_function", args, kwargs)

    def run(replace: Callable[[array], array]) -> list[array]:
        made = fun(
            *[replace(a) for a in positional], **{k: replace(a) for k, a in keywords.items()}
        )
        outputs = [made] if isinstance(made, array) else made
        if not isinstance(outputs, tuple | list) or not all(isinstance(o, array) for o in outputs):
            raise DTypeError(
                "[export_function] Outputs can be either a single array, a tuple, or a list of "
                "arrays."
            )
        return list(outputs)

    program = portable(traced_program("export_function", run, shapeless))
    signature = Signature(len(positional), tuple(keywords), program.in_avals, shapeless)
    return signature, program


def export_function(
    file_or_callback: Any,
    fun: Callable[..., Any],
    *args: Any,
    shapeless: bool = False,
    metadata: str | None = None,
    **kwargs: Any,
) -> None:
    """Write the Program of ``fun``, traced with example arguments, to a file.

    What the function captures is stored with it. The file is replaced as a whole once it is
    complete. A function with rules of its own (``mx.custom_function``) is stored as its body.

    Args:
      file_or_callback: Path, seekable binary file object, or a function that is called with a dict
        for the inputs, their keywords, the outputs, the constants and then each primitive.
      fun: A function of arrays that returns an array, or a tuple or list of them.
      args: Example arrays; or one tuple and/or one dict of arrays.
      shapeless: Let the imported function take other shapes of the same ranks.
      metadata: Text to store beside the function.
      kwargs: Example arrays by name; the imported function takes them by the same names.
    Raises:
      ValueError: Arguments or results that are no arrays, metadata with a callback, or a value that
        is asked for in the trace.
    Example:
      >>> import monel.core as mx
      >>> mx.export_function("double.mlxfn", lambda x: x * 2, mx.array([1.0]))
      >>> mx.import_function("double.mlxfn")(mx.array([21.0]))
      (array([42], dtype=float32),)
    """
    check_callable("export_function", fun)
    if callable(file_or_callback):
        if metadata is not None:
            raise DTypeError(
                "[export_function] The metadata argument is only supported when exporting to a "
                "file, not when using a callback."
            )
        _describe(file_or_callback, *_trace(fun, args, kwargs, shapeless))
        return
    with FunctionExporter(file_or_callback, fun, shapeless, metadata) as export:
        export(*args, **kwargs)


def exporter(
    file: Any, fun: Callable[..., Any], *, shapeless: bool = False, metadata: str | None = None
) -> FunctionExporter:
    """Return an exporter of ``fun``: each call of it adds a trace to one file.

    Arrays that several traces capture are stored once. The file is written when the exporter is
    closed; a ``with`` block that ends with an exception writes none.

    Args:
      file: Path, or seekable binary file object.
      fun: A function of arrays that returns an array, or a tuple or list of them.
      shapeless: Let the imported function take other shapes of the same ranks.
      metadata: Text to store beside the function.
    Raises:
      RuntimeError: A second trace of the same signature, or one after the end.
    Example:
      >>> import monel.core as mx
      >>> with mx.exporter("add.mlxfn", lambda x, y=1: x + y) as export:
      ...     export(mx.array(1))
      ...     export(mx.array(1), mx.array(2))
      >>> mx.import_function("add.mlxfn")(mx.array(20), mx.array(22))
      (array(42, dtype=int32),)
    """
    check_callable("exporter", fun)
    if callable(file):
        raise TypeError("exporter: expected a path or file object; callbacks go to export_function")
    return FunctionExporter(file, fun, shapeless, metadata)


class FunctionExporter:
    """Collects traces of a function and writes them to a file; made by ``mx.exporter``.

    Example:
      >>> import monel.core as mx
      >>> isinstance(mx.exporter("f.mlxfn", mx.exp), mx.FunctionExporter)
      True
    """

    def __init__(
        self, file: Any, fun: Callable[..., Any], shapeless: bool, metadata: str | None
    ) -> None:
        if metadata is not None and not isinstance(metadata, str):
            raise TypeError(f"exporter: metadata must be a str, got {type(metadata).__name__}")
        if not isinstance(shapeless, bool):
            raise TypeError(f"exporter: shapeless must be a bool, got {type(shapeless).__name__}")
        if not isinstance(file, str | os.PathLike) and not hasattr(file, "write"):
            raise TypeError(
                f"exporter: expected a path or a binary file object, got {type(file).__name__}"
            )
        self._file = file
        self._fun = fun
        self._shapeless = shapeless
        self._metadata = metadata
        self._packer = Packer()
        self._functions: list[dict[str, Any]] = []
        self._keys: set[Any] = set()
        self._closed = False

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Trace the function for these example arguments."""
        if self._closed:
            raise ExportError("[export_function] Attempting to write after exporting is closed.")
        signature, program = _trace(self._fun, args, kwargs, self._shapeless)
        if signature.key in self._keys:
            raise ExportError(
                "[export_function] Attempting to export a function twice with the same signature "
                "is not allowed."
            )
        self._keys.add(signature.key)
        self._functions.append(
            {
                "positional": signature.positional,
                "keywords": list(signature.keywords),
                "program": self._packer.program(program),
            }
        )

    def close(self) -> None:
        """Write the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        data = {
            "schema": SCHEMA,
            "metadata": self._metadata or "",
            "shapeless": self._shapeless,
            "constants": self._packer.tensors(),
            "functions": self._functions,
        }
        with open_target(self._file, "export_function") as target:
            target.write(_MAGIC)
            cbor.write(data, target.write)

    def __enter__(self) -> FunctionExporter:
        return self

    def __exit__(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
        if kind is None:
            self.close()
        self._closed = True


# -- the callback form ------------------------------------------------------------------------


def _describe(callback: Callable[[dict[str, Any]], Any], sign: Signature, program: Program) -> None:
    names: dict[int, str] = {}

    def name(v: int) -> str:
        return names.setdefault(v, variable_name(len(names)).upper())

    def typed(variables: Any) -> list[tuple[str, tuple[int, ...], Any]]:
        return [(name(v), program.avals[v].shape, program.avals[v].dtype) for v in variables]

    inputs = typed(range(program.inputs))
    callback({"type": "inputs", "inputs": inputs})
    by_name = [(k, inputs[sign.positional + i][0]) for i, k in enumerate(sign.keywords)]
    callback({"type": "keyword_inputs", "keywords": by_name})
    callback({"type": "outputs", "outputs": typed(program.outputs)})
    held = [(name(program.inputs + i), wrap(c)) for i, c in enumerate(program.constants)]
    callback({"type": "constants", "constants": held})
    for primitive, operands, outputs in program.equations:
        callback(
            {
                "type": "primitive",
                "inputs": typed(operands),
                "outputs": typed(outputs),
                "name": primitive.export_name,
                "arguments": list(primitive.parameters.values()),
            }
        )


# -- importing --------------------------------------------------------------------------------


def import_function(file: Any, return_metadata: bool = False) -> Any:
    """Return the function that a file holds; it takes arrays and returns a tuple of arrays.

    Arguments are matched by number, names, shapes and dtypes, by ranks and dtypes where the export
    was ``shapeless``. The function may be transformed and compiled like any other. Large arrays in
    the file are read when they are needed.

    Args:
      file: Path, or seekable binary file object.
      return_metadata: Return the text stored beside the function, too.
    Returns:
      The function, or the function and its metadata.
    Raises:
      FormatError: The file is malformed or of another version: a ValueError with the byte.
      RuntimeError: There is no such file.
      ValueError: By the function, where no trace fits its arguments.
    Example:
      >>> import monel.core as mx
      >>> mx.export_function("scale.mlxfn", lambda x, *, by: x * by, mx.array([2.0]),
      ...                    by=mx.array([3.0]), metadata="v1")
      >>> scale, about = mx.import_function("scale.mlxfn", return_metadata=True)
      >>> about, scale(mx.array([5.0]), by=mx.array([2.0]))
      ('v1', (array([10], dtype=float32),))
    """
    source = open_source(file, "import_function")
    if source.size < len(_MAGIC) or source.pread(0, len(_MAGIC)) != _MAGIC:
        raise FormatError(source.path, 0, "magic", "it is no file of an exported function")
    data = cbor.Reader(source, len(_MAGIC)).read()
    try:
        function, metadata = _unpack(data)
    except ProgramError as error:
        at = getattr(error.part, "offset", len(_MAGIC))
        reason = str(error).removeprefix("Program.from_dict: ")
        raise FormatError(source.path, at, "program", reason) from error
    return (function, metadata) if return_metadata else function


def _unpack(data: Any) -> tuple[ImportedFunction, str]:
    check_schema(data)
    constants = unpack_constants(field(data, "constants", list), _load_constant)
    unpacker = Unpacker(constants)
    shapeless = field(data, "shapeless", bool)
    found: list[tuple[Signature, Program]] = []
    for item in field(data, "functions", list):
        program = unpacker.program(field(item, "program", dict))
        positional = field(item, "positional", int)
        keywords = field(item, "keywords", list)
        if not all(type(k) is str for k in keywords) or keywords != sorted(set(keywords)):
            raise wrong(item, "keywords must be different names in order")
        if positional < 0 or positional + len(keywords) != program.inputs:
            raise wrong(item, f"{program.inputs} inputs are not the arguments that are stated")
        signature = Signature(positional, tuple(keywords), program.in_avals, shapeless)
        found.append((signature, program))
    if len({signature.key for signature, _ in found}) != len(found):
        raise wrong(data, "two functions have the same signature")
    return ImportedFunction(found), field(data, "metadata", str)


def _load_constant(span: Any, aval: AbstractArray) -> Any:
    if not isinstance(span, cbor.Span):
        raise wrong(None, "a constant's data must be bytes")
    if len(span) < _LAZY:
        return constant(span.source.pread(span.offset, span.length), aval.shape, aval.dtype)
    return load_lazily(aval, span.read)


class ImportedFunction:
    """A function read from a file; ``mx.import_function`` makes it."""

    def __init__(self, functions: list[tuple[Signature, Program]]) -> None:
        self._functions = functions

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[array, ...]:
        positional, keywords = _arguments("import_function::call", args, kwargs)
        arrays = [*positional, *keywords.values()]
        avals = tuple([a.value.aval for a in arrays])
        given = Signature(len(positional), tuple(keywords), avals, False)
        for signature, program in self._functions:
            if given.key == signature.key:
                return tuple(inline(program, arrays))
            given_open = Signature(len(positional), tuple(keywords), avals, signature.shapeless)
            if given_open.key == signature.key:
                return tuple(inline(_replayed(program, avals), arrays))
        raise ShapeError(self._mismatch(given))

    def _mismatch(self, given: Signature) -> str:
        lines = [
            "[import_function::call] No imported function found which matches the given positional "
            "and keyword arguments. Possible functions include:"
        ]
        for number, (signature, _) in enumerate(self._functions, 1):
            lines.append(f" {number}. Function with {signature.heading}:{signature}")
        return "\n".join([*lines, f"\nCalled with {given.heading}:{given}"])

    def __repr__(self) -> str:
        shown = [
            f"({', '.join(map(str, program.in_avals))}) -> "
            f"({', '.join(map(str, program.out_avals))})"
            for _, program in self._functions
        ]
        return f"<imported function {'; '.join(shown)}>"


def _replayed(program: Program, avals: tuple[AbstractArray, ...]) -> Program:
    made = with_shapes(program, avals)
    check_broadcasts("import_function::call", program, made)
    return made
