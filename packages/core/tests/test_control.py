"""scan, while_loop, fori_loop and cond: values, derivatives and batches against Python loops."""

import numpy as np
import pytest

import monel.core as mx


def near(got, want):
    """Assert that two trees of arrays agree."""
    if isinstance(want, mx.array):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(np.array(got), np.array(want), rtol=2e-4, atol=1e-5)
        return
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        near(a, b)


# Each pair is a function of (w, x), w of shape (3,) and x of shape (4, 3), in terms of control
# flow and unrolled; their values, derivatives and batched forms must agree.


def scanned(w, x):
    def step(carry, row):
        a, b = carry
        a = mx.sin(a * w + row) + 0.1 * b
        return (a, b * row.sum()), a * row

    (a, b), ys = mx.scan(step, (mx.ones(3), mx.array(2.0)), x)
    return a.sum() + b + (ys * x).sum()


def unrolled_scan(w, x):
    a, b, ys = mx.ones(3), mx.array(2.0), []
    for row in x:
        a = mx.sin(a * w + row) + 0.1 * b
        b = b * row.sum()
        ys.append(a * row)
    return a.sum() + b + (mx.stack(ys) * x).sum()


def scanned_back(w, x):
    c, ys = mx.scan(lambda c, r: (c * w + r, c * c), mx.zeros(3), x, reverse=True)
    return (c * w).sum() + (ys * x).sum()


def unrolled_back(w, x):
    c, ys = mx.zeros(3), []
    for row in x[::-1]:
        ys.append(c * c)
        c = c * w + row
    return (c * w).sum() + (mx.stack(ys[::-1]) * x).sum()


def counted(w, x):
    return mx.fori_loop(1, 4, lambda i, c: c * w + x[i] * i, w).sum()


def unrolled_count(w, x):
    c = w
    for i in range(1, 4):
        c = c * w + x[i] * i
    return c.sum()


def bounded(w, x):
    return grown(w, x, max_steps=9)


def grown(w, x, max_steps=None):
    def step(v):
        return v[0] * (1.3 + w * w) + 0.1 * v[1], mx.sin(v[1] * w)

    start = (mx.abs(x[0]) + 1.0, x[1])
    a, b = mx.while_loop(lambda v: v[0].sum() < 20.0, step, start, max_steps=max_steps)
    return (a * b).sum()


def unrolled_growth(w, x):
    a, b = mx.abs(x[0]) + 1.0, x[1]
    while a.sum().item() < 20.0:
        a, b = a * (1.3 + w * w) + 0.1 * b, mx.sin(b * w)
    return (a * b).sum()


def branched(w, x):
    def step(c, row):
        return mx.cond(row.sum() > 0, lambda: (c * w, row), lambda: (c + row * w, row * c))

    c, ys = mx.scan(step, w, x)
    return c.sum() + (ys * ys).sum()


def unrolled_branches(w, x):
    c, s = w, mx.array(0.0)
    for row in x:
        if row.sum().item() > 0:
            c, y = c * w, row
        else:
            c, y = c + row * w, row * c
        s = s + (y * y).sum()
    return c.sum() + s


def nested(w, x):
    def row_step(c, row):
        inner, _ = mx.scan(lambda s, r: (mx.tanh(s + r * c.sum()), None), mx.array(0.0), row)
        return c * w + inner, inner

    c, ys = mx.scan(row_step, w, x)
    return c.sum() + ys.sum()


def unrolled_nest(w, x):
    c, total = w, mx.array(0.0)
    for row in x:
        s = mx.array(0.0)
        for k in range(3):
            s = mx.tanh(s + row[k] * c.sum())
        c, total = c * w + s, total + s
    return c.sum() + total


PAIRS = {
    "scan": (scanned, unrolled_scan),
    "reverse": (scanned_back, unrolled_back),
    "fori": (counted, unrolled_count),
    "while": (grown, unrolled_growth),
    "max_steps": (bounded, unrolled_growth),
    "cond": (branched, unrolled_branches),
    "nested": (nested, unrolled_nest),
}
pairs = pytest.mark.parametrize(("f", "g"), PAIRS.values(), ids=PAIRS)
# A reverse-mode derivative of the reverse-mode derivative of an unbounded loop is refused.
twice = pytest.mark.parametrize(
    ("f", "g"),
    [p for n, p in PAIRS.items() if n != "while"],
    ids=[n for n in PAIRS if n != "while"],
)


@pytest.fixture
def wx():
    rng = np.random.default_rng(0)
    return mx.array(rng.uniform(0.2, 0.9, 3)), mx.array(rng.standard_normal((4, 3)))


@pairs
def test_values_agree_with_the_unrolled_loop(f, g, wx):
    near(f(*wx), g(*wx))
    near(mx.compile(f)(*wx), g(*wx))


@pairs
@pytest.mark.parametrize("wrap", [lambda h: h, mx.compile, mx.checkpoint])
def test_gradients_agree_with_the_unrolled_loop(f, g, wrap, wx):
    want = mx.grad(g, argnums=(0, 1))(*wx)
    if wrap is mx.checkpoint:
        near(mx.grad(wrap(f), argnums=(0, 1))(*wx), want)
    else:
        near(wrap(mx.grad(f, argnums=(0, 1)))(*wx), want)


@pairs
def test_tangents_agree_with_the_unrolled_loop(f, g, wx):
    directions = [mx.ones(3), mx.full((4, 3), 0.5)]
    want = mx.jvp(g, list(wx), directions)
    near(mx.jvp(f, list(wx), directions), want)
    near(mx.compile(lambda: mx.jvp(f, list(wx), directions)[1])(), want[1])


@pairs
def test_forward_over_reverse_agrees_with_the_unrolled_loop(f, g, wx):
    w, x = wx

    def product(h):
        return mx.jvp(lambda w: mx.grad(h)(w, x), [w], [mx.array([1.0, -1.0, 0.5])])[1]

    near(product(f), product(g))


@twice
def test_reverse_over_reverse_agrees_with_the_unrolled_loop(f, g, wx):
    w, x = wx

    def twofold(h):
        return mx.grad(lambda w: (mx.grad(h)(w, x) ** 2).sum())(w)

    near(twofold(f), twofold(g))
    near(mx.compile(lambda: twofold(f))(), twofold(g))


@pairs
def test_reverse_over_forward_agrees_with_the_unrolled_loop(f, g, wx):
    w, x = wx

    def twofold(h):
        return mx.grad(lambda w: mx.jvp(lambda w: h(w, x), [w], [mx.ones(3)])[1][0])(w)

    near(twofold(f), twofold(g))


@pairs
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, 2), (-1, 1)])
def test_batches_agree_with_a_loop_over_rows(f, g, axes, wx):
    rows = [[v * s for v in wx] for s in (0.5, 1.0, -1.5)]
    args = [
        v if axis is None else mx.stack([r[i] for r in rows], axis=axis)
        for i, (v, axis) in enumerate(zip(wx, axes, strict=True))
    ]
    each = [
        [v if axis is None else r[i] for i, (v, axis) in enumerate(zip(wx, axes, strict=True))]
        for r in rows
    ]
    near(mx.vmap(f, in_axes=axes)(*args), mx.stack([g(*a) for a in each]))
    gradient = mx.grad(f, argnums=(0, 1))
    want = [mx.grad(g, argnums=(0, 1))(*a) for a in each]
    near(mx.vmap(gradient, in_axes=axes)(*args), [mx.stack(c) for c in zip(*want, strict=True)])


@pairs
def test_gradients_of_batches_agree_with_a_loop_over_rows(f, g, wx):
    w, x = wx
    scales = mx.array([0.5, 1.0, -1.5])

    def batch(w):
        return mx.vmap(lambda s: f(w * s, x))(scales).sum()

    want = mx.grad(lambda w: sum(g(w * s, x) for s in scales))(w)
    near(mx.grad(batch)(w), want)
    near(mx.compile(mx.grad(batch))(w), want)


@pairs
def test_batches_of_batches_agree_with_a_loop(f, g, wx):
    w, x = wx
    scales = mx.array([0.5, 1.0])
    got = mx.vmap(lambda s: mx.vmap(lambda t: f(w * s, x * t))(scales))(scales)
    near(got, mx.stack([mx.stack([g(w * s, x * t) for t in scales]) for s in scales]))


# -- how it runs ------------------------------------------------------------------------------


def test_the_body_is_traced_once_whatever_the_number_of_steps():
    calls = []

    def step(c, x):
        calls.append(1)
        return c + x, None

    assert mx.scan(step, mx.array(0), mx.arange(1000))[0].item() == 499500
    assert mx.while_loop(lambda c: c < 1000, lambda c: step(c, 1)[0], mx.array(0)).item() == 1000
    assert len(calls) == 2


@pytest.mark.slow
def test_a_hundred_thousand_steps():
    n = 100_000
    total, ys = mx.scan(lambda c, x: (c + x, c), mx.array(0.0), mx.ones(n))
    assert (total.item(), ys.shape, ys[-1].item()) == (n, (n,), n - 1)
    assert mx.while_loop(lambda c: c < n, lambda c: c + 1, mx.array(0)).item() == n


def test_the_gradient_of_a_long_loop():
    n = 3_000

    def f(w):
        return mx.scan(lambda c, x: (c * w + x, None), mx.array(0.0), mx.ones(n))[0]

    def g(w):
        step = lambda v: (v[0] * w + 1.0, v[1] + 1)  # noqa: E731
        return mx.while_loop(lambda v: v[1] < n, step, (0.0, 0))[0]

    # The limit of the sum of w**k is 1 / (1 - w), and of its derivative 1 / (1 - w)**2.
    for h in (f, g):
        assert mx.grad(h)(mx.array(0.5)).item() == pytest.approx(4, rel=1e-5)


def test_loops_recorded_in_a_row_run_without_recursion():
    x = mx.array(0.0)
    for _ in range(500):
        y = x
        x, _ = mx.scan(lambda c, _: (c + 0 * y + 1.0, None), x, length=2)  # noqa: B023
    assert x.item() == 1000


def test_equal_bodies_are_made_ready_once():
    from monel.core.transforms.closures import _programs

    def run(k):
        return mx.scan(lambda c, x: (c * 2.0 + x * k, None), mx.array(0.0), mx.ones(3))[0]

    run(mx.array(1.0))
    before = len(_programs)
    assert [run(mx.array(float(k))).item() for k in range(3)] == [0, 7, 14]
    assert len(_programs) == before


def test_memory_is_kept_for_what_is_asked_only():
    n, size = 200, 50_000
    x = mx.ones(size)
    mx.eval(x)
    if mx.get_active_memory() < 4 * size:
        pytest.skip("this backend does not count its memory")
    mx.reset_peak_memory()
    mx.eval(mx.scan(lambda c, _: (mx.sin(c) + 1, None), x, length=n)[0])
    assert mx.get_peak_memory() < 10 * 4 * size
    mx.reset_peak_memory()
    mx.eval(mx.while_loop(lambda v: v[1] < n, lambda v: (mx.sin(v[0]), v[1] + 1), (x, 0))[0])
    assert mx.get_peak_memory() < 10 * 4 * size


def test_arrays_given_to_a_loop_are_not_overwritten():
    x = mx.ones(5000)
    a, b = mx.scan(lambda c, _: ((c[1], c[0] * 2), c[0]), (x, x), length=3)[0]
    assert (a[0].item(), b[0].item(), x[0].item()) == (2, 4, 1)
    kept, ys = mx.scan(lambda c, _: (mx.exp(c * 0) + c, c), x, length=3)
    assert [y[0].item() for y in ys] == [1, 2, 3]
    assert kept[0].item() == 4


def test_an_error_inside_a_body_reaches_the_caller_and_spoils_nothing():
    x = mx.array([1.0, 2.0])

    def fail(v):
        raise KeyError("mine")

    y = mx.scan(lambda c, _: (mx.host_call(fail, c, c), None), x, length=3)[0]
    with pytest.raises(KeyError, match="mine"):
        mx.eval(y)
    assert (x + 1).tolist() == [2, 3]


def test_only_the_chosen_branch_runs():
    log = []
    note = lambda name: lambda x: mx.host_call(lambda v: log.append(name) or v, x, x)  # noqa: E731
    f = mx.compile(lambda x: mx.cond(x > 0, note("yes"), note("no"), x))
    mx.eval(f(mx.array(1.0)), f(mx.array(-1.0)))
    assert sorted(log) == ["no", "yes"]


# -- what goes in and comes out -------------------------------------------------------------------


def test_trees_numbers_and_constants_go_through():
    def step(carry, x):
        return {"n": carry["n"] + 1, "s": (carry["s"][0] + x["a"], "kept")}, [x["a"], None]

    carry, ys = mx.scan(step, {"n": 0, "s": (0.0, "kept")}, {"a": mx.array([1.0, 2.0])})
    assert (carry["n"].item(), carry["s"][0].item(), carry["s"][1]) == (2, 3, "kept")
    assert (ys[0].tolist(), ys[1]) == ([1, 2], None)


def test_a_scan_without_arrays_to_scan_takes_its_length():
    powers = mx.scan(lambda c, x: (c * 2, c), mx.array(1), None, length=5)[1]
    assert powers.tolist() == [1, 2, 4, 8, 16]


def test_no_steps_leave_the_carry_and_empty_results():
    c, ys = mx.scan(lambda c, x: (c + x, (c, x * 2.0)), mx.array(3), mx.zeros((0,), mx.int32))
    assert (c.item(), [y.shape for y in ys], ys[0].dtype) == (3, [(0,), (0,)], mx.int32)
    assert mx.while_loop(lambda x: x > 5, lambda x: x + 1, mx.array(3)).item() == 3
    assert mx.fori_loop(5, 2, lambda i, x: x + 1, mx.array(3)).item() == 3
    f = lambda x: mx.scan(lambda c, _: (c * x, None), x, length=0)[0]  # noqa: E731
    assert mx.grad(f)(mx.array(3.0)).item() == 1


def test_fori_loop_with_arrays_as_bounds():
    f = mx.compile(lambda n: mx.fori_loop(mx.array(1), n, lambda i, x: x * i, mx.array(1)))
    assert [f(mx.array(n)).item() for n in (1, 4, 6)] == [1, 6, 120]


def test_max_steps_ends_a_loop():
    f = lambda x: mx.while_loop(lambda v: v < 100, lambda v: v * 2, x, max_steps=3)  # noqa: E731
    assert f(mx.array(3)).item() == 24
    assert f(mx.array(90)).item() == 180
    assert mx.vmap(f)(mx.array([3, 90])).tolist() == [24, 180]


def test_integer_carries_have_no_gradient_and_do_not_stand_in_the_way():
    def f(x):
        def step(v, _):
            i, s = v
            return (i + 1, s + x[i] * x[i]), None

        return mx.scan(step, (0, 0.0), length=3)[0][1]

    assert mx.grad(f)(mx.array([1.0, 2.0, 3.0])).tolist() == [2, 4, 6]


def test_in_place_updates_work_inside_bodies():
    def step(c, i):
        c[i] = i * 2
        return c, None

    x = mx.zeros(4, mx.int32)
    assert mx.scan(step, x, mx.arange(4))[0].tolist() == [0, 2, 4, 6]
    assert x.tolist() == [0, 0, 0, 0]


def test_random_numbers_inside_a_loop_take_split_keys():
    keys = mx.random.split(mx.random.key(0), 5)
    ys = mx.scan(lambda c, k: (c, mx.random.normal(key=k)), 0, keys)[1]
    want = mx.stack([mx.random.normal(key=k) for k in keys])
    assert ys.tolist() == want.tolist()


def test_custom_functions_inside_loops_keep_their_rules():
    @mx.custom_function
    def f(x):
        return x * x

    f.vjp(lambda x, ct, out: ct * 100.0)
    g = lambda x: mx.scan(lambda c, _: (f(c), None), x, length=2)[0]  # noqa: E731
    assert mx.grad(g)(mx.array(3.0)).item() == 10_000


@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile])
def test_shapes_stay_open_in_shapeless_programs(wrap):
    def f(x):
        return mx.scan(lambda c, r: (c * 0.5 + r, r.sum()), mx.zeros_like(x[0]), x)

    c = mx.compile(f, shapeless=True)
    for shape in ((3, 2), (5, 2), (4, 7)):
        x = mx.arange(shape[0] * shape[1]).reshape(shape) * 1.0
        near(c(x), f(x))


# -- effects --------------------------------------------------------------------------------------


def note(log):
    return lambda x: mx.host_call(lambda v: log.append(v.item()), None, x)


@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile, mx.grad])
def test_effects_run_once_a_step_and_in_order(wrap):
    log = []

    def f(x):
        def step(c, k):
            note(log)(k)
            return c * x, None

        return mx.scan(step, mx.array(1.0), mx.arange(3))[0]

    mx.eval(wrap(f)(mx.array(2.0)))
    assert log == [0, 1, 2]


def test_effects_with_results_are_not_repeated_for_the_gradient_of_a_scan():
    log = []

    def f(x):
        def step(c, _):
            y = mx.host_call(lambda v: log.append(1) or v * 2, c, c, effect=True)
            return mx.sin(c) * mx.stop_gradient(y), None

        return mx.scan(step, x, length=3)[0]

    def g(x):
        for _ in range(3):
            x = mx.sin(x) * mx.stop_gradient(2 * x)
        return x

    for h in (f, mx.checkpoint(f)):
        near(mx.grad(h)(mx.array(1.1)), mx.grad(g)(mx.array(1.1)))
        assert len(log) == 3
        log.clear()
    near(*[mx.jvp(h, [mx.array(1.1)], [mx.array(1.0)])[1] for h in (f, g)])
    assert len(log) == 3


def test_effects_of_a_while_loop_and_of_a_branch_run_once_under_grad():
    log = []

    def f(x):
        def step(v):
            note(log)(v)
            return mx.cond(v > 2, lambda v: (note(log)(-v), v * x)[1], lambda v: v * x, v)

        return mx.while_loop(lambda v: v < 5, step, x)

    assert mx.grad(f)(mx.array(2.0)).item() == 12
    assert log == [2, 4, -4]


def test_under_vmap_the_effects_of_a_row_end_with_the_row():
    log = []

    def f(x):
        def step(v):
            note(log)(v)
            return v * 2

        return mx.while_loop(lambda v: v < 8, step, x)

    assert mx.vmap(f)(mx.array([1, 4, 9])).tolist() == [8, 8, 9]
    assert sorted(log) == [1, 2, 4, 4]


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: mx.scan(lambda c, r: (c[None], r), x, x), ValueError,
         r"carry is float32\[3\] at first, but float32\[1,3\] after a step"),
        (lambda x: mx.scan(lambda c, r: ({"a": c["a"] * 1.0}, r), {"a": 0}, x), ValueError,
         r"carry\['a'\] is int32\[\] at first, but float32\[\] after a step"),
        (lambda x: mx.scan(lambda c, r: ((c, c), r), x, x), ValueError, "structure of the carry"),
        (lambda x: mx.scan(lambda c, r: c, x, x), ValueError, r"pair \(carry, y\)"),
        (lambda x: mx.scan(lambda c, r: (c, r), x, (x, mx.ones(4))), ValueError, r"\[3, 4\]"),
        (lambda x: mx.scan(lambda c, r: (c, r), x), ValueError, "length="),
        (lambda x: mx.scan(lambda c, r: (c, r), x, length=-1), ValueError, "negative"),
        (lambda x: mx.scan(lambda c, r: (c, r), x, length=1.5), TypeError, "length"),
        (lambda x: mx.scan(lambda c, r: (c, r), x, x[0]), ValueError, "first axis"),
        (lambda x: mx.scan(3, x, x), TypeError, "callable"),
        (lambda x: mx.scan(lambda c, r: (c + r.item(), r), x, x), ValueError, "inside scan"),
        (lambda x: mx.while_loop(lambda c: c > 0, lambda c: c, x), ValueError, r"bool\[3\]"),
        (lambda x: mx.while_loop(lambda c: "yes", lambda c: c, x), ValueError, "str"),
        (lambda x: mx.while_loop(lambda c: c.sum() > 0, lambda c: c[:2], x), ValueError,
         r"value is float32\[3\] at first, but float32\[2\]"),
        (lambda x: mx.while_loop(lambda c: True, lambda c: c, None), ValueError, "no array"),
        (lambda x: mx.while_loop(lambda c: True, lambda c: c, x, max_steps=-1), ValueError, "max"),
        (lambda x: mx.fori_loop(0.5, 3, lambda i, c: c, x), TypeError, "lower"),
        (lambda x: mx.fori_loop(0, x, lambda i, c: c, x), ValueError, "upper"),
        (lambda x: mx.cond(x, lambda: x, lambda: x), ValueError, "pred must be a scalar"),
        (lambda x: mx.cond("a", lambda: x, lambda: x), ValueError, "pred"),
        (lambda x: mx.cond(True, lambda: x, lambda: x[:2]), ValueError,
         r"result is float32\[3\] of true_fun, but float32\[2\] of false_fun"),
        (lambda x: mx.cond(True, lambda: x, lambda: [x]), ValueError, "structure of the result"),
    ],
)  # fmt: skip
def test_wrong_uses_say_what_was_expected(call, error, match):
    with pytest.raises(error, match=match):
        call(mx.array([1.0, 2.0, 3.0]))


def test_reverse_over_reverse_of_an_unbounded_loop_names_the_way_out():
    f = lambda x: mx.while_loop(lambda c: c < 9, lambda c: c * x, x)  # noqa: E731
    with pytest.raises(ValueError, match="max_steps="):
        mx.grad(mx.grad(f))(mx.array(2.0))


def test_a_traced_value_cannot_leave_its_loop():
    kept = []
    mx.scan(lambda c, r: (kept.append(c) or c, r), mx.array(1.0), mx.ones(3))
    with pytest.raises(ValueError, match="scan"):
        (kept[0] + 1).item()
