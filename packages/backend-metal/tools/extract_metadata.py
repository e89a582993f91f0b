"""Write the fake Metal module's metadata from a wheel of pyobjc-framework-Metal.

    python -m pip download --platform macosx_11_0_universal2 --only-binary=:all: --no-deps \
        pyobjc-framework-Metal
    python packages/backend-metal/tools/extract_metadata.py pyobjc_framework_metal-*.whl

With ``--check`` it writes nothing and says whether the file is what the wheel gives.
"""

from __future__ import annotations

import json
import re
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/monel/backends/metal/emulator/fakemetal/metadata.json"


def text_of(kind: Any) -> str:
    """A type encoding, which the metadata spells as bytes or as text."""
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def extract(source: str) -> dict[str, Any]:
    """Run the wheel's ``_metadata.py`` with an ``objc`` that only listens."""
    selectors: dict[str, Any] = {}

    def register(_class: bytes, selector: bytes, facts: dict[str, Any]) -> None:
        arguments = facts.get("arguments", {})
        count = selector.count(b":")
        kinds = [text_of(arguments.get(i + 2, {}).get("type", "@")) for i in range(count)]
        out = [i for i in range(count) if arguments.get(i + 2, {}).get("type_modifier") == b"o"]
        returns = text_of(facts.get("retval", {}).get("type", "@"))
        selectors[text_of(selector)] = {"returns": returns, "arguments": kinds, "out": out}

    class Anything:
        arch = "arm64"
        registerMetaDataForSelector = staticmethod(register)

        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    fake = types.ModuleType("objc")
    listener = Anything()
    fake.__getattr__ = lambda name: getattr(listener, name)  # type: ignore[method-assign]
    old = sys.modules.get("objc")
    sys.modules["objc"] = fake
    namespace: dict[str, Any] = {}
    try:
        exec(compile(source, "_metadata.py", "exec"), namespace)
    finally:
        if old is None:
            del sys.modules["objc"]
        else:
            sys.modules["objc"] = old
    enums = dict(re.findall(r"\$(\w+)@(-?\d+)", namespace["enums"]))
    return {
        "selectors": dict(sorted(selectors.items())),
        "enums": {name: int(value) for name, value in sorted(enums.items())},
    }


def rendered(wheel: Path) -> str:
    """The file's text for one wheel: a line for each selector and enumerator."""
    with zipfile.ZipFile(wheel) as archive:
        found = extract(archive.read("Metal/_metadata.py").decode())
    version = wheel.name.split("-")[1]
    parts = [f'"source": "pyobjc-framework-Metal {version}"']
    for name, table in found.items():
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in table.items())
        parts.append(f'"{name}": {{\n{lines}\n}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str]) -> int:
    wheels = [Path(a) for a in arguments if not a.startswith("--")]
    if len(wheels) != 1:
        print(__doc__)
        return 2
    text = rendered(wheels[0])
    if "--check" in arguments:
        same = TARGET.read_text() == text
        print("in order" if same else f"{TARGET.name} differs: run this again without --check")
        return not same
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
