"""The compiled twin of ``exporter.py``: what exports memory on Python 3.11, too."""

from cpython.buffer cimport PyObject_GetBuffer
from cpython.ref cimport Py_DECREF

cdef extern from "Python.h":
    void PyObject_GC_Track(object)
    void PyObject_GC_UnTrack(object)
    bint PyObject_GC_IsTracked(object)


cdef class Exporter:
    def __getbuffer__(self, Py_buffer* buffer, int flags):
        view = self.__buffer__(flags)
        # The memoryview becomes the exporter of record in place of None, which Cython put there.
        Py_DECREF(None)
        PyObject_GetBuffer(view, buffer, flags)

    def __releasebuffer__(self, Py_buffer* buffer):
        """Nothing is held here: the memoryview that was asked for has its own release."""


cpdef untrack(object value):
    """Tell the garbage collector that ``value`` is in no cycle."""
    PyObject_GC_UnTrack(value)


cpdef track(object value):
    """Take ``untrack`` back."""
    if not PyObject_GC_IsTracked(value):
        PyObject_GC_Track(value)


cpdef bint tracked(object value):
    """Whether the garbage collector looks after ``value``."""
    return PyObject_GC_IsTracked(value)
