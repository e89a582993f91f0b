"""The conformance kit: a backend proves itself by subclassing ``ConformanceSuite``.

Example:
  >>> from monel.core.testing import ConformanceSuite, Gap
  >>> class TestToy(ConformanceSuite):
  ...     backend = "toy"
"""

from __future__ import annotations

from .cases import Gap
from .suite import ConformanceSuite

__all__ = ["ConformanceSuite", "Gap"]
