"""Words masked and erased: effects are those of models whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import limelight as ll
from limelight.errors import StudyError
from limelight.testing import known

WEIGHTS = np.array([3, -2, 1, 0.5, 0, 0, 0, 0, 0, 0])


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


class Logistic(nn.Module):
    """The logit of the second class is a weighted sum over positions."""

    def __init__(self):
        super().__init__()
        self.weighing = nn.Linear(10, 1, bias=False)
        with torch.no_grad():
            self.weighing.weight.copy_(torch.from_numpy(WEIGHTS)[None])

    def forward(self, inputs):
        return self.weighing(inputs[..., 0])


class Padded(nn.Module):
    """As :class:`Logistic`, of ids: each counts as its number, what is not attended to as 0."""

    def forward(self, input_ids, attention_mask):
        total = (input_ids * attention_mask).sum(1).float()
        return torch.stack([torch.zeros_like(total), total], 1)


ONES = np.ones((6, 10, 1), np.float32)


def test_masking_a_feature_of_a_linear_model_is_its_closed_form():
    result = ll.masking(Logistic(), (ONES, np.ones(6, int)), mask=0.0, metric="probability")
    expected = sigmoid(2.5 - WEIGHTS) - sigmoid(2.5)
    np.testing.assert_allclose(result["target"], np.tile(expected, (6, 1)), atol=1e-6)
    assert float(result["target"][0, 0]) == pytest.approx(-0.5466, abs=1e-4)
    full, less = sigmoid(2.5), sigmoid(2.5 - WEIGHTS)
    divergence = full * np.log(full / less) + (1 - full) * np.log((1 - full) / (1 - less))
    np.testing.assert_allclose(result["change"][0], divergence, atol=1e-6)


def test_erasure_of_a_linear_model_is_its_closed_form():
    asked = {"mask": 0.0, "fractions": (0.1, 0.2), "draws": 40}
    result = ll.erasure(Logistic(), ONES, **asked)
    scored = result.sel(order="scored", way="mask")
    full = sigmoid(2.5)
    np.testing.assert_allclose(
        scored["comprehensiveness"], [full - sigmoid(-0.5), full - sigmoid(-1.5)], atol=1e-6
    )
    alone = [full - sigmoid(3), full - sigmoid(4)]
    np.testing.assert_allclose(scored["sufficiency"], alone, atol=1e-6)
    assert float(scored["comprehensiveness"][0]) == pytest.approx(0.5466, abs=1e-4)
    assert float(scored["comprehensiveness"][1]) == pytest.approx(0.742, abs=1e-3)
    assert float(scored["sufficiency"][0]) == pytest.approx(-0.028, abs=1e-3)
    size = np.tile(np.abs(WEIGHTS), (6, 1))  # without signs it is no best order
    unsigned = ll.erasure(Logistic(), ONES, scores=size, **asked).sel(order="scored", way="mask")
    assert float(unsigned["comprehensiveness"][1]) == pytest.approx(0.107, abs=1e-3)
    random = result["comprehensiveness"].sel(order="random", way="mask")
    expected = full - np.mean(sigmoid(2.5 - WEIGHTS))
    assert float(random[0]) == pytest.approx(expected, abs=0.08)
    assert (result["gain_low"] > 0).all()
    np.testing.assert_allclose(result["gain"][0], scored["comprehensiveness"] - random.values)


def test_all_ways_erase_what_attention_reads():
    x, y = known.evidence(20, 8, 9)
    x = x[y == 1]
    model = known.Deciding("alone", 9)
    result = ll.erasure(model, x, scores="attention", how=("mask", "delete", "resample"), mask=2,
                        fractions=(0.01, 0.5), draws=4)  # fmt: skip
    gone = result["deletion"].sel(order="scored", fraction=0.01)
    assert (gone.sel(way=["mask", "delete"]) < 0.05).all()
    assert gone.sel(way="resample") < 0.4  # sometimes evidence again
    assert (result["insertion"].sel(order="scored", way="mask") > 0.95).all()
    assert (result["deletion"].sel(order="random", fraction=0.01) > 0.6).all()


def test_changes_are_where_the_word_is_read():
    x = known.random_tokens(5, 8, 20)
    model = known.AttentionOnly([[known.offset(-2).writing("next")]], 20, 8)
    result = ll.masking(model, x, mask=0, distance="cosine")
    change = result["change"].values
    assert change.shape == (5, 8, 8)
    read = np.eye(8, k=-2, dtype=bool)
    assert (change[:, read][x[:, :6] != 0] > 0.99).all()
    assert np.abs(change[:, 2:][:, ~read[2:]]).max() < 1e-6
    gone = ll.masking(model, x, how="delete", distance="cosine")["change"].values
    assert np.isnan(gone[:, np.arange(8), np.arange(8)]).all()


def test_padding_is_neither_masked_nor_measured():
    ids = np.array([[1, 2, 3, 0], [2, 2, 0, 0]])
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(int)}
    result = ll.masking(Padded(), inputs, how="delete", metric=lambda out, _: out[:, 1])
    np.testing.assert_array_equal(
        result["target"], [[-1, -2, -3, np.nan], [-2, -2, np.nan, np.nan]]
    )
    assert result["baseline"].values.tolist() == [6, 4]
    curve = ll.erasure(Padded(), inputs, how="delete", fractions=(0.5,), draws=1)
    means = np.mean([sigmoid(6 - 5), sigmoid(4 - 2)])
    assert float(curve["deletion"].sel(order="scored")[0, 0]) == pytest.approx(means)


def test_patches_of_images_are_masked():
    class Corner(nn.Module):
        def forward(self, images):
            return images[:, 0, :4, :4].mean((1, 2))[:, None] * 5

    images = np.ones((3, 1, 8, 8), np.float32)
    result = ll.masking(Corner(), ll.Probe(images, layout=(2, 2)), mask=0.0)
    assert (result["change"][:, 0] > 0.5).all()
    np.testing.assert_allclose(result["change"][:, 1:], 0, atol=1e-9)


def test_a_tokenizer_knows_its_mask_token():
    class Words:
        mask_token_id = 2

        def __call__(self, number):
            return f"w{number}"

    x, y = known.evidence(8, 6, 9)
    model = known.Deciding("alone", 9)
    result = ll.masking(model, (x, y), tokens=Words(), metric="loss", partition=3)
    expected = ll.masking(model, (x, y), mask=2, metric="loss")
    np.testing.assert_allclose(result["target"], expected["target"], atol=1e-6)
    assert (result["target"].max("key")[y == 1] > 3).all()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda m, x, y: ll.masking(m, x), "nothing that says which stands for no word"),
        (lambda m, x, y: ll.masking(m, x, how="burn"), "how='burn'"),
        (lambda m, x, y: ll.masking(m, x, mask=2, distance="far"), "distance='far'"),
        (lambda m, x, y: ll.masking(m, x, mask=2, metric="loss"), "without targets"),
        (lambda m, x, y: ll.masking(m, x[:1], how="resample"), "alone in its partition"),
        (lambda m, x, y: ll.erasure(m, x, mask=2, scores="luck"), "scores='luck'"),
        (lambda m, x, y: ll.erasure(m, x, mask=2, scores=np.ones((3, 6))), "3 examples for 8"),
        (lambda m, x, y: ll.erasure(m, x, mask=2, scores=np.ones((8, 5))), r"\(5,\) for 6"),
        (lambda m, x, y: ll.erasure(m, x, mask=2, fractions=(0,)), "fractions"),
    ],
)
def test_what_cannot_be_erased_says_so(act, message):
    x, y = known.evidence(8, 6, 9)
    with pytest.raises(StudyError, match=message):
        act(known.Deciding("alone", 9), x, y)
