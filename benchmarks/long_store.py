"""Writes recordings of long, planted attention, to be measured and looked at.

``python -m benchmarks.long_store FOLDER [--positions N] [--layers N] [--heads N] [--features N]``

Each head looks back by a number of positions of its own; in head 0 of each layer, one query near
the end looks at one key near the start instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from limelight.factors import Factors, factored, lazy_allowed, lazy_weights
from limelight.measuring import measures_of, uniform_of
from limelight.rule import Rule
from limelight.store import Writer

#: Positions whose vectors are made at a time.
_PART = 1 << 14


@dataclass(frozen=True)
class Planted:
    """How large a recording is.

    Attributes
    ----------
    positions, layers, heads, features : int
    """

    positions: int
    layers: int = 1
    heads: int = 1
    features: int = 64

    @property
    def far(self) -> tuple[int, int]:
        """The query and the key of the cell that lies far from the diagonal."""
        return self.positions * 9 // 10, self.positions // 20


def vectors(size: Planted, layer: int) -> Factors:
    """Make one layer's queries and keys, part by part.

    Parameters
    ----------
    size : Planted
    layer : int

    Returns
    -------
    Factors
    """
    random = np.random.default_rng(layer)
    waves = random.uniform(0, np.pi, size.features // 2)
    shape = (1, size.heads, size.positions, size.features)
    query, key = np.empty(shape, np.float32), np.empty((1, 1, *shape[2:]), np.float32)
    back = (np.arange(size.heads) * (layer + 1)) % 64
    # So strong that the planted keys get most of a row, whatever its length.
    strength = np.sqrt(np.log(size.positions) * np.linspace(4, 2, size.heads) / size.features)
    for start in range(0, size.positions, _PART):
        positions = np.arange(start, min(start + _PART, size.positions))
        key[0, 0, positions] = _codes(positions, waves)
        for head in range(size.heads):
            codes = _codes(positions - back[head], waves)
            query[0, head, positions] = codes * np.float32(strength[head] * np.sqrt(size.features))
    far = _codes(np.array([size.far[1]]), waves)[0]
    query[0, 0, size.far[0]] = far * np.float32(strength[0] * np.sqrt(size.features))
    rule = Rule.causal(size.positions, size.positions)
    return factored(query, key, rule, 1 / np.sqrt(size.features))


def _codes(positions: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Vectors that are close to themselves and to hardly any other."""
    turns = positions[:, None] * waves
    return np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def site(factors: Factors, module: str) -> xr.Dataset:
    """Label one layer's vectors as capture would."""
    rule, examples = factors.rule, factors.shape[0]
    return xr.Dataset(
        {
            "weights": lazy_weights(factors),
            "allowed": lazy_allowed(rule, factors.shape),
            "query_valid": (("example", "query"), rule.query_valid(examples)),
            "key_valid": (("example", "key"), rule.key_valid(examples)),
        },
        attrs={"module": module, "kind": "self", "module_class": "Planted", "framework": "none"},
    )


def write(folder: str | Path, size: Planted) -> None:
    """Record one step of planted attention.

    Parameters
    ----------
    folder : str or Path
        The run's.
    size : Planted
    """
    record(folder, {f"layer_{at}/attention": vectors(size, at) for at in range(size.layers)})


def record(folder: str | Path, layers: Mapping[str, Factors]) -> None:
    """Record one step, as a recorder does.

    Parameters
    ----------
    folder : str or Path
        The run's.
    layers : mapping of str to Factors
        By name.
    """
    sites = {name: site(factors, name) for name, factors in layers.items()}
    with Writer(folder) as writer:
        writer.append(
            0,
            tree=xr.DataTree.from_dict(sites),
            measures={name: measures_of(site) for name, site in sites.items()},
            uniform={name: uniform_of(site) for name, site in sites.items()},
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_store", description=__doc__)
    parser.add_argument("folder", type=Path)
    for name, default in (("positions", 16384), ("layers", 1), ("heads", 1), ("features", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args(arguments)
    size = Planted(asked.positions, asked.layers, asked.heads, asked.features)
    write(asked.folder, size)


if __name__ == "__main__":
    main()
