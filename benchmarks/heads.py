"""Analyses of heads: roles, distances, paths and evidence, each beside the plain way.

Maps are drawn at random, sharp as those of trained models are. Spectra are what attnspectra takes
of each head, with the same functions of torch. SciPy's distances of fewer heads are scaled by
pairs. Evidence is gathered with MiniLM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

import limelight as ll
from benchmarks import timing
from benchmarks.figure import Figure
from limelight.maps import divergence, naming, scoring
from limelight.maps.flowing import flows
from limelight.maps.layers import Layer, rolled
from limelight.maps.reading import Maps
from limelight.pretrained import models as pretrained
from limelight.testing import known

STATISTICS = ("entropy", "gini", "maximum", "normalised_entropy", "distance", "first_key_share",
              "share_beyond_uniform")  # fmt: skip
ROLES_BAR, WORD_BAR, WHOLE_BAR, SIMILARITY_BAR, EVIDENCE_BAR, FLOW_BAR = (
    20.0,
    5.0,
    1.1,
    5.0,
    2.0,
    1e-6,
)


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes
    ----------
    layers, heads, length : int
        Of roles and statistics.
    deep : (int, int, int)
        Layers, heads and positions of paths.
    alike, scipy, short : int
        Heads that are compared, those that SciPy compares, and their positions.
    sentences, rounds : int
    flow : (int, int)
        Layers and positions.
    real : bool
        MiniLM, or else a tiny model.
    """

    layers: int = 6
    heads: int = 12
    length: int = 512
    deep: tuple[int, int, int] = (12, 12, 512)
    alike: int = 1024
    scipy: int = 96
    short: int = 128
    sentences: int = 1_280
    rounds: int = 3
    flow: tuple[int, int] = (6, 64)
    real: bool = True


TINY = Scale(1, 2, 16, (2, 2, 16), 8, 4, 8, 8, 1, (2, 6), real=False)


def measure(tiny: bool = False) -> list[Figure]:
    """Measure roles and statistics, paths, distances, evidence and flows."""
    scale = TINY if tiny else Scale()
    return [_roles(scale), *_paths(scale), _similarity(scale), _evidence(scale), _flow(scale)]


def _maps(heads: int, length: int, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    weights = np.exp(random.standard_normal((heads, length, length), np.float32) * 2)
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)


def _figure(
    what: str, bar: float, longer: Any, shorter: Any, at_most: bool = False, scaled: float = 1.0
) -> Figure:
    """Compare two ways; the second is the unit."""
    ratio = timing.ratio(longer, shorter)
    over, under = timing.middle(longer), timing.middle(shorter)
    return Figure(
        what=what, bar=bar, at_most=at_most, value=ratio.value * scaled, unit="×",
        absolute=f"CPU {over.cpu * scaled * 1e3:.4g} ms against {under.cpu * 1e3:.4g} ms",
        how=ratio.text,
    )  # fmt: skip


def _roles(scale: Scale) -> Figure:
    weights = _maps(scale.layers * scale.heads, scale.length)
    layers = weights.reshape(scale.layers, scale.heads, scale.length, scale.length)
    random = np.random.default_rng(0)
    words = tuple(f"w{number}" for number in random.integers(0, scale.length, scale.length))
    fixed = tuple(name for name in naming.names() if name not in naming.PICKED)

    def ours() -> None:
        for layer in layers:
            maps = Maps(layer, np.ones((1, *layer.shape[1:]), bool),
                        np.ones((1, layer.shape[1]), bool), words)  # fmt: skip
            scoring.scored(maps, fixed, None)
            for name in STATISTICS:
                getattr(ll, name)(layer)

    def spectra() -> None:
        for layer in layers:
            maps = torch.from_numpy(layer)
            torch.linalg.svdvals(maps)
            torch.linalg.svdvals(maps.clamp_min(1e-9).log())

    ours()
    theirs, here = timing.in_turns(max(scale.rounds // 2, 1), spectra, ours)
    return _figure(
        f"roles and all statistics of {len(weights)} heads, {scale.length} positions, against the "
        "two spectra of each head that attnspectra takes", ROLES_BAR, theirs, here,
    )  # fmt: skip


def _paths(scale: Scale) -> list[Figure]:
    count, heads, length = scale.deep
    maps = [_maps(heads, length, seed) for seed in range(count)]
    layers = [Layer(weights, np.ones((heads, length), bool)) for weights in maps]

    def loop() -> NDArray[Any]:
        made = np.eye(length)
        for weights in maps:
            made = (0.5 * weights.mean(0) + 0.5 * np.eye(length)) @ made
        return made

    np.testing.assert_allclose(rolled(layers), loop(), atol=1e-5)
    plain, word, whole = timing.in_turns(
        2 * scale.rounds, loop, lambda: rolled(layers, length // 2), lambda: rolled(layers)
    )
    size = f"{count} layers × {heads} heads, {length} positions"
    return [
        _figure(f"one word's paths, {size}, against a loop over whole maps", WORD_BAR, plain, word),
        _figure(f"the whole rollout, {size}, against that loop", WHOLE_BAR, whole, plain,
                at_most=True),
    ]  # fmt: skip


def _similarity(scale: Scale) -> Figure:
    weights = _maps(scale.alike, scale.short)
    everything = np.ones((1, scale.short, scale.short), bool)
    rows = divergence.rows_of(
        [Maps(weights, everything, np.ones((1, scale.short), bool))], aside=False
    )
    few = weights[: scale.scipy].reshape(scale.scipy, -1)
    pairs, fewer = (heads * (heads - 1) / 2 for heads in (scale.alike, scale.scipy))
    theirs, here = timing.in_turns(
        1, lambda: pdist(few.astype(np.float64), "jensenshannon"),
        lambda: divergence.divergences(rows),
    )  # fmt: skip
    return _figure(
        f"distances of all {pairs:,.0f} pairs of {scale.alike} heads, {scale.short} positions, "
        f"against SciPy's pdist, scaled from {scale.scipy} heads", SIMILARITY_BAR, theirs, here,
        scaled=pairs / fewer,
    )  # fmt: skip


def _evidence(scale: Scale) -> Figure:
    random = np.random.default_rng(0)
    if scale.real:
        model = pretrained.load("minilm").eval()
        ids = random.integers(1000, 20_000, (scale.sentences, 32))
        ids[:, 0], ids[:, -1] = 101, 102
    else:
        model = known.AttentionOnly([[known.offset(-1)]], 20, 8)
        ids = known.random_tokens(scale.sentences, 8, 20)

    def plain() -> None:
        with torch.no_grad():
            for begin in range(0, len(ids), 32):
                model(torch.from_numpy(ids[begin : begin + 32]))

    def study() -> None:
        ll.examples(model, ll.Probe({"input_ids": ids}))

    plain()
    unit, here = timing.in_turns(max(scale.rounds // 2, 1), plain, study)
    return _figure(
        f"evidence of all heads over {scale.sentences:,} sentences of 32 tokens against a plain "
        "pass over them", EVIDENCE_BAR, here, unit, at_most=True,
    )  # fmt: skip


def _flow(scale: Scale) -> Figure:
    count, length = scale.flow
    steps = [0.5 * _maps(1, length, seed)[0] + 0.5 * np.eye(length) for seed in range(count)]
    graph = networkx.DiGraph()
    for number, step in enumerate(steps):
        for (query, key), capacity in np.ndenumerate(step):
            graph.add_edge((number + 1, query), (number, key), capacity=float(capacity))
    keys = [0, length // 2, length - 1]
    ours = flows(steps, [length // 2], keys)[0]
    exact = [networkx.maximum_flow_value(graph, (count, length // 2), (0, key)) for key in keys]
    apart = float(np.abs(ours - exact).max())
    return Figure(
        what=f"maximum flows, {count} layers of {length} positions, apart from networkx'",
        bar=FLOW_BAR, at_most=True, value=apart, absolute=f"{ours[0]:.9f} against {exact[0]:.9f}",
        how="greatest of three pairs",
    )  # fmt: skip
