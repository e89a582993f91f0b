"""The table of a model."""

import monel.core as mx
import monel.nn as nn


class Net(nn.Module):
    """A parameter of its own, and a layer."""

    def __init__(self):
        super().__init__()
        self.scale = mx.ones((3,), dtype=mx.float16)
        self.layer = nn.Linear(1000, 2, bias=False)


def test_the_table_lists_modules_with_their_totals(capsys):
    nn.summary(Net())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["Net", "2,003", "8,006", "scale", "float16[3]"]
    assert lines[2] == ["layer:", "Linear", "2,000", "8,000", "weight", "float32[2,1000]"]
    assert lines[-1] == "2,003 parameters, 2,003 of them trainable".split()


def test_frozen_parameters_are_marked(capsys):
    nn.summary(Net().freeze(keys="weight"))
    out = capsys.readouterr().out
    assert "float32[2,1000] frozen" in out and "3 of them trainable" in out


def test_notebooks_show_the_table_escaped():
    class Less(nn.Module):
        """A module whose name looks like markup."""

    Less.__name__ = "A<B"
    shown = Less()._repr_html_()
    assert shown.startswith("<pre>") and "A&lt;B" in shown
