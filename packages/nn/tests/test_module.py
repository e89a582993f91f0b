"""The contract of Module."""

import copy
import gc
import pickle
import weakref

import pytest

import monel.core as mx
import monel.nn as nn
from monel.utils import tree_flatten, tree_map


class Net(nn.Module):
    """A module with something in every kind of container."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(2, 3), nn.Linear(3, 2, bias=False)]
        self.norm = nn.LayerNorm(2)
        self.scale = mx.array(2.0)
        self._hidden = mx.array(1.0)
        self.name = "net"
        self.parts = {"drop": nn.Dropout(0.5), "w": mx.zeros(2)}
        self.pair = (nn.ReLU(), mx.ones(1))
        self.nothing = None
        self.sizes = [1, 2]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.norm(x) * self.scale


@pytest.fixture
def net():
    return Net()


def names(tree):
    return {name for name, _ in tree_flatten(tree)}


PARAMETERS = {
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.weight",
    "norm.weight",
    "norm.bias",
    "scale",
    "parts.w",
}


def test_a_module_is_a_dict(net):
    assert isinstance(net, dict)


def test_arrays_and_containers_are_items(net):
    assert set(net) == {"layers", "norm", "scale", "_hidden", "parts", "pair", "sizes"}


def test_other_values_are_ordinary_attributes(net):
    assert "name" not in net and net.name == "net"
    assert "nothing" not in net and net.nothing is None


def test_items_and_attributes_are_the_same(net):
    assert net["scale"] is net.scale
    net["scale"] = mx.array(3.0)
    assert net.scale.item() == 3.0


def test_in_tells_whether_there_is_a_bias(net):
    assert "bias" in net.layers[0]
    assert "bias" not in net.layers[1]


def test_an_item_can_become_an_ordinary_attribute(net):
    net.scale = "large"
    assert net.scale == "large" and "scale" not in net


def test_an_ordinary_attribute_can_become_an_item(net):
    net.name = mx.array(1.0)
    assert net["name"] is net.name


def test_items_and_attributes_can_be_deleted(net):
    del net.scale
    del net.name
    assert not hasattr(net, "scale") and not hasattr(net, "name")


def test_deleting_an_unknown_attribute_raises(net):
    with pytest.raises(AttributeError):
        del net.unknown


def test_an_unknown_attribute_raises(net):
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'unknown'"):
        _ = net.unknown


def test_items_are_completed(net):
    assert {"layers", "scale", "parameters"} <= set(dir(net))


def test_forgetting_the_constructor_of_module_is_named():
    class Forgetful(nn.Module):
        def __init__(self):
            self.w = mx.zeros(1)

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) first"):
        Forgetful().trainable_parameters()


def test_parameters_are_the_arrays_without_underscore(net):
    assert names(net.parameters()) == PARAMETERS


def test_parameters_are_plain_dicts_and_lists(net):
    tree = net.parameters()
    assert type(tree) is dict
    assert type(tree["layers"]) is list and type(tree["layers"][0]) is dict


def test_parameters_keep_the_places_of_lists(net):
    assert net.parameters()["sizes"] == [{}, {}]


def test_children_are_the_modules_directly_below(net):
    children = net.children()
    assert children["norm"] is net.norm
    assert children["layers"][1] is net.layers[1]
    assert children["parts"]["drop"] is net.parts["drop"]


def test_leaf_modules_hold_no_others():
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.ReLU())
    leaves = tree_flatten(model.leaf_modules(), is_leaf=nn.Module.is_module)
    assert [name for name, _ in leaves] == ["layers.0.layers.0", "layers.1"]


def test_named_modules_go_through_the_whole_tree(net):
    found = dict(net.named_modules())
    assert set(found) == {"", "layers.0", "layers.1", "norm", "parts.drop"}
    assert found[""] is net and found["layers.1"] is net.layers[1]


def test_modules_lists_them_without_names(net):
    assert [type(m) for m in net.modules()] == [type(m) for _, m in net.named_modules()]


def test_apply_to_modules_calls_with_path_and_module(net):
    seen = {}
    assert net.apply_to_modules(seen.__setitem__) is net
    assert set(seen) == {name for name, _ in net.named_modules()}


def test_filter_and_map_keeps_what_the_filter_says(net):
    got = net.filter_and_map(
        lambda module, key, value: isinstance(value, mx.array), lambda a: a.shape
    )
    assert got == {"scale": (), "_hidden": ()}


def test_filter_and_map_can_stop_at_modules(net):
    got = net.filter_and_map(
        nn.Module.valid_child_filter, type, lambda module, key, value: nn.Module.is_module(value)
    )
    assert got["norm"] is nn.LayerNorm


def test_filter_and_map_refuses_what_is_neither_leaf_nor_container(net):
    with pytest.raises(RuntimeError, match="neither a leaf nor a container"):
        net.filter_and_map(lambda *a: True, is_leaf_fn=lambda *a: False)


def test_is_module():
    assert nn.Module.is_module(nn.ReLU()) and not nn.Module.is_module({})


# -- update ---------------------------------------------------------------------------------------


def test_update_replaces_only_what_is_given(net):
    bias = net.layers[0].bias
    assert net.update({"layers": [{"weight": mx.ones((3, 2))}]}) is net
    assert net.layers[0].weight.tolist() == [[1, 1]] * 3
    assert net.layers[0].bias is bias


def test_update_takes_the_tree_of_parameters(net):
    net.update(tree_map(mx.zeros_like, net.parameters()))
    assert all(not mx.any(value).item() for _, value in tree_flatten(net.parameters()))


def test_update_skips_empty_places(net):
    net.update({"layers": [{}, {"weight": mx.ones((2, 3))}], "norm": {}})
    assert net.layers[1].weight.tolist() == [[1, 1, 1]] * 2


def test_update_does_not_check_shapes(net):
    assert net.update({"scale": mx.ones(7)}).scale.shape == (7,)


@pytest.mark.parametrize(
    "tree, message",
    [
        ({"scal": mx.ones(1)}, r'named "scal"\. Did you mean \'scale\''),
        ({"layers": [{"wieght": mx.ones(1)}]}, r'"wieght" \(at layers.0\)\. Did you mean'),
        ({"name": mx.ones(1)}, 'does not have parameter named "name"'),
        ({"layers": [{}, {}, {"weight": mx.ones(1)}]}, "index 2 is out of bounds"),
        ({"layers": {"0": mx.ones(1)}}, "invalid type: dict"),
        ({"layers": [{"weight": 1}]}, "invalid type: int for layers.0.weight"),
        ({"norm": mx.ones(1)}, "invalid type: array"),
        ({"scale": {"a": mx.ones(1)}}, "invalid type: dict"),
        ({"pair": [{}, mx.ones(1)]}, "invalid type: list"),
    ],
)
def test_strict_update_refuses_what_does_not_fit(net, tree, message):
    with pytest.raises(ValueError, match=message):
        net.update(tree)


def test_update_that_is_not_strict_leaves_out_what_does_not_fit(net):
    net.update(
        {"unknown": mx.ones(1), "layers": [{"x": mx.ones(1)}, {}, {}], "scale": mx.array(5.0)},
        strict=False,
    )
    assert "unknown" not in net and net.scale.item() == 5.0


def test_update_modules_replaces_modules(net):
    norm = nn.RMSNorm(2)
    assert net.update_modules({"norm": norm, "layers": [{}, nn.ReLU()]}) is net
    assert net.norm is norm
    assert isinstance(net.layers[0], nn.Linear) and isinstance(net.layers[1], nn.ReLU)


@pytest.mark.parametrize(
    "tree, message",
    [
        ({"nrom": nn.ReLU()}, r'sub-module named "nrom"\. Did you mean \'norm\''),
        ({"scale": nn.ReLU()}, "invalid type: ReLU"),
        ({"norm": mx.ones(1)}, "invalid type: array"),
        ({"layers": [{}, {}, nn.ReLU()]}, "index 2 is out of bounds"),
    ],
)
def test_strict_update_modules_refuses_what_does_not_fit(net, tree, message):
    with pytest.raises(ValueError, match=message):
        net.update_modules(tree)


def test_apply_maps_all_parameters(net):
    assert net.apply(lambda a: a.astype(mx.float16)) is net
    assert {value.dtype for _, value in tree_flatten(net.parameters())} == {mx.float16}
    assert net._hidden.dtype == mx.float32


def test_set_dtype_leaves_integers(net):
    net.counts = mx.array([1, 2])
    net.set_dtype(mx.bfloat16)
    assert net.norm.weight.dtype == mx.bfloat16 and net.counts.dtype == mx.int32


def test_set_dtype_without_predicate_casts_all(net):
    net.counts = mx.array([1, 2])
    net.set_dtype(mx.float16, None)
    assert net.counts.dtype == mx.float16


# -- freezing -------------------------------------------------------------------------------------


def test_everything_is_trainable_at_first(net):
    assert names(net.trainable_parameters()) == PARAMETERS


def test_freeze_takes_all_parameters_out(net):
    assert net.freeze() is net
    assert names(net.trainable_parameters()) == set()
    assert names(net.parameters()) == PARAMETERS


def test_freeze_by_key_goes_through_the_tree(net):
    net.freeze(keys="bias")
    assert names(net.trainable_parameters()) == {n for n in PARAMETERS if "bias" not in n}


def test_freeze_without_recursion_stays_here(net):
    net.freeze(recurse=False)
    assert names(net.trainable_parameters()) == PARAMETERS - {"scale", "parts.w"}


def test_unfreeze_by_key_undoes_part(net):
    net.freeze().unfreeze(keys=["bias"])
    assert names(net.trainable_parameters()) == {"layers.0.bias", "norm.bias"}


def test_unfreeze_without_recursion_stays_here(net):
    net.freeze().unfreeze(recurse=False)
    assert names(net.trainable_parameters()) == {"scale", "parts.w"}


def test_freezing_twice_is_freezing_once(net):
    net.freeze().freeze().unfreeze()
    assert names(net.trainable_parameters()) == PARAMETERS


def test_unknown_keys_are_taken_unless_strict(net):
    net.freeze(keys="unknown")
    assert names(net.trainable_parameters()) == PARAMETERS


@pytest.mark.parametrize("method", ["freeze", "unfreeze"])
def test_strict_freezing_names_unknown_keys(net, method):
    with pytest.raises(KeyError, match=r"doesn't contain member biass.*'bias'"):
        getattr(net, method)(keys="biass", strict=True)


def test_strict_freezing_looks_through_the_tree(net):
    net.freeze(keys=["bias", "weight"], strict=True)
    assert names(net.trainable_parameters()) == {"scale", "parts.w"}


# -- mode -----------------------------------------------------------------------------------------


def test_modules_start_in_training_mode(net):
    assert all(module.training for module in net.modules())


def test_eval_and_train_go_through_the_tree(net):
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())


def test_training_cannot_be_assigned(net):
    with pytest.raises(AttributeError):
        net.training = False


def test_state_is_live(net):
    net.state["scale"] = mx.array(9.0)
    assert net.scale.item() == 9.0


# -- weights --------------------------------------------------------------------------------------


def weights(net):
    return tree_flatten(net.parameters())


def test_load_weights_takes_a_list(net):
    other = Net()
    assert other.load_weights(weights(net)) is other
    for (_, a), (_, b) in zip(weights(net), weights(other), strict=True):
        assert mx.array_equal(a, b).item()


def test_load_weights_takes_a_dict(net):
    net.load_weights({name: mx.zeros(value.shape) for name, value in weights(net)})
    assert not net.scale.item()


def test_strict_load_names_unknown_parameters(net):
    with pytest.raises(ValueError, match=r"Received 1 parameters not in model: \nscal\b.*'scale'"):
        net.load_weights([*weights(net), ("scal", mx.zeros(1))])


def test_strict_load_names_missing_parameters(net):
    with pytest.raises(ValueError, match=r"Missing 1 parameters: \nlayers.0.weight\."):
        net.load_weights(weights(net)[1:])


def test_strict_load_checks_shapes(net):
    wrong = [(name, mx.zeros((7,))) for name, _ in weights(net)]
    with pytest.raises(ValueError, match=r"Expected shape \(3, 2\) but received shape \(7,\)"):
        net.load_weights(wrong)


def test_strict_load_checks_types(net):
    with pytest.raises(ValueError, match=r"Expected mx\.array but received"):
        net.load_weights([(name, 1) for name, _ in weights(net)])


def test_a_strict_load_that_fails_changes_nothing(net):
    before = dict(weights(net))
    with pytest.raises(ValueError):
        net.load_weights([(n, v if n != "scale" else mx.zeros(3)) for n, v in weights(Net())])
    assert all(value is before[name] for name, value in weights(net))


def test_load_that_is_not_strict_takes_what_fits(net):
    net.load_weights([("scale", mx.array(4.0)), ("unknown.x", mx.zeros(1))], strict=False)
    assert net.scale.item() == 4.0


def test_save_weights_refuses_other_extensions(net, tmp_path):
    with pytest.raises(ValueError, match="unsupported file extension"):
        net.save_weights(str(tmp_path / "weights.txt"))


# -- printing and Python's protocols --------------------------------------------------------------


def test_repr_shows_the_tree():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))
    assert repr(model) == (
        "Sequential(\n"
        "  (layers.0): Linear(input_dims=2, output_dims=3, bias=True)\n"
        "  (layers.1): Sequential(\n"
        "    (layers.0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_repr_of_a_module_without_children_is_one_line():
    assert repr(nn.Module()) == "Module()"


def test_deep_copies_are_independent(net):
    other = copy.deepcopy(net)
    other.layers[0].weight = mx.zeros((3, 2))
    other.eval()
    assert mx.any(net.layers[0].weight).item() and net.training


def test_modules_can_be_pickled(net):
    other = pickle.loads(pickle.dumps(nn.Linear(2, 3).freeze(keys="bias").eval()))
    assert not other.training and list(other.trainable_parameters()) == ["weight"]


def test_reference_cycles_are_collected():
    class Cycle(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = mx.ones(3)
            self.step = nn.value_and_grad(self, lambda: (self.w * 2).sum())

    model = Cycle()
    model.step()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
