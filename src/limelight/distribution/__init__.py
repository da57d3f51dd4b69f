"""What the values of a tensor are like, on bins that can be added up.

Room: lowest; one source of bins, moments and quantiles for capture, store and answers.
"""

from limelight.distribution.bins import BINS as BINS
from limelight.distribution.bins import edges as edges
from limelight.distribution.summary import Distribution as Distribution
from limelight.distribution.summary import difference as difference
from limelight.distribution.summary import distribution as distribution
from limelight.distribution.summary import distributions as distributions
from limelight.distribution.summary import merged as merged
from limelight.distribution.summary import wasserstein as wasserstein
from limelight.distribution.table import TensorTable as TensorTable

__all__ = [
    "BINS", "Distribution", "TensorTable", "difference", "distribution", "distributions",
    "edges", "merged", "wasserstein",
]  # fmt: skip
