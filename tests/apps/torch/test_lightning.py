"""What the callback records in real calls of Lightning's ``fit``, and what it never does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import limelight as ll
from limelight.errors import LimelightWarning

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its own imports complain about
    import lightning

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*' does not have many workers"),
]

X = torch.randn(12, 5, 8, generator=torch.Generator().manual_seed(0))
PROBE = ll.Probe(X[:2].numpy())
SITE = "net/self_attn"


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.modes = []

    def forward(self, x):
        return self.net(x)

    def training_step(self, x, index):
        self.modes.append(self.net.training)
        return self.net(x).square().mean()

    def validation_step(self, x, index):
        self.net(x)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(module, tmp_path, *callbacks, resume=None, **options):
    options = {
        "max_epochs": 2, "logger": False, "enable_checkpointing": False, "accelerator": "cpu",
        "enable_progress_bar": False, "enable_model_summary": False, "devices": 1,
        "default_root_dir": tmp_path, **options,
    }  # fmt: skip
    trainer = lightning.Trainer(callbacks=[*callbacks], **options)
    trainer.fit(module, DataLoader(X, 4), DataLoader(X, 4), ckpt_path=resume)
    return trainer


def weights(module):
    return ll.capture(module, PROBE)[SITE]["weights"].values


def test_every_epoch_the_untrained_model_first(tmp_path):
    module = Module()
    first = weights(module)
    fit(module, tmp_path, ll.LightningCallback(tmp_path / "run", PROBE))
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 3, 6]
    assert run.epochs.tolist() == [0, 1, 2]
    assert list(run.sites) == [SITE]
    np.testing.assert_allclose(run.weights(SITE, step=0).values, first, atol=3e-4)
    np.testing.assert_allclose(run.weights(SITE, step=-1).values, weights(module), atol=3e-4)
    assert "net/linear1/weight" in run.parameter_names
    assert module.modes == [True] * 6


def test_every_so_many_steps_and_the_last(tmp_path):
    fit(Module(), tmp_path, ll.LightningCallback(tmp_path / "run", PROBE, every=4), max_epochs=3)
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 4, 8, 9]
    np.testing.assert_allclose(run.epochs, [0, 4 / 3, 8 / 3, 3])


def test_steps_are_the_optimizers_when_gradients_are_accumulated(tmp_path):
    callback = ll.LightningCallback(tmp_path / "run", PROBE, every=1)
    fit(Module(), tmp_path, callback, accumulate_grad_batches=3)
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 1, 2]


def test_a_run_cut_short_ends_with_its_last_state(tmp_path):
    module = Module()
    callback = ll.LightningCallback(tmp_path / "run", PROBE, every=1000)
    fit(module, tmp_path, callback, max_epochs=5, max_steps=4)
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 4]
    np.testing.assert_allclose(run.epochs, [0, 4 / 3])
    np.testing.assert_allclose(run.weights(SITE, step=4).values, weights(module), atol=3e-4)


def test_training_is_the_same_with_and_without(tmp_path):
    plain, watched = Module(), Module()
    torch.manual_seed(5)
    fit(plain, tmp_path)
    torch.manual_seed(5)
    fit(watched, tmp_path, ll.LightningCallback(tmp_path / "run", PROBE, every=1))
    for expected, parameter in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(expected, parameter)


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    callback = ll.LightningCallback(tmp_path / "run", PROBE)
    trainer = fit(Module(), tmp_path, callback, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    callback = ll.LightningCallback(tmp_path / "run", PROBE)
    fit(Module(), tmp_path, callback, resume=tmp_path / "one.ckpt")
    run = ll.open_run(tmp_path / "run")
    assert run.steps.tolist() == [0, 3, 6]
    assert run.epochs.tolist() == [0, 1, 2]


def test_a_part_of_the_module_can_be_watched(tmp_path):
    fit(Module(), tmp_path, ll.LightningCallback(tmp_path / "run", PROBE, model="net"))
    run = ll.open_run(tmp_path / "run")
    assert list(run.sites) == ["self_attn"]
    assert "linear1/weight" in run.parameter_names


def test_a_part_that_is_not_there_is_a_warning_and_training_goes_on(tmp_path):
    callback = ll.LightningCallback(tmp_path, PROBE, model="encoder")
    with pytest.warns(LimelightWarning, match=r"Got model='encoder'.*Wanted one of net"):
        trainer = fit(Module(), tmp_path, callback)
    assert trainer.global_step == 6


class Failing:
    """Whatever is asked of it raises."""

    def __getattr__(self, name):
        raise ZeroDivisionError(name)


@pytest.mark.parametrize("kind", [ll.LightningCallback, ll.TrainerCallback])
def test_whatever_fails_in_a_hook_is_one_warning(kind, tmp_path):
    hooks = [name for name in vars(kind) if name.startswith("on_")]
    assert len(hooks) >= 4
    for name in hooks:
        callback, arguments = kind(tmp_path, PROBE, every=1), [Failing()] * 5
        hook = getattr(callback, name)
        taken = hook.__wrapped__.__code__.co_argcount - 1
        keywords = {"model": Failing()} if kind is ll.TrainerCallback else {}
        with pytest.warns(LimelightWarning, match=r"records nothing .* ZeroDivision") as caught:
            [hook(*arguments[:taken], **keywords) for _ in range(2)]
        assert len(caught) == 1


def test_a_hook_of_a_users_own_is_theirs(tmp_path):
    class Stopping(ll.LightningCallback):
        def on_train_epoch_end(self, trainer, module):
            super().on_train_epoch_end(trainer, module)
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fit(Module(), tmp_path, Stopping(tmp_path / "run", PROBE))
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 3]


def test_some_sites_are_recorded(tmp_path):
    fit(Module(), tmp_path, ll.LightningCallback(tmp_path / "run", PROBE, sites="net/*"))
    assert list(ll.open_run(tmp_path / "run").sites) == [SITE]


def test_without_a_probe_one_warning(tmp_path):
    with pytest.warns(LimelightWarning, match="LightningCallback got no probe") as caught:
        ll.LightningCallback(tmp_path / "run")
    assert caught[0].filename == __file__


def test_a_failure_is_one_warning_and_training_goes_on(tmp_path):
    callback = ll.LightningCallback(tmp_path / "run", np.ones((2, 5, 3), "float32"), every=1)
    with pytest.warns(LimelightWarning) as caught:
        trainer = fit(Module(), tmp_path, callback)
    assert len([warning for warning in caught if warning.category is LimelightWarning]) == 1
    assert trainer.global_step == 6
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_second_process_records_nothing_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("limelight.processes.rank", lambda: 1)
    fit(Module(), tmp_path, ll.LightningCallback(tmp_path / "a", PROBE), max_steps=1)
    assert not (tmp_path / "a").exists()
    fit(
        Module(),
        tmp_path,
        ll.LightningCallback(tmp_path / "b", PROBE, processes="all"),
        max_steps=1,
    )
    assert ll.open_run(tmp_path / "b" / "rank-1").steps.tolist() == [0, 1]


def test_the_older_package_takes_it_too(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pytorch_lightning

    class Plain(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def training_step(self, x, index):
            return self.net(x).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    trainer = pytorch_lightning.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[ll.LightningCallback(tmp_path / "run", PROBE, model="net")],
    )  # fmt: skip
    trainer.fit(Plain(), DataLoader(X, 4))
    assert ll.open_run(tmp_path / "run").steps.tolist() == [0, 3]


@pytest.mark.parametrize(("monitor", "wrong"), [("train_loss", True), ("val_loss", False)])
def test_early_stopping_on_the_training_data_is_told(tmp_path, monitor, wrong):
    class Logged(Module):
        def training_step(self, x, index):
            loss = super().training_step(x, index)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, x, index):
            self.log("val_loss", self.net(x).square().mean())

    early = lightning.pytorch.callbacks.EarlyStopping(monitor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(Logged(), tmp_path, early, ll.LightningCallback(tmp_path / "run", None), max_epochs=1)
    assert any("Early stopping on training" in str(item.message) for item in caught) is wrong
    judged = ll.open_run(tmp_path / "run").judged()
    assert [alert.rule for alert in judged.alerts] == ["early_stopping"] * wrong
    assert ("early_stopping" in judged.quiet) is not wrong


@pytest.mark.parametrize("every", ["epoch", 3])
def test_losses_of_training_and_of_the_last_validation_are_kept(tmp_path, every):
    class Logged(Module):
        def training_step(self, x, index):
            loss = super().training_step(x, index)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, x, index):
            self.log("val_loss", self.net(x).square().mean())

    callback = ll.LightningCallback(tmp_path / "run", None, every=every)
    trainer = fit(Logged(), tmp_path, callback, max_epochs=2)
    training = ll.open_run(tmp_path / "run").tensors("training").isel(parameter=0, step=-1)
    assert training["step"].item() == 6
    for name in ("train_loss", "val_loss"):
        wanted = float(trainer.callback_metrics[name])
        assert training[name].item() == pytest.approx(wanted)
        assert training[f"{name}_step"].item() == 6
