"""ConformanceSuite: what a backend's tests subclass."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

import monel.core as mx
from monel.core.plugin import Backend

from ..execute.fallback import fallback
from .cases import Case, Gap, cases_of
from .device_checks import DeviceChecks
from .primitive_checks import PrimitiveChecks
from .subject import REQUIRED_METHODS, Subject, subject

# These look at the backend's class alone; the others need a device.
_OF_THE_CLASS = ("loads", "method")


class ContractChecks:
    """What a backend must have, in the order in which it is written."""

    def test_loads(self, tested: Subject) -> None:
        """The backend is installed and can be loaded."""
        if tested.backend is None:
            pytest.fail(str(tested.error), pytrace=False)

    @pytest.mark.parametrize("method", REQUIRED_METHODS)
    def test_method(self, tested: Subject, method: str) -> None:
        """A required method is there."""
        lacks = tested.lacks(method)
        if lacks is not None:
            pytest.fail(lacks, pytrace=False)

    def test_door(self, tested: Subject) -> None:
        """There is ``kernel`` or ``compile``."""
        kind = type(tested.backend)
        if kind.kernel is Backend.kernel and kind.compile is Backend.compile:
            lacks = "; or compile, for whole programs"
            pytest.fail(f"{tested.lacks('kernel')}{lacks}", pytrace=False)

    def test_required(self, tested: Subject, case: Case) -> None:
        """A required primitive has a kernel."""
        lacks = tested.lacks_kernel(case.primitive)
        if lacks is not None:
            pytest.fail(lacks, pytrace=False)


class ConformanceSuite(PrimitiveChecks, DeviceChecks, ContractChecks):
    """Every check of the kit on one device; a subclass names it and declares its gaps.

    A subclass overrides no test: what a backend can't do is a ``Gap``.

    Class attributes:
      backend: The backend's name.
      device: The backend's own name of the device; None: its first.
      gaps: What it can't do, each with a reason.
      fallback: What happens where the host stands in: ``warn``, ``error`` or ``silent``.
    Example:
      >>> from monel.core.testing import ConformanceSuite, Gap
      >>> class TestToy(ConformanceSuite):
      ...     backend = "toy"
      ...     gaps = (Gap("cumsum", "int32", reason="toy computes in float32 only"),)
    """

    backend: ClassVar[str] = ""
    device: ClassVar[str | None] = None
    gaps: ClassVar[tuple[Gap, ...]] = ()
    fallback: ClassVar[str] = "warn"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        changed = [n for n in vars(cls) if n.startswith("test_") and hasattr(ConformanceSuite, n)]
        if changed:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(changed)}: a conformance test is not edited; "
                f"declare what {cls.backend or 'the backend'} can't do as a Gap with its reason"
            )

    @classmethod
    def checks(cls) -> list[str]:
        """Return the names of the checks, without ``test_``."""
        found = inspect.getmembers(ConformanceSuite, inspect.isfunction)
        return [name[5:] for name, _ in found if name.startswith("test_")]

    @classmethod
    def list_cases(cls, check: str) -> list[Case]:
        """Return the cases of a check that the device has the dtypes for."""
        under_test = subject(cls.backend, cls.device)
        return [c for c in cases_of(check) if c.sample is None or under_test.takes(c.sample)]

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Parametrize a check by its cases."""
        if "case" in metafunc.fixturenames:
            cases = self.list_cases(metafunc.definition.originalname[5:])
            chosen = metafunc.config.getoption("--monel-only", None)
            if chosen:
                names = ("", *chosen.split(","))
                cases = [c for c in cases if c.primitive in names]
            metafunc.parametrize("case", cases, ids=[c.id for c in cases])

    @pytest.fixture
    def tested(self) -> Subject:
        """The backend under test."""
        return subject(self.backend, self.device)

    @pytest.fixture(autouse=True)
    def on_device(self, request: Any, tested: Subject) -> Iterator[None]:
        """Run the test on the device; expect it to fail where a gap says so."""
        check = request.node.originalname[5:]
        case = request.getfixturevalue("case") if "case" in request.fixturenames else None
        if case is None:
            case = Case(check, "", "", "")
        declared = [gap for gap in self.gaps if gap.matches(case)]
        note = {"backend": self.backend, "check": check, "primitive": case.primitive}
        note |= {"dtype": case.dtype, "gap": declared[0].reason if declared else ""}
        if tested.error is None and case.sample is not None:
            note["way"] = tested.way(case.sample)
        request.node.user_properties.append(("monel", note))
        if declared:
            mark = pytest.mark.xfail(strict=True, reason=f"{declared[0]}: {declared[0].reason}")
            request.applymarker(mark)
        if check in _OF_THE_CLASS or check == "every_gap_names_a_case":
            yield
            return
        if tested.error is not None:
            pytest.skip(tested.error.splitlines()[0])
        if check in ("door", "required"):
            yield
            return
        policy = fallback(self.fallback)
        try:
            with mx.stream(tested.device):
                yield
        finally:
            fallback(policy)

    def test_every_gap_names_a_case(self) -> None:
        """Each gap matches something that the kit runs on this device."""
        known = [case for check in self.checks() for case in self.list_cases(check)]
        idle = [str(gap) for gap in self.gaps if not any(gap.matches(c) for c in known)]
        if idle:
            pytest.fail(f"gaps that match no case: {', '.join(idle)}", pytrace=False)
