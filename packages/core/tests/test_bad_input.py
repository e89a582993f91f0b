"""Wrong arguments: every public function refuses them with the promised class and its own name.

The table has one entry or more a function: how it is called and which class it raises. Errors that
only a run can find come at ``eval``, so every call is evaluated.
"""

import pytest

import monel.core as mx
from monel.core import fast, fft, linalg, random
from monel.core.base.errors import AxisError, DTypeError, OperandError, ShapeError

A = mx.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
B = mx.ones((4, 5))
V = mx.array([1.0, 2.0, 3.0])
I = mx.array([[1, 2, 3], [4, 5, 6]])  # noqa: E741
Z = mx.array([1j, 2])
IMAGE = mx.ones((1, 5, 5, 2))
HEADS = mx.ones((1, 2, 4, 4))
KEY = mx.array([0, 1], dtype=mx.uint32)
MISSING = "no-such-directory/no-such-file.npy"


def square_sum(x):
    return (x * x).sum()


ELEMENTWISE = """abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conj cos cosh
degrees erf erfinv exp expm1 floor imag isfinite isinf isnan isneginf isposinf log log10 log1p log2
logical_not nan_to_num negative positive radians real reciprocal round rsqrt sigmoid sign signbit
sin sinh sqrt square stop_gradient tan tanh trunc""".split()
BINARY = """add arctan2 array_equal copysign divide equal floor_divide greater greater_equal hypot
less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply nextafter
not_equal power remainder subtract""".split()
BITS = "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()
REDUCTIONS = "all any count_nonzero logsumexp max mean median min minmax prod std sum var".split()
POSITIONS = "argmax argmin".split()
SCANS = "cummax cummin cumprod cumsum logcumsumexp".split()
SORTS = "argsort sort".split()
PARTITIONS = "argpartition partition topk".split()
WINDOWS = "bartlett blackman hamming hanning".split()
LIKE = "contiguous empty_like ones_like zeros_like".split()
FILLED = "empty ones zeros".split()
ATLEAST = "atleast_1d atleast_2d atleast_3d broadcast_arrays".split()
CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
STREAMS = """default_stream new_stream new_thread_local_stream new_thread_unsafe_stream
set_default_device""".split()
OBLONG = "lu lu_factor matrix_rank pinv qr svd svdvals".split()
SQUARE = "cholesky cholesky_inv eig eigh eigvals eigvalsh inv tri_inv".split()
TRANSFORMED = "fft ifft rfft irfft hfft ihfft".split()
DRAWN = "gumbel laplace normal uniform".split()


def image(spatial, channels=2):
    return mx.ones((1, *[5] * spatial, channels))


def of_elements():
    """Yield the rows that elementwise functions share."""
    for name in ELEMENTWISE + LIKE + ATLEAST:
        yield name, lambda f: f([1.0]), OperandError
        yield name, lambda f: f("text"), TypeError
        yield name, lambda f: f(None), ValueError
    for name in BINARY + BITS:
        yield name, lambda f: f(I, [1]), OperandError
        yield name, lambda f: f(None, I), OperandError
    for name in set(BINARY + BITS) - {"array_equal"}:
        yield name, lambda f: f(I, mx.ones((4,), mx.int32)), ShapeError
    for name in BITS:
        yield name, lambda f: f(A, A), DTypeError


def of_axes():
    """Yield the rows that functions along axes share."""
    for name in REDUCTIONS:
        yield name, lambda f: f([1.0]), OperandError
        yield name, lambda f: f(A, axis=2), AxisError
        yield name, lambda f: f(A, axis=(0, 0)), AxisError
        yield name, lambda f: f(A, axis=(0, -3)), IndexError
        yield name, lambda f: f(A, axis=1.0), TypeError
        yield name, lambda f: f(A, axis="0"), TypeError
        yield name, lambda f: f(A, axis=0, keepdims=1), TypeError
    for name in POSITIONS:
        yield name, lambda f: f(A, axis=2), AxisError
        yield name, lambda f: f(A, axis=(0, 1)), TypeError
        yield name, lambda f: f(mx.zeros((0,))), ShapeError
        yield name, lambda f: f(A, keepdims="yes"), TypeError
    for name in SCANS:
        yield name, lambda f: f(A, axis=-3), AxisError
        yield name, lambda f: f(A, axis=0.5), TypeError
        yield name, lambda f: f(A, axis=0, reverse=1), TypeError
        yield name, lambda f: f((1, 2)), OperandError
    for name in SORTS:
        yield name, lambda f: f(A, axis=2), AxisError
        yield name, lambda f: f(3.0), OperandError
    for name in PARTITIONS:
        yield name, lambda f: f(A, 9), ValueError
        yield name, lambda f: f(A, 1.5), TypeError
        yield name, lambda f: f(A, 1, axis=2), AxisError


def of_shapes():
    """Yield the rows that functions with shapes and windows share."""
    for name in WINDOWS:
        yield name, lambda f: f(2.5), TypeError
    for name in FILLED:
        yield name, lambda f: f((2, -1)), ValueError
        yield name, lambda f: f(2.5), TypeError
        yield name, lambda f: f((2, "3")), TypeError
        yield name, lambda f: f((2,), "float32"), TypeError
        yield name, lambda f: f((2**62, 2**62)), OverflowError
    for name, n in CONVOLUTIONS.items():
        for function in (name, name.replace("conv", "conv_transpose")):
            yield function, lambda f, n=n: f(image(n), image(n, 3)), ShapeError
            yield function, lambda f, n=n: f(image(n), mx.ones((2, 2))), ShapeError
            yield function, lambda f, n=n: f(image(n), image(n), stride=0), ShapeError
            yield function, lambda f, n=n: f(image(n), image(n), stride=(1,) * 4), ShapeError
            yield function, lambda f, n=n: f(image(n), image(n), padding="same"), TypeError
            yield function, lambda f, n=n: f(image(n), image(n), groups=3), ShapeError
            yield function, lambda f, n=n: f([[1.0]], image(n)), OperandError


def of_streams():
    """Yield the rows that functions of devices share."""
    for name in STREAMS + ["stream"]:
        yield name, lambda f: f(1.5), TypeError
    for name in STREAMS:
        yield name, lambda f: f(mx.gpu), ValueError


def of_draws():
    """Yield the rows that distributions share."""
    for name in DRAWN:
        yield f"random.{name}", lambda f: f(shape=(-1,)), ValueError
        yield f"random.{name}", lambda f: f(shape=3), TypeError
        yield f"random.{name}", lambda f: f(shape=(2.0,)), TypeError
        yield f"random.{name}", lambda f: f(dtype=mx.int32), DTypeError
        yield f"random.{name}", lambda f: f(dtype="float32"), TypeError
        yield f"random.{name}", lambda f: f(key=V), ValueError
        yield f"random.{name}", lambda f: f(key=7), TypeError


SHAPES = [
    ("array_equal", lambda f: f(A, A, equal_nan=1), TypeError),
    ("allclose", lambda f: f(A, B), ShapeError),
    ("allclose", lambda f: f(A, 1.0), OperandError),
    ("isclose", lambda f: f(A, B), ShapeError),
    ("isclose", lambda f: f(A, A, "close"), TypeError),
    ("divmod", lambda f: f(A, B), ShapeError),
    ("round", lambda f: f(A, 1.5), TypeError),
    ("round", lambda f: f(A, 10**6), ValueError),
    ("nan_to_num", lambda f: f(A, nan="0"), TypeError),
    ("nan_to_num", lambda f: f(mx.array([1, 2]), posinf="0"), TypeError),
    ("unique", lambda f: f(mx.array([1], dtype=mx.uint16), 2, fill_value=-7), DTypeError),
    ("contiguous", lambda f: f(A, allow_col_major=-7), TypeError),
    ("linspace", lambda f: f(0, 1, endpoint=None), TypeError),
    ("repeat", lambda f: f(A, -1, axis=5), AxisError),
    ("matrix_transpose", lambda f: f(V), ShapeError),
    ("reshape", lambda f: f(A, (4, 2)), ShapeError),
    ("reshape", lambda f: f(A, (-1, -1)), ShapeError),
    ("reshape", lambda f: f(A, "6"), TypeError),
    ("flatten", lambda f: f(A, 1, 0), ShapeError),
    ("flatten", lambda f: f(A, [0]), TypeError),
    ("unflatten", lambda f: f(A, 2, (1, 3)), AxisError),
    ("unflatten", lambda f: f(A, 1, (2, 2)), ShapeError),
    ("unflatten", lambda f: f(A, 1, ()), ShapeError),
    ("transpose", lambda f: f(A, (0,)), AxisError),
    ("transpose", lambda f: f(A, (0, 0)), AxisError),
    ("transpose", lambda f: f(A, (0, 1.0)), TypeError),
    ("permute_dims", lambda f: f(A, (0, 2)), AxisError),
    ("swapaxes", lambda f: f(A, 0, 2), AxisError),
    ("moveaxis", lambda f: f(A, -3, 0), AxisError),
    ("moveaxis", lambda f: f(A, None, 0), TypeError),
    ("squeeze", lambda f: f(A, 0), ValueError),
    ("squeeze", lambda f: f(A, 4), AxisError),
    ("expand_dims", lambda f: f(A, 4), AxisError),
    ("expand_dims", lambda f: f(A, (0, 0)), AxisError),
    ("expand_dims", lambda f: f(A, None), TypeError),
    ("broadcast_to", lambda f: f(A, (2, 4)), ShapeError),
    ("broadcast_to", lambda f: f(A, (3,)), ShapeError),
    ("broadcast_arrays", lambda f: f(A, B), ShapeError),
    ("broadcast_shapes", lambda f: f((2, 3), (4,)), ShapeError),
    ("broadcast_shapes", lambda f: f((2.0, 3)), TypeError),
    ("as_strided", lambda f: f(A, (9,), (9,)), IndexError),
    ("as_strided", lambda f: f(A, (2,), (1, 1)), ShapeError),
    ("concatenate", lambda f: f([A, B], axis=0), ShapeError),
    ("concatenate", lambda f: f([]), ValueError),
    ("concatenate", lambda f: f([A, [1]]), OperandError),
    ("concatenate", lambda f: f([A], axis=2), AxisError),
    ("concat", lambda f: f([A, B], axis=0), ShapeError),
    ("stack", lambda f: f([A, B]), ShapeError),
    ("stack", lambda f: f([A, A], axis=4), AxisError),
    ("stack", lambda f: f(3), TypeError),
    ("split", lambda f: f(A, 2, 1), ShapeError),
    ("split", lambda f: f(A, 0), ValueError),
    ("split", lambda f: f(A, "2"), TypeError),
    ("split", lambda f: f(A, 1, 2), AxisError),
    ("unstack", lambda f: f(A, axis=2), AxisError),
    ("repeat", lambda f: f(A, -1), ValueError),
    ("repeat", lambda f: f(A, 2, axis=2), AxisError),
    ("repeat", lambda f: f(A, 1.5), TypeError),
    ("tile", lambda f: f(A, "2"), TypeError),
    ("tile", lambda f: f(A, (-1,)), ValueError),
    ("roll", lambda f: f(A, 1, 2), AxisError),
    ("roll", lambda f: f(A, 0.5), TypeError),
    ("flip", lambda f: f(A, axis=2), AxisError),
    ("pad", lambda f: f(A, -1), ValueError),
    ("pad", lambda f: f(A, 1, mode="wrapped"), ValueError),
    ("pad", lambda f: f(A, [(1, 1), (1, 1), (1, 1)]), ValueError),
    ("pad", lambda f: f(A, "1"), TypeError),
    ("meshgrid", lambda f: f(V, V, indexing="zz"), ValueError),
    ("meshgrid", lambda f: f([1.0]), OperandError),
    ("diag", lambda f: f(mx.ones((1, 1, 1))), ShapeError),
    ("diag", lambda f: f(A, 0.5), TypeError),
    ("diagonal", lambda f: f(A, axis1=0, axis2=0), ValueError),
    ("diagonal", lambda f: f(V), ValueError),
    ("trace", lambda f: f(V), ValueError),
    ("tril", lambda f: f(V), ShapeError),
    ("triu", lambda f: f(A, 0.5), TypeError),
    ("diff", lambda f: f(A, -1), ValueError),
    ("diff", lambda f: f(A, axis=2), AxisError),
    ("view", lambda f: f(A, "int32"), TypeError),
    ("view", lambda f: f(A, mx.int64), ValueError),
    ("astype", lambda f: f(A, float), TypeError),
    ("clip", lambda f: f(A, "0", 1), OperandError),
    ("clip", lambda f: f(A, mx.ones((4,)), None), ShapeError),
    ("where", lambda f: f(A, A, B), ShapeError),
    ("where", lambda f: f(A, [1], A), OperandError),
    ("unique", lambda f: f(V, -1), ValueError),
    ("unique", lambda f: f(V, 2.0), TypeError),
    ("unique", lambda f: f(V, 3, fill_value=V), ValueError),
    ("unique_all", lambda f: f(V, size=-1), ValueError),
    ("unique_counts", lambda f: f([1.0]), OperandError),
    ("unique_inverse", lambda f: f(V, size=2.0), TypeError),
    ("unique_values", lambda f: f(V, size=4, fill_value=V), ValueError),
    ("nonzero", lambda f: f(V, size=-1), ShapeError),
    ("argwhere", lambda f: f(mx.array(1)), ShapeError),
    ("where", lambda f: f(mx.array(1)), ShapeError),
    ("isin", lambda f: f(V, [1.0]), OperandError),
    ("union1d", lambda f: f(V, 1.0), OperandError),
    ("intersect1d", lambda f: f(V, V, return_indices=1), TypeError),
    ("setdiff1d", lambda f: f(V, V, size=-1), ShapeError),
    ("setxor1d", lambda f: f(V, V, size=9, fill_value=V), ShapeError),
    ("softmax", lambda f: f(A, axis=2), AxisError),
    ("softmax", lambda f: f(A, precise=1), TypeError),
    ("searchsorted", lambda f: f(A, V), ShapeError),
    ("searchsorted", lambda f: f(V, V, side="middle"), ValueError),
]

INDICES = [
    ("take", lambda f: f(A, V), DTypeError),
    ("take", lambda f: f(A, mx.array([0]), axis=2), AxisError),
    ("take", lambda f: f(A, "0"), TypeError),
    ("take_along_axis", lambda f: f(A, mx.array([0]), axis=0), ShapeError),
    ("take_along_axis", lambda f: f(A, A, axis=0), DTypeError),
    ("take_along_axis", lambda f: f(A, I, axis=2), AxisError),
    ("put_along_axis", lambda f: f(A, A, A, axis=0), DTypeError),
    ("put_along_axis", lambda f: f(A, I, A, axis=2), AxisError),
    ("slice", lambda f: f(A, mx.array([0]), (5,), (1, 1)), AxisError),
    ("slice", lambda f: f(A, V, (0, 1), (1, 1)), ValueError),
    ("slice_update", lambda f: f(A, A, mx.array([0]), (5,)), AxisError),
]

PRODUCTS = [
    ("matmul", lambda f: f(A, A), ShapeError),
    ("matmul", lambda f: f(A, mx.array(2.0)), ShapeError),
    ("matmul", lambda f: f(A, [[1.0]]), OperandError),
    ("addmm", lambda f: f(B, A, A.T), ShapeError),
    ("addmm", lambda f: f(A, A, None), OperandError),
    ("inner", lambda f: f(A, B), ShapeError),
    ("outer", lambda f: f(A, 1.0), OperandError),
    ("kron", lambda f: f(A, [1]), OperandError),
    ("vecdot", lambda f: f(A, B), ValueError),
    ("tensordot", lambda f: f(A, A, axes=1), ValueError),
    ("tensordot", lambda f: f(A, A, axes="1"), TypeError),
    ("einsum", lambda f: f("ij,jk->ik", A), ValueError),
    ("einsum", lambda f: f("ij,jk->ik", A, A), ValueError),
    ("einsum", lambda f: f("i?", V), ValueError),
    ("einsum_path", lambda f: f("ijk", A), ValueError),
    ("block_masked_mm", lambda f: f(V, V), ValueError),
    ("gather_mm", lambda f: f(A, B), ShapeError),
    ("segmented_mm", lambda f: f(A, A.T, V), ValueError),
    ("convolve", lambda f: f(A, V), ShapeError),
    ("convolve", lambda f: f(V, V, mode="half"), ValueError),
    ("conv_general", lambda f: f(A, A), ShapeError),
    ("conv_general", lambda f: f(IMAGE, IMAGE, stride=0), ShapeError),
    ("conv_general", lambda f: f(IMAGE, IMAGE, flip="yes"), TypeError),
]

PACKED = mx.quantize(mx.ones((4, 64)))
QUANTIZED = [
    ("quantize", lambda f: f([1.0]), OperandError),
    ("quantize", lambda f: f(mx.ones((4, 63))), ShapeError),
    ("quantize", lambda f: f(mx.ones((4, 64)), bits=7), ValueError),
    ("quantize", lambda f: f(mx.ones((4, 64)), mode="none"), ValueError),
    ("dequantize", lambda f: f(A, A, A), DTypeError),
    ("quantized_matmul", lambda f: f(mx.ones((2, 65)), *PACKED), ShapeError),
    ("gather_qmm", lambda f: f(mx.ones((2, 65)), *PACKED), ShapeError),
    ("qqmm", lambda f: f(mx.ones((2, 64)), PACKED[0]), ValueError),
    ("gather_qqmm", lambda f: f(mx.ones((2, 64)), PACKED[0]), ValueError),
    ("to_fp8", lambda f: f([1.0]), OperandError),
    ("from_fp8", lambda f: f(A), DTypeError),
    ("hadamard_transform", lambda f: f(mx.ones(7)), ShapeError),
]

MADE = [
    ("array", lambda f: f([[1, 2], [3]]), ValueError),
    ("array", lambda f: f("text"), ValueError),
    ("array", lambda f: f([None]), ValueError),
    ("array", lambda f: f([1.0], dtype="float32"), TypeError),
    ("asarray", lambda f: f("text"), ValueError),
    ("asarray", lambda f: f([1.0], dtype=float), TypeError),
    ("from_dlpack", lambda f: f(3), TypeError),
    ("full", lambda f: f((2,), V), ShapeError),
    ("full", lambda f: f((-1,), 0), ValueError),
    ("full", lambda f: f((2,), "0"), OperandError),
    ("full_like", lambda f: f([1], 0), OperandError),
    ("arange", lambda f: f("3"), TypeError),
    ("arange", lambda f: f(0, 10, 0), ValueError),
    ("arange", lambda f: f(0.0, float("nan")), ValueError),
    ("linspace", lambda f: f("0", 1), TypeError),
    ("linspace", lambda f: f(0, 1, -1), ValueError),
    ("linspace", lambda f: f(0, 1, 2.5), TypeError),
    ("eye", lambda f: f(-1), ValueError),
    ("eye", lambda f: f(2.0), TypeError),
    ("identity", lambda f: f(-1), ValueError),
    ("identity", lambda f: f("2"), TypeError),
    ("tri", lambda f: f(-1), ValueError),
    ("tri", lambda f: f(2.5), TypeError),
    ("can_cast", lambda f: f("float32", mx.int32), ValueError),
    ("isdtype", lambda f: f("float32", mx.float32), TypeError),
    ("issubdtype", lambda f: f("float32", mx.floating), TypeError),
    ("result_type", lambda f: f("float32"), ValueError),
    ("finfo", lambda f: f(mx.int32), ValueError),
    ("iinfo", lambda f: f(mx.float32), ValueError),
]

TRANSFORMS = [
    ("grad", lambda f: f(3), TypeError),
    ("grad", lambda f: f(square_sum, argnums="x"), TypeError),
    ("grad", lambda f: f(square_sum, argnames=1), TypeError),
    ("grad", lambda f: f(square_sum, argnums=1)(V), ValueError),
    ("grad", lambda f: f(mx.sin)(V), ValueError),
    ("value_and_grad", lambda f: f(None), TypeError),
    ("value_and_grad", lambda f: f(square_sum, argnums=(0, 0)), ValueError),
    ("vjp", lambda f: f(square_sum, [V], [V]), ValueError),
    ("vjp", lambda f: f(square_sum, V, [V]), TypeError),
    ("jvp", lambda f: f(square_sum, [V], [A]), ValueError),
    ("jvp", lambda f: f(square_sum, [V], []), ValueError),
    ("vmap", lambda f: f(square_sum, in_axes="0"), TypeError),
    ("vmap", lambda f: f(square_sum, in_axes=2)(A), ValueError),
    ("vmap", lambda f: f(mx.add)(A, B), ValueError),
    ("cond", lambda f: f(A, mx.sin, mx.cos, A), ValueError),
    ("cond", lambda f: f(True, 3, mx.cos, A), TypeError),
    ("scan", lambda f: f(lambda c, x: c, A, A), ValueError),
    ("while_loop", lambda f: f(lambda x: True, lambda x: x, None), ValueError),
    ("fori_loop", lambda f: f(0, 1.5, lambda i, x: x, A), TypeError),
    ("host_call", lambda f: f(3, A, A), TypeError),
    ("host_call", lambda f: f(mx.sin, (), A), ValueError),
    ("depends", lambda f: f(A, [1]), ValueError),
    ("jacfwd", lambda f: f(mx.sin)(1.0), ValueError),
    ("jacrev", lambda f: f(mx.sin, argnums="x"), TypeError),
    ("hessian", lambda f: f(3), TypeError),
    ("linearize", lambda f: f(mx.sin, A), TypeError),
    ("debug", lambda f: f(nans=1), TypeError),
    ("profile", lambda f: f(3), TypeError),
    ("compile", lambda f: f(3), TypeError),
    ("make_program", lambda f: f(3), TypeError),
    ("make_program", lambda f: f(lambda x: x.sum().item())(V), ValueError),
    ("Program", lambda f: f.from_dict({}), ValueError),
    ("export_function", lambda f: f("f", 3, V), TypeError),
    ("export_function", lambda f: f("f", mx.exp, 1.0), ValueError),
    ("export_function", lambda f: f("f", lambda x: 3, V), ValueError),
    ("export_to_dot", lambda f: f(3, A + 1), ValueError),
    ("export_to_dot", lambda f: f("f", 3), ValueError),
    ("to_onnx", lambda f: f("f", 3, V), TypeError),
    ("export_stablehlo", lambda f: f(3, mx.exp, V), TypeError),
    ("export_stablehlo", lambda f: f("f", 3, V), TypeError),
    ("exporter", lambda f: f(3, mx.exp), TypeError),
    ("exporter", lambda f: f("f", mx.exp, metadata=3), TypeError),
    ("import_function", lambda f: f(MISSING), RuntimeError),
    ("checkpoint", lambda f: f(3), TypeError),
    ("custom_function", lambda f: f(3), TypeError),
]

# Without monel-io the functions of files are ValueErrors that say what to install.
SURROUNDINGS = [
    ("Device", lambda f: f(2.5), TypeError),
    ("device_count", lambda f: f(None), TypeError),
    ("device_info", lambda f: f(2.5), TypeError),
    ("is_available", lambda f: f(None), TypeError),
    ("set_default_stream", lambda f: f(3), TypeError),
    ("set_memory_limit", lambda f: f("1"), TypeError),
    ("set_cache_limit", lambda f: f(0.5), TypeError),
    ("fallback", lambda f: f("loud"), ValueError),
    ("set_wired_limit", lambda f: f(None), TypeError),
    ("set_printoptions", lambda f: f(precision="4"), TypeError),
    ("printoptions", lambda f: f(precision=1.5), TypeError),
    ("load", lambda f: f(3), (TypeError, ValueError)),
    ("save", lambda f: f(MISSING, [1.0]), (TypeError, ValueError)),
    ("savez", lambda f: f(3, A), (TypeError, ValueError)),
    ("savez_compressed", lambda f: f(3, A), (TypeError, ValueError)),
    ("save_safetensors", lambda f: f(MISSING, [A]), TypeError),
    ("save_gguf", lambda f: f(MISSING, [A]), TypeError),
]

RANDOM = [
    ("random.key", lambda f: f("0"), TypeError),
    ("random.key", lambda f: f(-1), TypeError),
    ("random.seed", lambda f: f(0.5), TypeError),
    ("random.split", lambda f: f(V), ValueError),
    ("random.split", lambda f: f(KEY, -1), ValueError),
    ("random.split", lambda f: f(None), TypeError),
    ("random.uniform", lambda f: f(V, 1, (2,)), ShapeError),
    ("random.uniform", lambda f: f("0"), OperandError),
    ("random.laplace", lambda f: f((2,), loc="0"), TypeError),
    ("random.bernoulli", lambda f: f("0.5"), OperandError),
    ("random.bernoulli", lambda f: f(V, (2,)), ShapeError),
    ("random.bernoulli", lambda f: f(mx.array([1])), DTypeError),
    ("random.categorical", lambda f: f(A, axis=2), AxisError),
    ("random.categorical", lambda f: f(A, shape=(2,), num_samples=2), ValueError),
    ("random.categorical", lambda f: f(A, shape=(3,)), ShapeError),
    ("random.categorical", lambda f: f(A, num_samples=-1), ValueError),
    ("random.categorical", lambda f: f([0.0, 1.0]), OperandError),
    ("random.randint", lambda f: f(0, 5, (2,), mx.float32), DTypeError),
    ("random.randint", lambda f: f(0, V, (2,)), ShapeError),
    ("random.randint", lambda f: f(0, None, (2,)), OperandError),
    ("random.permutation", lambda f: f(-1), ValueError),
    ("random.permutation", lambda f: f(A, axis=2), AxisError),
    ("random.permutation", lambda f: f("abc"), TypeError),
    ("random.truncated_normal", lambda f: f(V, A[:, :2]), ShapeError),
    ("random.truncated_normal", lambda f: f(None, 1.0), OperandError),
    ("random.truncated_normal", lambda f: f(0.0, 1.0, key=V), ValueError),
    ("random.multivariate_normal", lambda f: f(V, A), ShapeError),
    ("random.multivariate_normal", lambda f: f(V, mx.eye(3), dtype=mx.float16), DTypeError),
]

FAST = [
    ("fast.layer_norm", lambda f: f(A, mx.ones(2), None, 1e-5), ShapeError),
    ("fast.layer_norm", lambda f: f(A, None, None, "small"), TypeError),
    ("fast.layer_norm", lambda f: f(Z, None, None, 1e-5), DTypeError),
    ("fast.rms_norm", lambda f: f(A, A, 1e-5), ShapeError),
    ("fast.rms_norm", lambda f: f(A, None, None), TypeError),
    ("fast.rms_norm", lambda f: f([1.0], None, 1e-5), OperandError),
    ("fast.rope", lambda f: turned(f, HEADS, dims=3), ValueError),
    ("fast.rope", lambda f: turned(f, HEADS, base=None), ValueError),
    ("fast.rope", lambda f: turned(f, HEADS, base=-1.0), ValueError),
    ("fast.rope", lambda f: turned(f, HEADS, scale="1"), TypeError),
    ("fast.rope", lambda f: turned(f, HEADS, offset=0.5), DTypeError),
    ("fast.rope", lambda f: turned(f, HEADS, traditional=1), TypeError),
    ("fast.scaled_dot_product_attention", lambda f: f(A, A, A, scale=1.0), ShapeError),
    ("fast.scaled_dot_product_attention", lambda f: f(HEADS, HEADS, HEADS, scale=""), TypeError),
    (
        "fast.scaled_dot_product_attention",
        lambda f: f(HEADS, HEADS, HEADS, scale=1.0, mask="full"),
        ValueError,
    ),
    ("fast.cross_entropy", lambda f: f(A, V), ValueError),
    ("fast.cuda_kernel", lambda f: f("k", ["x"], ["y"], ""), RuntimeError),
    ("fast.gated_delta_update", lambda f: f(A, A, A, A, A), ShapeError),
    ("fast.gated_delta_update", lambda f: f([1.0], A, A, A, A), OperandError),
    ("fast.metal_kernel", lambda f: f("k", ["x"], [], ""), ShapeError),
    ("fast.metal_kernel", lambda f: f("k", "x", ["y"], ""), TypeError),
    ("fast.precompiled_cuda_kernel", lambda f: f(**dict.fromkeys(CUDA)), RuntimeError),
]


CUDA = """name compiled_source inputs output_shapes output_dtypes scalars grid
threadgroup""".split()


def turned(f, x, **changed):
    given = {"dims": 4, "traditional": False, "base": 1e4, "scale": 1.0, "offset": 0, **changed}
    return f(x, given.pop("dims"), **given)


def of_matrices():
    """Yield the rows of linear algebra."""
    for name in OBLONG + SQUARE:
        yield f"linalg.{name}", lambda f: f([[1.0]]), OperandError
        yield f"linalg.{name}", lambda f: f(V), ShapeError
        yield f"linalg.{name}", lambda f: f(I), DTypeError
    for name in [*SQUARE, "det", "slogdet"]:
        yield f"linalg.{name}", lambda f: f(A), ShapeError
    for name in ("cholesky", "cholesky_inv", "tri_inv"):
        yield f"linalg.{name}", lambda f: f(mx.eye(2), "up"), TypeError
    for name in ("solve", "solve_triangular"):
        yield f"linalg.{name}", lambda f: f(mx.eye(2), [1.0, 2.0]), OperandError
        yield f"linalg.{name}", lambda f: f(mx.eye(2), V), ShapeError
        yield f"linalg.{name}", lambda f: f(mx.zeros((2, 2)), mx.ones(2)), RuntimeError
    yield "linalg.inv", lambda f: f(mx.zeros((2, 2))), RuntimeError
    yield "linalg.cholesky", lambda f: f(mx.zeros((2, 2))), RuntimeError
    yield "linalg.matrix_power", lambda f: f(A, 2), ShapeError
    yield "linalg.matrix_power", lambda f: f(mx.eye(2), 0.5), TypeError
    yield "linalg.cross", lambda f: f(V, mx.ones(4)), ShapeError
    yield "linalg.diagonal", lambda f: f(V), ShapeError
    yield "linalg.trace", lambda f: f(V), ShapeError
    yield "linalg.norm", lambda f: f(A, 3), ShapeError
    yield "linalg.norm", lambda f: f(A, axis=2), AxisError
    yield "linalg.vector_norm", lambda f: f(A, ord="fro"), ShapeError
    yield "linalg.matrix_norm", lambda f: f(V), ShapeError


def of_spectra():
    """Yield the rows of Fourier transforms."""
    several = [f"{name}{k}" for name in TRANSFORMED[:4] for k in "2n"]
    for name in [*TRANSFORMED, *several]:
        yield f"fft.{name}", lambda f: f([1.0]), OperandError
        yield f"fft.{name}", lambda f: f(A, norm="half"), ShapeError
        yield f"fft.{name}", lambda f: f(A, norm=None), TypeError
    for name in TRANSFORMED:
        yield f"fft.{name}", lambda f: f(A, 0), ShapeError
        yield f"fft.{name}", lambda f: f(A, 2.0), TypeError
        yield f"fft.{name}", lambda f: f(A, axis=2), AxisError
    for name in several:
        yield f"fft.{name}", lambda f: f(A, (0, 1)), ShapeError
        yield f"fft.{name}", lambda f: f(A, (1, 2, 3)), ShapeError
        yield f"fft.{name}", lambda f: f(A, axes=(0, 0)), AxisError
    for name in ("fftshift", "ifftshift"):
        yield f"fft.{name}", lambda f: f(A, 2), AxisError
    for name in ("fftfreq", "rfftfreq"):
        yield f"fft.{name}", lambda f: f(0), ShapeError
        yield f"fft.{name}", lambda f: f(2.5), TypeError
        yield f"fft.{name}", lambda f: f(4, 0.0), ShapeError
        yield f"fft.{name}", lambda f: f(4, dtype=mx.int32), ShapeError
    yield "fft.stft", lambda f: f(mx.array(1.0)), ShapeError
    yield "fft.stft", lambda f: f(mx.ones(32), 8, 0), ShapeError
    yield "fft.stft", lambda f: f(mx.ones(32), 8, window=A), ShapeError
    yield "fft.stft", lambda f: f(mx.ones(32), 8, norm=1), TypeError
    yield "fft.istft", lambda f: f(V), ShapeError
    yield "fft.istft", lambda f: f(A, 9), ShapeError
    yield "fft.istft", lambda f: f(A, length=-1), ShapeError


ROWS = [
    *of_elements(),
    *of_axes(),
    *of_shapes(),
    *of_streams(),
    *of_draws(),
    *SHAPES,
    *INDICES,
    *PRODUCTS,
    *QUANTIZED,
    *MADE,
    *TRANSFORMS,
    *SURROUNDINGS,
    *RANDOM,
    *FAST,
    *of_matrices(),
    *of_spectra(),
]

EXEMPT = {
    **dict.fromkeys(["eval", "async_eval"], "any tree is taken; what is no array is ignored"),
    **dict.fromkeys(
        [
            "clear_cache",
            "clear_streams",
            "default_device",
            "disable_compile",
            "enable_compile",
            "get_active_memory",
            "get_array_buffer_size",
            "get_cache_memory",
            "get_include",
            "get_memory_limit",
            "fallback_report",
            "get_peak_memory",
            "get_printoptions",
            "reset_peak_memory",
        ],
        "no operands",
    ),
    "synchronize": "its only argument is a stream, which test_placement covers",
    **dict.fromkeys(
        [
            "ArrayAt",
            "ArrayIterator",
            "ArrayLike",
            "BackendSpec",
            "DeviceType",
            "Dtype",
            "DtypeCategory",
            "FunctionExporter",
            "PrintOptions",
            "Stream",
            "StreamContext",
            "ThreadLocalStream",
        ],
        "a type of what functions return, not called by users",
    ),
    "hookimpl": "a decorator of pluggy's",
}


def public(module, names):
    """Return the callables among ``names``, dtypes aside."""
    found = ((name, getattr(module, name)) for name in names if not name.startswith("_"))
    return [n for n, f in found if callable(f) and not isinstance(f, mx.Dtype | mx.DtypeCategory)]


def surface():
    names = public(mx, mx.__all__)
    names += [f"random.{n}" for n in public(random, random.__all__)]
    names += [f"fast.{n}" for n in public(fast, fast.__all__)]
    functions = [n for n in linalg.__all__ if not isinstance(getattr(linalg, n), type)]
    names += [f"linalg.{n}" for n in public(linalg, functions)]
    return names + [f"fft.{n}" for n in public(fft, fft.__all__)]


def resolve(name):
    found = mx
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_the_table_is_complete():
    rows = {id(resolve(name)) for name, _, _ in ROWS}
    # An alias is the function it stands for.
    absent = [n for n in surface() if id(resolve(n)) not in rows and n not in EXEMPT]
    assert not absent


def test_nothing_is_exempt_that_is_in_the_table_or_gone():
    names = {name for name, _, _ in ROWS}
    assert not [n for n in EXEMPT if n in names or not hasattr(mx, n)]


@pytest.mark.parametrize(
    ("name", "call", "error"), ROWS, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(ROWS)]
)
def test_bad_input_is_refused_by_name(name, call, error):
    with pytest.raises(error, match=rf"\b{name.rpartition('.')[2]}\b"):
        mx.eval(call(resolve(name)))


OPERATORS = [
    (lambda: A + [1], ValueError, "add"),
    (lambda: A - "x", ValueError, "subtract"),
    (lambda: A < "x", ValueError, "less"),
    (lambda: A @ A, ValueError, "matmul"),
    (lambda: A @ [1.0], ValueError, "matmul"),
    (lambda: A & A, ValueError, "bitwise_and"),
    (lambda: I << 1.5, ValueError, "left_shift"),
    (lambda: I + 3000000000, ValueError, "add"),
    (lambda: mx.array([1], dtype=mx.uint8) + (-1), ValueError, "add"),
    (lambda: A + B, ValueError, "add"),
    (lambda: A[2], IndexError, "index 2"),
    (lambda: A[0, 0, 0], ValueError, "too many indices"),
    (lambda: A["x"], ValueError, "str"),
    (lambda: A[V], ValueError, "integral"),
    (lambda: A.item(), ValueError, "length-1"),
    (lambda: float(A), ValueError, "length-1"),
    (lambda: int(V), ValueError, "length-1"),
    (lambda: len(mx.array(1.0)), TypeError, "len"),
    (lambda: iter(mx.array(1.0)), TypeError, "0-dimensional"),
    (lambda: f"{A:.2f}", TypeError, "format"),
    (lambda: A.reshape(4, 2), ValueError, "reshape"),
    (lambda: A.transpose(()), ValueError, "transpose"),
    (lambda: A.sum(axis=2), ValueError, "sum"),
    (lambda: A.astype("float32"), TypeError, "astype"),
    (lambda: A.at[0].add([1]), ValueError, "array update"),
]


@pytest.mark.parametrize(("call", "error", "text"), OPERATORS)
def test_an_operator_or_method_refuses_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        mx.eval(call())


def test_an_integer_array_is_not_divided_in_place():
    x = mx.array([1, 2])
    with pytest.raises(ValueError, match="divide"):
        x /= 2


def test_an_assignment_that_does_not_fit_leaves_the_array():
    x = mx.array([1.0, 2.0])
    with pytest.raises(ValueError, match="broadcast"):
        x[0:2] = mx.array([1.0, 2.0, 3.0])
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("stream", ["cpu!", 1, 2.5, A])
def test_a_stream_is_a_stream_or_a_device(stream):
    with pytest.raises(TypeError, match="stream"):
        mx.add(A, A, stream=stream)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: mx.mean(A, stream=3), "mean"),
        (lambda: mx.zeros(2, stream=3), "zeros"),
        (lambda: A.reshape(6, stream=3), "reshape"),
        (lambda: mx.random.uniform(stream=3), "uniform"),
        (lambda: mx.synchronize("x"), "synchronize"),
        (lambda: mx.StreamContext(3), "StreamContext"),
    ],
)
def test_a_wrong_stream_is_refused_by_the_function_that_was_called(call, name):
    with pytest.raises(TypeError, match=f"^{name}: stream must be"):
        call()


HUGE = 2**70


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: mx.set_memory_limit(HUGE), TypeError, "set_memory_limit"),
        (lambda: mx.set_cache_limit(HUGE), TypeError, "set_cache_limit"),
        (lambda: mx.set_wired_limit(HUGE), TypeError, "set_wired_limit"),
        (lambda: mx.set_printoptions(precision=HUGE), TypeError, "set_printoptions"),
        (lambda: mx.tile(A, HUGE), OverflowError, "tile"),
        (lambda: mx.repeat(A, HUGE), OverflowError, "repeat"),
        (lambda: mx.eye(HUGE), OverflowError, "eye"),
        (lambda: mx.linspace(0, 1, HUGE), OverflowError, "linspace"),
        (lambda: mx.take(A, HUGE), IndexError, "^take: index"),
        (lambda: A + 10**400, ValueError, "add.*too large for float32"),
        (lambda: mx.conv1d(IMAGE[0], IMAGE[0], stride=HUGE), TypeError, "conv1d.*64 bits"),
    ],
)
def test_integers_beyond_64_bits_are_refused_by_name(call, error, text):
    with pytest.raises(error, match=text):
        mx.eval(call())


def test_a_slice_may_be_longer_than_64_bits_say():
    assert V[:HUGE].tolist() == [1, 2, 3]
    assert V[-HUGE:HUGE:HUGE].tolist() == [1]
    assert V[::-HUGE].tolist() == [3]
