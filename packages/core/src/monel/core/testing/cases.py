"""What the kit runs: the cases of each check, and the gaps that a backend declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

from monel.core.plugin import REGISTRY, Sample

from . import numerics

# The required primitives in the order in which they are easiest to write; what is not named here
# comes last.
EASIEST = (
    "full copy neg abs floor sqrt exp log sin cos add sub mul div maximum minimum equal less "
    "logical_not where cast reshape transpose broadcast slice concatenate iota sum prod max min "
    "argmax argmin rem pow bitwise_and bitwise_or bitwise_xor shift_left shift_right bitcast pad "
    "matmul argsort gather scatter"
).split()


class Case(NamedTuple):
    """One run of one check.

    Attributes:
      check: The name of the test without ``test_``.
      primitive: The primitive that is checked; empty where a device is.
      dtype: Of its deciding operand, or of its output where it has none.
      id: What stands in brackets behind the test's name.
      sample: The primitive with operands, or None.
    """

    check: str
    primitive: str
    dtype: str
    id: str
    sample: Sample | None = None


@dataclass(frozen=True)
class Gap:
    """Something that a backend can't do, declared with the reason.

    What a gap names must exist and must fail: one that matches nothing, or that has come to work,
    fails the run. Names may hold the wildcards of ``fnmatch``.

    Attributes:
      primitive: Name of the primitive.
      dtype: Name of the dtype of its deciding operand.
      check: Name of the check: ``value``, ``vjp``, ``required``, ``out_of_memory``...
      case: The case's name, as pytest shows it in brackets.
      reason: Why; it is printed in the report.
    Example:
      >>> Gap("cumsum", "int32", reason="toy computes in float32 only").reason
      'toy computes in float32 only'
    """

    primitive: str = "*"
    dtype: str = "*"
    check: str = field(default="*", kw_only=True)
    case: str = field(default="*", kw_only=True)
    reason: str = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(f"{self}: a gap needs a reason")

    def matches(self, case: Case) -> bool:
        """Return whether ``case`` lies in this gap."""
        return (
            fnmatchcase(case.check, self.check)
            and fnmatchcase(case.primitive, self.primitive)
            and fnmatchcase(case.dtype, self.dtype)
            and fnmatchcase(case.id, self.case)
        )

    def __str__(self) -> str:
        parts = [repr(self.primitive), repr(self.dtype)]
        parts += [f"{k}={getattr(self, k)!r}" for k in ("check", "case") if getattr(self, k) != "*"]
        return f"Gap({', '.join(parts)})"


def deciding(sample: Sample) -> str:
    """Return the name of the dtype by which the kernel of a sample is chosen."""
    found = numerics.avals(sample.operands) or tuple(numerics.out_avals(sample))
    place = sample.primitive.dtype_operand
    return found[place if place < len(found) else 0].dtype.name


def required() -> list[str]:
    """Return the required primitives, the easiest to write first."""
    names = [n for n, cls in REGISTRY.items() if cls.required and not cls.host]
    return sorted(names, key=lambda n: EASIEST.index(n) if n in EASIEST else len(EASIEST))


def _each(make: Callable[[Sample], Iterator[tuple[str, Sample]]]) -> Iterator[tuple[str, Any]]:
    """Yield the suffix of a case's name and its sample, for every sample of every primitive."""
    for name in numerics.sampled_names():
        for number, sample in enumerate(numerics.samples_of(name)):
            for suffix, made in make(sample):
                yield f"{number}{suffix}", made


def _itself(sample: Sample) -> Iterator[tuple[str, Sample]]:
    yield "", sample


def _with_operands(sample: Sample) -> Iterator[tuple[str, Sample]]:
    if sample.operands:
        yield "", sample


def _with_axes(sample: Sample) -> Iterator[tuple[str, Sample]]:
    if any(x.ndim for x in sample.operands):
        yield "", sample


def _differentiable(sample: Sample) -> Iterator[tuple[str, Sample]]:
    if numerics.differentiable(sample):
        yield "", sample


def _reversible(sample: Sample) -> Iterator[tuple[str, Sample]]:
    if sample.primitive.name not in numerics.FORWARD_ONLY:
        yield from _differentiable(sample)


def _other_shapes(sample: Sample) -> Iterator[tuple[str, Sample]]:
    second = numerics.second_shape(sample)
    if second is not None:
        yield "-second", second
    for number, empty in enumerate(numerics.emptied(sample)):
        yield f"-empty{number}", empty
    scalar = numerics.zero_dimensional(sample)
    if scalar is not None:
        yield "-scalar", scalar


_SAMPLES: dict[str, Callable[[Sample], Iterator[tuple[str, Sample]]]] = {
    "value": _itself,
    "program": _itself,
    "operands": _with_operands,
    "layout": _with_axes,
    "shape": _other_shapes,
    "jvp": _differentiable,
    "vjp": _reversible,
    "vmap": _with_operands,
}

BY_DTYPE = ("buffer_round_trip", "buffer_of_no_elements", "buffer_item", "dlpack")


@cache
def cases_of(check: str) -> tuple[Case, ...]:
    """Return the cases of a check; one for a check that has none of its own."""
    if check == "required":
        return tuple([Case(check, name, "", name) for name in required()])
    if check in BY_DTYPE:
        return tuple([Case(check, "", name, name) for name in numerics.dtype_names()])
    if check == "dtype":
        return tuple(
            [
                Case(check, name, dtype, f"{name}-{dtype}", sample)
                for name in numerics.sampled_names()
                for dtype, sample in numerics.further_dtypes(name)
            ]
        )
    if check == "supports":
        found: dict[Any, Case] = {}
        for case in cases_of("value"):
            found.setdefault((case.primitive, case.dtype), case._replace(check=check))
        return tuple(found.values())
    if check in _SAMPLES:
        made = []
        for suffix, sample in _each(_SAMPLES[check]):
            name, dtype = sample.primitive.name, deciding(sample)
            made.append(Case(check, name, dtype, f"{name}-{dtype}-{suffix}", sample))
        return tuple(made)
    return (Case(check, "", "", ""),)
