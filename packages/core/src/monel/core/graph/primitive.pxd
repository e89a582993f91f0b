cimport cython

from monel.core.graph cimport handle
from monel.core.graph cimport value as graph
from monel.core.graph.handle cimport array
from monel.core.graph.value cimport Trace, Value


@cython.locals(operand=array, v=Value)
cpdef object apply(object primitive, tuple operands, object stream=*)

@cython.locals(trace=Trace, made=Value, several=bint)
cpdef object record_values(object primitive, tuple values, object stream=*)
