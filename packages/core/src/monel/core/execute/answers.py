"""What the hooks of a plugin may answer: nonsense is refused here, before anything relies on it.

Each check returns the answer in the form that discovery keeps, or raises BackendError with what
came and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..base.errors import BackendError
from ..contract.backend import Backend, BackendSpec, is_capsule
from ..contract.formats import Format

KINDS = ("cpu", "gpu")


def items(hook: str, answer: Any) -> list[Any]:
    """Return what a declaring hook lists; None lists nothing."""
    if answer is None:
        return []
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise BackendError(f"{hook} returned {answer!r}, which is no list")
    return list(answer)


def specs(answer: Any) -> list[BackendSpec]:
    """Return what ``monel_backends`` declares, each name once and each field of its type."""
    found = items("monel_backends", answer)
    for spec in found:
        if not isinstance(spec, BackendSpec):
            raise BackendError(f"monel_backends returned {spec!r}, which is no BackendSpec")
        for field, expected, holds in (
            ("name", "a name without a colon", _is_name(spec.name) and ":" not in spec.name),
            ("load", "a function", callable(spec.load)),
            ("api_version", "an int", isinstance(spec.api_version, int)),
            ("kinds", f"some of {KINDS}", _are_kinds(spec.kinds)),
            ("priority", "an int", isinstance(spec.priority, int)),
        ):
            _require(holds, f"BackendSpec.{field}", getattr(spec, field), expected)
    names = [spec.name for spec in found]
    if len(set(names)) < len(names):
        raise BackendError(f"monel_backends declares a name twice: {', '.join(sorted(names))}")
    return found


def formats(answer: Any) -> list[Format]:
    """Return what ``monel_formats`` declares, each field of its type."""
    found = items("monel_formats", answer)
    for fmt in found:
        if not isinstance(fmt, Format):
            raise BackendError(f"monel_formats returned {fmt!r}, which is no Format")
        for field, expected, holds in (
            ("name", "a name", _is_name(fmt.name)),
            ("extensions", "a tuple of endings of files", _are_endings(fmt.extensions)),
            ("magic", "a tuple of bytes, or of (offset, bytes)", _are_magic(fmt.magic)),
            ("load", "a function", callable(fmt.load)),
            ("save", "a function or None", fmt.save is None or callable(fmt.save)),
        ):
            _require(holds, f"Format.{field}", getattr(fmt, field), expected)
    return found


def kernels(answer: Any) -> Any:
    """Return what ``monel_kernels`` gives: functions by primitive, or a capsule of C kernels."""
    if not (isinstance(answer, Mapping) or is_capsule(answer)):
        raise BackendError(f"returned {answer!r}, which is neither a dict nor a capsule")
    return answer


def checks(answer: Any) -> list[tuple[str, Callable[[], str]]]:
    """Return what ``monel_doctor`` gives: pairs of a name and a function."""
    found = items("monel_doctor", answer)
    for pair in found:
        fits = isinstance(pair, tuple) and len(pair) == 2
        if not (fits and _is_name(pair[0]) and callable(pair[1])):
            raise BackendError(f"returned {pair!r}, which is no pair of a name and a function")
    return found


def device(answer: Any) -> str:
    """Return what ``monel_select_device`` chooses."""
    if not _is_name(answer):
        raise BackendError(f"returned {answer!r}, which is no name of a device")
    return str(answer)


# The check of each hook that is asked later than at discovery.
LATER: dict[str, Callable[[Any], Any]] = {
    "monel_kernels": kernels,
    "monel_doctor": checks,
    "monel_select_device": device,
}


def backend(name: str, answer: Any) -> Backend:
    """Return what ``BackendSpec.load`` gives, named, once it says which devices are there."""
    if not isinstance(answer, Backend):
        raise BackendError(f"BackendSpec.load returned {answer!r}, which is no Backend")
    answer.name = answer.name or name
    devices = answer.devices()
    named = isinstance(devices, Sequence) and not isinstance(devices, str)
    if not (named and all(map(_is_name, devices))):
        raise BackendError(f"Backend.devices returned {devices!r}, which is no list of names")
    if not devices:
        raise BackendError("it found no device")
    return answer


def reason(error: BaseException) -> str:
    """Return an error in one line: core's own words as they are, others with their class."""
    return str(error) if isinstance(error, BackendError) else repr(error)


def _require(holds: bool, field: str, came: Any, expected: str) -> None:
    if not holds:
        raise BackendError(f"{field} is {came!r}, expected {expected}")


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name)


def _are_kinds(kinds: Any) -> bool:
    return isinstance(kinds, tuple) and bool(kinds) and all(kind in KINDS for kind in kinds)


def _are_endings(endings: Any) -> bool:
    return isinstance(endings, tuple) and all(map(_is_name, endings))


def _are_magic(magic: Any) -> bool:
    if not isinstance(magic, tuple):
        return False
    pairs = [word if isinstance(word, tuple) else (0, word) for word in magic]
    return all(list(map(type, pair)) == [int, bytes] for pair in pairs)
