cdef class Stream:
    cdef public object device
    cdef public object index
    cdef public object thread
    cdef public object target
    cdef object __weakref__
