"""Faults planted into small trainings, each in three strengths.

A fault is planted at :data:`STEP`, or from the start where it is one of how a model is built. A
training that has one is made from a strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.planted.healthy import SIDE, Classifier, Training, adam, dense

#: When a fault begins that is not there from the start.
STEP = 100


@dataclass(frozen=True)
class Fault:
    """A fault in three strengths.

    Attributes
    ----------
    rule : str
        Which should see it.
    what : str
        What is done, ``{}`` is the strength.
    strengths : tuple of float
        Ascending.
    make : callable
        Takes a strength, gives a training.
    start : bool
        Whether it is there from the start.
    """

    rule: str
    what: str
    strengths: tuple[float, float, float]
    make: Callable[[float], Training]
    start: bool = False


def _at_step(training: Training, act: Callable[[], object]) -> Training:
    """Do something once, without a gradient."""

    def before(step: int) -> None:
        if step == STEP:
            with torch.no_grad():
                act()

    training.before = before
    return training


def _for_a_while(training: Training, act: Callable[[bool], object]) -> Training:
    """Do something for ten steps, and undo it."""

    def before(step: int) -> None:
        if step in (STEP - 4, STEP + 6):
            act(step < STEP)

    training.before = before
    return training


def _plain(probe: int = 32) -> Training:
    model = dense()
    return Training(model, adam(model), probe=probe)


def dying(share: float) -> Training:
    """Push a share of a layer's units far below zero."""
    training = _plain(256)
    layer = training.model[1]
    return _at_step(training, lambda: layer.bias[: round(share * len(layer.bias))].sub_(50))


def saturating(times: float) -> Training:
    """Begin with weights that are too large, before tanh."""
    model = dense(nn.Tanh)
    with torch.no_grad():
        model[1].weight.mul_(times)
    return Training(model, adam(model, 1e-4), probe=64)


def exploding(times: float) -> Training:
    """Multiply the loss for a while."""
    training = _plain()
    scale = [1.0]
    training.backward = lambda loss: (loss * scale[0]).backward()

    def act(begins: bool) -> None:
        scale[0] = times if begins else 1.0

    return _for_a_while(training, act)


def vanishing(depth: float) -> Training:
    """Put sigmoids between many layers."""
    model = dense(nn.Sigmoid, round(depth), 32)
    return Training(model, adam(model))


def forgetting(tensors: float) -> Training:
    """Leave the first tensors out of the optimizer."""
    model = dense()
    trained = list(model.parameters())[round(tensors) :] or [torch.zeros(1, requires_grad=True)]
    return Training(model, torch.optim.Adam(trained, 1e-3))


def leaping(times: float) -> Training:
    """Multiply the rate for a while."""
    training = _plain()

    def act(begins: bool) -> None:
        training.optimizer.param_groups[0]["lr"] *= times if begins else 1 / times

    return _for_a_while(training, act)


def creeping(digits: float) -> Training:
    """Divide the rate by a power of ten."""
    model = dense()
    return Training(model, adam(model, 1e-3 * 10**-digits))


def _attending(act: Callable[[nn.Module], object]) -> Training:
    model = Classifier()
    return _at_step(Training(model, adam(model)), lambda: act(model.blocks[0]))


def sharpening(times: float) -> Training:
    """Multiply the queries of a block."""
    return _attending(lambda block: (block.query.weight.mul_(times), block.query.bias.mul_(times)))


def levelling(times: float) -> Training:
    """Choose with a block's queries first, then divide them."""
    model = Classifier()
    block = model.blocks[0]
    with torch.no_grad():
        block.query.weight.mul_(4)
        block.key.weight.mul_(4)

    def act() -> None:
        block.query.weight.div_(times)
        block.query.bias.div_(times)

    return _at_step(Training(model, adam(model, 1e-4)), act)


def sinking(score: float) -> Training:
    """Add to every score of the first key."""
    return _attending(lambda block: setattr(block, "sink", score))


def flattening(times: float) -> Training:
    """Add one direction to a matrix, in multiples of its norm."""
    training = _plain()
    layer = training.model[3]

    def act() -> None:
        ones = torch.ones_like(layer.weight)
        layer.weight.add_(ones / ones.norm() * layer.weight.norm() * times)

    return _at_step(training, act)


class Steps(nn.Module):
    """Reads an image's pixels one after the other, so many at a time."""

    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.rnn, self.size, self.answer = layer, size, nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.answer(self.rnn(x.flatten(1).unflatten(1, (-1, self.size)))[0][:, -1])


def fading(length: float) -> Training:
    """Read the last of so many steps of an LSTM that forgets."""
    size = SIDE * SIDE // round(length)
    model = Steps(nn.LSTM(size, 32, batch_first=True), size)
    return Training(model, adam(model, 1e-4))


def swelling(times: float) -> Training:
    """Let a recurrent matrix lengthen what it is given, over 49 steps."""
    model = Steps(nn.RNN(4, 32, nonlinearity="relu", batch_first=True), 4)
    with torch.no_grad():
        model.rnn.weight_hh_l0.copy_(torch.eye(32) * times)
    return Training(model, adam(model, 1e-5))


def breaking(values: float) -> Training:
    """Make values of a layer infinite."""
    training = _plain()
    layer = training.model[3]
    return _at_step(training, lambda: layer.weight.view(-1)[: round(values)].fill_(torch.inf))


FAULTS: tuple[Fault, ...] = (
    Fault("dead_units", "{:.0%} of a layer's units pushed below zero", (0.3, 0.6, 0.9), dying),
    Fault("saturated_activations", "first weights {:g} times as large, before tanh",
          (10, 40, 160), saturating, start=True),
    Fault("exploding_gradients", "loss {:g} times as large for ten steps", (10, 100, 1000),
          exploding),
    Fault("vanishing_gradients", "{:g} layers of sigmoids", (4, 8, 16), vanishing, start=True),
    Fault("not_moving", "{:g} of 6 tensors left out of the optimizer", (1, 3, 6), forgetting,
          start=True),
    Fault("step_too_large", "rate {:g} times as large for ten steps", (3, 30, 300), leaping),
    Fault("step_too_small", "rate 10^-{:g} of the usual", (2, 4, 6), creeping, start=True),
    Fault("entropy_collapse", "queries of a block {:g} times as large", (3, 30, 300), sharpening),
    Fault("uniform_head", "queries of a block divided by {:g}", (3, 30, 300), levelling),
    Fault("sink_jump", "{:g} added to every score of the first key", (2, 4, 8), sinking),
    Fault("growing_scores", "queries of a block {:g} times as large", (3, 30, 300), sharpening),
    Fault("vanishing_in_time", "an LSTM that is read at the last of {:g} steps", (14, 49, 196),
          fading, start=True),
    Fault("exploding_in_time", "recurrent matrix {:g} times the identity, 49 steps",
          (1.05, 1.25, 1.5), swelling, start=True),
    Fault("spectrum_collapse", "one direction of {:g} times a matrix' norm added", (1, 5, 25),
          flattening),
    Fault("not_finite", "{:g} weights infinite", (1, 10, 100), breaking),
)  # fmt: skip
