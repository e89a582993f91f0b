"""The examples in public docstrings run and print what they say."""

import doctest
import importlib
import importlib.util

import pytest
import tutorial_pages as pages

MODULES = (
    "monel.core",
    "monel.core.cuda",
    "monel.core.distributed",
    "monel.core.fast",
    "monel.core.fft",
    "monel.core.linalg",
    "monel.core.metal",
    "monel.core.plugin",
    "monel.core.random",
    "monel.io",
    "monel.nn",
    "monel.nn.losses",
    "monel.optimizers",
    "monel.utils",
)


def module(name):
    """A public module, or None where its distribution is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def all_examples():
    """One case for each public object that has examples, with the names of its module."""
    for path in MODULES:
        try:
            found = module(path)
        except ModuleNotFoundError:
            continue
        if found is not None:
            for name, text in pages.documented(found, path):
                yield pytest.param(text, vars(found), id=name)


@pytest.mark.parametrize(("text", "names"), list(all_examples()))
def test_example_runs(text, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"mx": "monel.core", "nn": "monel.nn", "optim": "monel.optimizers", "np": "numpy"}
    known = {word: importlib.import_module(path) for word, path in words.items() if module(path)}
    test = doctest.DocTestParser().get_doctest(text, {**names, **known}, "example", None, 0)
    report = pages.run(test)
    assert report == ""
