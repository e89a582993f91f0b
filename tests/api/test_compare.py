"""The comparison of surfaces notices what a user of MLX would."""

import compare
import inventory
import pytest


def differences(want, function):
    return list(compare.compared("f", want, function))


@pytest.mark.parametrize(
    ("want", "function"),
    [
        ("(a, /, axis=None, *, stream=None)", lambda x, /, axis=None, *, stream=None: x),
        ("(a, b)", lambda a, b, extra=1, *, more=2: a),
        ("(a, b)", lambda a, b=0: a),
        ("(*args, **kwargs)", lambda *args, **kwargs: args),
        ("(shape=[])", lambda shape=(): shape),
        ("(predicate=...)", lambda predicate=len: predicate),
        (None, 3),
    ],
)
def test_what_takes_every_call_of_mlx_is_no_difference(want, function):
    assert differences(want, function) == []


@pytest.mark.parametrize(
    ("want", "function", "said"),
    [
        ("(a, b)", lambda a: a, "lacks b"),
        ("(a)", lambda a, b: a, "requires b"),
        ("(a, b)", lambda b, a: a, "a is not positional parameter 0"),
        ("(a, b=1)", lambda a, b: a, "b has no default"),
        ("(a, b=1)", lambda a, b=2: a, "b defaults to 2, not 1"),
        ("(a)", lambda a, /: a, "a cannot be given by name"),
        ("(a)", lambda *, a: a, "a is not positional parameter 0"),
        ("(*args)", lambda a: a, "takes no *args"),
    ],
)
def test_what_refuses_a_call_of_mlx_is_named(want, function, said):
    assert any(said in line for line in differences(want, function))


class Sample:
    def method(self, axis=0):
        return axis

    @staticmethod
    def static(value):
        return value


def test_members_of_a_class_are_compared_without_self():
    want = {"method": "(self, axis=0)", "static": "(value)", "gone": "property"}
    assert differences(want, Sample) == ["f.gone: missing"]


@pytest.mark.parametrize(
    ("text", "defaults", "want"),
    [
        ("def f(a: array, /, *, stream: S = None) -> array", None, "(a, /, *, stream=None)"),
        (r"def f(n: int = \0, s: dict[str, int] | None = \1)", (3, None), "(n=3, s=None)"),
        ("def f(self, x: Callable[[int, str], int], *args)", None, "(self, x, *args)"),
    ],
)
def test_native_signatures_are_read(text, defaults, want):
    assert inventory.native_signature(text, "", defaults) == want


def test_the_inventory_holds_every_public_module():
    names = compare.json.loads(compare.INVENTORY.read_text())["modules"]
    assert set(names) == set(inventory.MODULES)
    assert len(names["core"]) > 300
