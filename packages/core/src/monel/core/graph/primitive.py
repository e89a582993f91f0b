"""Primitive: the base class that holds everything true of an operation on every backend.

A primitive is a frozen record of its parameters, stated as annotated fields like a dataclass's; its
methods are its rules. Instances are interned: the same parameters give the same object, so that
recording allocates no primitive. The record's methods are written once, here: making a dataclass
of each of 150 classes took half of the time of ``import monel.core``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, dataclass_transform
from weakref import ref

from ..base import names
from ..base.errors import MissingRuleError
from ..contract.backend import DECIDING_OPERANDS
from . import effects, handle
from . import value as graph
from .doors import CORE, load
from .origin import caller


class Registry(dict[str, "type[Primitive]"]):
    """Primitives by name. A family is loaded when one of its primitives, or all, are asked for."""

    def __missing__(self, name: str) -> type[Primitive]:
        home = names.HOMES.get(name)
        if home is None:
            raise KeyError(name)
        load(home)
        return dict.__getitem__(self, name)

    def __contains__(self, name: object) -> bool:
        return name in names.HOMES or self.holds(name)

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return super().__iter__()

    def __len__(self) -> int:
        self._complete()
        return super().__len__()

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default

    def keys(self) -> Any:
        self._complete()
        return super().keys()

    def values(self) -> Any:
        self._complete()
        return super().values()

    def items(self) -> Any:
        self._complete()
        return super().items()

    def holds(self, name: object) -> bool:
        """Whether a primitive is registered already."""
        return super().__contains__(name)

    def is_taken(self, name: str, module: str) -> bool:
        """Whether a class of ``module`` can't be ``name``: core's are taken before they load."""
        home = names.HOMES.get(name)
        return self.holds(name) or (home is not None and module != f"{CORE}.{home}")

    def _complete(self) -> None:
        for module in names.PRIMITIVES:
            load(module)


REGISTRY = Registry()

_interned: dict[Any, Any] = {}
_LARGEST_TABLE = 65_536


@dataclass_transform(frozen_default=True)
class PrimitiveMeta(type):
    """Interns instances by class and parameters."""

    interned: bool

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not cls.interned:
            return super().__call__(*args, **kwargs)
        key = (cls, args, *kwargs.items()) if kwargs else (cls, args)
        try:
            found = _interned.get(key)
        except TypeError:
            return super().__call__(*args, **kwargs)
        if found is None:
            found = super().__call__(*args, **kwargs)
            if len(_interned) >= _LARGEST_TABLE:
                _interned.clear()
            _interned[key] = found
        return found


def _fields_of(cls: type) -> tuple[str, ...]:
    """Return the names of annotated fields of ``cls`` and its bases; a ClassVar is none."""
    found: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        for name, annotation in getattr(base, "__annotations__", {}).items():
            if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
                found.pop(name, None)
            else:
                found[name] = None
    return tuple(found)


class Sample(NamedTuple):
    """A primitive applied to operands: what the conformance kit runs.

    Attributes:
      primitive: The instance with its parameters.
      operands: NumPy arrays.
      tolerance: Factor on the kit's tolerance for hard cases.
    """

    primitive: Any
    operands: tuple[Any, ...]
    tolerance: float = 1.0


class Primitive(metaclass=PrimitiveMeta):
    """An operation with rules; a subclass states its parameters as annotated fields.

    Class attributes:
      fields: Names of the parameters, in order; derived from the annotations.
      name: The name under which kernels register: ``"cumsum"``; third parties: ``"vendor::op"``.
      export_name: The stable name in printed and exported graphs; by default the class's name.
      outputs: Number of outputs.
      view: A backend may return storage shared with operand 0.
      effect: Never folded, merged, duplicated or reordered; such a primitive is not interned.
      eager: An effect without a result that could be asked for: it runs as soon as it can.
      shape_dependent: Parameters hold a shape.
      elementwise: Element i of the output depends only on element i of the operands.
      fails: It can fail when it runs, so it remembers the user's line that recorded it. What has an
        effect is among these: recording asks for effects only there.
      up_to_phase: Outputs that are determined up to signs, or phases: the kit compares magnitudes.
      host: Where a backend has no kernel the host computes, without a warning.
      dtype_operand: The operand whose dtype names the kernel.
      nondifferentiable: Why there is no derivative, or None.
      surrogate: Why the derivative is, by definition, not that of the values, or None.
      linear: None, ``"joint"`` or ``"each"``; ``linear_in`` names the operands (all by default).
      zero_in: Operands whose derivative is zero.
      stops: What is made of it does not count as made of its operands, when derivatives are taken.
      placeholder: Stands for an input of a trace.
      interned: One object for equal parameters; not where 1, 1.0 and True must differ, nor for
        parameters that hold callables or data.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = ""
    export_name: ClassVar[str] = ""
    outputs: ClassVar[int] = 1
    view: ClassVar[bool] = False
    effect: ClassVar[bool] = False
    eager: ClassVar[bool] = False
    shape_dependent: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    required: ClassVar[bool] = False
    up_to_phase: ClassVar[tuple[int, ...]] = ()
    host: ClassVar[bool] = False
    dtype_operand: ClassVar[int] = 0
    nondifferentiable: ClassVar[str | None] = None
    surrogate: ClassVar[str | None] = None
    linear: ClassVar[str | None] = None
    linear_in: ClassVar[tuple[int, ...] | None] = None
    zero_in: ClassVar[tuple[int, ...]] = ()
    fails: ClassVar[bool] = False
    stops: ClassVar[bool] = False
    placeholder: ClassVar[bool] = False
    interned: ClassVar[bool] = True

    def __init_subclass__(cls, name: str = "", export_name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name:
            if "::" not in name and REGISTRY.is_taken(name, cls.__module__):
                raise TypeError(
                    f"primitive {name!r} is defined twice; one of a vendor is named vendor::op"
                )
            cls.name = name
            cls.export_name = export_name or cls.__name__
        cls.fields = _fields_of(cls)
        cls.fails = cls.fails or cls.host or cls.effect
        if cls.effect and cls.interned:
            # The evaluation looks for effects among primitives that are not interned only.
            raise TypeError(f"primitive {name!r} has an effect and must not be interned")
        if name:
            REGISTRY[name] = cls
            if cls.dtype_operand:
                DECIDING_OPERANDS[name] = cls.dtype_operand

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self.fields
        if len(args) > len(fields):
            raise TypeError(f"{self.name}: {len(args)} parameters for {fields}")
        held = self.__dict__
        for name, value in zip(fields, args, strict=False):
            held[name] = value
        for name in fields[len(args) :]:
            if name in kwargs:
                held[name] = kwargs.pop(name)
            elif not hasattr(type(self), name):
                raise TypeError(f"{self.name}: the parameter {name!r} is missing")
        if kwargs:
            raise TypeError(f"{self.name}: unknown parameters {sorted(kwargs)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self.name}: a primitive is frozen, {name!r} can't be set")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.fields)

    def __hash__(self) -> int:
        return hash((type(self), *[getattr(self, name) for name in self.fields]))

    def __str__(self) -> str:
        if not self.fields:
            return self.export_name
        shown = ", ".join([_show(getattr(self, name)) for name in self.fields])
        return f"{self.export_name} [{shown}]"

    __repr__ = __str__

    @property
    def parameters(self) -> dict[str, Any]:
        """The static parameters by name."""
        return {name: getattr(self, name) for name in self.fields}

    def bind(self, *operands: Any, stream: Any = None) -> Any:
        """Record this primitive on arrays; return an array, or a tuple for several outputs."""
        return apply(self, operands, stream)

    # The rules. ``abstract`` and ``reference`` are always given; ``batch``, ``jvp`` and ``vjp``
    # may be derived (``primitives.derive``); ``decompose`` returns the same from other primitives.

    def abstract(self, *operands: Any) -> Any:
        """Return the aval of the output (a tuple for several), or raise ShapeError, DTypeError."""
        raise MissingRuleError(f"{self.name} has no abstract rule")

    def reference(self, *operands: Any) -> Any:
        """Compute with NumPy: the meaning of the primitive."""
        raise MissingRuleError(f"{self.name} has no reference")

    def replayed(self, old: Any, new: Any) -> Any:
        """Return the primitive for operands of avals ``new`` where it was recorded for ``old``.

        What a ``shape_dependent`` primitive can't carry over it refuses with ShapeError;
        ``abstract`` is asked afterwards in any case.
        """
        return self

    decompose: ClassVar[Any] = None
    jvp: ClassVar[Any] = None
    vjp: ClassVar[Any] = None
    transpose: ClassVar[Any] = None
    batch: ClassVar[Any] = None

    @classmethod
    def samples(cls, rng: Any) -> Iterator[Sample]:
        """Yield applications that the conformance kit checks; ``rng`` is a NumPy Generator."""
        return iter(())

    @classmethod
    def source_of(cls, rule: str) -> str | None:
        """Return how a rule comes: written, derived, decomposed, declared absent; None: not."""
        found = getattr(cls, rule, None)
        if found is not None and found is not getattr(Primitive, rule):
            owner = next(c for c in cls.__mro__ if rule in c.__dict__)
            return "written" if owner is cls else "derived"
        if rule in ("jvp", "vjp"):
            if cls.nondifferentiable is not None:
                return "declared absent"
            if cls.linear is not None or cls.jvp is not None or cls.vjp is not None:
                return "derived"
        if rule == "batch" and cls.elementwise:
            return "derived"
        if rule in ("jvp", "vjp", "batch"):
            return "decomposed" if cls.decompose is not None else None
        return None


def _show(parameter: Any) -> str:
    return getattr(parameter, "name", None) or str(parameter)


class Output(Primitive, name="output"):
    """Output ``index`` of a Value with several outputs."""

    index: int

    def abstract(self, *operands: Any) -> Any:
        raise MissingRuleError("output: its aval is that of the primitive with several outputs")


def apply(primitive: Any, operands: tuple[Any, ...], stream: Any = None) -> Any:
    """Record ``primitive`` on ``operands``, which are arrays; return arrays."""
    values = tuple([operand.value for operand in operands])
    made = record_values(primitive, values, stream)
    if type(made) is tuple:
        return tuple([handle.wrap(v) for v in made])
    return handle.wrap(made)


def record_values(primitive: Any, values: tuple[Any, ...], stream: Any = None) -> Any:
    """Record ``primitive`` on Values; return the Value, or a tuple for several outputs."""
    out = primitive.abstract(*values)
    if stream is None:
        stream = graph._slots.stream
        if stream is None:
            stream = graph._slots.current_stream()
    else:
        stream = graph._slots.to_stream(stream)
    trace = graph.outermost(values)
    several = type(out) is tuple
    first = out[0] if several else out
    dtype = first.dtype
    made = graph.record(primitive, values, first.shape, dtype, first.size, stream, trace)
    fails = primitive.fails
    if fails:
        made.origin = caller()
    if graph._slots.listeners is not None:
        graph._slots.listeners(made)
    if not several:
        if fails and primitive.effect:
            effects.announce(made)
        return made
    outputs = tuple(
        [
            graph.record(Output(i), (made,), aval.shape, aval.dtype, aval.size, stream, trace)
            for i, aval in enumerate(out)
        ]
    )
    made.outputs = [ref(output) for output in outputs]
    if fails and primitive.effect:
        effects.announce(made)
    return outputs


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    """Bind the registered primitive ``name``: how rules below the families reach them."""
    return apply(REGISTRY[name](**parameters), operands)
