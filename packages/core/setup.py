"""Compile the hot modules of core from their own Python files.

A module is compiled when a ``.pxd`` (or a ``.pyx`` of its own) lies beside it: there is no other
list. ``MONEL_PURE=1`` builds the pure wheel from the same files.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("src")
# Debug information is most of the size of a module, and of the time to link it.
COMPILE = [] if os.name == "nt" else ["-g0"]
DIRECTIVES = {
    "language_level": 3,
    # Annotations are for people and type checkers; C types stand in the .pxd files.
    "annotation_typing": False,
    # A handle that is half made raises AttributeError instead of reading through a null pointer.
    "nonecheck": True,
}
# Commands that only describe the distribution; pip runs them before it builds.
DESCRIBING = {"egg_info", "dist_info", "sdist"}


def hot_modules() -> list[Extension]:
    """One extension for each, from its ``.pyx`` where there is one, else from its ``.py``."""
    modules = []
    marked = SOURCES.glob("monel/core/**/*.p[xy][dx]")
    for stem in sorted({path.with_suffix("") for path in marked}):
        cython_only = stem.with_suffix(".pyx")
        source = cython_only if cython_only.exists() else stem.with_suffix(".py")
        name = ".".join(stem.relative_to(SOURCES).parts)
        # Heap types, so that operators can be installed on a compiled class from a table.
        macros = [("CYTHON_USE_TYPE_SPECS", "1")]
        modules.append(
            Extension(name, [str(source)], define_macros=macros, extra_compile_args=COMPILE)
        )
    return modules


def extensions(scratch: str) -> list[Extension]:
    """What to compile; nothing for a pure wheel."""
    if os.environ.get("MONEL_PURE", "") not in ("", "0") or DESCRIBING & set(sys.argv):
        return []
    from Cython.Build import cythonize

    # Without include_path Cython does not find the .pxd of a PEP 420 package, and says nothing.
    return cythonize(
        hot_modules(),
        include_path=[str(SOURCES)],
        compiler_directives=DIRECTIVES,
        build_dir=f"{scratch}/cython",
    )


def main() -> None:
    # Built outside of the tree: a module that was removed does not come back in the next wheel.
    scratch = tempfile.mkdtemp(prefix="monel-core-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    options = {
        "build": {"build_base": scratch},
        "build_ext": {"parallel": min(4, os.cpu_count() or 1)},
    }
    setup(ext_modules=extensions(scratch), options=options)


main()
