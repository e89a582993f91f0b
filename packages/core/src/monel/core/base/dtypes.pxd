cdef class Dtype:
    cdef readonly str name
    cdef readonly int code
    cdef readonly int size
    cdef readonly object format
    cdef readonly object category
    cdef readonly bint integral
    cdef readonly bint signed
    cdef readonly bint floating
    cdef readonly bint inexact
    cdef object __weakref__
