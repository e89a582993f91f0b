"""Optimizers: one step and several, against formulas on plain numbers in float64."""

import math

import numpy as np
import pytest

import monel.core as mx
import monel.nn as nn
import monel.optimizers as optim
from monel.utils import tree_flatten, tree_map

GRADIENTS = np.array([[1.0, -2.0, 0.5], [0.3, 0.2, -1.0], [2.0, 1.0, 1.0]])
START = np.array([1.0, 2.0, -3.0])


def run(optimizer, gradients=GRADIENTS, start=START):
    """Three steps of one parameter."""
    parameter = {"w": mx.array(start, dtype=mx.float32)}
    for g in gradients:
        parameter = optimizer.apply_gradients({"w": mx.array(g, dtype=mx.float32)}, parameter)
    return parameter["w"]


def sgd(lr=0.1, momentum=0.0, decay=0.0, dampening=0.0, nesterov=False):
    w, v = START, 0.0
    for g in GRADIENTS:
        g = g + decay * w
        v = momentum * v + (1 - dampening) * g
        w = w - lr * ((g + momentum * v if nesterov else v) if momentum else g)
    return w


def adam(lr=0.1, b1=0.9, b2=0.999, eps=1e-8, decay=0.0, correct=False):
    w, m, v = START, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        w = w * (1 - lr * decay)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        c, d = (1 - b1**t, 1 - b2**t) if correct else (1, 1)
        w = w - lr * (m / c) / (np.sqrt(v / d) + eps)
    return w


def adamax(lr=0.1, b1=0.9, b2=0.999):
    w, m, v = START, 0.0, 0.0
    for g in GRADIENTS:
        m, v = b1 * m + (1 - b1) * g, np.maximum(b2 * v, np.abs(g))
        w = w - lr * m / (v + 1e-8)
    return w


def rmsprop(lr=0.1, alpha=0.9, eps=0.01):
    w, v = START, 0.0
    for g in GRADIENTS:
        v = alpha * v + (1 - alpha) * g**2
        w = w - lr * g / (np.sqrt(v) + eps)
    return w


def adagrad(lr=0.1, eps=0.01):
    w, v = START, 0.0
    for g in GRADIENTS:
        v = v + g**2
        w = w - lr * g / (np.sqrt(v) + eps)
    return w


def adadelta(lr=0.5, rho=0.8, eps=0.01):
    w, v, u = START, 0.0, 0.0
    for g in GRADIENTS:
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        w = w - lr * d
    return w


def lion(lr=0.1, b1=0.9, b2=0.99, decay=0.0):
    w, m = START, 0.0
    for g in GRADIENTS:
        w = w * (1 - lr * decay) - lr * np.sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
    return w


def adafactor(lr=0.1, decay_rate=-0.8, clip=1.0):
    w, v = START, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        b2 = 1 - t**decay_rate
        v = b2 * v + (1 - b2) * (g**2 + 1e-30)
        d = g / np.sqrt(v)
        d = d / max(1.0, np.sqrt(np.mean(d**2)) / clip)
        w = w - lr * max(1e-3, np.sqrt(np.mean(w**2))) * d
    return w


CASES = {
    "SGD": (lambda: optim.SGD(0.1), sgd()),
    "SGD momentum": (lambda: optim.SGD(0.1, momentum=0.9), sgd(momentum=0.9)),
    "SGD decay": (lambda: optim.SGD(0.1, weight_decay=0.2), sgd(decay=0.2)),
    "SGD dampening": (
        lambda: optim.SGD(0.1, momentum=0.9, dampening=0.5),
        sgd(momentum=0.9, dampening=0.5),
    ),
    "SGD nesterov": (
        lambda: optim.SGD(0.1, momentum=0.9, nesterov=True),
        sgd(momentum=0.9, nesterov=True),
    ),
    "Adam": (lambda: optim.Adam(0.1), adam()),
    "Adam options": (
        lambda: optim.Adam(0.1, betas=[0.8, 0.9], eps=0.1),
        adam(b1=0.8, b2=0.9, eps=0.1),
    ),
    "Adam corrected": (lambda: optim.Adam(0.1, bias_correction=True), adam(correct=True)),
    "AdamW": (lambda: optim.AdamW(0.1, weight_decay=0.2), adam(decay=0.2)),
    "AdamW default": (lambda: optim.AdamW(0.1), adam(decay=0.01)),
    "Adamax": (lambda: optim.Adamax(0.1), adamax()),
    "RMSprop": (lambda: optim.RMSprop(0.1, alpha=0.9, eps=0.01), rmsprop()),
    "Adagrad": (lambda: optim.Adagrad(0.1, eps=0.01), adagrad()),
    "AdaDelta": (lambda: optim.AdaDelta(0.5, rho=0.8, eps=0.01), adadelta()),
    "Lion": (lambda: optim.Lion(0.1), lion()),
    "Lion decay": (lambda: optim.Lion(0.1, weight_decay=0.2), lion(decay=0.2)),
    "Adafactor": (lambda: optim.Adafactor(0.1, relative_step=False), adafactor()),
}


@pytest.mark.parametrize("name", CASES)
def test_three_steps_follow_the_formula(name, close):
    make, want = CASES[name]
    close(run(make()), want, rtol=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_half_parameters_stay_half(name):
    optimizer = CASES[name][0]()
    w = mx.array(START, dtype=mx.float32).astype(mx.bfloat16)
    new = optimizer.apply_gradients({"w": w}, {"w": w})["w"]
    assert new.dtype == mx.bfloat16
    assert optimizer.learning_rate.dtype == mx.float32


@pytest.mark.parametrize("name", CASES)
def test_the_state_holds_only_arrays(name):
    optimizer = CASES[name][0]()
    optimizer.init({"w": mx.ones(3), "layers": [{"b": mx.ones((2, 2))}]})
    assert all(isinstance(value, mx.array) for _, value in tree_flatten(optimizer.state))


@pytest.mark.parametrize("name", CASES)
def test_a_compiled_step_is_the_step(name, close):
    optimizer, compiled = CASES[name][0](), CASES[name][0]()
    want = run(optimizer)
    parameter = {"w": mx.array(START, dtype=mx.float32)}
    compiled.init(parameter)

    def step(g, w):
        return compiled.apply_gradients({"w": g}, {"w": w})["w"]

    fast = mx.compile(step, inputs=compiled.state, outputs=compiled.state)
    w = parameter["w"]
    for g in GRADIENTS:
        w = fast(mx.array(g, dtype=mx.float32), w)
    close(w, np.array(want))
    assert compiled.step.item() == 3


def test_adafactor_keeps_a_row_and_a_column_of_a_matrix(close):
    optimizer = optim.Adafactor(0.1, relative_step=False, scale_parameter=False)
    g = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    new = optimizer.apply_gradients({"w": mx.array(g, dtype=mx.float32)}, {"w": mx.zeros((2, 3))})
    state = optimizer.state["w"]
    close(state["exp_avg_sq_row"], (g**2).mean(1))
    close(state["exp_avg_sq_col"], (g**2).mean(0))
    moment = np.outer((g**2).mean(1), (g**2).mean(0)) / (g**2).mean()
    d = g / np.sqrt(moment)
    close(new["w"], -0.1 * d / max(1, np.sqrt((d**2).mean())))


@pytest.mark.parametrize("warmup, want", [(False, 0.01), (True, 1e-6)])
def test_adafactor_can_choose_its_rate(warmup, want, close):
    optimizer = optim.Adafactor(warmup_init=warmup)
    new = optimizer.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
    close(1 - new["w"], [want], atol=2e-7)
    assert "learning_rate" not in optimizer.state


def test_adafactor_can_average_directions(close):
    optimizer = optim.Adafactor(0.1, beta_1=0.9, relative_step=False, scale_parameter=False)
    new = optimizer.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
    close(new["w"], [1 - 0.1 * 0.1])


def test_adafactor_needs_some_rate():
    with pytest.raises(ValueError, match="needs a learning_rate"):
        optim.Adafactor(relative_step=False)


@pytest.mark.parametrize("shape", [(8, 4), (4, 8), (5, 2, 3)])
def test_muon_makes_singular_values_about_equal(shape, rng):
    g = mx.array(rng.standard_normal(shape).astype(np.float32))
    optimizer = optim.Muon(1.0, weight_decay=0.0)
    new = optimizer.apply_gradients({"w": g}, {"w": mx.zeros(shape)})["w"]
    matrix = np.array(new, np.float64).reshape(shape[0], -1)
    scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    values = np.linalg.svd(matrix / scale, compute_uv=False)
    assert 0.3 < values.min() and values.max() < 1.4


def test_muon_moves_vectors_along_their_momentum(close):
    optimizer = optim.Muon(0.1, momentum=0.5, nesterov=False, weight_decay=0.0)
    new = optimizer.apply_gradients({"w": mx.array([2.0])}, {"w": mx.array([1.0])})
    close(new["w"], [0.9])


# -- the base -------------------------------------------------------------------------------------


def test_step_and_rate_are_arrays():
    optimizer = optim.SGD(0.5)
    assert optimizer.step.dtype == mx.uint64 and optimizer.step.item() == 0
    assert optimizer.learning_rate.dtype == mx.float32 and optimizer.learning_rate.item() == 0.5


def test_the_rate_can_be_set(close):
    optimizer = optim.SGD(0.5)
    optimizer.learning_rate = 0.25
    new = optimizer.apply_gradients({"w": mx.array([1.0])}, {"w": mx.array([1.0])})
    close(new["w"], [0.75])


def test_steps_are_counted():
    optimizer = optim.SGD(0.5)
    run(optimizer)
    assert optimizer.step.item() == 3


def test_the_state_has_the_places_of_the_parameters():
    optimizer = optim.Adam(0.1)
    optimizer.init({"layers": [{"w": mx.ones(2)}, {}], "b": mx.ones(1)})
    names = {name for name, _ in tree_flatten(optimizer.state)}
    assert names == {"step", "learning_rate", "layers.0.w.m", "layers.0.w.v", "b.m", "b.v"}


def test_init_keeps_what_there_is():
    optimizer = optim.SGD(0.1, momentum=0.9)
    optimizer.apply_gradients({"a": mx.ones(1)}, {"a": mx.ones(1)})
    optimizer.init({"a": mx.ones(1), "b": mx.ones(1)})
    assert optimizer.state["a"]["v"].item() == 1 and optimizer.state["b"]["v"].item() == 0


def test_init_extends_lists():
    optimizer = optim.SGD(0.1, momentum=0.9)
    optimizer.init({"layers": [{"w": mx.ones(1)}]})
    first = optimizer.state["layers"][0]["w"]
    optimizer.init({"layers": [{"w": mx.ones(1)}, {"w": mx.ones(2)}]})
    assert optimizer.state["layers"][0]["w"] is first
    assert optimizer.state["layers"][1]["w"]["v"].shape == (2,)


def test_the_state_can_be_set(close):
    a, b = optim.Adam(0.1), optim.Adam(0.3)
    w = mx.array(START, dtype=mx.float32)
    g = mx.array(GRADIENTS[0], dtype=mx.float32)
    new = a.apply_gradients({"w": g}, {"w": w})
    b.state = a.state
    close(
        b.apply_gradients({"w": g}, new)["w"],
        np.array(run(optim.Adam(0.1), [GRADIENTS[0], GRADIENTS[0]])),
    )


def test_a_state_that_lacks_parameters_is_completed():
    optimizer = optim.Adam(0.1)
    optimizer.state = {"step": mx.array(5, mx.uint64), "learning_rate": mx.array(0.1)}
    optimizer.apply_gradients({"w": mx.ones(1)}, {"w": mx.ones(1)})
    assert optimizer.step.item() == 6 and set(optimizer.state["w"]) == {"m", "v"}


def test_gradients_may_be_a_part():
    optimizer = optim.SGD(0.5)
    new = optimizer.apply_gradients({"a": mx.ones(1)}, {"a": mx.ones(1), "b": mx.ones(1)})
    assert list(new) == ["a"]


@pytest.mark.parametrize("grown, error", [({"b": 1}, KeyError), ({"l": [1, 1]}, IndexError)])
def test_a_model_that_has_grown_needs_init(grown, error):
    optimizer = optim.SGD(0.5, momentum=0.9)
    optimizer.init({"l": [mx.ones(1)]})
    tree = tree_map(lambda x: mx.ones(1), grown)
    with pytest.raises(error) as caught:
        optimizer.apply_gradients(tree, tree)
    assert "call optimizer.init" in caught.value.__notes__[0]
    optimizer.init(tree)
    assert optimizer.apply_gradients(tree, tree).keys() == grown.keys()


def test_update_changes_the_model():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)).apply(mx.ones_like)
    grads = {"layers": [{}, {"weight": mx.array([[2.0]])}]}
    optim.SGD(0.25).update(model, grads)
    assert model.layers[1].weight.item() == 0.5
    assert model.layers[0].weight.item() == model.layers[1].bias.item() == 1


def test_a_schedule_is_called_with_the_step():
    optimizer = optim.SGD(lambda step: 1.0 / (step + 1))
    rates = [optimizer.learning_rate.item()]
    w = {"w": mx.array([0.0])}
    for _ in range(3):
        w = optimizer.apply_gradients({"w": mx.array([1.0])}, w)
        rates.append(optimizer.learning_rate.item())
    assert rates == pytest.approx([1, 1, 1 / 2, 1 / 3])
    assert w["w"].item() == pytest.approx(-(1 + 1 / 2 + 1 / 3))


def test_a_schedule_works_in_a_compiled_step():
    optimizer = optim.SGD(optim.linear_schedule(1.0, 0.0, 4))
    optimizer.init({"w": mx.zeros(1)})
    step = mx.compile(
        lambda w: optimizer.apply_gradients({"w": mx.ones(1)}, {"w": w})["w"],
        inputs=optimizer.state,
        outputs=optimizer.state,
    )
    w, seen = mx.zeros(1), []
    for _ in range(5):
        w = step(w)
        seen.append(optimizer.learning_rate.item())
    assert seen == [1, 0.75, 0.5, 0.25, 0]
    assert w.item() == -2.5


@pytest.mark.parametrize("name", ["step", "learning_rate"])
def test_a_parameter_cannot_take_the_place_of_the_optimizers_own(name):
    with pytest.raises(ValueError, match=f"named '{name}'"):
        optim.SGD(0.1).apply_gradients({name: mx.ones(1)}, {name: mx.ones(1)})


def test_the_base_class_names_what_is_missing():
    with pytest.raises(TypeError, match="has no init_single"):
        optim.Optimizer().apply_gradients({"w": mx.ones(1)}, {"w": mx.ones(1)})


def test_an_optimizer_of_ones_own(close):
    class SignDescent(optim.Optimizer):
        def __init__(self, learning_rate):
            super().__init__()
            self._maybe_schedule("learning_rate", learning_rate)

        def init_single(self, parameter, state):
            state["count"] = mx.array(0)

        def apply_single(self, gradient, parameter, state):
            state["count"] = state["count"] + 1
            return parameter - self.learning_rate * mx.sign(gradient)

    optimizer = SignDescent(0.5)
    close(run(optimizer), START - 0.5 * np.sign(GRADIENTS).sum(0))
    assert optimizer.state["w"]["count"].item() == 3


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.SGD(0.1, nesterov=True), "Nesterov momentum requires"),
        (lambda: optim.SGD(0.1, 0.9, dampening=0.1, nesterov=True), "zero dampening"),
        (lambda: optim.Adam(0.1, betas=[1.0, 0.9]), r"beta1 should be in \[0, 1\)"),
        (lambda: optim.AdamW(0.1, betas=[0.9, -0.1]), r"beta2 should be in \[0, 1\)"),
        (lambda: optim.Adamax(0.1, eps=-1), "epsilon should be"),
        (lambda: optim.RMSprop(0.1, alpha=-1), "alpha should be >=0"),
        (lambda: optim.RMSprop(0.1, eps=-1), "epsilon should be >0"),
        (lambda: optim.Adagrad(0.1, eps=-1), "epsilon should be >0"),
        (lambda: optim.AdaDelta(0.1, rho=-1), "rho should be >=0"),
        (lambda: optim.AdaDelta(0.1, eps=-1), "epsilon should be >0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# -- several optimizers and clipping --------------------------------------------------------------


def several():
    return optim.MultiOptimizer(
        [optim.Lion(0.5), optim.SGD(0.25)], [lambda path, array: path.startswith("a")]
    )


def test_each_parameter_goes_to_the_optimizer_of_its_filter():
    grads = {"a": {"w": mx.array([3.0])}, "b": mx.array([2.0])}
    new = several().apply_gradients(grads, {"a": {"w": mx.array([1.0])}, "b": mx.array([1.0])})
    assert new["a"]["w"].item() == 0.5 and new["b"].item() == 0.5


def test_the_state_is_a_list_of_states():
    optimizer = several()
    optimizer.init({"a": mx.ones(1), "b": mx.ones(1)})
    first, second = optimizer.state["states"]
    assert "a" in first and "b" not in first and "b" in second


def test_the_state_of_several_can_be_set():
    a, b = several(), several()
    a.apply_gradients({"a": mx.ones(1), "b": mx.ones(1)}, {"a": mx.ones(1), "b": mx.ones(1)})
    b.state = a.state
    assert [o.step.item() for o in b.optimizers] == [1, 1]


@pytest.mark.parametrize("state", [{}, {"states": []}])
def test_a_state_of_another_number_is_refused(state):
    with pytest.raises(ValueError, match="2 entries in 'states'"):
        several().state = state


def test_the_rate_of_several_is_that_of_the_first():
    optimizer = several()
    assert optimizer.learning_rate.item() == 0.5
    optimizer.learning_rate = 0.125
    assert [o.learning_rate.item() for o in optimizer.optimizers] == [0.125, 0.125]


@pytest.mark.parametrize("filters", [[], [lambda p, a: True] * 2])
def test_there_is_one_filter_fewer_than_optimizers(filters):
    with pytest.raises(ValueError, match=f"Given {len(filters)} filters but 1 needed"):
        optim.MultiOptimizer([optim.SGD(0.1), optim.SGD(0.1)], filters)


def test_several_update_a_model():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = optim.MultiOptimizer(
        [optim.Adam(0.1), optim.SGD(0.1)], [lambda path, array: array.ndim > 1]
    )
    before = {name: value.tolist() for name, value in tree_flatten(model.parameters())}
    _, grads = nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((1, 2)))
    optimizer.update(model, grads)
    after = {name: value.tolist() for name, value in tree_flatten(model.parameters())}
    assert all(before[name] != after[name] for name in before)


def test_clipping_scales_to_the_norm(close):
    grads, norm = optim.clip_grad_norm({"a": mx.array([3.0]), "b": [mx.array([4.0])]}, 1.0)
    assert norm.item() == 5
    close(grads["a"], [0.6])
    close(grads["b"][0], [0.8])


def test_clipping_leaves_small_gradients():
    grads, norm = optim.clip_grad_norm({"a": mx.array([3.0, 4.0])}, 6.0)
    assert grads["a"].tolist() == [3, 4] and norm.item() == 5


def test_clipping_of_half_gradients_does_not_overflow():
    grads, norm = optim.clip_grad_norm({"a": mx.array([300.0, 400.0], dtype=mx.float16)}, 1.0)
    assert norm.item() == 500 and norm.dtype == mx.float32
    assert grads["a"].dtype == mx.float16
    assert math.hypot(*grads["a"].tolist()) == pytest.approx(1, rel=1e-3)


def test_clipping_of_nothing():
    grads, norm = optim.clip_grad_norm({}, 1.0)
    assert grads == {} and norm.item() == 0
