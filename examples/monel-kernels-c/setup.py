"""One extension module; monel-core says where its header is."""

import sys

from setuptools import Extension, setup

import monel.core as mx

kernels = Extension(
    "monel_kernels_c._kernels",
    ["src/monel_kernels_c/kernels.c"],
    include_dirs=[mx.get_include()],
    libraries=[] if sys.platform == "win32" else ["m"],
)
setup(ext_modules=[kernels])
