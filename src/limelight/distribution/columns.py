"""Names of the numbers that are kept of a tensor beside its counts.

Room: lowest; capture fills them, the store keeps them, alerts and answers read them.
"""

from __future__ import annotations

from typing import Final

#: Shares of which quantiles are kept, by the names of their columns.
QUANTILES: Final = {
    "q001": 0.001, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95, "q999": 0.999,
}  # fmt: skip

#: A value counts as near zero when it is at most this share of its tensor's std.
NEAR_ZERO: Final = 1e-3
#: And as near zero by the start's measure when it is at most this share of the std it began with.
NEAR_START: Final = 1e-2

#: What follows from the first recorded step, and is filled in where that is known: in the store.
FROM_START: Final = ("near_start", "w1_from_start")

#: What is kept of every tensor, in storage order.
NUMBERS: Final = (
    "mean", "std", "skew", "kurtosis", "min", "max", "norm", "zeros", "near_zero", "nonfinite",
    "nan", "headroom", *QUANTILES, *FROM_START,
)  # fmt: skip

#: Norms of gradients by time step of a recurrent layer; of a longer sequence than there are
#: columns, each is of several steps.
TIMES: Final = tuple(f"t{number:02d}" for number in range(64))
