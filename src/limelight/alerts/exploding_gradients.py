"""Gradients that grow far beyond what they were."""

from __future__ import annotations

import numpy as np

from limelight.alerts.judging.history import History, matched, together
from limelight.alerts.judging.recent import typical
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

TIMES = 30.0
#: Against the parameter's own norm, whatever was before.
WHOLE = 1e4


@rule(
    needs={"gradient": ("norm",)},
    reads={"parameter": ("norm",)},
    harm=45,
    source="Pascanu et al., ICML 2013, section 3.2: limits that help lie between half and ten "
    "times the mean norm; healthy runs measured here stay below 10 times.",
    words=Words(
        "Exploding gradients",
        "a matrix' gradient norm above 30 times its own of the 20 records before and above where "
        "it began, or 10,000 times the norm of its weights",
        "clip by the global norm, warm up, lower the rate; look at the batch of that step",
    ),
    zh=Words(
        "梯度爆炸",
        "某矩阵的梯度范数超过其前 20 次记录的 30 倍且高于初始值，或达到其权重范数的 10,000 倍",
        "按全局范数裁剪、预热、降低学习率；检查该步的批次",
    ),
)
def exploding_gradients(history: History) -> Judged:
    """Gradient norms of matrices against their own past, and against their weights.

    Late in training norms are small and jump: only what exceeds the first record's counts.
    """
    table = history["gradient"].only(history["gradient"].matrices)
    norms = table["norm"]
    if not norms.size:
        return None
    limits = np.full(norms.shape, np.inf)
    # What never was so many times its own least is not that many times any mean of it either.
    known = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
    wide = ~(np.fmax.reduce(known, axis=0) <= TIMES * np.fmin.reduce(known, axis=0))
    wide |= ~np.isfinite(norms).all(axis=0)
    limits[:, wide] = np.maximum(TIMES * typical(norms[:, wide]), norms[:1, wide])
    bad = norms > limits
    parameters = history.get("parameter", "norm")
    if parameters is not None:
        both, weights = together(table, parameters)
        most = WHOLE * matched(both.names, weights, "norm")
        rows = np.isin(table.steps, both.steps)
        bad[rows] |= (both["norm"] > most) & (most > 0)
        limits[rows] = np.fmin(limits[rows], np.where(most > 0, most, np.inf))
    threshold = float(limits[bad].min()) if bad.any() else TIMES
    return [Breach(table, "norm", norms, bad, threshold)]
