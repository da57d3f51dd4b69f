"""Writes a recording of attention too long to show cell by cell, with things planted to find."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "golden")]

from planted import MEASURES, chosen  # noqa: E402

from limelight.factors import factored, lazy_allowed, lazy_weights  # noqa: E402
from limelight.measuring import measures_of, uniform_of  # noqa: E402
from limelight.rule import Rule  # noqa: E402
from limelight.store import Writer  # noqa: E402

LENGTH = 4096
SITE = "layer/attention"
#: Head 0 looks at the key so many back; this query of it looks at this key instead.
BACK = 3
FAR = (3300, 700)
FEATURES = 32
#: Another site, whose one head looks from each patch of an image at the one across the middle.
PATCHED = "patches/attention"
PATCHES = (36, 36)


class Text:
    """A probe of one text with a token for each position, the far key among them."""

    labels = None
    images = None
    examples = 1

    @staticmethod
    def tokens_of(_example: int) -> list[str]:
        tokens = [f"w{position}" for position in range(LENGTH)]
        tokens[FAR[1]] = "<b>针</b>"
        return tokens


def plant(folder: Path) -> None:
    """Record one step of two sites: a text's, and that of the patches of an image."""
    position = np.arange(LENGTH)
    back = np.maximum(position - BACK, 0)
    back[FAR[0]] = FAR[1]
    patches = np.arange(PATCHES[0] * PATCHES[1])
    rule = Rule.everything(patches.size, patches.size)
    sites = {
        SITE: site([back, position], Rule.causal(LENGTH, LENGTH)),
        PATCHED: site([patches[::-1]], rule, query_layout=PATCHES, key_layout=PATCHES),
    }
    with Writer(folder) as writer:
        writer.append(
            0,
            tree=xr.DataTree.from_dict(sites),
            measures={name: chosen(measures_of(x), MEASURES) for name, x in sites.items()},
            uniform={name: chosen(uniform_of(x), MEASURES) for name, x in sites.items()},
            probe=Text(),
        )


def site(aims: list[np.ndarray], rule: Rule, **layouts: tuple[int, int]) -> xr.Dataset:
    """Heads that look at the key that each query is given as its aim."""
    length = len(aims[0])
    waves = np.random.default_rng(0).uniform(0, np.pi, FEATURES // 2)

    def codes(of: np.ndarray) -> np.ndarray:
        turns = of[:, None] * waves
        return np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    query = np.stack([codes(aim) for aim in aims])[None] * np.float32(1.5)
    factors = factored(query, codes(np.arange(length))[None, None], rule, 1.0)
    valid = np.ones((1, length), bool)
    facts = {"module": "planted", "kind": "self", "module_class": "Planted", "framework": "none"}
    return xr.Dataset(
        {
            "weights": lazy_weights(factors),
            "allowed": lazy_allowed(factors.rule, factors.shape),
            "query_valid": (("example", "query"), valid),
            "key_valid": (("example", "key"), valid),
        },
        attrs=facts | layouts,
    )
