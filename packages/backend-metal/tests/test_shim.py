"""What the stand-in metal_stdlib computes, against what the MSL specification says."""

import numpy as np
import pytest
from launching import ORDERS, PRELUDE, launch, require_clang

from monel.backends.metal.emulator.compiler import CompileError
from monel.backends.metal.emulator.library import LaunchError, Library
from monel.backends.metal.emulator.text import split_commas
from monel.backends.metal.emulator.translate import MslError, parse


@pytest.fixture(autouse=True)
def clang():
    require_clang()


LANES = np.arange(32)
VALUES = (LANES * 7 % 13).astype(np.int32)

SIMD = {
    "simd_sum(x)": lambda v: np.full(32, v.sum()),
    "simd_max(x)": lambda v: np.full(32, v.max()),
    "simd_min(x)": lambda v: np.full(32, v.min()),
    "simd_xor(x)": lambda v: np.full(32, np.bitwise_xor.reduce(v)),
    "simd_prefix_inclusive_sum(x)": np.cumsum,
    "simd_prefix_exclusive_sum(x)": lambda v: np.cumsum(v) - v,
    "simd_shuffle(x, 31 - lane)": lambda v: v[::-1],
    "simd_shuffle_xor(x, 5)": lambda v: v[LANES ^ 5],
    "simd_shuffle_and_fill_up(x, int(-1), 3)": lambda v: np.r_[np.full(3, -1), v[:-3]],
    "simd_shuffle_and_fill_down(x, int(-1), 3)": lambda v: np.r_[v[3:], np.full(3, -1)],
    "simd_shuffle_rotate_down(x, 3)": lambda v: np.roll(v, -3),
    "simd_broadcast(x, 9)": lambda v: np.full(32, v[9]),
    "simd_broadcast_first(x)": lambda v: np.full(32, v[0]),
    "int(ulong(simd_ballot(x == 0)))": lambda v: np.full(32, int(np.sum((v == 0) * 2**LANES))),
    "int(simd_all(x >= 0))": lambda v: np.ones(32),
    "int(simd_any(x > 100))": lambda v: np.zeros(32),
    "quad_sum(x)": lambda v: np.repeat(v.reshape(8, 4).sum(1), 4),
    "quad_broadcast(x, 2)": lambda v: np.repeat(v.reshape(8, 4)[:, 2], 4),
}


@pytest.mark.parametrize("expression", SIMD)
def test_simd_function(expression):
    source = f"""
    [[kernel]] void k(device const int* in [[buffer(0)]], device int* out [[buffer(1)]],
                      ushort lane [[thread_index_in_simdgroup]]) {{
      int x = in[lane];
      out[lane] = {expression};
    }}"""
    for order in ORDERS:
        out = np.zeros(32, np.int32)
        assert launch(source, VALUES, out, grid=(32,), group=(32,), order=order) == []
        assert out.tolist() == np.asarray(SIMD[expression](VALUES)).astype(np.int32).tolist()


def test_a_partial_simdgroup_sums_its_own_lanes():
    source = """
    [[kernel]] void k(device float* y [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
      y[i] = simd_sum(1.0f);
    }"""
    y = np.zeros(40, np.float32)
    launch(source, y, grid=(40,), group=(40,))
    assert y.tolist() == [32.0] * 32 + [8.0] * 8


POSITIONS = {
    "thread_position_in_grid": [7, 4, 1],
    "thread_position_in_threadgroup": [3, 1, 0],
    "threadgroup_position_in_grid": [1, 1, 1],
    "threads_per_threadgroup": [4, 2, 1],
    "dispatch_threads_per_threadgroup": [4, 3, 1],
    "threads_per_grid": [8, 5, 2],
    "threadgroups_per_grid": [2, 2, 2],
}


@pytest.mark.parametrize("attribute", POSITIONS)
def test_grid_attribute_of_the_last_thread(attribute):
    source = f"""
    [[kernel]] void k(device uint* y [[buffer(0)]], uint3 p [[{attribute}]]) {{
      y[0] = p.x; y[1] = p.y; y[2] = p.z;
    }}"""
    y = np.zeros(3, np.uint32)
    launch(source, y, grid=(8, 5, 2), group=(4, 3, 1), checked=False)
    assert y.tolist() == POSITIONS[attribute]


@pytest.mark.parametrize("kind", ["float", "half", "bfloat"])
def test_matrix_product_accumulates_in_float(kind):
    source = """
    [[kernel]] void k(device const T* a [[buffer(0)]], device const T* b [[buffer(1)]],
                      device float* c [[buffer(2)]]) {
      simdgroup_matrix<T, 8, 8> x, y;
      simdgroup_float8x8 z = simdgroup_float8x8(1.0f);
      simdgroup_load(x, a, 8);
      simdgroup_load(y, b, 8, ulong2(0, 0), true);
      simdgroup_multiply_accumulate(z, x, y, z);
      simdgroup_store(z, c, 8);
    }""".replace("T*", f"{kind}*").replace("<T", f"<{kind}")
    a = np.arange(64).reshape(8, 8) % 7 - 3.0
    b = np.arange(64).reshape(8, 8) % 5 - 2.0
    c = np.zeros((8, 8), np.float32)
    pack = {
        "float": lambda x: x.astype(np.float32),
        "half": lambda x: x.astype(np.float16),
        "bfloat": lambda x: (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16),
    }[kind]
    for order in ORDERS:
        findings = launch(source, pack(a), pack(b), c, grid=(32,), group=(32,), order=order)
        assert findings == []
        np.testing.assert_array_equal(c, a @ b.T + 1)


VECTORS = {
    "float4(1, 2, 3, 4).wzyx": [4, 3, 2, 1],
    "float4(float2(1, 2), 3, 4)": [1, 2, 3, 4],
    "float4(2.0f) * float4(1, 2, 3, 4)": [2, 4, 6, 8],
    "float4(uint4(1, 2, 3, 4))": [1, 2, 3, 4],
    "max(float4(1, 5, 2, 6), float4(3.0f))": [3, 5, 3, 6],
    "select(float4(1.0f), float4(2.0f), float4(0, 1, 2, 3) > float4(1.0f))": [1, 1, 2, 2],
    "float4(dot(float3(1, 2, 3), float3(4, 5, 6)), cross(float3(1, 0, 0), float3(0, 1, 0)))": [
        *(32, 0, 0, 1)
    ],
    "float4(sizeof(1.0), sizeof(1.0h), sizeof(half), sizeof(1.0f))": [4, 2, 2, 4],
    "float4(popcount(7u), clz(1u), ctz(8u), mulhi(1u << 31, 4u))": [3, 31, 3, 2],
    "float4(as_type<int>(1.0f) == 0x3F800000, sign(-2.0f), fract(1.25f), rint(2.5f))": [
        *(1, -1, 0.25, 2)
    ],
}


@pytest.mark.parametrize("expression", VECTORS)
def test_vector_expression(expression):
    source = f"[[kernel]] void k(device float4* y [[buffer(0)]]) {{ y[0] = {expression}; }}"
    y = np.zeros(4, np.float32)
    assert launch(source, y, grid=(1,), group=(1,)) == []
    assert y.tolist() == VECTORS[expression]


@pytest.mark.parametrize("order", ORDERS)
def test_compare_and_exchange_may_fail_for_no_reason_and_a_loop_copes(order):
    source = """
    [[kernel]] void k(device atomic_uint* sum [[buffer(0)]], uint i [[thread_position_in_grid]]) {
      uint old = atomic_load_explicit(sum, memory_order_relaxed);
      while (!atomic_compare_exchange_weak_explicit(sum, &old, old + i, memory_order_relaxed,
                                                    memory_order_relaxed)) {
      }
    }"""
    total = np.zeros(1, np.uint32)
    assert launch(source, total, grid=(200,), group=(64,), order=order) == []
    assert total[0] == 199 * 100


def test_templates_are_instantiated_by_host_name():
    source = (
        PRELUDE
        + """
    template <typename T, int N>
    [[kernel]] void scale(device T* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
      x[i] = T(x[i] * N);
    }
    template [[host_name("scale_f3")]] [[kernel]] decltype(scale<float, 3>) scale<float, 3>;
    template [[host_name("scale_h2")]] [[kernel]] void scale<half, 2>(device half* x [[buffer(0)]],
                                                   uint i [[thread_position_in_grid]]);
    """
    )
    library = Library(source, checked=True)
    assert sorted(library.entries) == ["scale_f3", "scale_h2"]
    x = np.ones(5, np.float32)
    assert library.launch("scale_f3", {0: (x.ctypes.data, x.nbytes)}, (5,), (5,)) == []
    assert x.tolist() == [3.0] * 5


def test_threadgroup_memory_of_a_length_set_by_the_host():
    source = """
    [[kernel]] void k(device float* y [[buffer(0)]], threadgroup float* t [[threadgroup(0)]],
                      uint i [[thread_index_in_threadgroup]]) {
      t[i] = float(i);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      y[i] = t[63 - i];
    }"""
    y = np.zeros(64, np.float32)
    assert launch(source, y, grid=(64,), group=(64,), lengths=(256,)) == []
    assert y.tolist() == list(range(63, -1, -1))
    (finding,) = launch(source, y, grid=(64,), group=(64,), lengths=(128,))
    assert finding.kind == "bounds"


def test_a_kernel_that_does_not_compile_names_file_line_and_reason():
    with pytest.raises(CompileError, match=r"test\.metal:6:.*undeclared identifier 'nothing'"):
        Library(
            PRELUDE + "\n\n[[kernel]] void k(device int* y [[buffer(0)]]) {\n  y[0] = nothing; }"
        )


def test_a_missing_buffer_is_an_error_that_names_it():
    with pytest.raises(LaunchError, match=r"buffer\(0\) 'y' is not set"):
        launch(
            "[[kernel]] void k(device int* y [[buffer(0)]]) { y[0] = 1; }", grid=(1,), group=(1,)
        )


def test_an_unknown_attribute_is_an_error_with_its_line():
    with pytest.raises(MslError, match=r"test\.metal:4: kernel k: .*patch_id"):
        parse(PRELUDE + "\n[[kernel]] void k(uint i [[patch_id]]) {}")


def test_commas_inside_of_brackets_do_not_split():
    assert split_commas("device const vec<float, 4>* x, uint i [[buffer(1)]]") == [
        "device const vec<float, 4>* x",
        "uint i [[buffer(1)]]",
    ]
