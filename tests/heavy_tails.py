"""Matrices whose singular values have a heavy tail that is known."""

from __future__ import annotations

import numpy as np


def heavy(rows, columns, exponent, seed):
    """Return a matrix whose squared singular values fall off by a power law."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, columns)))[0]
    right = np.linalg.qr(rng.normal(size=(columns, columns)))[0]
    singular = (rng.pareto(exponent, size=columns) + 1) ** 0.5
    return ((left * singular) @ right.T).astype(np.float32)
