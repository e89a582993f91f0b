"""Trees: nested dicts, lists and tuples whose leaves are anything else.

Named tuples and other tuple and list subclasses keep their type; dict subclasses (a
``monel.nn.Module`` among them) come back as plain dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "tree_flatten",
    "tree_map",
    "tree_map_with_path",
    "tree_merge",
    "tree_reduce",
    "tree_unflatten",
]

IsLeaf = Callable[[Any], bool]

# Names come from files: an index may leave gaps, but not make a list of billions of them.
_FREE_GAPS = 65536


def _rebuild(like: Any, items: list[Any]) -> Any:
    """Make a sequence of the type of ``like``; a named tuple takes its fields one by one."""
    kind = type(like)
    return kind(*items) if hasattr(like, "_fields") else kind(items)


def tree_map(fn: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """Apply ``fn`` to each leaf of ``tree`` and build a tree of the results.

    Args:
      fn: Called with a leaf, and with the values at the same place of each tree of ``rest``.
      tree: Its containers decide the structure.
      rest: Trees with at least the places of ``tree``.
      is_leaf: Says of a container whether it is a leaf all the same.
    Returns:
      The new tree.
    Raises:
      KeyError, IndexError: A tree of ``rest`` lacks a place of ``tree``.
    Example:
      >>> tree_map(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]})
      {'x': [11, 22]}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if isinstance(tree, (list, tuple)):
        items = [
            tree_map(fn, item, *(other[i] for other in rest), is_leaf=is_leaf)
            for i, item in enumerate(tree)
        ]
        return _rebuild(tree, items)
    if isinstance(tree, dict):
        return {
            key: tree_map(fn, item, *(other[key] for other in rest), is_leaf=is_leaf)
            for key, item in tree.items()
        }
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: IsLeaf | None = None,
    path: Any | None = None,
) -> Any:
    """Do as :func:`tree_map`, with the dotted path of the leaf as the first argument of ``fn``.

    Args:
      fn: Called with the path (``None`` if ``tree`` is itself a leaf and ``path`` is not given),
        the leaf, and the values at the same place of each tree of ``rest``.
      tree: Its containers decide the structure.
      rest: Trees with at least the places of ``tree``.
      is_leaf: Says of a container whether it is a leaf all the same.
      path: Put before every path.
    Returns:
      The new tree.
    Raises:
      KeyError, IndexError: A tree of ``rest`` lacks a place of ``tree``.
    Example:
      >>> tree_map_with_path(lambda path, a: f"{path}={a}", {"w": [1, 2]})
      {'w': ['w.0=1', 'w.1=2']}
    """

    def below(key: Any, item: Any) -> Any:
        others = (other[key] for other in rest)
        place = f"{path}.{key}" if path else f"{key}"
        return tree_map_with_path(fn, item, *others, is_leaf=is_leaf, path=place)

    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    if isinstance(tree, (list, tuple)):
        return _rebuild(tree, [below(i, item) for i, item in enumerate(tree)])
    if isinstance(tree, dict):
        return {key: below(key, item) for key, item in tree.items()}
    return fn(path, tree, *rest)


def _flatten_into(
    add: Callable[[str, Any], None], tree: Any, prefix: str, is_leaf: IsLeaf | None
) -> None:
    items: Iterable[tuple[Any, Any]]
    if is_leaf is not None and is_leaf(tree):
        return add(prefix[1:], tree)
    if isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    elif isinstance(tree, dict):
        items = tree.items()
    else:
        return add(prefix[1:], tree)
    for key, item in items:
        _flatten_into(add, item, f"{prefix}.{key}", is_leaf)
    return None


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: IsLeaf | None = None,
    destination: list[tuple[str, Any]] | dict[str, Any] | None = None,
) -> Any:
    """List the leaves of ``tree`` with their dotted paths, in the order of the containers.

    Args:
      tree: Any tree; dict keys should be without dots if it is to be unflattened again.
      prefix: Put before every path; its first character is dropped.
      is_leaf: Says of a container whether it is a leaf all the same.
      destination: A list or dict to add to; a new list if None.
    Returns:
      ``destination``, with a pair ``(path, leaf)``, or an entry, for each leaf.
    Raises:
      ValueError: ``destination`` is neither a list nor a dict.
    Example:
      >>> tree_flatten({"layer": {"w": 1, "b": [2, 3]}})
      [('layer.w', 1), ('layer.b.0', 2), ('layer.b.1', 3)]
    """
    found: list[tuple[str, Any]] | dict[str, Any] = [] if destination is None else destination
    if isinstance(found, list):
        pairs = found
        _flatten_into(lambda path, leaf: pairs.append((path, leaf)), tree, prefix, is_leaf)
    elif isinstance(found, dict):
        _flatten_into(found.__setitem__, tree, prefix, is_leaf)
    else:
        raise ValueError(
            "tree_flatten: destination should be a list, a dict or None, "
            f"got {type(destination).__name__}"
        )
    return found


class _Node(dict[str, Any]):
    """A container under construction in :func:`tree_unflatten`, told from leaves that are dicts."""


def _insert(root: _Node, path: str, leaf: Any) -> None:
    *parents, last = path.split(".")
    node = root
    for key in parents:
        below = node.get(key)
        if not isinstance(below, _Node):
            # A leaf that is also a parent moves one down, to the empty key.
            below = _Node({"": below}) if key in node else _Node()
            node[key] = below
        node = below
    if isinstance(node.get(last), _Node):
        node, last = node[last], ""
    if last in node:
        raise ValueError(f"tree_unflatten: two values for {path!r}")
    node[last] = leaf


def _finished(node: _Node, entries: int) -> Any:
    """Turn a node whose keys are all numbers into a list, gaps filled with empty dicts."""
    if not all(key.isdecimal() for key in node):
        return dict(node)
    highest = max(len(key) for key in node)
    length = 1 + max(map(int, node)) if highest < 12 else 10**12
    if length > _FREE_GAPS + 16 * entries:
        raise ValueError(
            f"tree_unflatten: index {max(node, key=len)} would make a list far longer than the "
            f"{entries} values given"
        )
    items: list[Any] = [{} for _ in range(length)]
    for key, item in node.items():
        items[int(key)] = item
    return items


def tree_unflatten(tree: list[tuple[str, Any]] | dict[str, Any]) -> Any:
    """Build the tree whose leaves have the dotted paths given: the inverse of `tree_flatten`.

    Keys that are all numbers make a list (missing places are empty dicts), other keys a dict.

    Args:
      tree: Pairs ``(path, leaf)``, or a dict from paths to leaves.
    Returns:
      The tree; an empty list if there are no entries; the leaf itself if its path is empty.
    Raises:
      ValueError: Two values have one path, or an index is far beyond the number of entries.
    Example:
      >>> tree_unflatten([("layer.w", 1), ("layer.b.0", 2), ("layer.b.1", 3)])
      {'layer': {'w': 1, 'b': [2, 3]}}
    """
    pairs = list(tree.items() if isinstance(tree, dict) else tree)
    if not pairs:
        return []
    if len(pairs) == 1 and pairs[0][0] == "":
        return pairs[0][1]
    root = _Node()
    for path, leaf in pairs:
        _insert(root, path, leaf)
    # Paths come from files too, so depth is walked with a stack: parents first, then finished
    # in the opposite order.
    order: list[tuple[_Node, str, _Node]] = []
    stack = [root]
    while stack:
        node = stack.pop()
        for key, item in node.items():
            if isinstance(item, _Node):
                order.append((node, key, item))
                stack.append(item)
    for parent, key, node in reversed(order):
        parent[key] = _finished(node, len(pairs))
    return _finished(root, len(pairs))


_UNSET: Any = object()


def tree_reduce(
    fn: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = None,
    is_leaf: IsLeaf | None = None,
) -> Any:
    """Fold the leaves of ``tree``, in order, into one value.

    Args:
      fn: Called with the value so far and a leaf; returns the next value.
      tree: Any tree.
      initializer: The first value; the first leaf if None.
      is_leaf: Says of a container whether it is a leaf all the same.
    Returns:
      The last value; ``initializer`` if there are no leaves.
    Example:
      >>> tree_reduce(lambda total, x: total + x, {"a": [1, 2, 3], "b": [4, 5]}, 0)
      15
    """
    value = _UNSET if initializer is None else initializer
    for _, leaf in tree_flatten(tree, is_leaf=is_leaf):
        value = leaf if value is _UNSET else fn(value, leaf)
    return None if value is _UNSET else value


def _is_empty(tree: Any) -> bool:
    return tree is None or (isinstance(tree, (dict, list, tuple)) and len(tree) == 0)


def tree_merge(tree_a: Any, tree_b: Any, merge_fn: Callable[[Any, Any], Any] | None = None) -> Any:
    """Merge two trees into one that holds the values of both: a deep ``dict.update``.

    Empty containers and None are empty subtrees, so anything may stand in their place. Neither
    tree is changed.

    Args:
      tree_a: Its container types hold where the trees differ.
      tree_b: The other tree.
      merge_fn: Makes one leaf of the two that stand at the same place.
    Returns:
      The merged tree.
    Raises:
      ValueError: Both have a leaf at one place and there is no ``merge_fn``, or one has a leaf
        and the other a container there.
    Example:
      >>> tree_merge({"a": {"x": 1}}, {"a": {"y": 2}})
      {'a': {'x': 1, 'y': 2}}
    """
    if _is_empty(tree_a):
        return tree_b
    if _is_empty(tree_b):
        return tree_a
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        common = min(len(tree_a), len(tree_b))
        items = [tree_merge(a, b, merge_fn) for a, b in zip(tree_a, tree_b, strict=False)]
        return _rebuild(tree_a, [*items, *tree_a[common:], *tree_b[common:]])
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        merged = {key: tree_merge(a, tree_b.get(key), merge_fn) for key, a in tree_a.items()}
        merged.update((key, b) for key, b in tree_b.items() if key not in tree_a)
        return merged
    if merge_fn is None:
        raise ValueError(
            "tree_merge: both trees have a value at the same place and there is no merge_fn"
        )
    return merge_fn(tree_a, tree_b)
