"""The hot floor: recording and evaluating. Plain Python, compiled by Cython in the wheels."""
