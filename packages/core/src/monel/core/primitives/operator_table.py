"""The table of array's operators: which special method records which primitive."""

from __future__ import annotations

from typing import Any

from ..graph.handle import array, wrap
from ..graph.operators import binary, install_operators
from . import bitwise, compare, dot, elementwise, unary

# Symbol, primitive, name in errors, how dtypes meet, whether there is an in-place form.
ROWS: tuple[tuple[str, Any, str, str, bool], ...] = (
    ("add", elementwise.Add(), "add", "same", True),
    ("sub", elementwise.Sub(), "subtract", "same", True),
    ("mul", elementwise.Mul(), "multiply", "same", True),
    ("truediv", elementwise.Div(), "divide", "float", True),
    ("div", elementwise.Div(), "divide", "float", False),
    ("floordiv", elementwise.FloorDivide(), "floor_divide", "checked", True),
    ("mod", elementwise.Rem(), "remainder", "checked", True),
    ("pow", elementwise.Pow(), "power", "same", True),
    ("and", bitwise.BitwiseAnd(), "bitwise_and", "checked", True),
    ("or", bitwise.BitwiseOr(), "bitwise_or", "checked", True),
    ("xor", bitwise.BitwiseXor(), "bitwise_xor", "checked", True),
    ("lt", compare.Less(), "less", "compare", False),
    ("le", compare.LessEqual(), "less_equal", "compare", False),
    ("gt", compare.Greater(), "greater", "compare", False),
    ("ge", compare.GreaterEqual(), "greater_equal", "compare", False),
)

_EQUAL, _NOT_EQUAL = compare.Equal(), compare.NotEqual()


def _comparable(other: Any) -> bool:
    return (
        isinstance(other, array | bool | int | float | complex)
        or hasattr(other, "__array__")
        or hasattr(other, "__dlpack__")
    )


def _eq(a: Any, b: Any) -> Any:
    # Python turns the answer into False where the other operand has none, too.
    return binary(_EQUAL, "equal", "compare", a, b) if _comparable(b) else NotImplemented


def _ne(a: Any, b: Any) -> Any:
    return binary(_NOT_EQUAL, "not_equal", "compare", a, b) if _comparable(b) else NotImplemented


def _reflected(function: Any) -> Any:
    def operator(a: Any, b: Any) -> Any:
        return function(b, a)

    return operator


def _in_place(function: Any) -> Any:
    def operator(a: Any, b: Any) -> Any:
        a.value = function(a, b).value
        return a

    return operator


def install() -> None:
    """Install every operator of ``ROWS`` and the unary ones onto array."""
    install_operators(ROWS)
    methods = {
        "__eq__": _eq,
        "__ne__": _ne,
        "__neg__": lambda a: unary.negative(a),
        "__abs__": lambda a: unary.abs(a),
        "__invert__": lambda a: bitwise.bitwise_invert(a),
        "__pos__": lambda a: wrap(a.value),
        "__divmod__": lambda a, b: tuple(elementwise.divmod(a, b)),
        "__rdivmod__": lambda a, b: tuple(elementwise.divmod(b, a)),
    }
    for symbol, function in (
        ("lshift", bitwise.left_shift),
        ("rshift", bitwise.right_shift),
        ("matmul", dot.matmul),
    ):
        methods[f"__{symbol}__"] = function
        methods[f"__r{symbol}__"] = _reflected(function)
        methods[f"__i{symbol}__"] = _in_place(function)
    for name, method in methods.items():
        setattr(array, name, method)


install()
