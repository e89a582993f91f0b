"""The sample format of examples/, as a distribution that is found by its entry point."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from installed_sample import installed

import monel.core as mx
from monel.core.plugin import FormatError, open_source

ROOT = Path(__file__).parent.parent / "examples" / "monel-format-idx"
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
FILE = bytes([0, 0, 8, 3]) + np.array(IMAGES.shape, ">u4").tobytes() + IMAGES.tobytes()


@pytest.fixture
def run(tmp_path):
    """Run code in a process where the sample is installed; its lines are what this returns."""
    return installed(ROOT, tmp_path, ROOT / "src")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "a.idx", "lying.npy", "none"])
def test_the_sample_is_found_by_extension_and_by_its_first_bytes(run, tmp_path, name):
    (tmp_path / name).write_bytes(FILE)
    code = f"import monel.core as mx; a = mx.load({name!r}); print(a.dtype, a.tolist())"
    assert run("-c", code) == [f"monel.core.uint8 {IMAGES.tolist()}"]


def test_the_sample_is_saved_and_converted_to(run, tmp_path):
    code = "import monel.core as mx; mx.save('a.idx', mx.array([1.5, -2.0]))"
    assert run("-c", code) == []
    want = bytes([0, 0, 13, 1, 0, 0, 0, 2]) + np.array([1.5, -2], ">f4").tobytes()
    assert (tmp_path / "a.idx").read_bytes() == want
    run("-m", "monel.io", "convert", "a.idx", "b.safetensors")
    run("-m", "monel.io", "convert", "b.safetensors", "c.idx")
    assert mx.load(tmp_path / "b.safetensors")["array"].tolist() == [1.5, -2]
    assert (tmp_path / "c.idx").read_bytes() == want


def test_the_sample_is_listed(run):
    assert any(
        "monel-format-idx" in line and "idx" in line for line in run("-m", "monel.core", "plugins")
    )


@pytest.fixture(scope="module")
def sample():
    spec = importlib.util.spec_from_file_location("sample", ROOT / "src" / "monel_format_idx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_every_dtype_of_the_sample_makes_the_round_trip(sample, tmp_path, dtype):
    from monel.core.plugin import HostTensor

    a = np.arange(6).reshape(2, 3).astype(dtype)
    with open(tmp_path / "a", "wb") as file:
        sample.save(file, HostTensor(a.shape, dtype, a.tobytes()))
    tensor = sample.load(open_source(tmp_path / "a"))
    out = bytearray(a.nbytes)
    tensor.reader(memoryview(out))
    assert (tensor.shape, bytes(out)) == (a.shape, a.tobytes())


@pytest.mark.parametrize(
    "data",
    [b"", FILE[:3], FILE[:10], FILE[:-1], FILE + b"x", b"\1" + FILE[1:], b"\0\0\7" + FILE[3:],
     bytes([0, 0, 8, 255]) + b"\xff" * 1020],
)  # fmt: skip
def test_hostile_files_of_the_sample_are_refused(sample, tmp_path, data):
    (tmp_path / "a.idx").write_bytes(data)
    with pytest.raises(FormatError):
        sample.load(open_source(tmp_path / "a.idx"))
