"""Writes small recordings of what training may bring: parts that come and go, long words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from limelight.measuring import measures_of, uniform_of
from limelight.store import Writer

#: A word that no map has room for.
WORD = "word" * 75


class Probe:
    """Examples with words or images, as a recording keeps them."""

    labels = None

    def __init__(self, examples=1, words=None, images=None):
        self.examples, self.words, self.images = examples, words, images

    def tokens_of(self, _example):
        return self.words


def site(heads, length, words=None, **facts):
    """One site with weights of any kind."""
    rng = np.random.default_rng(heads * length)
    weights = rng.dirichlet(np.full(length, 0.2), (1, heads, length)).astype(np.float32)
    valid = np.ones((1, length), bool)
    variables = {
        "weights": (("example", "head", "query", "key"), weights),
        "allowed": (("example", "query", "key"), np.ones((1, length, length), bool)),
        "query_valid": (("example", "query"), valid),
        "key_valid": (("example", "key"), valid),
    }
    for dim in ("query", "key") if words else ():
        variables[f"{dim}_token"] = (("example", dim), np.array([words]))
    known = {"module": "planted", "kind": "self", "module_class": "Planted", "framework": "none"}
    return xr.Dataset(variables, attrs=known | facts)


def append(writer, step, sites, probe):
    """Record one step of some sites."""
    writer.append(
        step,
        tree=xr.DataTree.from_dict(sites),
        measures={name: measures_of(each) for name, each in sites.items()},
        uniform={name: uniform_of(each) for name, each in sites.items()},
        probe=probe,
    )


def record(folder: Path, steps, probe=None):
    """Record steps, each with its sites."""
    with Writer(folder) as writer:
        for step, sites in steps.items():
            append(writer, step, sites, probe or Probe())


def disc(side):
    """A coloured image: a blue disc over red and green that grow to the right and down."""
    down, across = np.mgrid[:side, :side]
    inside = (down - side / 2) ** 2 + (across - side / 2) ** 2 < side**2 / 9
    colours = np.stack([across * 255 // side, down * 255 // side, inside * 255], -1)
    return colours.astype(np.uint8)
