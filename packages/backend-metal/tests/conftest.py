"""The emulated device, for tests that ask for it; nothing of it is in place otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from launching import ORDERS, Device, require_clang

from monel.backends.metal.emulator import fakemetal


@pytest.fixture
def device() -> Iterator[Device]:
    """A backend on the emulated device, every access to memory watched."""
    require_clang()
    with fakemetal.installed("checked") as settings:
        yield Device(settings)


@pytest.fixture(params=ORDERS)
def ordered_device(request: pytest.FixtureRequest, device: Device) -> Device:
    """The same, with threads in each of the three orders."""
    device.settings.order = request.param
    return device
