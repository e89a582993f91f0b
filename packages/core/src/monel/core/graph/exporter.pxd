cdef class Exporter:
    pass


cpdef untrack(object value)
