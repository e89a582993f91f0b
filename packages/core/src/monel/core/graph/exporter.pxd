cdef class Exporter:
    pass


cpdef untrack(object value)
cpdef track(object value)
cpdef bint tracked(object value)
