# Compiled for the walk that runs at evaluation.
cimport cython

from monel.core.graph cimport value as graph
from monel.core.graph.value cimport Value


@cython.locals(serial=cython.longlong, count=Py_ssize_t, index=Py_ssize_t, heap=list, uses=dict, members=list, entry=list, fits=bint)
cpdef fuse_value(Value value, object target)

@cython.locals(operand=Value, i=Py_ssize_t, entry=list)
cdef _absorb(Value v, list members, dict uses, list heap)

cdef bint _takes(Value v, Value root, object fusion) except -1
