"""value_and_grad, checkpoint and whole training steps, plain and compiled."""

from functools import partial

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn
import monel.optimizers as optim
from monel.utils import tree_flatten


def test_gradients_are_of_the_trainable_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).freeze(keys="weight")
    _, grads = nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((4, 2)))
    assert [name for name, _ in tree_flatten(grads)] == ["layers.0.bias", "layers.1.bias"]
    assert grads["layers"][1]["bias"].tolist() == [4]


def test_further_outputs_are_returned():
    model = nn.Linear(2, 1)
    step = nn.value_and_grad(model, lambda x, k=1: (model(x).sum() * k, "more", [x]))
    (value, more, rest), grads = step(mx.ones((1, 2)), k=2)
    assert value.shape == () and more == "more" and rest[0].shape == (1, 2)
    assert grads["weight"].tolist() == [[2, 2]]


def test_the_model_keeps_its_values():
    model = nn.Linear(2, 1)
    before = model.weight.tolist()
    nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((1, 2)))
    assert model.weight.tolist() == before


def test_an_error_in_the_function_leaves_the_model_usable():
    model = nn.Linear(2, 1)
    before = model.weight.tolist()

    def fails(x):
        model(x)
        raise KeyError("inside")

    with pytest.raises(KeyError):
        nn.value_and_grad(model, fails)(mx.ones((1, 2)))
    assert model.weight.tolist() == before
    _, grads = nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((1, 2)))
    assert grads["bias"].tolist() == [1]


def test_a_frozen_model_has_nothing_to_differentiate():
    model = nn.Linear(2, 1).freeze()
    with pytest.raises(ValueError, match="Linear has no trainable parameters; call unfreeze"):
        nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((1, 2)))


def test_the_wrapper_keeps_name_and_docstring():
    def loss(x):
        """Some loss."""
        return x.sum()

    step = nn.value_and_grad(nn.Linear(1, 1), loss)
    assert (step.__name__, step.__doc__) == ("loss", "Some loss.")


def test_the_wrapper_is_called_on_the_parameters_of_that_moment():
    model = nn.Linear(1, 1, bias=False)
    step = nn.value_and_grad(model, lambda x: (model(x) ** 2).sum())
    for weight in (1.0, 3.0):
        model.update({"weight": mx.array([[weight]])})
        value, grads = step(mx.array([[2.0]]))
        assert value.item() == 4 * weight**2 and grads["weight"].item() == 8 * weight


def test_second_derivatives_go_through_layers():
    model = nn.Linear(1, 1, bias=False).update({"weight": mx.array([[3.0]])})

    def slope(x):
        return mx.grad(lambda a: (model(a) ** 3).sum())(x).sum()

    assert mx.grad(slope)(mx.array([[2.0]])).item() == 6 * 3**3 * 2


def test_models_can_be_vmapped():
    model = nn.Linear(3, 2)
    x = mx.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(np.array(mx.vmap(model)(x)), np.array(model(x)), rtol=1e-6)


def test_checkpoint_recomputes_with_the_same_dropout():
    layer = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.5), nn.Linear(16, 2))
    x, grads = mx.ones((2, 3)), []
    for call in (layer, nn.utils.checkpoint(layer)):
        mx.random.seed(2)
        _, tree = nn.value_and_grad(layer, lambda a, call=call: call(a).square().sum())(x)
        grads.append(tree_flatten(tree))
    for (name, a), (_, b) in zip(*grads, strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("wrapped", [False, True])
def test_checkpoint_keeps_values_and_gradients(wrapped):
    layer = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = mx.ones((2, 3))
    call = nn.utils.checkpoint(layer, (lambda a: layer(a)) if wrapped else None)
    plain = nn.value_and_grad(layer, lambda a: layer(a).square().sum())(x)
    saved = nn.value_and_grad(layer, lambda a: call(a).square().sum())(x)
    for (_, a), (_, b) in zip(tree_flatten(plain), tree_flatten(saved), strict=True):
        np.testing.assert_allclose(np.array(a), np.array(b), rtol=1e-6)


def problem():
    """A classification that a small network solves: which quadrant?"""
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (128, 2)).astype(np.float32)
    labels = (points[:, 0] > 0).astype(np.int32) * 2 + (points[:, 1] > 0)
    return mx.array(points), mx.array(labels.astype(np.int32))


def trained(compiled, optimizer, steps):
    """Train a model with dropout; return the losses and the model."""
    mx.random.seed(5)
    x, y = problem()
    model = nn.Sequential(nn.Linear(2, 32), nn.relu, nn.Dropout(0.1), nn.Linear(32, 4))
    loss_and_grad = nn.value_and_grad(
        model, lambda a, b: nn.losses.cross_entropy(model(a), b, reduction="mean")
    )
    mx.eval(model.parameters())
    state = [model.state, optimizer.state, mx.random.state]

    def step(a, b):
        loss, grads = loss_and_grad(a, b)
        optimizer.update(model, grads)
        return loss

    if compiled:
        step = partial(mx.compile, inputs=state, outputs=state)(step)
    losses = []
    for _ in range(steps):
        loss = step(x, y)
        mx.eval(state, loss)
        losses.append(loss.item())
    return losses, model


MAKERS = {
    "SGD": lambda: optim.SGD(optim.cosine_decay(0.5, 100), momentum=0.9),
    "AdamW": lambda: optim.AdamW(optim.join_schedules([lambda s: s * 0.01, lambda s: 0.02], [2])),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_compiled_step_over_the_state_learns_what_the_plain_one_learns(name):
    plain, _ = trained(False, MAKERS[name](), 8)
    compiled, _ = trained(True, MAKERS[name](), 8)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    assert len(set(plain)) == 8


def test_a_model_learns():
    losses, model = trained(True, optim.Adam(0.02), 60)
    x, y = problem()
    right = mx.mean(mx.argmax(model.eval()(x), axis=1) == y).item()
    assert losses[-1] < 0.3 * losses[0] and right > 0.95


def test_batch_norm_follows_in_a_compiled_step():
    model = nn.BatchNorm(2)
    step = mx.compile(lambda x: model(x), inputs=model.state, outputs=model.state)
    x = mx.array([[1.0, 2.0], [3.0, 6.0]])
    step(x)
    step(x)
    want = [2 * (1 - 0.9**2), 4 * (1 - 0.9**2)]
    assert model.running_mean.tolist() == pytest.approx(want)


def test_dropout_in_a_compiled_step_draws_again_with_the_state():
    layer = nn.Dropout(0.5)
    state = mx.random.state
    step = mx.compile(lambda x: layer(x), inputs=state, outputs=state)
    x = mx.ones(64)
    assert step(x).tolist() != step(x).tolist()
