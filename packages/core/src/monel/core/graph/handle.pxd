cimport cython

from monel.core.graph cimport value as graph
from monel.core.graph.exporter cimport Exporter
from monel.core.graph.value cimport Trace, Value


@cython.final
cdef class Upper:
    cdef public object asarray
    cdef public object buffer
    cdef public object dlpack
    cdef public object dlpack_device
    cdef public object getitem
    cdef public object numpy
    cdef public object repr
    cdef public object selection
    cdef public object setitem
    cdef public object state
    cdef public object to_scalar


cdef dict _selections


cdef class array(Exporter):
    cdef public Value value
    cdef object __weakref__



@cython.locals(key=object, value=Value, made=Value, shape=tuple, operands=tuple, trace=Trace, size=cython.longlong)
cpdef array select(array a, Py_ssize_t axis, Py_ssize_t index)

@cython.locals(stream=object, operands=tuple, trace=Trace, made=Value, handle=array)
cpdef array record_view(object primitive, Value value, tuple shape, long long size)

@cython.locals(handle=array)
cpdef array wrap(Value value)
