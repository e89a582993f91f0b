"""The backend under test: how it is reached, what it lacks, and where its author writes next."""

from __future__ import annotations

import inspect
import os
from functools import cache
from typing import Any

from monel.core.plugin import REGISTRY, Backend, BackendError, Sample

from ..base.devices import Device
from ..contract.backend import AdaptedKernel
from ..execute.discovery import plugins
from ..execute.kernels import CORE_KERNELS
from ..execute.placement import parse_device
from . import numerics

REQUIRED_METHODS = ("devices", "allocate", "from_host", "to_host")


class Subject:
    """A backend under test.

    Attributes:
      name: The backend's name.
      backend: The loaded ``Backend``, or None.
      error: Why there is none, or the first thing that it lacks.
      device: What names its device in monel; there is none where there is an error.
      native: The backend's own name of the device.
    """

    device: Device

    def __init__(self, name: str, device: str | None) -> None:
        self.name = name
        self.error: str | None = None
        self.backend: Any = None
        self.native = ""
        try:
            self.backend = plugins().backend(name)
        except BackendError as error:
            self.error = str(error)
            self.backend = self._unfinished()
        if self.backend is not None:
            self.error = next((self.lacks(m) for m in REQUIRED_METHODS if self.lacks(m)), None)
        if self.error is None:
            self.native = device or self.backend.devices()[0]
            self.device = named(self.native, name)

    def _unfinished(self) -> Any:
        """Return the backend in spite of what it lacks, so that the kit can say what that is."""
        spec = plugins().specs.get(self.name)
        try:
            return spec.load() if spec is not None else None
        except Exception:
            # Its reason is in ``error`` already.
            return None

    def lacks(self, method: str) -> str | None:
        """Return what to write where the backend has not got a method, else None."""
        if getattr(type(self.backend), method) is not getattr(Backend, method):
            return None
        signature = inspect.signature(getattr(Backend, method))
        doc = (inspect.getdoc(getattr(Backend, method)) or "").splitlines()[0]
        kind = type(self.backend).__name__
        return (
            f"{self.name} lacks `Backend.{method}`: write {kind}.{method} in {self.file}\n"
            f"    def {method}{signature}:\n"
            f'        """{doc}"""'
        )

    @property
    def file(self) -> str:
        """The file of the backend's class, where its author writes."""
        try:
            path = inspect.getsourcefile(type(self.backend)) or "the backend's module"
        except TypeError:
            return "the backend's module"
        near = os.path.relpath(path) if os.path.splitdrive(path)[0] == "" else path
        return path if near.startswith(os.pardir) else near

    def lacks_kernel(self, name: str) -> str | None:
        """Return what to write where a required primitive has no kernel, else None."""
        samples = numerics.samples_of(name)
        if any(self.way(s) in ("kernel", "compiled") for s in samples):
            return None
        count = max(len(s.operands) for s in samples)
        operands = ", ".join(["ctx", "p", *"xyzw"[:count]] if count < 5 else ["ctx", "p", "*xs"])
        cls = REGISTRY[name]
        parameters = ", ".join(f"p.{field}" for field in cls.fields) or "none"
        doc = (inspect.getdoc(cls) or "").splitlines()[0]
        return (
            f"{self.name} lacks a kernel for the required primitive {name!r}: write it in "
            f"{self.file}\n"
            f'    @kernels.register("{name}")\n'
            f"    def {name}({operands}):\n"
            f'        """{doc}"""\n'
            f"  parameters: {parameters}"
        )

    def takes(self, sample: Sample) -> bool:
        """Return whether the device knows the dtypes of a sample."""
        if self.error is not None:
            return True
        found = (*numerics.avals(sample.operands), *numerics.out_avals(sample))
        return all(self.takes_dtype(a.dtype) for a in found)

    def takes_dtype(self, dtype: Any) -> bool:
        """Return whether arrays of ``dtype`` can live on the device."""
        return self.error is not None or self.backend.supports_dtype(dtype, self.native)

    def dtypes(self, sample: Sample) -> tuple[Any, ...]:
        """Return the dtypes by which core asks for the kernel of a sample."""
        found = numerics.avals(sample.operands) or tuple(numerics.out_avals(sample)[:1])
        return tuple([a.dtype for a in found])

    def way(self, sample: Sample) -> str:
        """Return how a sample runs: core, kernel, compiled, decomposed or host."""
        primitive, dtypes = sample.primitive, self.dtypes(sample)
        if primitive.name in CORE_KERNELS:
            return "core"
        if self.backend.kernel(primitive.name, dtypes) is not None:
            return "kernel"
        if self.compiles and self.backend.supports(primitive, dtypes):
            return "compiled"
        return "decomposed" if primitive.decompose is not None else "host"

    @property
    def compiles(self) -> bool:
        """Whether the backend compiles whole Programs itself."""
        return type(self.backend).compile is not Backend.compile

    def place(self, sample: Sample) -> str:
        """Return where the code that ran a sample stands, for messages."""
        way = self.way(sample)
        if way != "kernel":
            return {"core": "core runs it", "host": "the host runs it"}.get(way, f"it is {way}")
        kernel = self.backend.kernel(sample.primitive.name, self.dtypes(sample))
        function = kernel.function if isinstance(kernel, AdaptedKernel) else kernel
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            return f"its kernel is {function!r}"
        return f"its kernel is {code.co_name} in {code.co_filename}:{code.co_firstlineno}"


def named(native: str, backend: str) -> Device:
    """Return the Device of a backend's own name for one, never the alias of its kind."""
    parsed = parse_device(native)
    if parsed.name is not None:
        return parsed
    return Device(native if native.startswith(backend) else backend, parsed.index)


@cache
def subject(name: str, device: str | None) -> Subject:
    """Return the backend under test; loaded once."""
    return Subject(name, device)
