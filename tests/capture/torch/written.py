"""Small models that take attention in the ways people write it, and what it should be."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from limelight.testing.rounding import rounding, spread

B, T, D, H = 3, 5, 16, 2


def softmax(logits):
    logits = np.asarray(logits, np.float64)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sites(tree):
    """Sites by path, in the order they ran."""
    nodes = [node for node in tree.subtree if node.has_data]
    return {n.attrs["module"]: n for n in sorted(nodes, key=lambda n: n.attrs["order"])}


def kinds(tree):
    return {path: node.attrs["kind"] for path, node in sites(tree).items()}


def only(tree):
    (site,) = sites(tree).values()
    return site


def weights(site):
    return site["weights"].values


def close(site, wanted):
    """A site's weights are those wanted, as near as two ways to sum them in float32 may be."""
    values = weights(site)
    assert values.shape == wanted.shape
    # Of a query, of a key, and of their product: none of the models sums more for one score.
    bound = 2 * rounding(spread(np.asarray(wanted)), 3 * D, wanted.shape[-1])
    np.testing.assert_allclose(values, wanted, rtol=0, atol=bound)


def heads(x):
    """[example, position, feature] to [example, head, position, feature]."""
    return x.view(len(x), -1, H, x.shape[-1] // H).transpose(1, 2)


class Made(nn.Module):
    """A model whose forward is a function of itself and its inputs."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


class Projected(nn.Module):
    """Queries, keys and values; what follows is up to the subclass."""

    def __init__(self, keys=D):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(D, D), nn.Linear(D, keys), nn.Linear(D, keys)

    def pairs(self, x):
        return heads(self.q(x)), heads(self.k(x)), heads(self.v(x))

    def expected(self, x, bias=0.0):
        """Weights computed in NumPy from the model's own queries and keys."""
        with torch.no_grad():
            q, k, _ = (part.float().numpy() for part in self.pairs(x))
        return softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + bias)


class Written(Projected):
    """A softmax written by hand."""

    def forward(self, x):
        q, k, v = self.pairs(x)
        a = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
        return (a @ v).transpose(1, 2).flatten(2)


class Fused(Projected):
    """The fused function; ``options`` go to it."""

    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, x):
        out = functional.scaled_dot_product_attention(*self.pairs(x), **self.options)
        return out.transpose(1, 2).flatten(2)


def causal_bias(size=T):
    return np.triu(np.full((size, size), -np.inf), 1)
