"""What the callback records in real calls of Hugging Face's Trainer, and what it never does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import limelight as ll
from limelight.errors import LimelightError, LimelightWarning, ProbeError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what their own imports complain about
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        EarlyStoppingCallback,
        Trainer,
        TrainingArguments,
    )

pytestmark = pytest.mark.training

rng = np.random.default_rng(0)
IDS = rng.integers(1, 30, size=(12, 6))
DATA = [
    {"input_ids": torch.from_numpy(row), "labels": torch.tensor(int(row[0] > 15))} for row in IDS
]
PROBE = ll.Probe({"input_ids": IDS[:2]}, tokens=[f"w{number}" for number in range(30)])
SITES = ["bert/encoder/layer/0/attention/self", "bert/encoder/layer/1/attention/self"]


def build():
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=8,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def trainer(model, tmp_path, *callbacks, **options):
    options = {
        "per_device_train_batch_size": 4, "num_train_epochs": 2, "report_to": [],
        "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "use_cpu": True,
        "learning_rate": 1e-3, **options,
    }  # fmt: skip
    arguments = TrainingArguments(output_dir=str(tmp_path / "out"), **options)
    return Trainer(model, arguments, train_dataset=DATA, eval_dataset=DATA, callbacks=[*callbacks])


def weights(model):
    return ll.capture(model, PROBE)[SITES[1]]["weights"].values


def test_every_epoch_the_untrained_model_first(tmp_path):
    model = build()
    first = weights(model)
    trainer(model, tmp_path, ll.TrainerCallback(tmp_path / "run", PROBE)).train()
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 3, 6]
    assert run.epochs.tolist() == [0, 1, 2]
    assert list(run.sites) == SITES
    np.testing.assert_allclose(run.weights(SITES[1], step=0).values, first, atol=3e-4)
    np.testing.assert_allclose(run.weights(SITES[1], step=-1).values, weights(model), atol=3e-4)
    assert "classifier/weight" in run.parameter_names
    assert run.examples[0].tokens == PROBE.tokens_of(0)


def test_every_so_many_steps_and_the_last(tmp_path):
    callback = ll.TrainerCallback(tmp_path / "run", PROBE, every=4)
    trainer(build(), tmp_path, callback, num_train_epochs=3).train()
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 4, 8, 9]
    np.testing.assert_allclose(run.epochs, [0, 4 / 3, 8 / 3, 3])


def test_steps_are_the_optimizers_when_gradients_are_accumulated(tmp_path):
    callback = ll.TrainerCallback(tmp_path / "run", PROBE, every=1)
    options = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    trainer(build(), tmp_path, callback, **options).train()
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 1, 2, 3, 4]


def test_training_is_the_same_with_and_without(tmp_path):
    plain, watched = build(), build()
    trainer(plain, tmp_path, eval_strategy="epoch").train()
    callback = ll.TrainerCallback(tmp_path / "run", PROBE, every=2)
    trainer(watched, tmp_path, callback, eval_strategy="epoch").train()
    for expected, parameter in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(expected, parameter)
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 2, 4, 6]


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    options = {"save_strategy": "epoch", "num_train_epochs": 3}
    first = trainer(
        build(), tmp_path, ll.TrainerCallback(tmp_path / "run", PROBE), max_steps=6, **options
    )
    first.train()
    model = build()
    second = trainer(model, tmp_path, ll.TrainerCallback(tmp_path / "run", PROBE), **options)
    with pytest.warns(LimelightWarning, match=r"steps up to 6\..*begins there with step 3.*@1"):
        second.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    assert ll.open_run(tmp_path / "run@1").steps.tolist() == [0, 3, 6]
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 3, 6, 9]
    assert run.epochs.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(run.weights(SITES[1], step=9).values, weights(model), atol=3e-4)


def test_the_last_state_is_not_mixed_up_with_the_best(tmp_path):
    """``load_best_model_at_end`` puts earlier weights back before training is said to end."""
    callback = ll.TrainerCallback(tmp_path / "run", PROBE, every=1000)
    model = build()
    ended = {}

    class Last(EarlyStoppingCallback):
        def on_step_end(self, args, state, control, **kwargs):
            ended[state.global_step] = weights(kwargs["model"])

    trainer(
        model, tmp_path, callback, Last(), eval_strategy="epoch", save_strategy="epoch",
        load_best_model_at_end=True, metric_for_best_model="loss", greater_is_better=True,
        num_train_epochs=3,
    ).train()  # fmt: skip
    run = ll.open_run(tmp_path / "run")
    last = int(run.steps[-1])
    np.testing.assert_allclose(run.weights(SITES[1], step=last).values, ended[last], atol=3e-4)


def test_without_a_probe_one_warning(tmp_path):
    with pytest.warns(LimelightWarning, match="TrainerCallback got no probe") as caught:
        callback = ll.TrainerCallback(tmp_path / "run")
    assert caught[0].filename == __file__
    trainer(build(), tmp_path, callback, max_steps=1).train()
    assert not ll.open_run(tmp_path / "run").sites


def test_a_failure_is_one_warning_and_training_goes_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    callback = ll.TrainerCallback(tmp_path / "file", PROBE, every=1)
    with pytest.warns(LimelightWarning) as caught:
        done = trainer(build(), tmp_path, callback).train()
    assert len([warning for warning in caught if warning.category is LimelightWarning]) == 1
    assert done.global_step == 6


def test_a_second_process_records_nothing_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    trainer(build(), tmp_path, ll.TrainerCallback(tmp_path / "a", PROBE), max_steps=1).train()
    assert not (tmp_path / "a").exists()
    callback = ll.TrainerCallback(tmp_path / "b", PROBE, processes="all")
    trainer(build(), tmp_path, callback, max_steps=1).train()
    assert ll.open_run(tmp_path / "b" / "rank-1").steps.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"every": 0}, LimelightError),
        ({"every": "batch"}, LimelightError),
        ({"precision": "tiny"}, LimelightError),
        ({"processes": "some"}, LimelightError),
        ({"probe": np.zeros((0, 3))}, ProbeError),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(options, error, tmp_path):
    with pytest.raises(error):
        ll.TrainerCallback(tmp_path, **{"probe": PROBE, **options})


@pytest.mark.parametrize(("metric", "wrong"), [("train_loss", True), ("eval_loss", False)])
def test_choosing_the_best_by_the_training_data_is_told(tmp_path, metric, wrong):
    callback = ll.TrainerCallback(tmp_path / "run", None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer(build(), tmp_path, callback, max_steps=1, metric_for_best_model=metric).train()
    assert any("Early stopping on training" in str(item.message) for item in caught) is wrong
    assert [alert.rule for alert in ll.open_run(tmp_path / "run").alerts()] == [
        "early_stopping"
    ] * wrong


def test_losses_of_training_and_of_the_last_evaluation_are_kept(tmp_path):
    callback = ll.TrainerCallback(tmp_path / "run", PROBE, every=3)
    trained = trainer(
        build(), tmp_path, callback, eval_strategy="epoch", logging_strategy="steps",
        logging_steps=1,
    )  # fmt: skip
    trained.train()
    logged = {(name, entry["step"]): entry[name] for entry in trained.state.log_history
              for name in ("loss", "eval_loss") if name in entry}  # fmt: skip
    training = ll.open_run(tmp_path / "run").tensors("training").isel(parameter=0)
    for name in ("loss", "eval_loss"):
        last = training.isel(step=-1)
        assert last[f"{name}_step"].item() == last["step"].item() == 6
        assert last[name].item() == pytest.approx(logged[name, 6])
