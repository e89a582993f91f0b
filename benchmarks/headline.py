"""4096 additions of slices, one by one and by vmap, each 100 times, in MLX's API."""

from __future__ import annotations

import subprocess
import sys

from peers import environment
from rich.console import Console
from rich.table import Table

NUMBER = 100
CODE = f"""
import timeit
import {{library}}.core as mx

xs = mx.random.uniform(shape=(4096, 100))
ys = mx.random.uniform(shape=(100, 4096))

def naive_add(xs, ys):
    return [xs[i] + ys[:, i] for i in range(xs.shape[0])]

vmap_add = mx.vmap(lambda x, y: x + y, in_axes=(0, 1))
mx.eval(xs, ys)
assert mx.array_equal(mx.stack(naive_add(xs, ys)), vmap_add(xs, ys)).item()
print(timeit.timeit(lambda: mx.eval(naive_add(xs, ys)), number={NUMBER}))
print(timeit.timeit(lambda: mx.eval(vmap_add(xs, ys)), number={NUMBER}))
"""


def seconds(library: str) -> tuple[float, float]:
    """Seconds of the loop and of vmap, measured in a process of its own."""
    code = CODE.format(library=library)
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=environment())
    naive, vectorized = map(float, out.stdout.split())
    return naive, vectorized


def headline(libraries: list[str], console: Console) -> int:
    """Print the table for monel, and for mlx where it is installed."""
    table = Table(title=f"4096 additions, {NUMBER} times, in seconds")
    for column in ("", "naive loop", "vmap", "vmap is faster"):
        table.add_column(column, justify="right")
    for library in [name for name in libraries if name in ("monel", "mlx")]:
        naive, vectorized = seconds(library)
        times = f"{naive / vectorized:.0f} times"
        table.add_row(library, f"{naive:.3f}", f"{vectorized:.3f}", times)
    console.print(table)
    return 0
