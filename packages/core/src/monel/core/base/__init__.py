"""The words everyone uses: errors, dtypes, avals, devices, trees, programs."""
