"""Primitives: one file a family, one class a primitive, its public function below it.

Whatever loads a family gives array its operators and methods with it.
"""

from ..graph import methods
from . import operator_table
