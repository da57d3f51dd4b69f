"""Losses on PyTorch: the same numbers, right gradients, and the loops that they go into."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from limelight import mitigations as mt
from limelight.errors import DimensionError, LimelightError
from limelight.testing.mitigations import TRIALS, data


def named(trial):
    return f"{trial.name}-{trial.beside}"


def beside_of(trial, held):
    return torch.tensor(held[trial.beside]) if trial.beside else None


@pytest.mark.parametrize("trial", TRIALS, ids=named)
def test_it_is_the_same_as_on_numpy(trial):
    held = data()
    wanted, loss = trial.make(framework="numpy"), trial.make(framework="torch")
    for _ in range(3):  # what is remembered too
        expected = wanted(held["scores"], held["y"], held[trial.beside] if trial.beside else None)
        scores = torch.tensor(held["scores"], requires_grad=True)
        value = loss(scores, torch.tensor(held["y"]), beside_of(trial, held))
        assert value.item() == pytest.approx(expected, rel=1e-5)
    for name, numbers in wanted.parts.items():
        np.testing.assert_allclose(loss.parts[name], numbers, rtol=1e-5)


@pytest.mark.parametrize("trial", TRIALS, ids=named)
def test_gradients_are_those_of_finite_differences(trial):
    held = data()
    y, beside = torch.tensor(held["y"]), beside_of(trial, held)
    scores = torch.tensor(held["scores"][:6], dtype=torch.float64, requires_grad=True)

    def value(scores):
        loss = trial.make(framework="torch").double()
        if trial.name == "GroupDRO":  # its weights follow from the losses, and are no function here
            loss.formula.step = 0.0
        return loss(scores, y[:6], None if beside is None else beside[:6].double())

    assert torch.autograd.gradcheck(value, scores)


@pytest.mark.parametrize("trial", TRIALS, ids=named)
def test_evaluation_remembers_nothing(trial):
    held = data()
    loss = trial.make(framework="torch")
    before = copy.deepcopy(loss.state_dict())
    with torch.no_grad():
        loss(torch.tensor(held["scores"]), torch.tensor(held["y"]), beside_of(trial, held))
    after = loss.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name].nan_to_num(), after[name].nan_to_num())


def test_gradients_reach_weights_through_their_entropy():
    scores = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    allowed = torch.tensor([[[1, 1, 0], [1, 1, 1], [0, 0, 0]]]).bool()
    assert torch.autograd.gradcheck(
        lambda scores: mt.attention_entropy(scores.softmax(-1), allowed), scores
    )


def test_half_precision_is_computed_in_float():
    held = data()
    scores = torch.tensor(held["scores"]).bfloat16()
    y = torch.tensor(held["y"])
    loss = mt.Focal(framework="torch")
    assert loss(scores, y) == loss(scores.float(), y)


def test_a_loss_travels_and_is_saved():
    loss = mt.GroupDRO(2, step=0.5, framework="torch")
    scores = torch.randn(4, 2, requires_grad=True)
    loss(scores, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 1, 0]))
    again = pickle.loads(pickle.dumps(loss))
    assert np.array_equal(again.parts["group_weights"], loss.parts["group_weights"])
    fresh = mt.GroupDRO(2, step=0.5, framework="torch")
    fresh.load_state_dict(loss.state_dict())
    assert np.array_equal(fresh.parts["group_weights"], loss.parts["group_weights"])


def test_lists_that_do_not_fit_are_said():
    loss = mt.GroupDRO(2, framework="torch")
    scores, y = torch.zeros(3, 2), torch.tensor([0, 1, 0])
    with pytest.raises(DimensionError, match="2 examples beside 3"):
        loss(scores, y, torch.tensor([0, 1]))
    with pytest.raises(LimelightError, match=r"group 2.*0 to 1"):
        loss(scores, y, torch.tensor([0, 1, 2]))
    with pytest.raises(DimensionError, match=r"mt\.pack"):
        loss.packed(scores, y)


@pytest.mark.training
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:The .* does not have many")
def test_a_loop_and_lightning_take_it():
    import lightning

    held = data()
    x, y = torch.tensor(held["x"]), torch.tensor(held["y"])
    loss = mt.Focal(gamma=2, framework="torch")

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.dense = torch.nn.Linear(5, 3)
            self.loss = loss

        def forward(self, x):
            return self.dense(x)

        def training_step(self, batch, _):
            return self.loss(self(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.5)

    model = Model()
    before = loss(model(x), y).item()
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, batches)
    assert loss(model(x), y).item() < before


class Rows(torch.utils.data.Dataset):
    def __init__(self, x, labels):
        self.x, self.labels = x, labels

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return {"x": self.x[index], "labels": self.labels[index]}


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(5, 3)

    def forward(self, x, labels=None):
        return {"logits": self.dense(x)}


@pytest.mark.training
@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("trial", [TRIALS[1], *TRIALS[-2:]], ids=named)
def test_trainer_takes_it_and_accumulates_to_the_same(trial, accumulated, tmp_path):
    from transformers import Trainer, TrainingArguments

    held = data()
    labels = mt.pack(held["y"], held[trial.beside])
    loss = trial.make(framework="torch")
    torch.manual_seed(0)
    model = Classifier()
    before = copy.deepcopy(model)
    arguments = TrainingArguments(
        tmp_path, per_device_train_batch_size=24 // accumulated, max_steps=1, report_to=[],
        gradient_accumulation_steps=accumulated, learning_rate=0.1, optim="sgd", max_grad_norm=0,
        save_strategy="no", use_cpu=True, disable_tqdm=True, lr_scheduler_type="constant",
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=Rows(torch.tensor(held["x"]), torch.tensor(labels)),
        compute_loss_func=loss.packed,
    )  # fmt: skip
    trainer.train()
    if trial.name == "GroupDRO":  # each batch is a step of its weights
        assert loss.parts["group_weights"][2] == pytest.approx(1 / 3)
        return
    whole = trial.make(framework="torch")(
        before(torch.tensor(held["x"]))["logits"], torch.tensor(held["y"]), beside_of(trial, held)
    )
    slopes = torch.autograd.grad(whole, list(before.parameters()))
    for now, start, slope in zip(model.parameters(), before.parameters(), slopes, strict=True):
        torch.testing.assert_close(now, start - 0.1 * slope, rtol=1e-4, atol=1e-6)
