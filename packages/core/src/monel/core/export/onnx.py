"""Programs as ONNX models, through the ``onnx`` package.

What has no rule in ``onnx_rules`` is decomposed until everything has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..base.avals import AbstractArray
from ..base.dtypes import Dtype, int64
from ..base.errors import BackendError
from ..base.program import Program, ProgramError
from ..base.storage import open_target
from ..transforms.program import make_program
from ..transforms.tracing import check_callable
from .packing import portable
from .reduction import reduced_to
from .stablehlo import contents_of

__all__ = ["to_onnx"]

OPSET = 20
_IR_VERSION = 10
_LARGEST = 2**31 - 1

_TYPES = {
    "bool": "BOOL",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "float16": "FLOAT16",
    "bfloat16": "BFLOAT16",
}


def to_onnx(file: Any, fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Write ``fun``, traced with example arguments, as an ONNX model.

    The arrays in the arguments are the inputs ``x0``, ``x1``, ..., in order; the outputs are
    ``y0``, ``y1``, ... What ``fun`` captures is part of the model. It needs the ``onnx`` package.

    Args:
      file: Path, which is replaced as a whole, or a binary file object.
      fun: A function of trees of arrays that returns a tree of arrays.
      args: Example arguments.
      kwargs: Example arguments by name.
    Raises:
      ValueError: A dtype or primitive that has no form in ONNX (complex numbers, linear algebra),
        or more than 2 GiB of captured arrays.
      RuntimeError: The ``onnx`` package is not installed.
    Source: https://onnx.ai/onnx/repo-docs/IR.html, operators of set 20, of set 26 where
      the bits of numbers are taken as another dtype
    Example:
      >>> import importlib.util, monel.core as mx
      >>> if importlib.util.find_spec("onnx"):
      ...     mx.to_onnx("twice.onnx", lambda x: x * 2, mx.ones(3))
    """
    check_callable("to_onnx", fun)
    package = _package()
    program = make_program(fun)(*args, **kwargs)
    model = _model(package, program, getattr(fun, "__name__", "program"))
    with open_target(file, "to_onnx") as target:
        target.write(model.SerializeToString())


def _package() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise BackendError(
            f"to_onnx: the onnx package is missing ({error}); install it with: pip install onnx"
        ) from None
    return onnx


def _model(package: Any, program: Program, name: str) -> Any:
    from .onnx_rules import RULES

    program = reduced_to(portable(program), frozenset(RULES), "ONNX")
    for aval in program.avals:
        if aval.dtype.name == "complex64":
            raise ProgramError("to_onnx: complex numbers have no form in ONNX")
    size = sum(c.size * c.dtype.size for c in program.constants)
    if size > _LARGEST:
        raise ProgramError(f"to_onnx: {size} bytes of captured arrays, and ONNX takes {_LARGEST}")
    builder = Builder(package)
    env = [Tensor(f"x{i}", aval) for i, aval in enumerate(program.in_avals)]
    inputs = [builder.info(t) for t in env]
    for value in program.constants:
        env.append(builder.raw(contents_of(value), value.aval))
    for primitive, operands, outputs in program.equations:
        avals = [program.avals[v] for v in outputs]
        made = RULES[primitive.name](builder, primitive, [env[v] for v in operands], avals[0])
        env.extend(made if isinstance(made, list) else [made])
    # Each output has a node of its own: it may be an input, or twice the same.
    results = [
        builder.op("Identity", [env[v]], program.avals[v], name=f"y{i}")
        for i, v in enumerate(program.outputs)
    ]
    graph = package.helper.make_graph(
        builder.nodes, name, inputs, [builder.info(t) for t in results], builder.initializers
    )
    return package.helper.make_model(
        graph,
        producer_name="monel",
        ir_version=_IR_VERSION,
        opset_imports=[package.helper.make_opsetid("", builder.opset)],
    )


class Tensor(NamedTuple):
    """A name in the graph, and what it holds."""

    name: str
    aval: AbstractArray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Dtype:
        return self.aval.dtype


class Builder:
    """Collects nodes and initializers; each node defines a fresh name."""

    def __init__(self, package: Any) -> None:
        self.package = package
        self.opset = OPSET
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._next = 0

    def fresh(self, aval: AbstractArray) -> Tensor:
        """Return a fresh name."""
        self._next += 1
        return Tensor(f"t{self._next - 1}", aval)

    def kind(self, dtype: Dtype) -> int:
        """The number of ``dtype`` in ONNX."""
        found = getattr(self.package.TensorProto, _TYPES.get(dtype.name, dtype.name.upper()))
        return int(found)

    def info(self, x: Tensor) -> Any:
        """How an input or output of the graph is declared."""
        return self.package.helper.make_tensor_value_info(x.name, self.kind(x.dtype), x.shape)

    def raw(self, data: bytes, aval: AbstractArray) -> Tensor:
        """An initializer of raw elements in row-major order."""
        made = self.fresh(aval)
        make = self.package.helper.make_tensor
        self.initializers.append(make(made.name, self.kind(aval.dtype), aval.shape, data, raw=True))
        return made

    def number(self, value: Any, dtype: Dtype) -> Tensor:
        """A scalar."""
        import numpy as np

        with np.errstate(all="ignore"):
            data = np.asarray(value).astype(dtype.numpy).tobytes()
        return self.raw(data, AbstractArray((), dtype))

    def integers(self, values: Sequence[int]) -> Tensor:
        """A vector of int64: shapes, axes and the like."""
        import numpy as np

        data = np.asarray(list(values), np.int64).tobytes()
        return self.raw(data, AbstractArray((len(values),), int64))

    def op(
        self,
        kind: str,
        operands: Sequence[Tensor],
        aval: AbstractArray,
        name: str | None = None,
        **attributes: Any,
    ) -> Tensor:
        """Append a node of one result."""
        made = self.fresh(aval) if name is None else Tensor(name, aval)
        node = self.package.helper.make_node(
            kind, [x.name for x in operands], [made.name], **attributes
        )
        self.nodes.append(node)
        return made

    def cast(self, x: Tensor, dtype: Dtype) -> Tensor:
        """The elements as another dtype, where that is another."""
        if x.dtype is dtype:
            return x
        return self.op("Cast", [x], AbstractArray(x.shape, dtype), to=self.kind(dtype))

    def reshape(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The elements in another shape, where that is another."""
        if x.shape == shape:
            return x
        made = AbstractArray(shape, x.dtype)
        return self.op("Reshape", [x, self.integers(shape)], made, allowzero=1)

    def broadcast(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The operand aligned to the right of ``shape``, where that is another."""
        if x.shape == shape:
            return x
        return self.op("Expand", [x, self.integers(shape)], AbstractArray(shape, x.dtype))

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """The axes in another order, where that is another."""
        if list(axes) == list(range(len(x.shape))):
            return x
        aval = AbstractArray(tuple(x.shape[a] for a in axes), x.dtype)
        return self.op("Transpose", [x], aval, perm=list(axes))
