"""Penalties on gradients, and gradients of several tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limelight import mitigations as mt
from limelight.errors import LimelightError
from limelight.mitigations.pcgrad import projected


def test_penalty_is_the_closed_form_of_a_linear_model():
    torch.manual_seed(0)
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    x, mask = torch.randn(5, 4, dtype=torch.float64), torch.tensor([1.0, 0, 0, 1]).expand(5, 4)
    penalty = mt.right_reasons(lambda values: values @ weight.T, x, mask)
    p = (x @ weight.T).softmax(-1)
    slopes = weight.sum(0) - 3 * p @ weight  # ∂ Σ log p / ∂ x
    assert penalty.item() == pytest.approx(((mask * slopes) ** 2).sum().item() / 5)
    (reached,) = torch.autograd.grad(penalty, weight)
    assert reached.abs().sum() > 0, "the penalty can be learnt from"


def test_penalty_has_the_gradient_of_finite_differences():
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    positions = torch.tensor([[1, 0, 1], [0, 0, 1]])

    def penalty(weight):
        return mt.right_reasons(lambda values: (values @ weight).sum(1).tanh(), x, positions)

    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(penalty, weight)


def test_conflicting_gradients_lose_what_conflicts():
    made = projected(np.array([[1.0, 0.0], [-1.0, 1.0]]))
    assert made.tolist() == [[0.5, 0.5], [0.0, 1.0]]
    agreeing = np.array([[1.0, 2.0], [0.5, 0.1]])
    assert projected(agreeing).tolist() == agreeing.tolist()
    random = np.random.default_rng(0).normal(size=(2, 30))
    assert (projected(random) @ random.T).min() >= -1e-12


def test_gradients_are_set_for_all_that_learns():
    a, b = (torch.nn.Parameter(torch.tensor([1.0, 1.0])) for _ in range(2))
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    losses = {"x": a[0] + b.sum() * 0, "y": -a[0] + a[1]}
    cosines = mt.pcgrad(losses, [a, b, frozen])
    assert a.grad.tolist() == [0.5, 1.5]
    assert b.grad.tolist() == [0, 0]
    assert frozen.grad is None
    assert cosines[0, 1] == pytest.approx(-(0.5**0.5))


def test_what_makes_no_sense_is_said():
    value = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(LimelightError, match="several tasks"):
        mt.pcgrad({"x": value.sum()}, [value])
    with pytest.raises(LimelightError, match=r"model\.parameters"):
        mt.pcgrad({"x": value.sum(), "y": value.sum()}, [torch.nn.Parameter(torch.ones(1))])
