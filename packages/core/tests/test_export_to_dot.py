"""export_to_dot: the picture of a graph."""

import io

import pytest

import monel.core as mx


def drawn(*args, **kwargs):
    file = io.StringIO()
    mx.export_to_dot(file, *args, **kwargs)
    return file.getvalue().splitlines()


def labels(lines):
    return [line.split('"')[1] for line in lines if "label=" in line]


def test_a_sum_is_a_node_between_its_arrays():
    assert drawn(mx.array(1) + mx.array(2)) == [
        "digraph {",
        '{ rank=source; "A"; }',
        '{ rank=source; "B"; }',
        '{ e0 [label="Add", shape=rectangle]; }',
        '"A" -> e0',
        '"B" -> e0',
        '{ rank=sink; "C"; }',
        'e0 -> "C"',
        "}",
    ]


def test_operations_are_named_with_their_parameters():
    x = mx.array([1.0, 2.0])
    lines = drawn(mx.log2(mx.abs(x - mx.array([1.0, 2.0]))).astype(mx.int32))
    assert labels(lines) == ["Subtract", "Abs", "Log [2]", "AsType [int32]"]


def test_arrays_have_the_names_they_are_given():
    x, y = mx.array(1), mx.array(2)
    middle = x + y
    lines = drawn(-middle, B=y, x=x, middle=middle, other=mx.exp(x))
    assert '"middle" -> e1' in lines
    assert {"x", "B", "middle"} <= {line.split('"')[1] for line in lines if '"' in line}
    assert labels(lines) == ["Add", "Negative"]
    # A letter that is a given name is passed over.
    assert lines[-2].endswith('-> "D"')


def test_names_are_quoted():
    x = mx.array(1)
    assert '"say \\"x\\"" -> e0' in drawn(-x, **{'say "x"': x})


def test_computed_arrays_are_sources():
    y = mx.array(1) + mx.array(2)
    mx.eval(y)
    assert labels(drawn(-y)) == ["Negative"]
    assert drawn(y) == ["digraph {", '{ rank=source; "A"; }', "}"]


def test_trees_and_several_outputs():
    x = mx.array([1.0, 2.0])
    lines = drawn({"a": x + 1}, [mx.sin(x)])
    assert sorted(labels(lines)) == ["Add", "Sin"]
    assert sum("rank=sink" in line for line in lines) == 2


def test_an_operand_that_is_used_twice_is_one_source():
    x = mx.array(3)
    assert drawn(x * x, x=x).count('"x" -> e0') == 1


def test_a_compiled_function_is_one_node_that_names_its_operations():
    f = mx.compile(lambda x, y: mx.exp(x * y) + 1)
    assert labels(drawn(f(mx.array([1.0]), mx.array([2.0])))) == ["CompiledMultiplyExpAdd"]


def test_a_program_is_drawn():
    program = mx.make_program(lambda x: (mx.sin(x), x))(mx.array(1.0))
    lines = drawn(program)
    assert labels(lines) == ["Sin"]
    assert '{ rank=sink; "B"; }' in lines


def test_a_path_is_written_whole(tmp_path):
    path = tmp_path / "graph.dot"
    mx.export_to_dot(str(path), mx.array(1) + 1)
    assert path.read_text().startswith("digraph {\n")
    assert [p.name for p in tmp_path.iterdir()] == ["graph.dot"]


def test_a_long_chain_is_drawn_without_recursion():
    x = mx.array(1.0)
    for _ in range(20_000):
        x = -x
    assert len(labels(drawn(x))) == 20_000


def test_what_is_no_array_or_file_is_refused():
    for call in (lambda: drawn(3), lambda: drawn(mx.array(1), y=3)):
        with pytest.raises(ValueError, match="export_to_dot"):
            call()
    with pytest.raises(ValueError, match="file-like objects or strings"):
        mx.export_to_dot(3, mx.array(1) + 1)
