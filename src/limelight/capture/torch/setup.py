"""What of a torch model's settings is looked at before it is trained.

Room: capture, torch. Comes in: a live model. Goes out: settings. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from limelight.capture.settings import INFERENCE, LOGITS, Setting
from limelight.capture.torch import names

#: Losses that apply sigmoid or softmax themselves. (A softmax after LogSoftmax changes nothing.)
_LOGITS = {
    "CrossEntropyLoss": ("Softmax", "Sigmoid"),
    "BCEWithLogitsLoss": ("Sigmoid", "Softmax"),
}


def settings(model: Any) -> list[Setting]:
    """Look at losses that a model holds with what it ends with, and at its attention's mode.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    list of Setting
    """
    return [*_logits(model), *_modes(model)]


def _logits(model: Any) -> Iterator[Setting]:
    losses = [module for module in model.modules() if type(module).__name__ in _LOGITS]
    others = [child for child in model.children() if type(child).__name__ not in _LOGITS
              and "torchmetrics" not in type(child).__module__]  # fmt: skip
    if not losses or not others:
        return
    last = others[-1]
    while type(last).__name__ == "Sequential" and len(last):
        last = last[-1]
    for loss in losses:
        kind = type(loss).__name__
        wrong = type(last).__name__ in _LOGITS[kind]
        yield Setting(LOGITS, f"{type(last).__name__}, {kind}", wrong)


def _modes(model: Any) -> Iterator[Setting]:
    """Say of each attention module whether it alone is kept from training's mode.

    A whole block in inference mode is meant so, as where part of a model is frozen.
    """
    if not model.training:
        return
    known = {path: module for module, path in names.paths(model)}
    for path, module in known.items():
        kind = type(module).__name__
        trains = any(parameter.requires_grad for parameter in module.parameters())
        around = known.get(path.rpartition("/")[0])
        if "attention" in kind.lower() and trains and path and around is not None:
            alone = around.training and not module.training
            yield Setting(INFERENCE, f"{path}.eval()" if alone else path, alone)
