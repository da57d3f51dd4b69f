"""Attention kept as what it is a function of: queries, keys, a scale, a rule, a log normaliser.

Room: lowest. Comes in: the vectors of one site. Goes out: exactly the weights somebody asks for,
computed from them; nobody who reads ``weights`` can tell. T positions cost O(T · feature), not
O(T²). May import NumPy and xarray only.
"""

from limelight.factors.lazy import factors_of as factors_of
from limelight.factors.lazy import lazy_allowed as lazy_allowed
from limelight.factors.lazy import lazy_weights as lazy_weights
from limelight.factors.lazy import without_padding as without_padding
from limelight.factors.vectors import BLOCK as BLOCK
from limelight.factors.vectors import Factors as Factors
from limelight.factors.vectors import blocks as blocks
from limelight.factors.vectors import factored as factored
