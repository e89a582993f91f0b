"""The examples about models in the documents that monel was started from."""

import pytest

import monel.core as mx

nn = pytest.importorskip("monel.nn")
optim = pytest.importorskip("monel.optimizers")


def test_a_new_model_takes_no_memory_until_it_is_evaluated():
    kept = mx.random.uniform(shape=(1024,))
    mx.eval(kept)
    before = mx.get_active_memory()
    if not before:
        pytest.skip("the backend of the default device counts no memory")
    model = nn.Linear(1024, 1024)
    assert mx.get_active_memory() - before < 1024
    model.update({"weight": mx.zeros((1024, 1024), mx.float16), "bias": mx.zeros(1024, mx.float16)})
    mx.eval(model.parameters())
    half = 2 * (1024 * 1024 + 1024)
    assert half <= mx.get_active_memory() - before < half + 4096


def test_load_weights_replaces_lazy_weights(tmp_path):
    pytest.importorskip("monel.io")
    path = str(tmp_path / "weights_fp16.safetensors")
    weights = {"weight": mx.ones((3, 2), mx.float16), "bias": mx.zeros(3, mx.float16)}
    mx.save_safetensors(path, weights)
    model = nn.Linear(2, 3)
    model.load_weights(path)
    assert model.weight.dtype == mx.float16
    assert model(mx.array([1.0, 2.0], mx.float16)).tolist() == [3.0, 3.0, 3.0]


def test_one_evaluation_a_step_trains():
    mx.random.seed(0)
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(learning_rate=0.1)
    x = mx.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]])
    y = x @ mx.array([[2.0], [-1.0]]) + 0.5

    def loss_fn(model, x, y):
        return mx.mean(mx.square(model(x) - y))

    step = nn.value_and_grad(model, loss_fn)
    losses = []
    for _ in range(300):
        loss, grads = step(model, x, y)
        optimizer.update(model, grads)
        mx.eval(loss, model.parameters())
        losses.append(loss.item())
    assert losses[-1] < 1e-4 < losses[0]
