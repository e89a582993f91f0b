"""The conformance kit: a backend proves itself by subclassing ``ConformanceSuite``.

Example:
  >>> from monel.core.testing import ConformanceSuite, Gap
  >>> class TestToy(ConformanceSuite):
  ...     backend = "toy"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cases import Gap
    from .suite import ConformanceSuite

__all__ = ["ConformanceSuite", "Gap"]


def __getattr__(name: str) -> object:
    """Load the kit when it is asked for: pytest imports this package wherever core is installed."""
    if name == "Gap":
        from .cases import Gap

        return Gap
    if name == "ConformanceSuite":
        from .suite import ConformanceSuite

        return ConformanceSuite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
