"""Layers split over a group, in the group of one that there always is."""

import pytest

import monel.core as mx
import monel.nn as nn

sharding = nn.layers.distributed


@pytest.fixture
def linear():
    return nn.Linear(4, 6)


@pytest.mark.parametrize(
    "name, kind",
    [("all-to-sharded", nn.AllToShardedLinear), ("sharded-to-all", nn.ShardedToAllLinear)],
)
def test_a_sharded_linear_computes_what_the_whole_does(linear, name, kind, draw, close):
    layer = sharding.shard_linear(linear, name)
    x, _ = draw(3, 4)
    assert type(layer) is kind
    assert (layer(x) == linear(x)).all().item()
    assert repr(layer) == f"{kind.__name__}(input_dims=4, output_dims=6, bias=True)"


@pytest.mark.parametrize("kind", [nn.AllToShardedLinear, nn.ShardedToAllLinear])
def test_a_new_sharded_linear_has_the_parameters_of_a_linear(kind):
    mx.random.seed(1)
    layer = kind(4, 6, bias=False)
    mx.random.seed(1)
    assert mx.array_equal(layer.weight, nn.Linear(4, 6, bias=False).weight).item()
    assert "bias" not in layer


@pytest.mark.parametrize(
    "name, kind",
    [
        ("all-to-sharded", nn.QuantizedAllToShardedLinear),
        ("sharded-to-all", nn.QuantizedShardedToAllLinear),
    ],
)
def test_a_sharded_quantized_linear_computes_what_the_whole_does(name, kind, draw):
    whole = nn.QuantizedLinear(64, 8)
    layer = sharding.shard_linear(whole, name)
    x, _ = draw(3, 64)
    assert type(layer) is kind
    assert (layer(x) == whole(x)).all().item()
    assert layer.trainable_parameters() == {}


def test_a_sharded_quantized_linear_stays_frozen():
    layer = nn.QuantizedAllToShardedLinear(64, 8)
    layer.unfreeze()
    assert layer.trainable_parameters() == {}


@pytest.mark.parametrize("call", [sharding.shard_linear, sharding.shard_inplace])
def test_another_kind_of_sharding_is_refused(linear, call):
    with pytest.raises(ValueError, match="choose one of 'all-to-sharded' or 'sharded-to-all'"):
        call(linear, "sharded-to-some")


def test_only_linear_layers_are_sharded():
    with pytest.raises(ValueError, match="expected a Linear"):
        sharding.shard_linear(nn.ReLU(), "all-to-sharded")


@pytest.mark.parametrize("choice", ["all-to-sharded", lambda path, x: -1, lambda path, x: None])
def test_sharding_in_place_over_one_changes_no_value(linear, choice):
    before = linear.weight.tolist()
    sharding.shard_inplace(linear, choice)
    assert linear.weight.tolist() == before


def test_gradients_of_one_are_their_average():
    grads = {"w": mx.ones(2)}
    assert nn.average_gradients(grads) is grads


def test_the_sum_over_one_is_the_identity():
    identity = sharding.sum_gradients(mx.distributed.init())
    assert mx.grad(lambda x: (identity(x) * 3).sum())(mx.ones(2)).tolist() == [3, 3]


def test_fully_sharding_over_one_changes_nothing(linear):
    assert nn.fully_shard(linear) is linear


def test_a_fully_sharded_module_computes_what_the_whole_does(linear, draw):
    x, _ = draw(3, 4)
    want = linear(x).tolist()
    layer = nn.FullyShardedModule(linear)
    assert layer(x).tolist() == want
    assert "num_sharded_params=2" in repr(layer)


def test_a_fully_sharded_module_trains_its_parts(linear):
    layer = nn.FullyShardedModule(linear)
    _, grads = nn.value_and_grad(layer, lambda x: layer(x).sum())(mx.ones((2, 4)))
    assert grads["module"]["bias"].tolist() == [2] * 6
    assert grads["module"]["weight"].tolist() == [[2] * 4] * 6


def test_a_fully_sharded_module_can_compute_in_another_dtype(linear):
    layer = nn.FullyShardedModule(linear, compute_dtype=mx.float16)
    assert layer(mx.ones((1, 4), dtype=mx.float16)).dtype == mx.float16
    assert linear.weight.dtype == mx.float32


def test_a_fully_sharded_embedding_is_a_linear_too():
    layer = nn.FullyShardedModule(nn.Embedding(3, 4))
    assert layer.as_linear(mx.ones((1, 4))).shape == (1, 3)


def test_parameters_without_axes_cannot_be_sharded():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = mx.array(2.0)

    with pytest.raises(ValueError, match="first axis of parameter 'scale'"):
        nn.FullyShardedModule(Scale())


def test_clipping_over_one_is_clipping():
    grads, norm = nn.utils.clip_grad_norm_sharded({"w": mx.array([3.0, 4.0])}, 1.0)
    assert norm.item() == 5
    assert grads["w"].tolist() == pytest.approx([0.6, 0.8])
