cimport cython

from monel.core.base.dtypes cimport Dtype
from monel.core.graph cimport value as graph
from monel.core.graph.exporter cimport tracked, untrack
from monel.core.graph.handle cimport array
from monel.core.graph.value cimport Trace, Value


@cython.locals(va=Value, vb=Value, dtype=Dtype, shape=tuple, other=tuple, size=cython.longlong, operands=tuple, trace=Trace, value=Value, result=array, handle=array)
cpdef binary(object primitive, str function, str kind, object a, object b, object stream=*)

cdef list _floats
cdef list _ints

@cython.locals(table=dict, value=Value)
cdef Value operand_beside(str function, object other, Dtype dtype, object stream)
