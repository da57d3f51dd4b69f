"""Measures and overviews of attention that is kept as vectors, without its maps.

Room: analyses; no measure itself. Comes in: :class:`~limelight.factors.Factors`. Goes out: what the
measures give of every row, and maps pooled onto grids of cells.
"""

from __future__ import annotations

from limelight.analyses.blockwise.cells import Grid as Grid
from limelight.analyses.blockwise.cells import Pooled as Pooled
from limelight.analyses.blockwise.measures import everything as everything
from limelight.analyses.blockwise.measures import overview as overview
from limelight.analyses.blockwise.measures import pool as pool
from limelight.analyses.blockwise.measures import rows as rows

__all__ = ["Grid", "Pooled", "everything", "overview", "pool", "rows"]
