"""mx.distributed in the group of one process that there always is."""

import pytest

import monel.core as mx

distributed = mx.distributed
COLLECTIVES = [
    distributed.all_sum,
    distributed.all_max,
    distributed.all_min,
    distributed.all_gather,
    distributed.sum_scatter,
]


def test_the_group_has_one_member():
    group = distributed.init()
    assert (group.rank(), group.size()) == (0, 1)
    assert distributed.init(backend="ring") is group


@pytest.mark.parametrize("collective", COLLECTIVES)
@pytest.mark.parametrize("x", [mx.arange(4), mx.array(2.5), mx.array([True]), mx.zeros((0, 2))])
def test_a_collective_over_one_is_the_identity(collective, x):
    made = collective(x, group=distributed.init(), stream=mx.cpu)
    assert made.dtype == x.dtype
    assert made.tolist() == x.tolist()
    assert made is not x


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_a_collective_over_one_has_the_gradient_of_the_identity(collective):
    assert mx.grad(lambda x: (collective(x) * x).sum())(mx.array([1.0, 3.0])).tolist() == [2, 6]
    assert mx.vmap(collective)(mx.ones((2, 3))).shape == (2, 3)


def test_a_collective_takes_a_scalar():
    assert distributed.all_sum(2).item() == 2


@pytest.mark.parametrize("collective", COLLECTIVES)
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda f: f([1.0]), ValueError),
        (lambda f: f(mx.ones(2), group=1), TypeError),
        (lambda f: f(mx.ones(2), stream="x"), TypeError),
    ],
)
def test_a_collective_names_what_is_wrong(collective, call, error):
    with pytest.raises(error):
        call(collective)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: distributed.send(mx.ones(2), 0), "send to a singleton"),
        (lambda: distributed.recv((2,), mx.float32, 0), "recv from a singleton"),
        (lambda: distributed.recv_like(mx.ones(2), 1), "recv from a singleton"),
        (lambda: distributed.init(backend="pigeon"), "valid values"),
        (lambda: distributed.init(all_gather_factory=print), "jaccl"),
        (lambda: distributed.recv((2,), None, 0), "Dtype"),
    ],
)
def test_what_a_group_of_one_cannot_do_is_a_value_error(call, word):
    with pytest.raises(ValueError, match=word):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: distributed.send(mx.ones(2), "a"),
        lambda: distributed.recv((2,), mx.float32, 0.5),
        lambda: distributed.init(1),
        lambda: distributed.init(backend=3),
        lambda: distributed.init(all_gather_factory=3),
        lambda: distributed.is_available(3),
        lambda: distributed.Group(),
    ],
)
def test_wrong_types_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_a_strict_group_needs_other_processes():
    assert not distributed.is_available()
    with pytest.raises(RuntimeError, match="initialize"):
        distributed.init(strict=True)


def test_a_group_of_one_is_not_split():
    with pytest.raises(RuntimeError, match="split"):
        distributed.init().split(0)
