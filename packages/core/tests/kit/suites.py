"""The kit, subclassed for every backend of ``wrong``."""

from __future__ import annotations

import wrong

from monel.core.testing import ConformanceSuite, Gap

GAPS = {
    "ForgetsReverse": (Gap("cumsum", check="*", case="*-1", reason="reverse is not written yet"),),
    "Honest": (Gap("sub", check="value", reason="a gap that has come to work"),),
    "SwapsOperands": (Gap("nonsense", reason="a gap that matches nothing"),),
}

# The primitives that a backend gets wrong, and one that it does not; others only take time.
FOCUS = {
    "ForgetsReverse": "cumsum",
    "AddsInHalf": "sum",
    "GivesWrongDtype": "less",
    "OverwritesOperands": "neg",
    "SharesStorage": "copy",
    "IgnoresStrides": "exp",
    "FailsOnEmpty": "div",
    "FailsOnScalars": "sqrt",
    "SharesScratch": "sum",
    "ClaimsTooMuch": "tanh",
    "ClaimsTooLittle": "tanh",
    "CompilesLess": "tanh",
    "LacksKernels": "tanh",
}


def focused(names):
    """Return ``list_cases`` for few primitives."""

    def list_cases(cls, check):
        cases = ConformanceSuite.list_cases.__func__(cls, check)
        return [c for c in cases if check == "required" or c.primitive in ("", *names)]

    return classmethod(list_cases)


for kind in wrong.ALL:
    name = kind.__name__
    body = {"backend": name.lower(), "gaps": GAPS.get(name, ()), "fallback": "silent"}
    body["list_cases"] = focused((FOCUS.get(name, "add"), "sub"))
    globals()[f"Test{name}"] = type(f"Test{name}", (ConformanceSuite,), body)
