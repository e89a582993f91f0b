cimport cython

from monel.core.graph.exporter cimport Exporter
from monel.core.graph.value cimport Value


@cython.final
cdef class Upper:
    cdef public object asarray
    cdef public object buffer
    cdef public object dlpack
    cdef public object dlpack_device
    cdef public object getitem
    cdef public object numpy
    cdef public object repr
    cdef public object select
    cdef public object setitem
    cdef public object state
    cdef public object to_scalar


cdef Upper upper


cdef class array(Exporter):
    cdef public Value value
    cdef object __weakref__


@cython.locals(handle=array)
cpdef wrap(Value value)
