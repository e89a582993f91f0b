"""Kernels of Metal and CUDA source: what holds where no such device is."""

import pytest

import monel.core as mx

without_gpu = pytest.mark.skipif(mx.is_available(mx.gpu), reason="there is a gpu")


def make(**changed):
    fields = {"name": "double", "input_names": ["x"], "output_names": ["y"], "source": "y[0] = 1;"}
    return mx.fast.metal_kernel(**{**fields, **changed})


def call(kernel, *inputs, **changed):
    fields = {
        "inputs": list(inputs) or [mx.ones(3)],
        "output_shapes": [(3,)],
        "output_dtypes": [mx.float16],
        "grid": (3, 1, 1),
        "threadgroup": (1, 1, 1),
        "stream": mx.gpu,
    }
    return kernel(**{**fields, **changed})


@without_gpu
def test_a_metal_kernel_is_recorded_anywhere_and_fails_when_it_runs():
    (y,) = call(make())
    assert (y.shape, y.dtype) == ((3,), mx.float16)
    with pytest.raises(RuntimeError, match="No Metal back-end"):
        mx.eval(y)


@without_gpu
def test_a_failed_metal_kernel_leaves_its_inputs_intact():
    x = mx.ones(3) + 1
    (y,) = call(make(), x)
    with pytest.raises(RuntimeError):
        mx.eval(y)
    assert x.tolist() == [2, 2, 2]


def test_a_metal_kernel_has_an_output_for_each_name():
    kernel = make(output_names=["y", "z"])
    y, z = call(kernel, output_shapes=[(3,), (2, 2)], output_dtypes=[mx.float32, mx.int8])
    assert (y.shape, z.shape, z.dtype) == ((3,), (2, 2), mx.int8)


def test_a_metal_kernel_is_traced_by_vmap():
    kernel = make()
    shapes = []

    def row(x):
        (y,) = call(kernel, x)
        shapes.append(y.shape)
        return y

    assert mx.vmap(row)(mx.ones((2, 3))).shape == (2, 3)
    assert shapes == [(3,)]


def test_a_metal_kernel_has_no_derivative():
    with pytest.raises(ValueError, match="custom_function"):
        mx.grad(lambda x: call(make(), x)[0].sum())(mx.ones(3))


def test_a_metal_kernel_gets_a_derivative_from_a_custom_function():
    @mx.custom_function
    def double(x):
        return call(make(), x, output_dtypes=[mx.float32])[0]

    @double.vjp
    def double_vjp(x, cotangent, _):
        return 2 * cotangent

    _, (grad,) = mx.vjp(double, [mx.ones(3)], [mx.ones(3)])
    assert grad.tolist() == [2, 2, 2]


def test_a_metal_kernel_takes_scalars_and_a_template():
    pairs = [("T", mx.float32), ("N", 3), ("B", True)]
    assert call(make(), 2.0, template=pairs, init_value=0, verbose=False)[0].shape == (3,)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"output_names": []}, "at least one output"),
        ({"compile_options": {"speed": 1}}, "Unknown compile option"),
        ({"compile_options": {"math_mode": "wild"}}, "math_mode"),
    ],
)
def test_a_metal_kernel_that_cannot_be_made(changed, word):
    with pytest.raises(ValueError, match=word):
        make(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": 1},
        {"input_names": "x"},
        {"output_names": [1]},
        {"source": None},
        {"ensure_row_contiguous": 1},
        {"compile_options": "fast"},
    ],
)
def test_a_metal_kernel_is_made_of_the_right_types(changed):
    with pytest.raises(TypeError, match="metal_kernel"):
        make(**changed)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"inputs": []}, "Expected `inputs` to have size 1"),
        ({"output_shapes": []}, "Expected `output_shapes`"),
        ({"output_dtypes": [mx.int8] * 2}, "Expected `output_dtypes`"),
        ({"template": [("T", "float")]}, "Invalid template argument"),
        ({"grid": (-1, 1, 1)}, "negative"),
        ({"stream": mx.cpu}, "Only supports the GPU"),
        ({"output_shapes": [(-1,)]}, "metal_kernel"),
        ({"inputs": [[1.0]]}, "metal_kernel"),
    ],
)
def test_a_metal_kernel_that_cannot_be_called_so(changed, word):
    with pytest.raises(ValueError, match=word):
        call(make(), **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": mx.ones(3)},
        {"grid": (1, 1)},
        {"threadgroup": 1},
        {"output_dtypes": [None]},
        {"template": [1]},
        {"init_value": "0"},
        {"verbose": 1},
        {"stream": "gpu:"},
    ],
)
def test_a_metal_kernel_is_called_with_the_right_types(changed):
    with pytest.raises(TypeError):
        call(make(), **changed)


def test_cuda_kernels_need_cuda():
    assert mx.cuda.is_available() is False
    with pytest.raises(RuntimeError, match="No CUDA back-end"):
        mx.fast.cuda_kernel("f", ["x"], ["y"], "")
    with pytest.raises(RuntimeError, match="No CUDA back-end"):
        mx.fast.precompiled_cuda_kernel(
            name="f",
            compiled_source=b"",
            inputs=[],
            output_shapes=[],
            output_dtypes=[],
            scalars=[],
            grid=(1, 1, 1),
            threadgroup=(1, 1, 1),
        )


@pytest.mark.skipif(mx.metal.is_available(), reason="there is a Metal device")
def test_captures_need_metal():
    with pytest.raises(RuntimeError, match="No Metal back-end"):
        mx.metal.start_capture("x.gputrace")
    with pytest.raises(RuntimeError, match="No Metal back-end"):
        mx.metal.stop_capture()
    with pytest.raises(TypeError, match="path"):
        mx.metal.start_capture(3)


@pytest.mark.parametrize(
    "name", ["get_active_memory", "get_cache_memory", "get_peak_memory", "clear_cache"]
)
def test_older_names_of_memory_functions_go_on(name):
    with pytest.deprecated_call(match=f"call mx.{name}"):
        old = getattr(mx.metal, name)()
    assert type(old) is type(getattr(mx, name)())


@pytest.mark.parametrize("name", ["set_memory_limit", "set_cache_limit", "set_wired_limit"])
def test_older_names_of_limits_set_the_same_limit(name):
    old = getattr(mx, name)(1 << 41)
    with pytest.deprecated_call():
        assert getattr(mx.metal, name)(old) == 1 << 41


def test_device_info_under_its_older_name():
    with pytest.deprecated_call():
        info = mx.metal.device_info()
    assert bool(info) is mx.is_available(mx.gpu)
    with pytest.deprecated_call():
        mx.metal.reset_peak_memory()
    assert mx.get_peak_memory() == 0
