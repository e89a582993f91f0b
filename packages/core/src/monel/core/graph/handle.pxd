cimport cython

from monel.core.graph cimport value as graph
from monel.core.graph.exporter cimport Exporter, untrack
from monel.core.base.devices cimport Stream
from monel.core.graph.value cimport Target, Trace, Value


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


cdef list _selections
cdef list _rests
cdef Py_ssize_t _LARGEST_TABLE


cdef class array(Exporter):
    cdef public Value value
    cdef object __weakref__



@cython.locals(table=list)
cpdef object selection(Py_ssize_t axis, Py_ssize_t index)

@cython.locals(table=list, value=Value, shape=tuple, rest=tuple, last=tuple, length=Py_ssize_t)
cpdef array select(array a, Py_ssize_t axis, Py_ssize_t index)

@cython.locals(stream=Stream, operands=tuple, trace=Trace, made=Value, handle=array)
cpdef array record_view(object primitive, Value value, tuple shape, long long size)

@cython.locals(target=Target, table=dict, made=Value, code=cython.longlong)
cdef Value _view_now(object primitive, Value value, tuple shape, long long size, Stream stream)

@cython.locals(handle=array)
cpdef array wrap(Value value)
