"""Calls that are made of both packages: arguments drawn by the names of the parameters.

One call depends on a seed, a function's name and a number alone, so that it can be made again.
"""

from __future__ import annotations

import json
import random
from inspect import Parameter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from api.compare import parsed

INVENTORY = Path(__file__).parents[1] / "api" / "mlx_0_32_4.json"
MODULES = ("core", "core.linalg", "core.fft", "core.random", "core.fast")

# Functions that give no values to compare or cannot take drawn arguments, by the reason.
LEFT_OUT = {
    "files are compared by their own session": """load save save_gguf save_safetensors savez
        savez_compressed import_function export_function exporter export_to_dot""",
    "takes functions": "compile grad value_and_grad vjp jvp vmap checkpoint",
    "gives no value, or one that depends on the machine": """eval async_eval synchronize
        disable_compile enable_compile stream new_stream new_thread_local_stream
        new_thread_unsafe_stream default_stream default_device set_default_device
        set_default_stream clear_streams device_count device_info is_available clear_cache
        get_active_memory get_array_buffer_size get_cache_memory get_peak_memory get_memory_limit
        reset_peak_memory set_cache_limit set_memory_limit set_wired_limit depends""",
    "changes how the results of other calls print": """set_printoptions get_printoptions
        printoptions""",
    "the values are what the memory held": "empty empty_like",
    "MLX computes it on a GPU only": """qqmm gather_qqmm fast.metal_kernel fast.cuda_kernel
        fast.precompiled_cuda_kernel""",
}

DTYPES = """bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32
float64 complex64""".split()
SHAPES: list[tuple[int, ...]] = [(), (1,), (3,), (2, 3), (3, 1), (2, 3, 4), (0,), (2, 0), (4, 4)]
# Arrays of more elements are shown by dtype and shape.
SHOWN = 32


class Drawn(NamedTuple):
    """An array that is made in both packages."""

    values: np.ndarray[Any, Any]
    dtype: str

    def __repr__(self) -> str:
        if self.values.size > SHOWN:
            return f"{self.dtype}{list(self.values.shape)}"
        return f"array({written(self.values).tolist()}, {self.dtype})"


def written(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Floats as the doubles that are written alike: 0.1, not 0.10000000149011612."""
    if values.dtype != np.float32:
        return values
    return np.reshape([float(str(number)) for number in values.flat], values.shape)


class Named(NamedTuple):
    """An attribute of either package: a dtype."""

    name: str

    def __repr__(self) -> str:
        return self.name


class Call(NamedTuple):
    """One call, with arguments that either package can make its own of."""

    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def __str__(self) -> str:
        given = [repr(a) for a in self.arguments]
        given += [f"{name}={value!r}" for name, value in self.keywords.items()]
        return f"{self.name}({', '.join(given)})"


WRONG: list[Any] = ["text", None, [1.0, 2.0], 2.5, (1, "2"), {}, -7]
AXES: list[Any] = [None, 0, 1, -1, -2, (0, 1), (0,), 5]
FLAG = [True, False]
KINDS = [Named(name) for name in ("float32", "int32", "float16", "bool_")]

# What a parameter of a name is drawn from; of any other name it is an array.
BY_NAME: dict[str, list[Any]] = {
    "M": [0, 1, 2, 5], "UPLO": ["L", "U"], "a_max": [None, 1, 2.5], "a_min": [None, -1, 0.5],
    "allow_col_major": FLAG, "alpha": [1.0, 0.5], "arg1": KINDS, "arg2": KINDS,
    "atol": [1e-8], "axes": [None, (0, 1), (1, 0), 0, (0,), 3], "axis": AXES, "axis1": [0, 1],
    "axis2": [1, -1], "beta": [1.0, 2.0], "center": FLAG, "compute_uv": FLAG,
    "constant_values": [0, 2], "copy": [None, True], "d": [1.0, 0.5], "ddof": [0, 1],
    "decimals": [0, 1, -1, 2], "destination": [1, 0, -1], "dtype": [*KINDS, None],
    "end_axis": [-1, 1], "endpoint": FLAG, "eps": [1e-5], "equal_nan": FLAG,
    "fill_value": [None, 0], "from_": KINDS, "high": [1, 5], "inclusive": FLAG,
    "indexing": ["xy", "ij", "zz"], "indices_or_sections": [1, 2, 3, [1, 2]],
    "k": [0, 1, -1, 2], "keepdims": FLAG, "kind": ["bool", "numeric", "integral"],
    "loc": [0.0, 1.0], "low": [0, -2], "lower": [-1.0], "m": [None, 1, 2, 4],
    "mode": ["constant", "edge", "reflect", "symmetric", "same", "full", "valid"],
    "n": [0, 1, 2, 3, 5], "nan": [0.0, 1.0], "neginf": [None, -5.0],
    "norm": ["backward", "ortho", "forward", "none"], "num": [0, 1, 2, 5],
    "num_samples": [None, 3], "offset": [0, 1, -1], "ord": [None, 1, 2, "fro", float("inf")],
    "p": [0.5, 0.0, 1.0], "pad_width": [1, (1, 2), [(0, 1)], [(1, 1), (0, 2)]],
    "posinf": [None, 5.0], "precise": FLAG, "repeats": [0, 1, 2, -1],
    "reps": [1, 2, (2, 1), (1, 2, 1)], "return_counts": FLAG, "return_index": FLAG,
    "return_inverse": FLAG, "reverse": FLAG, "rtol": [1e-5], "s": [None, (2, 3), (4, 4), (0, 1)],
    "scale": [1.0, 2.0], "seed": [0, 7, 2**40],
    "shape": [(2, 3), (3, 2), (6,), (-1,), (), (2, -1), 4, (-1, -1)],
    "shapes": [(2, 3), (3,), (2, 1), (), (4,), (0,)], "shift": [0, 1, -2, (1, 2)],
    "side": ["left", "right", "middle"], "size": [1, 2, 4], "source": [0, 1, -1],
    "sparse": FLAG, "start": [0, 1.5, -2], "start_axis": [0, 1], "step": [1, 2, 0.5, -1],
    "stop": [3, 5.0, -4], "to": KINDS, "upper": [1.0], "vals": [0, 1.5, True],
}  # fmt: skip
# MLX's signatures name these, but most of its functions take them by place only.
BY_PLACE = ("a", "b", "arg1", "arg2", "array", "arrays", "vals", "x")
LISTS = ("arrays", "tensors", "arys", "operands")


def values_of(
    rng: random.Random, shape: tuple[int, ...], dtype: str = "float32"
) -> np.ndarray[Any, Any]:
    """Numbers that the dtype holds, rounded so that they can be written down."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    if dtype == "bool_":
        return numbers.integers(0, 2, shape).astype(bool)
    if dtype.startswith(("int", "uint")):
        return numbers.integers(0 if dtype[0] == "u" else -5, 6, shape).astype(dtype)
    values = np.round(numbers.standard_normal(shape) * 3, 2)
    if dtype == "complex64":
        return (values + 1j * np.round(numbers.standard_normal(shape), 2)).astype(dtype)
    return np.asarray(values, np.float32)


def array(rng: random.Random, shape: tuple[int, ...] | None = None) -> Drawn:
    """An array of a drawn dtype; sometimes with a number that is none, or a signed zero."""
    dtype = rng.choice(DTYPES) if rng.random() < 0.6 else rng.choice(["float32", "int32"])
    values = values_of(rng, rng.choice(SHAPES) if shape is None else shape, dtype)
    if values.dtype == np.float32 and values.size and rng.random() < 0.2:
        values.flat[0] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0])
    return Drawn(values, dtype)


def argument(rng: random.Random, name: str, shape: tuple[int, ...]) -> Any:
    """One argument for the parameter ``name``; sometimes a wrong one."""
    if rng.random() < 0.04:
        return rng.choice(WRONG)
    if name in BY_NAME:
        return rng.choice(BY_NAME[name])
    if name in LISTS:
        return [
            array(rng, shape if rng.random() < 0.8 else None) for _ in range(rng.choice([1, 2]))
        ]
    if name == "key":
        return Drawn(np.array([0, rng.randrange(9)], np.uint32), "uint32")
    if rng.random() < 0.15:
        return rng.choice([1, 2.5, True, -3, 1j])
    return array(rng, shape if rng.random() < 0.5 else None)


def call_of(rng: random.Random, name: str, signature: str) -> Call:
    """Arguments for every required parameter and for some others, by place or by name."""
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    shape = rng.choice(SHAPES)
    for parameter in parsed(signature).parameters.values():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            several = LISTS if parameter.name in LISTS else ()
            drawn = "a" if parameter.name in several else parameter.name
            arguments += [argument(rng, drawn, shape) for _ in range(rng.choice([1, 2]))]
            continue
        optional = parameter.default is not Parameter.empty
        if parameter.name == "stream" or (optional and rng.random() < 0.6):
            continue
        value = argument(rng, parameter.name, shape)
        by_place = parameter.kind is Parameter.POSITIONAL_ONLY or parameter.name in BY_PLACE
        may = parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and not optional and not keywords
        if by_place or (may and rng.random() < 0.8):
            arguments.append(value)
        else:
            keywords[parameter.name] = value
    return Call(name, tuple(arguments), keywords)


def functions() -> dict[str, str]:
    """The public functions by name, with MLX's signatures, but for those that are left out."""
    left_out = {name for names in LEFT_OUT.values() for name in names.split()}
    table = json.loads(INVENTORY.read_text())["modules"]
    found = {}
    for module in MODULES:
        for name, signature in table[module].items():
            shown = f"{module}.{name}".removeprefix("core.")
            if isinstance(signature, str) and signature.startswith("(") and shown not in left_out:
                found[shown] = signature
    return found
