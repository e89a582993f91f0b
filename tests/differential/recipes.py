"""Calls of functions whose arguments must fit each other: products, indices, convolutions.

Indices stay inside of their arrays here: MLX reads foreign memory where they do not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from .calls import Call, Drawn, Named, values_of

Recipe = Callable[[random.Random], tuple[Any, ...]]


def floats(rng: random.Random, *shape: int) -> Drawn:
    return Drawn(values_of(rng, shape), rng.choice(["float32", "float32", "float16", "bfloat16"]))


def single(rng: random.Random, *shape: int) -> Drawn:
    return Drawn(values_of(rng, shape), "float32")


def indices(rng: random.Random, below: int, *shape: int) -> Drawn:
    numbers = np.random.default_rng(rng.randrange(2**32))
    dtype = rng.choice(["int32", "uint32", "int64"])
    return Drawn(numbers.integers(0, below, shape).astype(dtype), dtype)


def order(rng: random.Random, rows: int, columns: int) -> Drawn:
    """A permutation in each row: no place is written twice."""
    rows_of = [rng.sample(range(columns), columns) for _ in range(rows)]
    return Drawn(np.array(rows_of, np.int32), "int32")


def definite(rng: random.Random, *batch: int) -> Drawn:
    """Symmetric matrices with eigenvalues well above zero, and apart from each other."""
    half = values_of(rng, (*batch, 3, 3)) / 4
    values = half @ np.swapaxes(half, -1, -2) + np.diag([2.0, 4.0, 7.0])
    return Drawn(np.round(values, 2).astype(np.float32), "float32")


def batch(rng: random.Random) -> tuple[int, ...]:
    return rng.choice([(), (), (2,)])


def packed(rng: random.Random, *lead: int) -> tuple[Any, ...]:
    """A quantized matrix of 64 columns: its words, scales, biases and keywords."""
    bits, group = rng.choice([2, 4, 8]), rng.choice([32, 64])
    numbers = np.random.default_rng(rng.randrange(2**32))
    words = numbers.integers(0, 2**32, (*lead, 4, 2 * bits), dtype=np.uint32)
    shape = (*lead, 4, 64 // group)
    factors = (Drawn(values_of(rng, shape) / 2**bits, "float32") for _ in range(2))
    return Drawn(words, "uint32"), *factors, {"group_size": group, "bits": bits}


def quantized_matmul(rng: random.Random) -> tuple[Any, ...]:
    words, scales, biases, keywords = packed(rng)
    transpose = rng.choice([True, False])
    x = single(rng, 3, 64 if transpose else 4)
    return x, words, scales, biases, {**keywords, "transpose": transpose}


def gather_qmm(rng: random.Random) -> tuple[Any, ...]:
    words, scales, biases, keywords = packed(rng, 3)
    chosen = {"lhs_indices": indices(rng, 2, 4), "rhs_indices": indices(rng, 3, 4)}
    chosen = {name: Drawn(i.values.astype(np.uint32), "uint32") for name, i in chosen.items()}
    return single(rng, 2, 1, 64), words, scales, biases, {**keywords, **chosen}


def convolution(dimensions: int, transposed: bool = False) -> Recipe:
    def draw(rng: random.Random) -> tuple[Any, ...]:
        groups = rng.choice([1, 2])
        sizes = [rng.choice([4, 5, 6]) for _ in range(dimensions)]
        kernel = [rng.choice([1, 2, 3]) for _ in range(dimensions)]
        keywords = {"stride": rng.choice([1, 2]), "padding": rng.choice([0, 1]), "groups": groups}
        if transposed:
            keywords["output_padding"] = rng.choice([0, keywords["stride"] - 1])
        return floats(rng, 2, *sizes, 4), floats(rng, 2, *kernel, 4 // groups), keywords

    return draw


def general(rng: random.Random) -> tuple[Any, ...]:
    keywords = {"stride": rng.choice([1, 2]), "padding": rng.choice([0, 1, ([0], [1])])}
    keywords |= {"input_dilation": rng.choice([1, 2]), "flip": rng.choice([True, False])}
    return single(rng, 2, 6, 4), single(rng, 2, 3, 4), keywords


def einsum(rng: random.Random) -> tuple[Any, ...]:
    text, *shapes = rng.choice(
        [("ij,jk->ik", (2, 3), (3, 4)), ("ij,ij", (2, 3), (2, 3)), ("ii->i", (3, 3)),
         ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("i,j->ij", (2,), (3,)), ("ij->j", (2, 3)),
         ("...i,i->...", (2, 3), (3,)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
         ("ij,jk", (2, 3), (2, 3)), ("i->q", (2,))]
    )  # fmt: skip
    return text, *(single(rng, *shape) for shape in shapes)


def attention(rng: random.Random) -> tuple[Any, ...]:
    heads = rng.choice([2, 4])
    seen = Drawn(values_of(rng, (5, 5), "bool_") | np.eye(5, dtype=bool), "bool_")
    mask = rng.choice([None, "causal", seen, single(rng, 5, 5)])
    q, k, v = (single(rng, 1, h, 5, 4) for h in (heads, 2, 2))
    return q, k, v, {"scale": 0.5, "mask": mask}


def rope(rng: random.Random) -> tuple[Any, ...]:
    keywords = {"traditional": rng.choice([True, False]), "base": 100.0, "scale": 1.0}
    return floats(rng, 1, 2, 3, 8), rng.choice([4, 8]), {**keywords, "offset": rng.choice([0, 3])}


def gated_delta(rng: random.Random) -> tuple[Any, ...]:
    q, k = (Drawn(values_of(rng, (1, 3, 2, 32)) / 32, "float32") for _ in "qk")
    rates = (Drawn(np.abs(values_of(rng, (1, 3, 2))) / 16, "float32") for _ in "gb")
    return q, k, single(rng, 1, 3, 2, 8), *rates


def limits(rng: random.Random) -> tuple[Any, ...]:
    start, step = rng.choice([(0, 1), (5, -2), (0.0, 0.5)])
    return start, rng.choice([4, -3, 2.0]), step, {"dtype": rng.choice([None, Named("float32")])}


RECIPES: dict[str, Recipe] = {
    "addmm": lambda r: (floats(r, 2, 4), floats(r, 2, 3), floats(r, 3, 4)),
    "arange": limits,
    "argpartition": lambda r: (single(r, 2, 6), r.choice([0, 2, 5, -1])),
    "as_strided": lambda r: (single(r, 12), r.choice([(2, 3), (3, 2)]), (3, 1), r.choice([0, 2])),
    "block_masked_mm": lambda r: (
        single(r, 64, 64), single(r, 64, 32), 32, {"mask_lhs": Drawn(
            values_of(r, (2, 2), "bool_"), "bool_")}),
    "conv1d": convolution(1), "conv2d": convolution(2), "conv3d": convolution(3),
    "conv_transpose1d": convolution(1, True), "conv_transpose2d": convolution(2, True),
    "conv_transpose3d": convolution(3, True), "conv_general": general,
    "convolve": lambda r: (
        single(r, 6), single(r, 3), {"mode": r.choice(["full", "same", "valid"])}),
    "dequantize": packed, "einsum": einsum, "einsum_path": einsum,
    "fast.cross_entropy": lambda r: (single(r, 4, 5), indices(r, 5, 4)),
    "fast.gated_delta_update": gated_delta,
    "fast.layer_norm": lambda r: (floats(r, 2, 8), single(r, 8), single(r, 8), 1e-5),
    "fast.rms_norm": lambda r: (floats(r, 2, 8), single(r, 8), 1e-5),
    "fast.rope": rope, "fast.scaled_dot_product_attention": attention,
    "fft.istft": lambda r: (Drawn(values_of(r, (5, 5), "complex64"), "complex64"), 8, 4),
    "fft.stft": lambda r: (single(r, 32), 8, 4, {"center": r.choice([True, False])}),
    "from_fp8": lambda r: (Drawn(indices(r, 120, 6).values.astype(np.uint8), "uint8"),),
    "gather_mm": lambda r: (
        single(r, 2, 3, 4), single(r, 3, 4, 2), indices(r, 2, 4), indices(r, 3, 4)),
    "gather_qmm": gather_qmm,
    "hadamard_transform": lambda r: (floats(r, 2, r.choice([1, 4, 8, 12, 20])),),
    "inner": lambda r: (floats(r, 2, 3), floats(r, 4, 3)),
    "linalg.cholesky": lambda r: (definite(r, *batch(r)),),
    "linalg.cholesky_inv": lambda r: (Drawn(
        np.linalg.cholesky(definite(r).values).astype(np.float32), "float32"),),
    "linalg.cross": lambda r: (floats(r, 2, 3), floats(r, 2, 3)),
    "linalg.det": lambda r: (definite(r, *batch(r)),),
    "linalg.eigh": lambda r: (definite(r, *batch(r)),),
    "linalg.eigvals": lambda r: (definite(r),),
    "linalg.eigvalsh": lambda r: (definite(r, *batch(r)),),
    "linalg.inv": lambda r: (definite(r, *batch(r)),),
    "linalg.lu": lambda r: (definite(r),),
    "linalg.lu_factor": lambda r: (definite(r),),
    "linalg.pinv": lambda r: (single(r, 4, 3),),
    "linalg.qr": lambda r: (single(r, *r.choice([(3, 3), (4, 3)])),),
    "linalg.slogdet": lambda r: (definite(r, *batch(r)),),
    "linalg.solve": lambda r: (definite(r), single(r, 3, 2)),
    "linalg.solve_triangular": lambda r: (
        Drawn(np.tril(definite(r).values), "float32"), single(r, 3, 2)),
    "linalg.svd": lambda r: (single(r, 4, 3), {"compute_uv": False}),
    "linalg.tri_inv": lambda r: (Drawn(np.tril(definite(r).values), "float32"),),
    "matmul": lambda r: (floats(r, *batch(r), 2, 3), floats(r, *batch(r), 3, 4)),
    "partition": lambda r: (single(r, 2, 6), r.choice([0, 2, 5, -1])),
    "put_along_axis": lambda r: (
        single(r, 2, 3), order(r, 2, 3), single(r, 2, 3), r.choice([1, -1])),
    "quantize": lambda r: (
        single(r, 4, 64), {"group_size": r.choice([32, 64]), "bits": r.choice([2, 3, 4, 6, 8])}),
    "quantized_matmul": quantized_matmul,
    "random.categorical": lambda r: (single(r, 3, 5), {"num_samples": r.choice([None, 4])}),
    "random.multivariate_normal": lambda r: (single(r, 3), definite(r), {"shape": [2]}),
    "random.randint": lambda r: (
        r.choice([0, -3]), r.choice([2, 7]), {"shape": r.choice([(), (4,), (2, 0)])}),
    "searchsorted": lambda r: (
        Drawn(np.sort(values_of(r, (6,))), "float32"), single(r, 2, 2),
        {"side": r.choice(["left", "right"])}),
    "segmented_mm": lambda r: (
        single(r, 3, 8), single(r, 8, 2), Drawn(np.array([[0, 3], [3, 8]], np.uint32), "uint32")),
    "slice": lambda r: (single(r, 4, 4), indices(r, 3, 2), (0, 1), (2, 2)),
    "slice_update": lambda r: (single(r, 4, 4), single(r, 2, 2), indices(r, 3, 2), (0, 1)),
    "take": lambda r: (single(r, 3, 4), indices(r, 3, *r.choice([(), (2,), (2, 2), (0,)])),
                       {"axis": r.choice([None, 0, 1, -1])}),
    "take_along_axis": lambda r: (single(r, 2, 3), indices(r, 2, 2, 2), r.choice([1, -1])),
    "tensordot": lambda r: (floats(r, 2, 3), floats(r, 3, 4), {"axes": r.choice([0, 1])}),
    "vecdot": lambda r: (floats(r, 2, 3), floats(r, *r.choice([(3,), (2, 3)]))),
}  # fmt: skip

# Drawn arguments would make MLX read foreign memory: only the recipes are called.
FITTING_ONLY = frozenset(
    """argpartition as_strided block_masked_mm dequantize fast.cross_entropy
    fast.gated_delta_update gather_mm gather_qmm partition put_along_axis quantize quantized_matmul
    segmented_mm slice slice_update take take_along_axis""".split()
)
WRONG = ("text", {}, None)


def fitting(rng: random.Random, name: str) -> Call:
    """A call of arguments that fit; one of ten has one wrong argument."""
    drawn = list(RECIPES[name](rng))
    keywords = drawn.pop() if isinstance(drawn[-1], dict) else {}
    if rng.random() < 0.1:
        drawn[rng.randrange(len(drawn))] = rng.choice(WRONG)
    return Call(name, tuple(drawn), keywords)
