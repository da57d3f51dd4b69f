"""Attacks on torch models: where a loss grows most, what is left as it was, and Trainer."""

from __future__ import annotations

import copy

import pytest
import torch

from limelight import mitigations as mt
from limelight.errors import LimelightError


class Linear(torch.nn.Module):
    """A margin that is linear in what the embedding gives."""

    def __init__(self, padding=None):
        super().__init__()
        self.embedding = torch.nn.Embedding(4, 2, padding_idx=padding)
        self.weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))

    def forward(self, ids, labels=None):
        margin = (self.embedding(ids) @ self.weight).sum(-1)
        return {"loss": -margin.mean()} if labels is not None else margin


@pytest.mark.parametrize(("method", "options"), [("fgm", {}), ("pgd", {"steps": 5})])
def test_the_margin_of_a_linear_model_falls_by_the_length_of_its_weights(method, options):
    model = Linear()
    ids = torch.tensor([[1], [2], [3]])
    with mt.adversarial(model, method, epsilon=0.1, **options) as attack:
        loss = attack(lambda: -model(ids).mean())
    plain = -model(ids).mean()
    assert (loss - 2 * plain).item() == pytest.approx(0.1 * 5, abs=1e-5)


def test_positions_of_an_example_share_one_length():
    model = Linear()
    with mt.adversarial(model, epsilon=0.1) as attack:
        loss = attack(lambda: -model(torch.tensor([[1, 2, 3, 1]])).mean())
    plain = -model(torch.tensor([[1, 2, 3, 1]])).mean()
    assert (loss - 2 * plain).item() == pytest.approx(0.1 * 5 * 2, abs=1e-5)  # √4 positions


def test_padding_is_not_moved():
    model = Linear(padding=0)
    with mt.adversarial(model, epsilon=0.1) as attack:
        loss = attack(lambda: -model(torch.tensor([[1, 0, 0, 0]])).mean())
    plain = -model(torch.tensor([[1, 0, 0, 0]])).mean()
    assert (loss - 2 * plain).item() == pytest.approx(0.1 * 5, abs=1e-5)


def test_losses_along_the_way_stay_in_the_ball():
    torch.manual_seed(0)
    model = Linear()
    ids = torch.tensor([[1], [2]])
    with mt.adversarial(model, "freelb", epsilon=0.1, steps=4) as attack:
        loss = attack(lambda: -model(ids).mean())
    plain = -model(ids).mean()
    assert abs((loss - 2 * plain).item()) <= 0.1 * 5 + 1e-5


def test_weight_zero_and_evaluation_are_plain_and_nothing_stays():
    model = Linear()
    before = copy.deepcopy(model.state_dict())
    ids = torch.tensor([[1], [2]])
    with mt.adversarial(model, weight=0) as attack:
        assert attack(lambda: -model(ids).mean()) == -model(ids).mean()
    with mt.adversarial(model) as attack, torch.no_grad():
        assert attack(lambda: -model(ids).mean()) == -model(ids).mean()
    assert not model.embedding._forward_hooks
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())


def test_what_makes_no_sense_is_said():
    with pytest.raises(LimelightError, match="Say embedding= one of: 0"):
        mt.adversarial(torch.nn.Sequential(torch.nn.Linear(2, 2))).__enter__()
    with pytest.raises(LimelightError, match="'freelb'"):
        mt.adversarial(Linear(), "fgsm")
    with (
        mt.adversarial(Linear()) as attack,
        pytest.raises(LimelightError, match=r"criterion\(model"),
    ):
        attack(lambda: torch.zeros(()))


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"ids": torch.tensor([index % 3 + 1]), "labels": torch.tensor(0)}


@pytest.mark.training
def test_trainer_trains_so(tmp_path):
    from transformers import Trainer, TrainingArguments

    class Model(Linear):
        def forward(self, ids, labels=None):
            return super().forward(ids, labels)

    model = Model()
    plain = copy.deepcopy(model)
    arguments = TrainingArguments(
        tmp_path, per_device_train_batch_size=4, max_steps=1, report_to=[], learning_rate=0.1,
        optim="sgd", max_grad_norm=0, save_strategy="no", use_cpu=True, disable_tqdm=True,
        lr_scheduler_type="constant",
    )  # fmt: skip
    with mt.adversarial(model, epsilon=0.1) as attack:
        trainer = Trainer(model, arguments, train_dataset=Rows())
        attack.attach(trainer)
        trainer.train()
    # d/dw of −w·e twice, and of ε‖w‖ once where the perturbation is held still.
    ids = torch.tensor([[1], [2], [3], [1]])
    mean = plain.embedding(ids).mean(dim=(0, 1))
    slope = -2 * mean + 0.1 * torch.tensor([0.6, 0.8])
    torch.testing.assert_close(model.weight, plain.weight - 0.1 * slope, rtol=1e-4, atol=1e-5)


def test_early_stopping_of_trainer_is_its_own():
    from transformers import EarlyStoppingCallback

    made = mt.EarlyStopping("eval_loss", patience=4, framework="transformers")
    assert isinstance(made, EarlyStoppingCallback)
    assert made.early_stopping_patience == 4
