"""Function transforms: each runs the user's function on fresh Values and rewrites the graph."""
