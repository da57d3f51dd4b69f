"""How alike what heads write is over examples: centred kernel alignment without its bias.

Room: maps. Comes in: a vector for each example and head. Goes out: alignments of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def aligned(outputs: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    r"""Return the debiased linear centred kernel alignment of each pair.

    .. math:: CKA(K, L) = HSIC_u(K, L) / \sqrt{HSIC_u(K, K)\, HSIC_u(L, L)}

    Parameters
    ----------
    outputs : sequence of array [example, feature]
        One for each head; features may differ in number. At least four examples.

    Returns
    -------
    array [pair]
        1 for the same up to rotation and scale, about 0 for nothing in common, where the plain
        form is far above 0 if features are many; it may be below 0. Pairs in SciPy's order; NaN
        for what does not vary.

    References
    ----------
    .. [1] S. Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019.
    .. [2] L. Song et al., "Feature Selection via Dependence Maximization", JMLR 13, 2012,
       section 2.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(9, 3))
    >>> float(aligned([x, 3 * x[:, ::-1]]).round(6)[0])
    1.0
    """
    kernels = np.stack([_centred(np.asarray(part, np.float64)) for part in outputs])
    flat = kernels.reshape(len(kernels), -1)
    products = flat @ flat.T
    size = np.sqrt(np.maximum(np.diagonal(products), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        made = products / np.outer(size, size)
    made[~np.isfinite(made)] = np.nan
    return np.asarray(made[np.triu_indices(len(made), 1)], np.float64)


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return products of examples, centred so that their own products do not count."""
    values = values - values.mean(0)
    kernel = values @ values.T
    if np.trace(kernel) <= 1e-12 * max(values.size, 1):
        return np.zeros_like(kernel)
    count = len(kernel)
    np.fill_diagonal(kernel, 0)
    sums = kernel.sum(0) / (count - 2)
    kernel -= sums[None] + sums[:, None]
    kernel += sums.sum() / (count - 1)
    np.fill_diagonal(kernel, 0)
    return kernel
