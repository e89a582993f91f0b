"""monel.utils: trees of dicts, lists and tuples."""

from collections import namedtuple

import pytest

from monel.utils import (
    tree_flatten,
    tree_map,
    tree_map_with_path,
    tree_merge,
    tree_reduce,
    tree_unflatten,
)

Point = namedtuple("Point", "x y")


class Pair(tuple):
    """A tuple of the user's own."""


class Table(dict):
    """A dict of the user's own."""


def test_map_keeps_the_structure():
    assert tree_map(lambda x: x + 1, {"a": [1, (2, 3)], "b": 4}) == {"a": [2, (3, 4)], "b": 5}


def test_map_keeps_named_tuples():
    assert tree_map(lambda x: x + 1, Point(1, 2)) == Point(2, 3)
    assert type(tree_map(lambda x: x + 1, Point(1, 2))) is Point


def test_map_keeps_tuple_subclasses():
    assert type(tree_map(lambda x: x, Pair((1, 2)))) is Pair


def test_map_makes_plain_dicts_of_dict_subclasses():
    assert type(tree_map(lambda x: x, Table(a=1))) is dict


def test_map_of_a_leaf_calls_the_function_on_it():
    assert tree_map(lambda x: x * 2, 3) == 6


def test_map_takes_none_as_a_leaf():
    assert tree_map(lambda x: x is None, [None, 1]) == [True, False]


def test_map_takes_supersets_as_further_trees():
    got = tree_map(lambda a, b: (a, b), {"a": [1]}, {"a": [2, 3], "b": 4})
    assert got == {"a": [(1, 2)]}


def test_map_hands_over_whole_subtrees_below_its_leaves():
    assert tree_map(lambda a, b: b, {"a": 1}, {"a": {"c": 2}}) == {"a": {"c": 2}}


@pytest.mark.parametrize("other, error", [({"b": 1}, KeyError), ({}, KeyError)])
def test_map_raises_where_a_further_tree_lacks_a_key(other, error):
    with pytest.raises(error):
        tree_map(lambda a, b: a, {"a": 1}, other)


def test_map_raises_where_a_further_list_is_short():
    with pytest.raises(IndexError):
        tree_map(lambda a, b: a, [1, 2], [1])


def test_map_asks_is_leaf_first():
    assert tree_map(len, {"a": [1, 2]}, is_leaf=lambda x: isinstance(x, list)) == {"a": 2}


def test_map_with_path_gives_dotted_paths():
    got = tree_map_with_path(lambda path, x: path, {"a": [1, (2,)], 3: 4})
    assert got == {"a": ["a.0", ("a.1.0",)], 3: "3"}


def test_map_with_path_puts_the_prefix_first():
    assert tree_map_with_path(lambda path, x: path, [0], path="root") == ["root.0"]


def test_map_with_path_of_a_leaf_has_no_path():
    assert tree_map_with_path(lambda path, x: path, 1) is None


def test_flatten_lists_paths_in_order():
    tree = {"b": 1, "a": [2, {"c": 3}]}
    assert tree_flatten(tree) == [("b", 1), ("a.0", 2), ("a.1.c", 3)]


def test_flatten_drops_empty_containers():
    assert tree_flatten({"a": {}, "b": []}) == []


def test_flatten_of_a_leaf_has_an_empty_path():
    assert tree_flatten(5) == [("", 5)]


def test_flatten_drops_the_first_character_of_the_prefix():
    assert tree_flatten([7], prefix=".a") == [("a.0", 7)]


@pytest.mark.parametrize("start, want", [({"z": 0}, {"z": 0, "a": 1}), ([], [("a", 1)])])
def test_flatten_adds_to_its_destination(start, want):
    assert tree_flatten({"a": 1}, destination=start) is start
    assert start == want


def test_flatten_refuses_other_destinations():
    with pytest.raises(ValueError, match="destination"):
        tree_flatten({"a": 1}, destination=())


@pytest.mark.parametrize(
    "tree",
    [{"a": [1, {"b": 2}], "c": 3}, [1, [2, [3]]], {"x": {"10": {"y": 1}, "k": 2}}],
)
def test_unflatten_inverts_flatten(tree):
    assert tree_unflatten(tree_flatten(tree)) == tree


def test_unflatten_takes_a_dict():
    assert tree_unflatten({"a.b": 1, "c": 2}) == {"a": {"b": 1}, "c": 2}


def test_unflatten_fills_gaps_with_empty_dicts():
    assert tree_unflatten([("2", 1)]) == [{}, {}, 1]


def test_unflatten_makes_a_dict_of_mixed_keys():
    assert tree_unflatten([("0", 1), ("a", 2)]) == {"0": 1, "a": 2}


def test_unflatten_of_one_empty_path_is_the_leaf():
    assert tree_unflatten([("", 5)]) == 5


@pytest.mark.parametrize("entries", [[], {}])
def test_unflatten_of_nothing_is_an_empty_list(entries):
    assert tree_unflatten(entries) == []


def test_unflatten_keeps_leaves_that_are_dicts():
    leaf = {"0": "zero"}
    assert tree_unflatten([("a.b", leaf)])["a"]["b"] is leaf


def test_unflatten_puts_a_leaf_that_is_also_a_parent_at_the_empty_key():
    assert tree_unflatten([("a", 1), ("a.b", 2)]) == {"a": {"": 1, "b": 2}}
    assert tree_unflatten([("a.b", 2), ("a", 1)]) == {"a": {"": 1, "b": 2}}


def test_unflatten_refuses_two_values_of_one_path():
    with pytest.raises(ValueError, match="two values"):
        tree_unflatten([("a", 1), ("a", 2)])


@pytest.mark.parametrize("index", ["99999999999", "9" * 5000])
def test_unflatten_refuses_indices_that_would_fill_the_memory(index):
    with pytest.raises(ValueError, match="far longer"):
        tree_unflatten([(f"layers.{index}.weight", 1)])


def test_unflatten_takes_paths_of_any_depth():
    path = ".".join(["a"] * 20_000)
    tree = tree_unflatten([(path, 1)])
    for _ in range(20_000):
        tree = tree["a"]
    assert tree == 1


def test_reduce_folds_from_the_left():
    assert tree_reduce(lambda a, b: f"{a}{b}", {"x": [1, 2], "y": (3,)}, "") == "123"


def test_reduce_starts_from_the_first_leaf_without_initializer():
    assert tree_reduce(lambda a, b: a - b, [10, 1, 2]) == 7


@pytest.mark.parametrize("initializer", [None, 5])
def test_reduce_of_an_empty_tree_is_the_initializer(initializer):
    assert tree_reduce(lambda a, b: a + b, {"a": []}, initializer) == initializer


def test_merge_unites_dicts():
    assert tree_merge({"a": {"x": 1}}, {"a": {"y": 2}, "b": 3}) == {"a": {"x": 1, "y": 2}, "b": 3}


def test_merge_changes_neither_tree():
    a, b = {"a": {"x": 1}}, {"a": {"y": 2}}
    tree_merge(a, b)
    assert (a, b) == ({"a": {"x": 1}}, {"a": {"y": 2}})


@pytest.mark.parametrize("empty", [None, {}, [], ()])
def test_merge_takes_empty_containers_as_nothing(empty):
    assert tree_merge({"a": empty}, {"a": 5}) == {"a": 5}
    assert tree_merge({"a": 5}, {"a": empty}) == {"a": 5}


def test_merge_goes_beyond_the_shorter_list():
    assert tree_merge([1, 2], [3, 4, 5], lambda a, b: a + b) == [4, 6, 5]


def test_merge_keeps_the_type_of_the_first_sequence():
    merged = tree_merge(Point(1, 2), (3, 4), lambda a, b: a + b)
    assert type(merged) is Point and merged == (4, 6)


@pytest.mark.parametrize("a, b", [(1, 2), ({"a": 1}, {"a": 2}), ({"a": {"b": 1}}, {"a": [1]})])
def test_merge_without_function_refuses_two_values(a, b):
    with pytest.raises(ValueError, match="merge_fn"):
        tree_merge(a, b)
