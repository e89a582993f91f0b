"""metal_kernel and cuda_kernel: kernels made of source text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ..base.devices import Device, DeviceType, Stream, gpu
from ..base.dtypes import Dtype
from ..base.errors import BackendError, DTypeError, ShapeError
from ..execute.placement import stream_of, to_stream
from ..graph.handle import array
from ..primitives.arguments import dtype_or, flag, integers, number, shape_of
from ..primitives.operands import to_array
from ..primitives.source_kernel import MetalKernel

__all__ = ["cuda_kernel", "metal_kernel", "precompiled_cuda_kernel"]

_MATH_MODES = ("safe", "relaxed", "fast")


class SourceKernel:
    """A kernel of source text; made by ``metal_kernel``, called with inputs and sizes."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return f"metal_kernel({self._fields['kernel']!r})"

    def __call__(
        self,
        *,
        inputs: Sequence[Any],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[Dtype],
        grid: tuple[int, int, int],
        threadgroup: tuple[int, int, int],
        template: Sequence[tuple[str, Any]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: Any = None,
    ) -> list[array]:
        """Record a run of the kernel; it runs when an output is evaluated.

        Args:
          inputs: Arrays or scalars, one for each input name.
          output_shapes: A shape for each output name.
          output_dtypes: A dtype for each output name.
          grid: Threads in all, along three axes.
          threadgroup: Threads in a group, along three axes.
          template: Pairs of name and Dtype, int or bool, for the kernel's template.
          init_value: What outputs are filled with before the kernel runs.
          verbose: Print the generated source when it runs.
          stream: A GPU, or a stream on one. Where there is none it may be named all the same: the
            kernel is recorded and can be traced and exported, and fails when it runs.
        Returns:
          List of arrays, one for each output name.
        Raises:
          ValueError: Lists of other lengths, a template argument of another type, or a stream on
            the CPU.
          TypeError: Arguments of other types.
        """
        fields = self._fields
        where = _gpu_stream(stream)
        arrays = [to_array("metal_kernel", x) for x in _listed("inputs", inputs)]
        shapes = tuple(
            [shape_of("metal_kernel", s) for s in _listed("output_shapes", output_shapes)]
        )
        given = _listed("output_dtypes", output_dtypes)
        _check_count("inputs", arrays, fields["input_names"])
        _check_count("output_shapes", shapes, fields["output_names"])
        _check_count("output_dtypes", given, fields["output_names"])
        primitive = MetalKernel(
            **fields,
            template=_template(template),
            grid=_three("grid", grid),
            threadgroup=_three("threadgroup", threadgroup),
            shapes=shapes,
            dtypes=tuple([_dtype(d) for d in given]),
            init_value=None
            if init_value is None
            else number("metal_kernel", "init_value", init_value),
            verbose=flag("metal_kernel", "verbose", verbose),
        )
        made = primitive.bind(*arrays, stream=where)
        return list(made) if isinstance(made, tuple) else [made]


def _gpu_stream(given: Any) -> Stream:
    """Return the GPU stream that is meant; a GPU may be named that is not there."""
    if given == gpu and isinstance(given, Device | DeviceType):
        return stream_of(Device(gpu))
    stream = to_stream(given)
    if stream.device.type is not gpu:
        raise ShapeError(f"metal_kernel: Only supports the GPU, got {stream!r}; give stream=mx.gpu")
    return stream


def _listed(name: str, given: Any) -> Sequence[Any]:
    if not isinstance(given, list | tuple):
        raise TypeError(f"metal_kernel: {name} must be a list, got {type(given).__name__}")
    return given


def _check_count(name: str, given: Sequence[Any], names: Sequence[str]) -> None:
    if len(given) != len(names):
        raise ShapeError(
            f"metal_kernel: Expected `{name}` to have size {len(names)} but got size {len(given)}"
        )


def _dtype(given: Any) -> Dtype:
    if given is None:
        raise TypeError("metal_kernel: output_dtypes must hold Dtypes, got None")
    return dtype_or("metal_kernel", given, given)


def _three(name: str, given: Any) -> tuple[int, ...]:
    numbers = integers("metal_kernel", name, given)
    if len(numbers) != 3:
        raise TypeError(f"metal_kernel: {name} must be three ints, got {numbers}")
    if min(numbers) < 0:
        raise ShapeError(f"metal_kernel: {name} must not be negative, got {numbers}")
    return numbers


def _template(given: Any) -> tuple[tuple[str, Any], ...]:
    pairs = []
    for pair in () if given is None else _listed("template", given):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(
                f"metal_kernel: template must hold pairs of name and value, got {pair!r}"
            )
        name, value = pair
        if not isinstance(value, Dtype | int):
            raise DTypeError(
                "metal_kernel: Invalid template argument. Must be `monel.core.Dtype`, `int` or "
                f"`bool`, got {type(value).__name__} for {name!r}"
            )
        pairs.append((name, value))
    return tuple(pairs)


def _names(name: str, given: Any) -> tuple[str, ...]:
    names = tuple(_listed(name, given))
    for each in names:
        _text(name, each)
    return names


def _text(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"metal_kernel: {name} must be a str, got {type(given).__name__}")
    return given


def _options(given: Any) -> tuple[tuple[str, Any], ...]:
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise TypeError(f"metal_kernel: compile_options must be a dict, got {type(given).__name__}")
    for key, value in given.items():
        if key != "math_mode":
            raise ShapeError(f"metal_kernel: Unknown compile option {key!r}; known: 'math_mode'")
        if value not in _MATH_MODES:
            raise ShapeError(
                f"metal_kernel: Expected math_mode to be 'safe', 'relaxed', or 'fast', "
                f"got {value!r}"
            )
    return tuple(given.items())


def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: dict[str, str] | None = None,
) -> SourceKernel:
    """Return a kernel whose body is Metal source text; it runs where a Metal device is.

    The function's signature is generated: a pointer for each input (for a scalar, a reference) and
    output; ``<input>_shape``, ``<input>_strides`` and ``<input>_ndim``, and Metal's attributes such
    as ``thread_position_in_grid``, where the source names them.

    Args:
      name: Name of the kernel.
      input_names: Names of its inputs in the source.
      output_names: Names of its outputs.
      source: The body of the function.
      header: What stands before it: helpers and includes.
      ensure_row_contiguous: Copy inputs whose memory is not contiguous.
      atomic_outputs: Declare outputs as atomics.
      compile_options: ``{"math_mode": "safe"}``, ``"relaxed"`` or ``"fast"``.
    Returns:
      A callable that takes ``inputs``, ``output_shapes``, ``output_dtypes``, ``grid``,
      ``threadgroup`` and, optionally, ``template``, ``init_value``, ``verbose`` and ``stream``.
    Raises:
      TypeError: Arguments of other types.
      ValueError: No output, or an option that is not known.
    Example:
      >>> import monel.core as mx
      >>> double = mx.fast.metal_kernel(
      ...     name="double",
      ...     input_names=["x"],
      ...     output_names=["y"],
      ...     source="uint i = thread_position_in_grid.x; y[i] = 2 * x[i];",
      ... )
      >>> (y,) = double(
      ...     inputs=[mx.ones(4)],
      ...     output_shapes=[(4,)],
      ...     output_dtypes=[mx.float32],
      ...     grid=(4, 1, 1),
      ...     threadgroup=(4, 1, 1),
      ...     stream=mx.gpu,
      ... )
      >>> y.shape
      (4,)
    """
    outputs = _names("output_names", output_names)
    if not outputs:
        raise ShapeError("metal_kernel: Must specify at least one output")
    return SourceKernel(
        {
            "kernel": _text("name", name),
            "input_names": _names("input_names", input_names),
            "output_names": outputs,
            "source": _text("source", source),
            "header": _text("header", header),
            "contiguous": flag("metal_kernel", "ensure_row_contiguous", ensure_row_contiguous),
            "atomic": flag("metal_kernel", "atomic_outputs", atomic_outputs),
            "options": _options(compile_options),
        }
    )


def _no_cuda(function: str) -> NoReturn:
    raise BackendError(f"{function}: No CUDA back-end")


def cuda_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    shared_memory: int = 0,
) -> NoReturn:
    """Refuse: kernels of CUDA source need a CUDA backend, and there is none.

    Raises:
      RuntimeError: Always.
    """
    _no_cuda("cuda_kernel")


def precompiled_cuda_kernel(
    *,
    name: str,
    compiled_source: bytes,
    inputs: Sequence[Any],
    output_shapes: Sequence[Sequence[int]],
    output_dtypes: Sequence[Dtype],
    scalars: Sequence[Any],
    grid: tuple[int, int, int],
    threadgroup: tuple[int, int, int],
    shared_memory: int = 0,
    init_value: float | None = None,
    ensure_row_contiguous: bool = False,
    stream: Any = None,
) -> NoReturn:
    """Refuse: a compiled CUDA kernel needs a CUDA backend, and there is none.

    Raises:
      RuntimeError: Always.
    """
    _no_cuda("precompiled_cuda_kernel")
