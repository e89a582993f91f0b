"""The checks of primitives: every sample, on the backend's own kernels, against the definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pytest

import monel.core as mx
from monel.core.plugin import Sample, array

from ..base.devices import Device
from . import numerics
from .cases import Case
from .numerics import bound, describe, to_array, to_numpy
from .subject import Subject

# Derivatives pass through more roundings than values do.
_DERIVED = 20.0


def values_of(tested: Subject, sample: Sample, make: Callable[[], Sequence[array]]) -> list[Any]:
    """Return the values of the arrays that ``make`` gives; what it raises is the sample's."""
    try:
        return [to_numpy(out) for out in make()]
    except Exception as error:
        raised = f"it raises {type(error).__name__}: {error}"
    fail(tested, sample, raised)


def check(
    tested: Subject, sample: Sample, make: Callable[[], Sequence[array]], want: Any, what: str
) -> None:
    """Fail unless outputs agree, naming the operation, the place and the kernel."""
    got = values_of(tested, sample, make)
    if len(got) != len(want):
        fail(tested, sample, f"{what} has {len(got)} outputs, expected {len(want)}")
    factor = sample.tolerance * (1.0 if what == "the result" else _DERIVED)
    free = () if what == "the vjp" else sample.primitive.up_to_phase
    for place, (out, expected) in enumerate(zip(got, want, strict=True)):
        expected = np.asarray(expected)
        if place in free:
            out, expected = np.abs(out), np.abs(expected)
        wrong = numerics.difference(out, expected, factor)
        if wrong is not None:
            fail(tested, sample, f"{what} is wrong: {wrong}")


def fail(tested: Subject, sample: Sample, what: str) -> NoReturn:
    """Fail, naming the operation and where its kernel is written."""
    where = tested.place(sample)
    pytest.fail(f"{describe(sample)} on {tested.native}: {what}; {where}", pytrace=False)


def operands_of(sample: Sample) -> list[array]:
    """Return the operands of a sample as arrays."""
    return [to_array(x) for x in sample.operands]


def eagerly(sample: Sample, place: int = -1, view: Any = None) -> list[array]:
    """Return the outputs of a sample, recorded; ``view`` may stand in for one operand."""
    operands = [view if i == place else to_array(x) for i, x in enumerate(sample.operands)]
    return bound(sample.primitive)(*operands)


def on_reference(function: Callable[..., Any], operands: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what ``function`` gives on the reference backend."""
    with mx.stream(Device("reference")):
        made = function(*[to_array(x) for x in operands])
        return [to_numpy(out) for out in made]


def check_program(
    tested: Subject, sample: Sample, function: Any, operands: Sequence[np.ndarray], what: str
) -> None:
    """Run ``function`` as one compiled program on the device, and compare with the reference."""
    want = on_reference(function, operands)
    check(tested, sample, lambda: mx.compile(function)(*map(to_array, operands)), want, what)


def pushed(sample: Sample) -> tuple[Any, list[np.ndarray]]:
    """Return the jvp of a sample as a function of primals and tangents, and operands for it."""
    function, primals = _moving(sample)
    count = len(primals)
    rng = np.random.default_rng(numerics.SEED + 1)
    tangents = numerics.directions(rng, numerics.avals(primals))

    def program(*given: array) -> list[array]:
        rest = given[2 * count :]
        _, found = mx.jvp(function(rest), [*given[:count]], [*given[count : 2 * count]])
        return list(found)

    return program, [*primals, *tangents, *sample.operands]


def pulled(sample: Sample) -> tuple[Any, list[np.ndarray]]:
    """Return the vjp of a sample as a function of primals and cotangents, and operands for it."""
    function, primals = _moving(sample)
    count = len(primals)
    rng = np.random.default_rng(numerics.SEED + 2)
    cotangents = numerics.directions(rng, numerics.out_avals(sample))

    def program(*given: array) -> list[array]:
        rest = given[count + len(cotangents) :]
        middle = given[count : count + len(cotangents)]
        _, found = mx.vjp(function(rest), [*given[:count]], [*middle])
        return list(found)

    return program, [*primals, *cotangents, *sample.operands]


def _moving(sample: Sample) -> tuple[Any, list[np.ndarray]]:
    """Return the sample as (all operands) -> function of those with a derivative, and these."""
    p = sample.primitive
    places = numerics.active(p, [a.dtype for a in numerics.avals(sample.operands)])
    primals = [sample.operands[i] for i in places]
    return (lambda operands: numerics.moving(p, operands, places)), primals


class PrimitiveChecks:
    """Values, programs, layouts, shapes, dtypes and derivatives of every primitive."""

    def test_value(self, tested: Subject, case: Case) -> None:
        """The result of one operation agrees with the reference."""
        sample = _sample(case)
        want = numerics.reference_of(sample)
        check(tested, sample, lambda: eagerly(sample), want, "the result")
        for out, said in zip(eagerly(sample), numerics.out_avals(sample), strict=True):
            _check_storage(tested, sample, out, said)

    def test_operands(self, tested: Subject, case: Case) -> None:
        """An operation leaves its operands alone, and shares no storage unless it is a view."""
        sample = _sample(case)
        operands = operands_of(sample)
        mx.eval(operands)
        got = bound(sample.primitive)(*operands)
        values_of(tested, sample, lambda: got)
        for place, (a, x) in enumerate(zip(operands, sample.operands, strict=True)):
            wrong = numerics.difference(to_numpy(a), x)
            if wrong is not None:
                fail(tested, sample, f"operand {place} has changed: {wrong}")
        if not sample.primitive.view and tested.way(sample) in ("kernel", "compiled"):
            for out in got:
                _check_alone(tested, sample, out, operands)

    def test_program(self, tested: Subject, case: Case) -> None:
        """A compiled program of the operation agrees with the reference."""
        sample = _sample(case)
        program = mx.compile(bound(sample.primitive))
        want = numerics.reference_of(sample)
        check(tested, sample, lambda: program(*operands_of(sample)), want, "the result")

    def test_layout(self, tested: Subject, case: Case) -> None:
        """Operands that are no contiguous storage give the same result."""
        sample = _sample(case)
        want = numerics.reference_of(sample)
        for place, x in enumerate(sample.operands):
            for view in numerics.strided(x):
                mx.eval(view)
                make = partial(eagerly, sample, place, view)
                check(tested, sample, make, want, "the result")

    def test_shape(self, tested: Subject, case: Case) -> None:
        """A second shape, axes without elements, and no axes at all."""
        sample = _sample(case)
        want = numerics.reference_of(sample)
        check(tested, sample, lambda: eagerly(sample), want, "the result")

    def test_dtype(self, tested: Subject, case: Case) -> None:
        """The operation in every dtype that it takes and the device knows."""
        self.test_shape(tested, case)

    def test_jvp(self, tested: Subject, case: Case) -> None:
        """The program of the forward derivative agrees with the reference."""
        sample = _sample(case)
        check_program(tested, sample, *pushed(sample), "the jvp")

    def test_vjp(self, tested: Subject, case: Case) -> None:
        """The program of the reverse derivative agrees with the reference."""
        sample = _sample(case)
        check_program(tested, sample, *pulled(sample), "the vjp")

    def test_vmap(self, tested: Subject, case: Case) -> None:
        """The program over two rows of each operand agrees with the reference."""
        sample = _sample(case)
        for place, x in enumerate(sample.operands):
            axes = tuple([0 if i == place else None for i in range(len(sample.operands))])
            function = mx.vmap(bound(sample.primitive), in_axes=axes)
            operands = list(sample.operands)
            operands[place] = numerics.rows(x)
            check_program(tested, sample, function, operands, f"vmap over operand {place}")

    def test_supports(self, tested: Subject, case: Case) -> None:
        """``supports`` says yes to what runs, and no to what does not."""
        sample = _sample(case)
        primitive, dtypes, backend = sample.primitive, tested.dtypes(sample), tested.backend
        claimed = backend.supports(primitive, dtypes)
        kernel = backend.kernel(primitive.name, dtypes)
        if not claimed and kernel is not None and not tested.compiles:
            fail(tested, sample, "`supports` says no, and there is a kernel")
        if claimed and kernel is None and not tested.compiles:
            fail(tested, sample, "`supports` says yes, and there is no kernel")
        if tested.compiles and tested.way(sample) != "core":
            _check_claim(tested, sample, claimed)


def _sample(case: Case) -> Sample:
    assert case.sample is not None
    return case.sample


def _check_storage(tested: Subject, sample: Sample, out: array, said: Any) -> None:
    """Fail unless the buffer holds exactly what ``abstract`` said of it."""
    mx.eval(out)
    value = out.value
    data = memoryview(tested.backend.to_host(value.buffer, said.shape, said.dtype))
    if data.nbytes != said.size * said.dtype.size:
        fail(tested, sample, f"the buffer of {said} holds {data.nbytes} bytes")


def _check_alone(tested: Subject, sample: Sample, out: array, operands: list[array]) -> None:
    """Fail where an output shares its storage with an operand."""
    made = tested.backend.host_view(out.value.buffer, out.shape, out.dtype)
    for place, a in enumerate(operands):
        shared = a.value.buffer is out.value.buffer
        if made is not None and not shared:
            seen = tested.backend.host_view(a.value.buffer, a.shape, a.dtype)
            shared = seen is not None and np.shares_memory(np.asarray(made), np.asarray(seen))
        if shared:
            fail(tested, sample, f"the output shares the storage of operand {place}")


def _check_claim(tested: Subject, sample: Sample, claimed: bool) -> None:
    """Fail unless ``compile`` takes a Program of one equation exactly where ``supports`` says so.

    A refusal may be None or an error.
    """
    from ..execute.executables import single

    program = single(sample.primitive, numerics.avals(sample.operands))
    try:
        executable = tested.backend.compile(program)
    except Exception as error:
        if claimed:
            fail(tested, sample, f"`supports` says yes, and `compile` raises {error!r}")
        return
    if claimed and executable is None:
        fail(tested, sample, "`supports` says yes, and `compile` gives None")
    if not claimed and executable is not None:
        fail(tested, sample, "`supports` says no, and `compile` takes it")
