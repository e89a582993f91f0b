"""Metal kernels on a machine without a GPU: compiled as C++, run by fibers, and watched.

Tests and ``python -m monel.backends.metal check`` import this package; the backend never does.
It needs clang 19, which Debian's and Ubuntu's packages have: ``apt-get install clang-19``.
"""
