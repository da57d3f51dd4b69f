"""Hand-built models do what they are built to do, to the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import limelight as ll
from limelight.testing import known


def maps(model, inputs):
    return [node["weights"].values for node in ll.capture(model, inputs).subtree if node.has_data]


@pytest.mark.parametrize("fused", [True, False])
def test_previous_and_induction_heads_are_their_closed_forms(fused):
    half = 12
    model = known.AttentionOnly(
        [[known.offset(-1, 50.0).writing("before")], [known.induction(8.0), known.offset(-1, 8.0)]],
        vocabulary=40, length=2 * half, fused=fused,
    )  # fmt: skip
    weights = maps(model, known.repeated_tokens(3, half, 40))[1]
    sharp = math.exp(8)
    rows = np.arange(half, 2 * half)
    # The first of them sees its token before two positions: the first position has none before it.
    shares = sharp / (sharp * np.where(rows == half, 2, 1) + rows - (rows == half))
    induction = weights[:, 0, rows, rows - half + 1].mean()
    assert induction == pytest.approx(shares.mean(), abs=1e-6)
    assert induction == pytest.approx(0.952756, abs=1e-6)
    rows = np.arange(1, 16)
    previous = weights[:, 1, rows, rows - 1].mean()
    assert previous == pytest.approx((sharp / (sharp + rows)).mean(), abs=1e-6)
    assert previous == pytest.approx(0.997326, abs=1e-6)


def test_an_induction_head_tells_what_comes_next():
    x = known.repeated_tokens(4, 9, 30, seed=5)
    model = known.AttentionOnly(
        [[known.offset(-1).writing("before")], [known.induction().writing("next")]], 30, 18
    )
    said = model(torch.from_numpy(x)).argmax(-1).numpy()
    np.testing.assert_array_equal(said[:, 10:17], x[:, 11:])


def test_other_heads_attend_where_they_should():
    x = known.random_tokens(3, 12, 20)
    x[:, 9] = x[:, 2]
    heads = [known.duplicate(), known.first(), known.block(5), known.token(int(x[0, 4])),
             known.offset(3), known.even()]  # fmt: skip
    weights = maps(known.AttentionOnly([heads], 20, 12, causal=False), x)[0]
    assert weights[:, 0, 9, [2, 9]].min() > 0.49
    assert weights[:, 1, :, 0].min() > 0.99
    np.testing.assert_allclose(
        weights[:, 2, 7], np.r_[np.zeros(5), np.full(5, 0.2), 0, 0][None].repeat(3, 0), atol=1e-6
    )
    assert weights[0, 3, :, 4].min() > 0.99
    assert weights[:, 4, 2, 5].min() > 0.99
    np.testing.assert_allclose(weights[:, 5], 1 / 12, rtol=1e-6)


@pytest.mark.parametrize(
    ("joined", "effects"),
    [("alone", (1, 0, 0)), ("redundant", (0, 0, 0)), ("both", (1, 1, 0)), ("sum", (0.5, 0.5, 0))],
)
def test_who_decides_is_who_is_missed(joined, effects):
    model = known.Deciding(joined, vocabulary=7)
    x, y = known.evidence(8, 6, 7, seed=2)
    x = x[y == 1]

    def value(outputs, targets):
        return outputs[:, 1] / 8 + 0.5  # what the heads find, joined

    result = ll.ablation(model, (x, np.ones(len(x), int)), metric=value)
    np.testing.assert_allclose(-result["effect"].values[0], effects, atol=1e-6)


@pytest.mark.parametrize("way", ["identity", "copy", "reversal"])
def test_alignments_are_theirs_and_a_shift_is_a_shift(way):
    source = known.random_tokens(3, 6, 8)
    target = source[:, ::-1].copy()
    model = known.Aligned(way, 8, 6, shifts=(0,) if way == "copy" else (0, 1))
    weights = maps(model, (source, target))[0]
    links = model.links(source, target)
    assert weights.shape == (3, model.heads, 6, 6)
    np.testing.assert_array_equal(weights[:, 0].argmax(-1), links.argmax(-1))
    for head in range(1, model.heads):
        assert not (weights[:, head].argmax(-1) == links.argmax(-1)).any()


def test_a_far_dependency_needs_its_distance():
    x = known.random_tokens(2, 20, 40)
    model = known.AttentionOnly([[known.offset(-9).writing("next")]], 40, 20)
    said = model(torch.from_numpy(x)).argmax(-1).numpy()
    np.testing.assert_array_equal(said[:, 9:], x[:, :-9])


def test_planted_maps_have_what_was_planted():
    weights, family = known.clustered(2, (3, 2), 9, noise=0.0, causal=True)
    same = family[:, None] == family
    alike = np.abs(weights[:, :, None] - weights[:, None]).max((0, 3, 4)) == 0
    np.testing.assert_array_equal(alike, same)
    for maps_of in (weights, known.sharp(2, 3, 9), known.independent(2, 3, 9)):
        np.testing.assert_allclose(maps_of.sum(-1), 1, rtol=1e-5)
