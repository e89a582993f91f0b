"""Weights in files: through the functions of core, and, where monel-io is installed, for real."""

import importlib.util

import pytest

import monel.core as mx
import monel.nn as nn
from monel.utils import tree_flatten

needs_io = pytest.mark.skipif(
    importlib.util.find_spec("monel.io") is None, reason="monel-io is not installed"
)


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def named(model):
    return tree_flatten(model.parameters(), destination={})


def test_npz_goes_through_savez(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(mx, "savez", lambda file, **arrays: seen.update({file: arrays}))
    model.save_weights("weights.npz")
    assert seen == {"weights.npz": named(model)}


def test_safetensors_goes_through_its_function(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(mx, "save_safetensors", lambda file, arrays: seen.update({file: arrays}))
    model.save_weights("weights.safetensors")
    assert seen == {"weights.safetensors": named(model)}


def test_loading_goes_through_load(model, monkeypatch):
    weights = named(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
    monkeypatch.setattr(mx, "load", lambda file: weights)
    model.load_weights("weights.gguf")
    assert all(value is weights[name] for name, value in named(model).items())


def test_a_file_with_one_array_holds_no_weights(model, monkeypatch):
    monkeypatch.setattr(mx, "load", lambda file: mx.ones(1))
    with pytest.raises(ValueError, match="one array without a name"):
        model.load_weights("weights.npy")


@needs_io
@pytest.mark.parametrize("extension", ["npz", "safetensors"])
def test_weights_come_back_bit_for_bit(model, extension, tmp_path):
    path = tmp_path / f"weights.{extension}"
    model.save_weights(path)
    other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).load_weights(path)
    for name, value in named(model).items():
        assert mx.array_equal(named(other)[name].view(mx.uint32), value.view(mx.uint32)).item()


@needs_io
def test_gguf_weights_come_back(model, tmp_path):
    path = str(tmp_path / "weights.gguf")
    mx.save_gguf(path, named(model))
    other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).load_weights(path)
    assert other(mx.ones((1, 2))).item() == model(mx.ones((1, 2))).item()


@needs_io
def test_a_file_of_another_model_is_refused(model, tmp_path):
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    with pytest.raises(ValueError, match=r"parameters not in model: \nlayers"):
        nn.Linear(2, 3).load_weights(path)
