"""Primitives: one file a family, one class a primitive, its public function below it."""
