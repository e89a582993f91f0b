"""Backend: what a vendor implements, and KernelBackend, which derives most of it from kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..base.avals import AbstractArray
from ..base.errors import BackendError

if TYPE_CHECKING:
    from ..base.dtypes import Dtype
    from ..base.program import Program

__all__ = ["API_VERSION", "Backend", "BackendSpec", "Fusion", "KernelBackend", "KernelTable"]

API_VERSION = 1

# The operand whose dtype names the kernel, by primitive, where it is not the first; ``Primitive``
# fills it.
DECIDING_OPERANDS: dict[str, int] = {}


class BackendSpec(NamedTuple):
    """What a plugin declares of a backend, without loading it.

    Attributes:
      name: The backend's name, which belongs to the distribution ``monel-backend-<name>``.
      load: () -> Backend; imports the device runtime. Called once, when the backend is chosen.
      api_version: The version of the contract that the plugin was tested with.
      kinds: ``"cpu"`` or ``"gpu"`` for its devices, best first.
      priority: The usable backend with the highest one is the default.
    """

    name: str
    load: Callable[[], Backend]
    api_version: int
    kinds: tuple[str, ...] = ("cpu",)
    priority: int = 0


class Fusion(NamedTuple):
    """Which ``fused`` equations a backend takes.

    Attributes:
      operations: Names of elementwise primitives that may stand in a body.
      reductions: Names of reductions that may end one.
      max_operands: Inputs that a body may have.
      min_size: Fewer elements than this are not worth fusing.
      max_nodes: Operations that a body may have.
    """

    operations: frozenset[str]
    reductions: frozenset[str] = frozenset()
    max_operands: int = 16
    min_size: int = 8192
    max_nodes: int = 64


class Backend:
    """A family of devices and what runs on them.

    Required: ``devices``, ``allocate``, ``from_host``, ``to_host``, and ``kernel`` or ``compile``.
    A buffer is whatever the backend says; core never looks inside one. ``views`` says that kernels
    of view primitives share storage and touch no data, so that core may call them at once.
    ``granularity`` is for backends that compile Programs and have no kernels: ``"op"``, and each
    operation is a Program of one equation; ``"graph"``, and evaluation hands over the whole
    recorded piece, of which everything that is still held is an output.
    """

    name: str = ""
    fusion: Fusion | None = None
    granularity: str = "op"
    views: bool = False

    def devices(self) -> Sequence[str]:
        """Return the names of the devices present: ``("cpu",)``, ``("metal:0",)``."""
        raise BackendError(f"{self._who()} lacks Backend.devices")

    def allocate(self, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        """Return uninitialised storage for an array; MemoryError where there is none."""
        raise BackendError(f"{self._who()} lacks Backend.allocate")

    def from_host(self, data: Any, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        """Return a buffer with a copy of ``data``: bytes-like, C-contiguous, row-major."""
        raise BackendError(f"{self._who()} lacks Backend.from_host")

    def to_host(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        """Return the elements of ``buffer`` as C-contiguous bytes, once they are computed."""
        raise BackendError(f"{self._who()} lacks Backend.to_host")

    def adopt(
        self, data: memoryview, shape: tuple[int, ...], dtype: Dtype, device: str
    ) -> Any | None:
        """Return a buffer on the host memory ``data`` itself, or None where that cannot be.

        ``data`` are writable, row-major bytes at an address that is a multiple of ``dtype.size``,
        and not empty. The buffer keeps them alive; nobody else writes to them. Core copies where
        the answer is None.
        """
        return None

    def host_view(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> memoryview | None:
        """Return the buffer's own memory, writable, with its real strides; None where it has none.

        The storage must stay alive and may not be reused while the memoryview is.
        """
        return None

    def kernel(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        """Return the kernel of primitive ``name`` for operands of ``dtypes``, or None.

        For a primitive without operands ``dtypes`` holds that of its output. Core asks once for
        each combination and then calls ``kernel(ctx, p, *operands)`` directly.
        """
        return None

    def compile(self, program: Program) -> Callable[..., Any] | None:
        """Return ``executable(inputs, donated, stream) -> outputs`` for a Program, or None.

        None lets core run the Program kernel by kernel. The Program holds only what ``supports``
        says yes to, and its constants are small host arrays or Values that were computed
        (``program.to_dict()`` gives their elements). Core keeps the executable for all Programs of
        one fingerprint. Bit i of ``donated`` is set where nothing else needs ``inputs[i]``: its
        memory may be consumed, unless views or exports of it are alive. Compiled functions arrive
        whole; else ``granularity`` says what one Program is.
        """
        return None

    def supports(self, primitive: Any, dtypes: tuple[Dtype, ...]) -> bool:
        """Return whether a Program given to ``compile`` may hold ``primitive``."""
        return self.kernel(primitive.name, dtypes) is not None

    def supports_dtype(self, dtype: Dtype, device: str) -> bool:
        """Return whether arrays of ``dtype`` can live on ``device``."""
        return True

    def copy(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype, device: str) -> Any:
        """Return a copy of a buffer of this backend on another of its devices."""
        return self.from_host(self.to_host(buffer, shape, dtype), shape, dtype, device)

    def contiguous(self, buffer: Any, shape: tuple[int, ...], dtype: Dtype) -> Any:
        """Return the elements in row-major storage; ``buffer`` itself where it is that already.

        The default suits a backend whose memory has no views.
        """
        return buffer

    def broadcast(
        self, buffer: Any, old: tuple[int, ...], new: tuple[int, ...], dtype: Dtype
    ) -> Any:
        """Return ``buffer`` of shape ``old`` broadcast to ``new``; the default goes by the host."""
        import numpy as np

        data = np.frombuffer(self.to_host(buffer, old, dtype), dtype.numpy).reshape(old)
        spread = np.broadcast_to(data, new).tobytes()
        return self.from_host(spread, new, dtype, self.devices()[0])

    def current_stream(self, device: str) -> Any:
        """Return the native handle of the stream that kernels are called for; None by default."""
        return None

    def wait(self, buffer: Any) -> None:
        """Wait until ``buffer`` is computed; raise what its kernel raised. ``mx.eval`` calls it.

        The default suits a backend whose kernels have run when they return.
        """

    def synchronize(self, device: str) -> None:
        """Wait until everything that was started on ``device`` has finished."""

    def item(self, buffer: Any, dtype: Dtype) -> Any:
        """Return the only element of a buffer as a Python scalar, or NotImplemented."""
        return NotImplemented

    def memory(self) -> dict[str, int] | None:
        """Return exact byte counts ``active``, ``peak`` and ``cache``, or None: not counted."""
        return None

    def reset_peak_memory(self) -> None:
        """Count the peak anew; ``memory()['peak']`` is 0 until something is allocated."""

    def set_memory_limit(self, limit: int) -> int:
        """Set the limit in bytes; return the old one."""
        raise BackendError(f"{self._who()} has no memory limit")

    def set_cache_limit(self, limit: int) -> int:
        """Set the limit of unused memory that is kept; return the old one."""
        raise BackendError(f"{self._who()} has no memory cache")

    def clear_cache(self) -> None:
        """Return unused memory to the system."""

    def device_info(self, device: str) -> dict[str, Any]:
        """Return facts about a device for ``mx.device_info``."""
        return {"device_name": device}

    def _who(self) -> str:
        return self.name or type(self).__name__


class KernelBackend(Backend):
    """A backend made of kernels in a ``KernelTable``; programs are run kernel by kernel."""

    kernels: KernelTable

    def kernel(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        return self.kernels.find(name, dtypes)


class _Entry(NamedTuple):
    function: Callable[..., Any]
    dtypes: frozenset[str] | None


class KernelTable:
    """Kernels by name of primitive and dtype, registered where they are written.

    Example:
      >>> from monel.core.plugin import KernelTable
      >>> kernels = KernelTable("toy")
      >>> @kernels.register("neg", dtypes=["float32"])
      ... def neg(ctx, p, x):
      ...     return -x
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._entries: dict[str, list[_Entry]] = {}

    def register(
        self,
        name: str,
        dtypes: Sequence[str] | None = None,
        *,
        form: str = "value",
        strided: bool = False,
        broadcasts: bool = False,
        inplace: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator that registers ``f(ctx, p, *operands)`` for primitive ``name``.

        Args:
          name: The primitive's name.
          dtypes: Names of the dtypes that the deciding operand may have; None: any.
          form: ``"value"``: the kernel returns its buffer; ``"out"``: it fills a last argument.
            Either may return NotImplemented for parameters or shapes that it does not take.
          strided: Operands may be strided views; else they are made contiguous first.
          broadcasts: Elementwise operands may have different shapes; else they are broadcast first.
          inplace: Element i of the output reads only element i of the operands.
        Raises:
          BackendError: There is a kernel for this primitive and dtype already.
        """
        if form not in ("value", "out"):
            raise BackendError(f"KernelTable.register: form must be 'value' or 'out', got {form!r}")

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            entry = _Entry(
                adapt(function, form, strided, broadcasts, inplace),
                None if dtypes is None else frozenset(dtypes),
            )
            self._add(name, entry)
            return function

        return add

    def register_capsule(self, capsule: Any) -> None:
        """Register the kernels in plain C of a capsule ``"monel.kernels.v1"``: monel/kernel.h.

        Raises:
          BackendError: The capsule is malformed or of another version, or holds a second kernel
            for a primitive and dtype.
        """
        from .native import read_capsule

        for name, dtypes, kernel in read_capsule(capsule, self.backend):
            self._add(name, _Entry(kernel, dtypes))

    def _add(self, name: str, entry: _Entry) -> None:
        for known in self._entries.setdefault(name, []):
            shared = (
                {"any dtype"}
                if known.dtypes is None or entry.dtypes is None
                else known.dtypes & entry.dtypes
            )
            if shared and not getattr(entry.function, "override", False):
                raise BackendError(
                    f"{self.backend}: a second kernel for {name!r} and {', '.join(sorted(shared))}"
                )
        self._entries[name].insert(0, entry)

    def find(self, name: str, dtypes: tuple[Dtype, ...]) -> Callable[..., Any] | None:
        """Return the kernel for ``name`` whose dtypes hold that of the deciding operand."""
        deciding = deciding_dtype(name, dtypes)
        for entry in self._entries.get(name, ()):
            if entry.dtypes is None or deciding is None or deciding.name in entry.dtypes:
                return entry.function
        return None

    def overrides(self, name: str) -> bool:
        """Return whether each kernel for ``name`` is to replace one of a backend."""
        return all(getattr(e.function, "override", False) for e in self._entries.get(name, ()))

    @property
    def names(self) -> list[str]:
        """The primitives that have a kernel."""
        return sorted(self._entries)


def deciding_dtype(name: str, dtypes: tuple[Dtype, ...]) -> Dtype | None:
    """Return the dtype that names the kernel: of the primitive's ``dtype_operand``."""
    if not dtypes:
        return None
    place = DECIDING_OPERANDS.get(name, 0)
    return dtypes[place] if place < len(dtypes) else dtypes[0]


def is_capsule(value: Any) -> bool:
    """Whether ``value`` is a capsule, of whatever name."""
    return type(value).__name__ == "PyCapsule"


class AdaptedKernel:
    """A kernel that wants contiguous operands, one shape, or a given output.

    Called directly it declines, and core calls ``run`` with the avals that this needs.
    """

    __slots__ = ("broadcasts", "form", "function", "inplace", "override", "strided")

    def __init__(
        self,
        function: Callable[..., Any],
        form: str,
        strided: bool,
        broadcasts: bool,
        inplace: bool,
    ) -> None:
        self.function = function
        self.form = form
        self.strided = strided
        self.broadcasts = broadcasts
        self.inplace = inplace
        self.override = bool(getattr(function, "override", False))

    def __call__(self, ctx: Any, p: Any, *operands: Any) -> Any:
        return NotImplemented

    def run(self, ctx: Any, p: Any, buffers: Sequence[Any], avals: Sequence[Any], out: Any) -> Any:
        """Prepare the operands and call the kernel; ``out`` is the output's aval."""
        prepared = [buffer for buffer, _ in self.prepare(ctx, p, buffers, avals, out)]
        if self.form == "value":
            return self.function(ctx, p, *prepared)
        target = ctx.empty(out.shape, out.dtype)
        declined = self.function(ctx, p, *prepared, target) is NotImplemented
        return NotImplemented if declined else target

    def prepare(
        self, ctx: Any, p: Any, buffers: Sequence[Any], avals: Sequence[Any], out: Any
    ) -> list[tuple[Any, AbstractArray]]:
        """Return the operands as the kernel wants them, and what they are then."""
        backend = ctx.target.backend
        prepared = []
        for buffer, aval in zip(buffers, avals, strict=True):
            if not self.broadcasts and p.elementwise and aval.shape != out.shape:
                buffer = backend.broadcast(buffer, aval.shape, out.shape, aval.dtype)
                buffer = backend.contiguous(buffer, out.shape, aval.dtype)
                aval = AbstractArray(out.shape, aval.dtype)
            elif not self.strided:
                buffer = backend.contiguous(buffer, aval.shape, aval.dtype)
            prepared.append((buffer, aval))
        return prepared


def adapt(
    function: Callable[..., Any], form: str, strided: bool, broadcasts: bool, inplace: bool
) -> Callable[..., Any]:
    """Return the kernel itself where it takes what arrives, else one that is adapted."""
    if form == "value" and strided and broadcasts:
        return function
    return AdaptedKernel(function, form, strided, broadcasts, inplace)
