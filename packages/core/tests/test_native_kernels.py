"""Kernels in plain C: the capsule, what a kernel sees, and what is refused."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import monel.core as mx
from monel.core.contract import native
from monel.core.contract.parameters import flatten_parameters
from monel.core.execute import discovery, kernels
from monel.core.execute.reference import ReferenceBackend
from monel.core.graph.value import Target
from monel.core.plugin import (
    REGISTRY,
    AbstractArray,
    BackendError,
    KernelTable,
    Primitive,
    dtype_named,
    hookimpl,
)

FLOAT32 = 1 << mx.float32.code
_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
ALIVE = []


def entry(primitive=b"neg", dtypes=0, flags=0, run=None):
    """An entry; ``run`` is a Python function in the place of one in C."""
    function = native._RUN(run or (lambda *arguments: 0))
    ALIVE.append(function)
    return native._Kernel(primitive, dtypes, flags, ctypes.cast(function, ctypes.c_void_p))


def capsule(*entries, name=b"monel.kernels.v1", abi=1, size=None, count=None, null=False):
    array = (native._Kernel * len(entries))(*entries)
    address = None if null else ctypes.addressof(array)
    size = ctypes.sizeof(native._Kernel) if size is None else size
    table = native._Table(abi, size, len(entries) if count is None else count, address)
    ALIVE.extend((array, table, name))
    return _new(ctypes.addressof(table), name, None)


def run(made, p, *operands):
    """Run ``p`` by the kernel of a capsule, on the reference backend."""
    table = KernelTable("vendor")
    table.register_capsule(made)
    target = Target(ReferenceBackend(), "reference", kernels.find_kernel)
    avals = [AbstractArray(x.shape, mx.array(x).dtype) for x in operands]
    kernel = table.find(p.name, tuple(a.dtype for a in avals))
    out = p.abstract(*avals)
    return kernel.run(target.context, p, operands, avals, out)


def values(tensor):
    """The elements of a float32 tensor, by its strides."""
    data = ctypes.cast(tensor.data, ctypes.POINTER(ctypes.c_float))
    places = np.ndindex(*tensor.shape[: tensor.ndim])
    return [data[sum(i * tensor.strides[d] for d, i in enumerate(at))] for at in places]


X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")


# -- what a kernel sees -------------------------------------------------------------------------


def seen_by(flags, p, *operands):
    """What a kernel with ``flags`` sees of operands: shape, strides and values."""
    found = []

    def look(inputs, n_in, *rest):
        for t in inputs[:n_in]:
            found.append((t.shape[: t.ndim], t.strides[: t.ndim], values(t)))
        return 0

    run(capsule(entry(p.name.encode(), 0, flags, look)), p, *operands)
    return found


def test_operands_are_row_major():
    assert seen_by(0, REGISTRY["neg"](), X.T) == [([3, 2], [2, 1], [1, 4, 2, 5, 3, 6])]


def test_strided_operands_come_as_they_are():
    seen = seen_by(native.STRIDED, REGISTRY["neg"](), X.T)
    assert seen == [([3, 2], [1, 3], [1, 4, 2, 5, 3, 6])]


def test_operands_of_an_elementwise_primitive_have_one_shape():
    first, second = seen_by(0, REGISTRY["add"](), X, X[0])
    assert first[0] == second[0] == [2, 3]
    assert second[2] == [1, 2, 3, 1, 2, 3]


def test_broadcasting_operands_come_as_they_are():
    assert seen_by(native.BROADCASTS, REGISTRY["add"](), X, X[0])[1][0] == [3]


def test_a_scalar_has_no_dimensions():
    assert seen_by(0, REGISTRY["neg"](), np.array(7.0, "float32")) == [([], [], [7])]


@pytest.fixture(params=["reference", "cpu"])
def backend(request):
    """Each backend of the distributions here whose memory is the host's."""
    if request.param not in discovery.plugins().specs:
        pytest.skip(f"backend {request.param} is not installed")
    return discovery.plugins().backend(request.param)


DLPACK = {
    "bool": (6, 8, 1), "uint8": (1, 8, 1), "int64": (0, 64, 1), "float16": (2, 16, 1),
    "bfloat16": (4, 16, 1), "complex64": (5, 64, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", DLPACK)
def test_each_dtype_is_described_and_copied(backend, name):
    found = []

    def copy(inputs, n_in, outputs, *rest):
        found.append((inputs[0].code, inputs[0].bits, inputs[0].lanes))
        ctypes.memmove(outputs[0].data, inputs[0].data, 2 * outputs[0].bits // 8)
        return 0

    (_, _, kernel), *_ = native.read_capsule(capsule(entry(b"copy", run=copy)), "vendor")
    dtype = dtype_named(name)
    aval = AbstractArray((2,), dtype)
    data = np.array([1, 0], dtype.numpy).tobytes()
    target = Target(backend, backend.devices()[0], kernels.find_kernel)
    buffer = backend.from_host(data, (2,), dtype, target.device)
    made = kernel.run(target.context, REGISTRY["copy"](), (buffer,), (aval,), aval)
    assert found == [DLPACK[name]]
    assert bytes(backend.to_host(made, (2,), dtype)) == data


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 3)])
def test_a_kernel_without_operands_fills_any_shape(backend, shape):
    found = []

    def look(inputs, n_in, outputs, n_out, *rest):
        found.append((n_in, n_out, tuple(outputs[0].shape[: outputs[0].ndim])))
        return 0

    (_, _, kernel), *_ = native.read_capsule(capsule(entry(b"full", run=look)), "vendor")
    target = Target(backend, backend.devices()[0], kernels.find_kernel)
    aval = AbstractArray(shape, mx.float32)
    kernel.run(target.context, REGISTRY["full"](shape, mx.float32, 1.5), (), (), aval)
    assert found == [(0, 1, shape)]


def test_a_kernel_fills_each_output():
    def fill(inputs, n_in, outputs, n_out, *rest):
        for i in range(n_out):
            ctypes.cast(outputs[i].data, ctypes.POINTER(ctypes.c_float))[0] = 10.0 * (i + 1)
        return 0

    q, r = run(capsule(entry(b"qr", run=fill)), REGISTRY["qr"](), X[:1, :1])
    assert (q.tolist(), r.tolist()) == ([[10.0]], [[20.0]])


def test_parameters_arrive_in_the_order_of_the_fields():
    found = []

    def look(inputs, n_in, outputs, n_out, ints, floats, *rest):
        found.extend(ints[:3])
        return 0

    run(capsule(entry(b"cumsum", run=look)), REGISTRY["cumsum"](1, True, False), X)
    assert found == [1, 1, 0]


class Parameters(Primitive):
    """One of each kind of parameter."""

    axes: tuple[int, ...]
    pairs: tuple[tuple[int, float], ...]
    dtype: mx.Dtype
    mode: str
    scale: float | None
    value: bool | int | float | complex

    def abstract(self, x):
        return x.aval


@pytest.mark.parametrize(
    ("parameters", "ints", "floats"),
    [
        (((), (), mx.bool_, "", None, True), [0, 0, 0, 0, 1, 0, 1], []),
        (
            ((4, 5), ((6, 0.5), (7, 1)), mx.float32, "ab", 2.0, 9),
            [2, 4, 5, 2, 2, 6, 2, 7, 11, 2, 97, 98, 0, 1, 9],
            [0.5, 1.0, 2.0],
        ),
        (((), (), mx.bool_, "", None, 2.5), [0, 0, 0, 0, 1, 2], [2.5]),
        (((), (), mx.bool_, "", None, 1 + 2j), [0, 0, 0, 0, 1, 3], [1.0, 2.0]),
        (((), (), mx.bool_, "", None, 2**64 - 1), [0, 0, 0, 0, 1, 1, -1], []),
    ],
)
def test_parameters_are_flattened_by_their_annotations(parameters, ints, floats):
    assert flatten_parameters(Parameters(*parameters)) == (ints, floats)


def test_an_alias_of_a_type_is_what_it_stands_for():
    conv = REGISTRY["conv"]((1,), (0,), (0,), (2,), (1,), 3, True)
    assert flatten_parameters(conv).ints == [1, 1, 1, 0, 1, 0, 1, 2, 1, 1, 3, 1]


def test_every_sample_of_a_primitive_that_has_numbers_only_is_flattened():
    rng = np.random.default_rng(0)
    for name in ("full", "slice", "gather", "eigh", "rope", "sdpa", "hadamard", "scatter"):
        for sample in REGISTRY[name].samples(rng):
            assert all(-(2**63) <= n < 2**63 for n in flatten_parameters(sample.primitive).ints)


def test_a_parameter_that_is_no_number_is_refused():
    primitive = REGISTRY["constant"](b"", (0,), mx.float32)
    with pytest.raises(BackendError, match="constant: the parameter 'data', Any, cannot be given"):
        flatten_parameters(primitive)


def test_an_integer_of_more_than_64_bits_is_refused():
    with pytest.raises(BackendError, match="the parameter 'value'"):
        flatten_parameters(Parameters((), (), mx.bool_, "", None, 2**64))


# -- errors -------------------------------------------------------------------------------------


def test_a_kernel_that_fails_raises_its_text(library):
    with pytest.raises(BackendError, match=r"^neg: .* of vendor failed with code 3: no luck: 2 x$"):
        run(library(FAIL), REGISTRY["neg"](), X)


def test_a_kernel_that_fails_without_a_text_says_so():
    made = capsule(entry(run=lambda *arguments: 5))
    with pytest.raises(BackendError, match="failed with code 5: it gives no reason"):
        run(made, REGISTRY["neg"](), X)


def test_a_text_without_an_end_is_cut(library):
    with pytest.raises(BackendError, match=r"code 1: x{1024}$"):
        run(library(FLOOD), REGISTRY["neg"](), X)


class Far(ReferenceBackend):
    """A backend whose memory the host cannot read."""

    def host_view(self, buffer, shape, dtype):
        return None


def test_memory_that_the_host_cannot_read_is_an_error():
    (_, _, kernel), *_ = native.read_capsule(capsule(entry()), "vendor")
    target = Target(Far(), "reference", kernels.find_kernel)
    aval = AbstractArray(X.shape, mx.float32)
    with pytest.raises(BackendError, match="memory that the host can read"):
        kernel.run(target.context, REGISTRY["neg"](), (X,), (aval,), aval)


# -- what is refused ----------------------------------------------------------------------------

SIZE = ctypes.sizeof(native._Kernel)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: {"neg": 1}, "expected a capsule named 'monel.kernels.v1', got dict"),
        (lambda: capsule(entry(), name=b"other"), "expected the name 'monel.kernels.v1'"),
        (lambda: capsule(entry(), abi=2), "speaks version 2 of monel/kernel.h, this core 1"),
        (lambda: capsule(entry(), size=0), "struct_size says 0"),
        (lambda: capsule(entry(), size=SIZE - 8), "struct_size says"),
        (lambda: capsule(entry(), size=SIZE + 1), "struct_size says"),
        (lambda: capsule(entry(), size=2**32 - 8), "struct_size says"),
        (lambda: capsule(entry(), count=0), "count says 0"),
        (lambda: capsule(entry(), count=2**63), "count says"),
        (lambda: capsule(entry(), null=True), "expected 1 to 65536 entries"),
        (lambda: capsule(entry(None)), "entry 0 names no primitive"),
        (lambda: capsule(entry(), entry(b"nonsense")), "entry 1 is for 'nonsense'"),
        (lambda: capsule(entry(b"\xff")), "not ASCII"),
        (lambda: capsule(native._Kernel(b"neg", 0, 0, None)), "'neg', has no function"),
        (lambda: capsule(entry(dtypes=1 << 14)), "unknown dtypes: 0x4000"),
        (lambda: capsule(entry(flags=8)), "unknown flags: 0x8"),
    ],
)
def test_a_malformed_capsule_is_refused(made, reason):
    with pytest.raises(BackendError, match=f"^vendor: the capsule .* is refused: .*{reason}"):
        KernelTable("vendor").register_capsule(made())


def test_longer_entries_of_a_later_version_are_read():
    class Longer(ctypes.Structure):
        _fields_ = (("known", native._Kernel), ("more", ctypes.c_uint64))

    array = (Longer * 2)(Longer(entry(b"neg"), 1), Longer(entry(b"abs"), 2))
    table = native._Table(1, ctypes.sizeof(Longer), 2, ctypes.addressof(array))
    ALIVE.extend((array, table))
    made = KernelTable("vendor")
    made.register_capsule(_new(ctypes.addressof(table), b"monel.kernels.v1", None))
    assert made.names == ["abs", "neg"]


def test_two_kernels_for_one_dtype_are_refused():
    with pytest.raises(BackendError, match="vendor: a second kernel for 'neg' and float32"):
        KernelTable("vendor").register_capsule(
            capsule(entry(dtypes=FLOAT32), entry(dtypes=FLOAT32))
        )


def test_dtypes_choose_the_kernel():
    table = KernelTable("vendor")
    table.register_capsule(capsule(entry(dtypes=FLOAT32)))
    assert table.find("neg", (mx.float32,)) is not None
    assert table.find("neg", (mx.float16,)) is None


# -- by the hook --------------------------------------------------------------------------------


@pytest.fixture
def offered(monkeypatch):
    """Return what runs neg on the reference backend with a plugin that offers a capsule."""
    found = discovery.Plugins()
    monkeypatch.setattr(discovery, "_plugins", found)

    def offer(made):
        module = SimpleNamespace(monel_kernels=hookimpl(lambda backend: made))
        plugin = discovery.Plugin("vendor:vendor", "vendor", "1.0", "monel.plugins.v1")
        found._load(plugin, SimpleNamespace(name="vendor", load=lambda: module))
        backend = ReferenceBackend()
        found._add_kernels("reference", backend)
        return plugin, Target(backend, "reference", kernels.find_kernel)

    return offer


def test_a_refused_capsule_is_recorded(offered):
    plugin, _ = offered(capsule(entry(), abi=7))
    assert "vendor 1.0: the capsule of native kernels is refused" in plugin.conflicts[0]


def test_a_kernel_that_the_backend_has_needs_the_flag(offered):
    plugin, _ = offered(capsule(entry()))
    assert "a replacement needs override" in plugin.conflicts[0]


def test_an_override_leaves_other_dtypes_to_the_backend(offered):
    _, target = offered(capsule(entry(dtypes=FLOAT32, flags=native.OVERRIDE)))
    neg = REGISTRY["neg"]()
    assert isinstance(kernels.kernel_for(target, neg, (mx.float32,)), kernels.GivenKernel)
    own = target.backend.kernel("neg", (mx.int32,))
    assert kernels.kernel_for(target, neg, (mx.int32,)) is own


# -- in C ---------------------------------------------------------------------------------------

RUN = """
#include <monel/kernel.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
volatile int started = 0, go = 0;
static int run(const DLTensor* in, int n_in, DLTensor* out, int n_out, const int64_t* ints,
               const double* floats, void* stream, char* err, size_t err_len) { %s }
static const monel_kernel entries[] = {{"neg", MONEL_BIT(MONEL_FLOAT32), MONEL_OVERRIDE, run}};
const monel_kernels table = MONEL_KERNELS(entries);
"""
NEGATE = """
  for (int64_t i = 0; i < in[0].shape[0] * in[0].shape[1]; i++)
    ((float*)out[0].data)[i] = -((const float*)in[0].data)[i];
  return 0;
"""
FAIL = 'snprintf(err, err_len, "no luck: %d x", n_in + n_out); return 3;'
FLOOD = "memset(err, 'x', err_len); return 1;"
WAIT = """
  started = 1;
  const time_t end = time(NULL) + 60;
  while (!go) if (time(NULL) > end) return 1;
  return 0;
"""


@pytest.fixture
def compiled(tmp_path):
    """Compile a kernel's body to a library; C99, without a warning."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform == "win32":
        pytest.skip("there is no C compiler")

    def make(body):
        (tmp_path / "kernels.c").write_text(RUN % body)
        flags = ("-std=c99", "-Wall", "-Werror", "-pedantic", "-shared", "-fPIC", "-O1")
        target = str(tmp_path / "kernels.so")
        command = [compiler, *flags, f"-I{mx.get_include()}", "-o", target, "kernels.c"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(target)

    return make


@pytest.fixture
def library(compiled):
    """Compile a kernel's body and return the capsule of its table."""

    def make(body):
        made = compiled(body)
        ALIVE.append(made)
        return of(made)

    return make


def of(made):
    return _new(ctypes.addressof(native._Table.in_dll(made, "table")), b"monel.kernels.v1", None)


def test_a_kernel_in_c_computes(library):
    made = run(library(NEGATE), REGISTRY["neg"](), X.T)
    assert made.tolist() == [[-1, -4], [-2, -5], [-3, -6]]


def test_the_header_is_cpp_too(tmp_path):
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    (tmp_path / "kernels.cpp").write_text(RUN % "return 0;")
    command = [compiler, "-fsyntax-only", f"-I{mx.get_include()}", "kernels.cpp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_kernel_runs_without_the_gil(compiled):
    made = compiled(WAIT)
    started, go = (ctypes.c_int.in_dll(made, name) for name in ("started", "go"))
    outcome = []

    def call():
        try:
            outcome.append(run(of(made), REGISTRY["neg"](), X).shape)
        except BackendError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not started.value and thread.is_alive():
        time.sleep(0.001)
    # The kernel waits for this line, which needs the GIL.
    go.value = 1
    thread.join(timeout=60)
    assert outcome == [(2, 3)]
