"""The CPU backend passes the kit, with the gaps declared here."""

from __future__ import annotations

from monel.core.testing import ConformanceSuite, Gap

HOST = "no kernel: the host stands in, which this suite does not allow"


class TestCpu(ConformanceSuite):
    backend = "cpu"
    fallback = "error"
    gaps = (
        *(Gap(name, "complex64", check="dtype", reason=HOST) for name in ("max", "min", "argm*")),
        *(Gap(name, "bool", check="dtype", reason=HOST) for name in ("pow", "rem")),
    )
