"""Functions composed of primitives, with no rules of their own."""
