"""Structs of parameters: one declaration gives the MSL text and the bytes."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["Params"]

_CODES = {"uint": "I", "int": "i", "long": "q", "ulong": "Q", "float": "f"}
_SIZES = {"uint": 4, "int": 4, "long": 8, "ulong": 8, "float": 4}


class Params:
    """A struct that the host fills and a kernel reads as ``constant NAME&``.

    Fields of 8 bytes come first, so that no compiler puts holes between them; the MSL text asserts
    its size.

    A field is a kind and a name, and a length where it is an array.

    Example:
      >>> p = Params("Sizes", ("long", "strides", 2), ("uint", "n"))
      >>> print(p.text, end="")
      struct Sizes {
        long strides[2];
        uint n;
        uint padding;
      };
      static_assert(sizeof(Sizes) == 24, "Sizes");
      >>> p.pack([3, 1], 7).hex()
      '030000000000000001000000000000000700000000000000'
    """

    def __init__(self, name: str, *fields: tuple[str, str] | tuple[str, str, int]) -> None:
        self.name = name
        self.fields = [(kind, field, sum(count)) for kind, field, *count in fields]
        self.fields = sorted(self.fields, key=lambda f: -_SIZES[f[0]])
        if [f[1] for f in self.fields] != [f[1] for f in fields]:
            raise ValueError(f"{name}: fields of 8 bytes must come first")
        size = sum(_SIZES[kind] * (count or 1) for kind, _, count in self.fields)
        wide = _SIZES[self.fields[0][0]] == 8
        padding = 4 if wide and size % 8 else 0
        self.size = size + padding
        if self.size > 4096:
            raise ValueError(f"{name}: {self.size} bytes; setBytes takes 4096")
        codes = "".join(f"{count or 1}{_CODES[kind]}" for kind, _, count in self.fields)
        self._format = f"<{codes}{padding}x"
        lines = [
            f"  {kind} {field}[{count}];\n" if count else f"  {kind} {field};\n"
            for kind, field, count in self.fields
        ]
        if padding:
            lines.append("  uint padding;\n")
        body = "".join(lines)
        self.text = (
            f"struct {name} {{\n{body}}};\n"
            f'static_assert(sizeof({name}) == {self.size}, "{name}");\n'
        )

    def pack(self, *values: Any) -> bytes:
        """Return the bytes; an array takes a sequence, filled up with zeros."""
        flat: list[Any] = []
        for (kind, field, count), value in zip(self.fields, values, strict=True):
            items = list(value) if count else [value]
            if count and len(items) > count:
                raise ValueError(f"{self.name}.{field}: {len(items)} values for {count}")
            zero = 0.0 if kind == "float" else 0
            flat += items + [zero] * (count - len(items))
        return struct.pack(self._format, *flat)
