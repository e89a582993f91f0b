"""The contract is enough: three backends made for nothing else pass the kit and compute."""

from importlib.util import find_spec

import pytest

from monel.core.testing import ConformanceSuite


def installed(module):
    """Mark a suite that needs a distribution of ``tests/backends``."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")


class TestReference(ConformanceSuite):
    backend = "reference"
    fallback = "error"


@installed("monel_minimal")
class TestMinimal(ConformanceSuite):
    backend = "minimal"
    fallback = "error"


@installed("monel_remote")
class TestRemote(ConformanceSuite):
    backend = "remote"
    fallback = "error"
