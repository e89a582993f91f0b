"""The Metal backend passes the kit: on a Mac, or on the emulated device where that is asked for."""

from __future__ import annotations

import pytest

from monel.backends.metal import unavailable
from monel.core.testing import ConformanceSuite

if unavailable() is not None:
    pytest.skip(f"MONEL_METAL_EMULATE is not set, and it {unavailable()}", allow_module_level=True)


class TestMetal(ConformanceSuite):
    backend = "metal"
    fallback = "silent"
