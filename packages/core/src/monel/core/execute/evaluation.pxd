cimport cython

from monel.core.graph cimport value as graph
from monel.core.graph.handle cimport array


@cython.locals(handle=array)
cpdef eval_tree(object tree)
