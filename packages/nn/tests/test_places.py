"""Errors inside a model say where in its tree they come from."""

import inspect

import pytest

import monel.core as mx
import monel.nn as nn


class Block(nn.Module):
    """Two linear layers, the second of a wrong size."""

    def __init__(self):
        super().__init__()
        self.down = nn.Linear(4, 3)
        self.up = nn.Linear(2, 4)

    def __call__(self, x):
        return self.up(self.down(x))


class Model(nn.Module):
    """A block in a list."""

    def __init__(self):
        super().__init__()
        self.blocks = [nn.ReLU(), Block()]

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def notes(call):
    with pytest.raises(ValueError) as caught:
        call()
    return getattr(caught.value, "__notes__", [])


def test_the_note_names_the_layer_and_its_path():
    layer = "Linear(input_dims=2, output_dims=4, bias=True)"
    assert notes(lambda: Model()(mx.ones((1, 4)))) == [f"in {layer} at Model.blocks[1].up"]


def test_a_layer_alone_has_no_path():
    layer = "Linear(input_dims=2, output_dims=4, bias=True)"
    assert notes(lambda: nn.Linear(2, 4)(mx.ones((1, 3)))) == [f"in {layer}"]


def test_an_error_of_a_model_itself_names_the_model():
    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.ReLU()

        def __call__(self, x):
            raise ValueError("no")

    assert notes(lambda: Picky()(1)) == ["in Picky(...)"]


def test_the_place_is_told_inside_transforms():
    model = Model()
    step = nn.value_and_grad(model, lambda x: model(x).sum())
    assert notes(lambda: step(mx.ones((1, 4))))[0].endswith("at Model.blocks[1].up")


def test_a_model_called_by_another_that_does_not_hold_it_keeps_its_place():
    inner = Model()

    class Outer(nn.Module):
        def __call__(self, x):
            return calls["inner"](x)

    calls = {"inner": inner}
    assert notes(lambda: Outer()(mx.ones((1, 4))))[0].endswith("at Model.blocks[1].up")


def test_calls_of_super_are_told_once():
    class Wider(nn.Linear):
        def __call__(self, x):
            return super().__call__(x)

    assert len(notes(lambda: Wider(2, 4)(mx.ones((1, 3))))) == 1


def test_calls_keep_their_signature():
    assert list(inspect.signature(nn.Linear(1, 1)).parameters) == ["x"]
