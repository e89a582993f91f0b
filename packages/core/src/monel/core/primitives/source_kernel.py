"""Kernels that users write as source text for one kind of device."""

from __future__ import annotations

from typing import Any

from ..base.avals import AbstractArray, check_shape
from ..base.dtypes import Dtype
from ..base.errors import MissingKernelError
from ..graph.primitive import Primitive

__all__: list[str] = []


class MetalKernel(Primitive, name="metal_kernel", export_name="CustomKernel"):
    """What the body ``source`` of a Metal function makes of its inputs; one output a name.

    The backend writes the function's signature: a buffer for each of ``input_names``, followed by
    ``<name>_shape``, ``<name>_strides`` and ``<name>_ndim`` where the source names them, and a
    buffer for each of ``output_names``.

    Parameters:
      kernel: Name of the function.
      input_names, output_names: Names of its buffers, in order.
      source, header: Its body, and what stands before it.
      contiguous: Inputs are copied where their rows are not contiguous.
      atomic: Outputs are declared as atomics.
      options: Pairs of compile options, such as ``("math_mode", "fast")``.
      template: Pairs of name and Dtype, int or bool.
      grid, threadgroup: Threads in all and in a group, three numbers each.
      shapes, dtypes: Of the outputs.
      init_value: What outputs are filled with before, or None.
      verbose: Print the generated source.
    """

    shape_dependent = True
    interned = False
    nondifferentiable = (
        "it is known as source text only; give one with mx.custom_function and its vjp"
    )
    kernel: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    source: str
    header: str
    contiguous: bool
    atomic: bool
    options: tuple[tuple[str, Any], ...]
    template: tuple[tuple[str, Any], ...]
    grid: tuple[int, int, int]
    threadgroup: tuple[int, int, int]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Dtype, ...]
    init_value: float | None
    verbose: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["outputs"] = len(self.shapes)

    def abstract(self, *operands: Any) -> Any:
        for shape, dtype in zip(self.shapes, self.dtypes):
            check_shape("metal_kernel", shape, dtype.size)
        made = tuple([AbstractArray(s, d) for s, d in zip(self.shapes, self.dtypes)])
        return made[0] if len(made) == 1 else made

    def reference(self, *operands: Any) -> Any:
        raise MissingKernelError(
            f"metal_kernel: {self.kernel!r} runs on a Metal device only; NumPy cannot run it"
        )

    def __str__(self) -> str:
        return f"CustomKernel [{self.kernel}]"
