"""The compiled twin of ``exporter.py``: what exports memory on Python 3.11, too."""

from cpython.buffer cimport PyObject_GetBuffer


cdef class Exporter:
    def __getbuffer__(self, Py_buffer* buffer, int flags):
        # The memoryview becomes the exporter of record, so that it is what a release reaches.
        PyObject_GetBuffer(self.__buffer__(flags), buffer, flags)

    def __releasebuffer__(self, Py_buffer* buffer):
        """Nothing is held here: the memoryview that was asked for has its own release."""
