cimport cython

from monel.core.base.devices cimport Stream
from monel.core.base.dtypes cimport Dtype
from monel.core.graph.exporter cimport track

cdef long long _serial
cdef long long _LARGEST_KEY
cdef Py_ssize_t DONATION_SIZE
cdef Py_ssize_t FUSION_SIZE
cdef Py_ssize_t _waiting
cdef Py_ssize_t _SOLE
cdef list _CLAIMED
cdef Py_ssize_t _SOLE_BUFFER


@cython.final
cdef class Slots:
    cdef public object annotate
    cdef public object around
    cdef public object array
    cdef public object coerce
    cdef public object current_stream
    cdef public object fuse
    cdef public object keep_dtype
    cdef public object listeners
    cdef public object missing
    cdef public object notice
    cdef public object on_stream
    cdef public object order
    cdef public object promote
    cdef public object resolve
    cdef public object scalar
    cdef public object stream
    cdef public object to_stream
    cdef public object transfer
    cdef public object whole


cdef Slots _slots


@cython.final
@cython.trashcan(True)
cdef class Value:
    cdef public object primitive
    cdef public tuple operands
    cdef public tuple shape
    cdef public Dtype dtype
    cdef public long long size
    cdef public Stream stream
    cdef public long long serial
    cdef public Trace trace
    cdef public object buffer
    cdef public object state
    cdef public list outputs
    cdef public object origin
    cdef object __weakref__


@cython.final
cdef class Trace:
    cdef public object name
    cdef public Py_ssize_t depth
    cdef public bint open
    cdef public long long serial
    cdef public list evaluated
    cdef public list effects
    cdef public bint shapeless
    cdef public bint concrete


@cython.final
cdef class Target:
    cdef public object backend
    cdef public object device
    cdef public Context context
    cdef public object find
    cdef public object fusible
    cdef public dict kernels
    cdef public object last_primitive
    cdef public long long last_key
    cdef public object last_kernel
    cdef public object roots
    cdef public object stream
    cdef public long long view_code
    cdef public object view_kernel
    cdef public object view_type
    cdef public bint views
    cdef object __weakref__


@cython.final
cdef class Context:
    cdef readonly Target target
    cdef readonly long long dying


@cython.locals(operand=Value, trace=Trace, found=Trace)
cpdef Trace outermost(tuple operands)
@cython.locals(value=Value)
cpdef Value record(object primitive, tuple operands, tuple shape, Dtype dtype, long long size, Stream stream, Trace trace)

@cython.locals(i=Py_ssize_t, mask=cython.longlong, extra=Py_ssize_t)
cpdef long long dying_operands(tuple operands)

cdef Py_ssize_t _owners(tuple operands, Py_ssize_t i)
@cython.locals(operand=Value)
cdef Py_ssize_t _buffer_owners(tuple operands, Py_ssize_t i)
cdef Py_ssize_t _repeats(tuple operands, Py_ssize_t i)

@cython.locals(value=Value, operand=Value, operands=tuple, stack=list, ready=bint)
cpdef evaluate(Value root)

@cython.locals(operands=tuple, operand=Value)
cdef bint _run_alone(Value root) except -1

@cython.locals(target=Target)
cdef tuple _try_fuse(Value value, tuple operands)

@cython.locals(key=cython.longlong, count=Py_ssize_t, stream=Stream, operand=Value, target=Target, table=dict, context=Context, keep=bint)
cdef run(Value value, tuple operands, list stack)

@cython.locals(mask=cython.longlong)
cdef Context _donating(Value value, tuple operands, Target target)

@cython.locals(table=dict)
cdef object _look_up(Target target, object primitive, long long key, Value value, tuple operands)

cpdef finish(Value value, object result, bint keep)
