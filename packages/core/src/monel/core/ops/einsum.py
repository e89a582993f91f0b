"""Einstein summation: subscripts, the order of contractions, and their execution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ..base.errors import ShapeError
from ..graph.handle import array
from ..primitives import elementwise, reduce
from ..primitives.arguments import describe, operand
from ..primitives.dot import product
from ..primitives.shape import ExpandDims, Squeeze
from .diagonals import diagonal
from .products import arranged

__all__ = ["einsum", "einsum_path"]

# A label is a letter, or a negative int: an axis under "...", counted from the end.
Label = str | int
Labels = tuple[Label, ...]


def einsum(subscripts: str, *operands: Any, stream: Any = None) -> array:
    """Return the sum of products that ``subscripts`` describes, as in NumPy.

    Contractions run as matrix products in an order chosen by ``einsum_path``, and need what
    ``matmul`` needs.

    Args:
      subscripts: ``"ij,jk->ik"``: a letter for each axis of each operand; ``...`` stands for axes
        that broadcast; without ``->`` the result has the letters that occur once, in order.
      operands: Arrays; axes of length 1 broadcast.
    Returns:
      Array of the axes after ``->``.
    Raises:
      ShapeError: The subscripts are malformed or do not fit the operands.
      DTypeError: A contraction of integers.
    Example:
      >>> import monel.core as mx
      >>> mx.einsum("ij,ij->i", mx.ones((2, 3)), mx.ones((2, 3)))
      array([3, 3], dtype=float32)

    Source: Smith and Gray, "opt_einsum", JOSS 2018 (the greedy order).
    """
    arrays = [operand("einsum", x) for x in operands]
    inputs, output = _parse("einsum", subscripts, arrays)
    terms = [_diagonal(labels, x, stream) for labels, x in zip(inputs, arrays, strict=True)]
    sizes = _sizes("einsum", terms)
    _check_output("einsum", output, sizes)
    for places in _path([frozenset(labels) for labels, _ in terms], frozenset(output), sizes):
        chosen = [terms[i] for i in places]
        terms = [term for i, term in enumerate(terms) if i not in places]
        kept = set(output).union(*[labels for labels, _ in terms])
        if len(chosen) == 2:
            terms.append(_contract(chosen[0], chosen[1], kept, stream))
        else:
            terms.append(_summed(chosen[0], kept, stream))
    labels, x = terms[0]
    return arranged(x, tuple([labels.index(c) for c in output]), _shape(output, sizes), stream)


def einsum_path(subscripts: str, *operands: Any) -> tuple[list[tuple[int, ...]], str]:
    """Return the order in which ``einsum`` contracts, and a description of its cost.

    Args:
      subscripts: As in ``einsum``.
      operands: Arrays.
    Returns:
      List of the positions of the operands that are contracted together, the result of which comes
      last in the list of the next step; and a text.
    Raises:
      ShapeError: The subscripts are malformed or do not fit the operands.
    Example:
      >>> import monel.core as mx
      >>> mx.einsum_path("ij,jk", mx.ones((2, 3)), mx.ones((3, 4)))[0]
      [(0, 1)]

    Source: Smith and Gray, "opt_einsum", JOSS 2018 (the greedy order).
    """
    arrays = [operand("einsum_path", x) for x in operands]
    inputs, output = _parse("einsum_path", subscripts, arrays)
    sizes = _sizes("einsum_path", list(zip(inputs, arrays, strict=True)))
    _check_output("einsum_path", output, sizes)
    sets = [frozenset(labels) for labels in inputs]
    path = _path(sets, frozenset(output), sizes)
    everything = frozenset(sizes)
    naive = _cost(everything, len(everything) > len(set(output)), len(sets), sizes)
    scaling, cost = 0, 0
    for places in path:
        chosen = [sets[i] for i in places]
        sets = [s for i, s in enumerate(sets) if i not in places]
        joined = frozenset().union(*chosen)
        result = joined & frozenset(output).union(*sets)
        sets.append(result)
        scaling = max(scaling, len(joined))
        cost += _cost(joined, len(joined) > len(result), len(chosen), sizes)
    return path, (
        f"  Complete contraction:  {subscripts}\n"
        f"         Naive scaling:  {len(everything)}\n"
        f"     Optimized scaling:  {scaling}\n"
        f"      Naive FLOP count:  {naive}\n"
        f"  Optimized FLOP count:  {cost}\n"
    )


def _parse(function: str, subscripts: str, arrays: list[Any]) -> tuple[list[Labels], Labels]:
    """Return the labels of each operand and of the result."""
    if not isinstance(subscripts, str):
        raise TypeError(f"{function}: subscripts must be a str, got {type(subscripts).__name__}")
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    texts = left.split(",")
    if len(texts) != len(arrays):
        raise ShapeError(
            f"{function}: Number of operands, {len(arrays)}, does not match number of input "
            f"subscripts, {len(texts)}, in {subscripts!r}"
        )
    inputs = []
    for i, (part, x) in enumerate(zip(texts, arrays, strict=True)):
        letters = len(part.replace("...", ""))
        hidden = x.ndim - letters
        if hidden < 0 or (hidden and "..." not in part):
            raise ShapeError(
                f"{function}: Invalid number of subscripts {letters} for input {i} with {x.ndim} "
                f"dimensions, {describe(x)}"
            )
        inputs.append(_labels(function, part, hidden))
    hidden = max([sum(isinstance(c, int) for c in labels) for labels in inputs], default=0)
    if arrow:
        output = _labels(function, right, hidden if "..." in right else 0)
        if len(set(output)) < len(output):
            raise ShapeError(f"{function}: Repeat indices not allowed in output, {right!r}")
        return inputs, output
    flat = [c for labels in inputs for c in labels if isinstance(c, str)]
    once = sorted([c for c in set(flat) if flat.count(c) == 1])
    return inputs, (*range(-hidden, 0), *once)


def _labels(function: str, text: str, hidden: int) -> Labels:
    """Return the labels of one operand, of which ``hidden`` axes stand under ``...``."""
    before, dots, after = text.partition("...")
    for letter in before + after:
        if not (letter.isascii() and letter.isalpha()):
            raise ShapeError(f"{function}: Subscripts must be letters, but got {letter!r}")
    return (*before, *(range(-hidden, 0) if dots else ()), *after)


def _sizes(function: str, terms: Sequence[tuple[Labels, Any]]) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for labels, x in terms:
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, n)
            if n != known and 1 not in (n, known):
                raise ShapeError(
                    f"{function}: Cannot broadcast the axis {label!r} of {describe(x)}, of length "
                    f"{n}, to length {known}"
                )
            if known == 1:
                sizes[label] = n
    return sizes


def _check_output(function: str, output: Labels, sizes: dict[Label, int]) -> None:
    for label in output:
        if label not in sizes:
            raise ShapeError(f"{function}: the output has {label!r}, which no input has")


def _shape(labels: Labels, sizes: dict[Label, int]) -> tuple[int, ...]:
    return tuple([sizes[c] for c in labels])


def _cost(labels: frozenset[Label], inner: bool, terms: int, sizes: dict[Label, int]) -> int:
    """Return the multiplications and additions of one contraction of ``terms`` operands."""
    return math.prod([sizes[c] for c in labels]) * (max(1, terms - 1) + inner)


def _path(
    inputs: list[frozenset[Label]], output: frozenset[Label], sizes: dict[Label, int]
) -> list[tuple[int, ...]]:
    """Return pairs to contract: each time the pair that frees most memory, then the cheapest."""
    sets = list(inputs)
    if len(sets) <= 2:
        return [tuple(range(len(sets)))]
    path: list[tuple[int, ...]] = []
    while len(sets) > 1:
        pairs = list(combinations(range(len(sets)), 2))
        sharing = [p for p in pairs if sets[p[0]] & sets[p[1]]]
        best = min(sharing or pairs, key=lambda p: _rank(p, sets, output, sizes))
        path.append(best)
        joined, kept = _joined(best, sets, output)
        sets = [s for i, s in enumerate(sets) if i not in best]
        sets.append(joined & kept)
    return path


def _joined(
    pair: tuple[int, int], sets: list[frozenset[Label]], output: frozenset[Label]
) -> tuple[frozenset[Label], frozenset[Label]]:
    others = [s for i, s in enumerate(sets) if i not in pair]
    return sets[pair[0]] | sets[pair[1]], output.union(*others)


def _rank(
    pair: tuple[int, int],
    sets: list[frozenset[Label]],
    output: frozenset[Label],
    sizes: dict[Label, int],
) -> tuple[int, int]:
    joined, kept = _joined(pair, sets, output)
    result = joined & kept
    volumes = [math.prod([sizes[c] for c in s]) for s in (result, sets[pair[0]], sets[pair[1]])]
    return volumes[0] - volumes[1] - volumes[2], _cost(joined, len(joined) > len(result), 2, sizes)


def _diagonal(labels: Labels, x: Any, stream: Any) -> tuple[Labels, Any]:
    """Take diagonals until no label occurs twice."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(
                    f"einsum: the axes {label!r} of {describe(x)} have lengths {x.shape[i]} and "
                    f"{x.shape[j]}"
                )
            x = diagonal(x, 0, i, j, stream)
            labels = (*[c for k, c in enumerate(labels) if k not in (i, j)], label)
    return labels, x


def _summed(term: tuple[Labels, Any], kept: set[Label], stream: Any) -> tuple[Labels, Any]:
    labels, x = term
    axes = tuple([i for i, c in enumerate(labels) if c not in kept])
    if not axes:
        return term
    return tuple([c for c in labels if c in kept]), reduce.sum(x, axis=axes, stream=stream)


def _contract(
    a: tuple[Labels, Any],
    b: tuple[Labels, Any],
    kept: set[Label],
    stream: Any,
) -> tuple[Labels, Any]:
    """Multiply two terms and sum over the labels that no one needs any more."""
    a, b = _without_ones(a, b, stream), _without_ones(b, a, stream)
    a = _summed(a, kept.union(b[0]), stream)
    b = _summed(b, kept.union(a[0]), stream)
    (left, x), (right, y) = a, b
    both = [c for c in left if c in right]
    batch = [c for c in both if c in kept]
    inner = [c for c in both if c not in kept]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    result = (*batch, *rows, *columns)
    if not inner:
        return result, _multiplied(a, b, batch, rows, columns, stream)
    lengths = {**dict(zip(left, x.shape, strict=True)), **dict(zip(right, y.shape, strict=True))}
    lead = tuple([lengths[c] for c in batch])
    m, k, n = (math.prod([lengths[c] for c in part]) for part in (rows, inner, columns))
    order_x = tuple([left.index(c) for c in (*batch, *rows, *inner)])
    order_y = tuple([right.index(c) for c in (*batch, *inner, *columns)])
    x = arranged(x, order_x, (*lead, m, k), stream)
    y = arranged(y, order_y, (*lead, k, n), stream)
    out = product("einsum", x, y, stream)
    shape = tuple([lengths[c] for c in result])
    return result, arranged(out, tuple(range(out.ndim)), shape, stream)


def _without_ones(
    term: tuple[Labels, Any], other: tuple[Labels, Any], stream: Any
) -> tuple[Labels, Any]:
    """Drop the axes of length 1 that broadcast against the other term."""
    labels, x = term
    longer = {c for c, n in zip(other[0], other[1].shape, strict=True) if n != 1}
    axes = tuple([i for i, c in enumerate(labels) if x.shape[i] == 1 and c in longer])
    if not axes:
        return term
    kept = tuple([c for i, c in enumerate(labels) if i not in axes])
    return kept, Squeeze(axes=axes).bind(x, stream=stream)


def _multiplied(
    a: tuple[Labels, Any],
    b: tuple[Labels, Any],
    batch: list[Label],
    rows: list[Label],
    columns: list[Label],
    stream: Any,
) -> Any:
    """Return the product with axes batch, rows, columns: no axis is summed."""
    (left, x), (right, y) = a, b
    x = _ordered(x, left, (*batch, *rows), stream)
    if columns:
        axes = tuple(range(x.ndim, x.ndim + len(columns)))
        x = ExpandDims(axes=axes).bind(x, stream=stream)
    y = _ordered(y, right, (*batch, *columns), stream)
    if rows and y.ndim:
        axes = tuple(range(len(batch), len(batch) + len(rows)))
        y = ExpandDims(axes=axes).bind(y, stream=stream)
    return elementwise.multiply(x, y, stream)


def _ordered(x: Any, labels: Labels, wanted: Labels, stream: Any) -> Any:
    order = tuple([labels.index(c) for c in wanted])
    return arranged(x, order, tuple([x.shape[i] for i in order]), stream)
