cimport cython

from monel.core.graph.value cimport Context


@cython.final
cdef class Step:
    cdef public tuple avals
    cdef public Context context
    cdef public tuple freed
    cdef public object kernel
    cdef public tuple operands
    cdef public object out
    cdef public tuple outputs
    cdef public object primitive
    cdef public bint single


@cython.final
cdef class Executable:
    cdef public list constants
    cdef public Py_ssize_t count
    cdef public Py_ssize_t inputs
    cdef public tuple outputs
    cdef public list steps
    cdef public object target
    cdef object __weakref__

    @cython.locals(step=Step, registers=list, operands=list, places=tuple, first=Py_ssize_t, count=Py_ssize_t, v=Py_ssize_t)
    cdef list run(self, object inputs)
