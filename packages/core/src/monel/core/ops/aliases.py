"""Functions that MLX has under a second name, too."""

from __future__ import annotations

from .norms import norm as matrix_norm

__all__ = ["matrix_norm"]
