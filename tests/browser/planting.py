"""Writes a recording of attention too long to show cell by cell, with things planted to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from limelight.factors import factored, lazy_allowed, lazy_weights
from limelight.record import measures_of, null_of
from limelight.rule import Rule
from limelight.store import Writer

LENGTH = 4096
SITE = "layer/attention"
#: Head 0 looks at the key so many back; this query of it looks at this key instead.
BACK = 3
FAR = (3300, 700)
FEATURES = 32


class Text:
    """A probe of one text with a token for each position, the far key among them."""

    labels = None
    images = None
    examples = 1

    @staticmethod
    def tokens_of(_example: int) -> list[str]:
        tokens = [f"w{place}" for place in range(LENGTH)]
        tokens[FAR[1]] = "<b>针</b>"
        return tokens


def plant(folder: Path) -> None:
    """Record one step of a head that looks back and far, and of one that looks at itself."""
    place = np.arange(LENGTH)
    waves = np.random.default_rng(0).uniform(0, np.pi, FEATURES // 2)

    def codes(of):
        turns = of[:, None] * waves
        return np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    key = codes(place)[None, None]
    aims = np.stack([np.maximum(place - BACK, 0), place])
    aims[0, FAR[0]] = FAR[1]
    query = np.stack([codes(one) for one in aims])[None] * np.float32(1.5)
    factors = factored(query, key, Rule.causal(LENGTH, LENGTH), 1.0)
    valid = np.ones((1, LENGTH), bool)
    site = xr.Dataset(
        {
            "weights": lazy_weights(factors),
            "allowed": lazy_allowed(factors.rule, factors.shape),
            "query_valid": (("example", "query"), valid),
            "key_valid": (("example", "key"), valid),
        },
        attrs={"module": SITE, "kind": "self", "module_class": "Planted", "framework": "none"},
    )
    with Writer(folder) as writer:
        writer.append(
            0,
            tree=xr.DataTree.from_dict({SITE: site}),
            measures={SITE: measures_of(site)},
            null={SITE: null_of(site)},
            probe=Text(),
        )
