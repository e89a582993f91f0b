"""IDX files for ``mx.load``: the format in which MNIST and its kin are given away.

A file is two zero bytes, a code for the dtype, the number of dimensions, these as big-endian
uint32, and the elements, big-endian too.

Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import math
import struct

import numpy as np

from monel.core.plugin import Format, FormatError, HostTensor, LazyTensor, Source, hookimpl

DTYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
CODES = {name: code for code, name in DTYPES.items()}


@hookimpl
def monel_formats():
    return [
        Format(
            name="idx",
            extensions=(".idx", "-idx1-ubyte", "-idx3-ubyte"),
            magic=tuple(bytes([0, 0, code]) for code in DTYPES),
            load=load,
            save=save,
            single=True,
        )
    ]


def load(source: Source, *, return_metadata: bool = False) -> LazyTensor:
    """Parse the header, comparing each length with what the file has; read no data yet."""
    zeros, code, rank = struct.unpack(">HBB", source.pread(0, 4))
    if zeros or code not in DTYPES:
        raise FormatError(source.path, 0, "magic", f"no IDX file, or of unknown type {code}")
    shape = struct.unpack(f">{rank}I", source.pread(4, 4 * rank))
    dtype = np.dtype(DTYPES[code]).newbyteorder(">")
    start, nbytes = 4 + 4 * rank, math.prod(shape) * dtype.itemsize
    if start + nbytes != source.size:
        reason = f"{shape} takes {nbytes} bytes, and {source.size - start} follow"
        raise FormatError(source.path, 4, "shape", reason)

    def read(out: memoryview) -> None:
        source.preadinto(start, out)
        if dtype.itemsize > 1:
            np.frombuffer(out, f"u{dtype.itemsize}").byteswap(inplace=True)

    return LazyTensor(shape, DTYPES[code], read)


def save(target, array: HostTensor) -> None:
    """Write the array piece by piece, so that it may be larger than memory."""
    if array.dtype_name not in CODES or len(array.shape) > 255:
        raise ValueError(f"save: IDX has no {array.dtype_name}{list(array.shape)}")
    rank = len(array.shape)
    target.write(struct.pack(f">HBB{rank}I", 0, CODES[array.dtype_name], rank, *array.shape))
    dtype = np.dtype(array.dtype_name)
    for piece in array.pieces():
        target.write(np.frombuffer(piece, dtype).byteswap().data)
