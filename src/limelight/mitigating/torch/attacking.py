"""Attacks on a torch model's embedding while it trains.

Room: mitigating/torch. Comes in: a module. Goes out: a function that returns a closure's loss, and
that of the model attacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from limelight.errors import LimelightError
from limelight.mitigating.attacking import Attack, no_embedding
from limelight.mitigating.torch import operations as ops


class Attacking:
    """Returns losses with an attack's; made by :func:`attacked`.

    Parameters
    ----------
    attack : Attack
    layer : torch.nn.Module
        Whose output is moved.
    """

    def __init__(self, attack: Attack, layer: torch.nn.Module) -> None:
        self._attack, self._layer = attack, layer
        self._delta: Any = None
        self._seen: tuple[Any, Any] | None = None

    def hook(self, layer: Any, inputs: Any, output: Any) -> Any:
        """Move what the embedding gives, or note its shape."""
        if self._delta is not None:
            return output + self._delta if output.shape == self._delta.shape else output
        counted = torch.ones(output.shape[:-1], dtype=output.dtype, device=output.device)
        padding = getattr(layer, "padding_idx", None)
        if padding is not None and inputs and inputs[0].shape == counted.shape:
            counted = (inputs[0] != padding).to(output.dtype)
        self._seen = torch.zeros_like(output.detach()), counted[..., None]
        return output

    def __call__(self, closure: Callable[[], Any]) -> Any:
        """Return a loss, and in training the loss where the model is attacked with it.

        Parameters
        ----------
        closure : callable
            Runs the model and returns its loss; run several times.

        Returns
        -------
        tensor
        """
        plain = closure()
        if not torch.is_grad_enabled() or self._attack.weight == 0:
            return plain
        if self._seen is None:
            raise LimelightError(
                f"Got a loss for which the {type(self._layer).__name__} that is attacked did not "
                "run.",
                "Wanted a closure that runs the model.",
                "Write attack(lambda: criterion(model(x), y)).",
            )
        zero, counted = self._seen
        start = torch.rand_like(zero) * 2 - 1 if self._attack.method == "freelb" else None

        def loss_at(delta: Any) -> Any:
            self._delta = delta
            try:
                return closure()
            finally:
                self._delta = None

        attacked = self._attack.loss(ops, loss_at, _slope, zero, counted, start)
        self._seen = None
        return plain + self._attack.weight * attacked

    def attach(self, trainer: Any) -> None:
        """Let a Hugging Face Trainer train so.

        Parameters
        ----------
        trainer : transformers.Trainer
            Its ``compute_loss`` is replaced.
        """
        plain = trainer.compute_loss

        def compute_loss(model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
            if not model.training or not torch.is_grad_enabled():
                return plain(model, inputs, *args, **options)
            return self(lambda: plain(model, dict(inputs), *args, **options))

        trainer.compute_loss = compute_loss


@contextmanager
def attacked(model: Any, attack: Attack, embedding: Any) -> Iterator[Attacking]:
    """Attack a module's embedding as long as the context lasts.

    Parameters
    ----------
    model : torch.nn.Module
    attack : Attack
    embedding : str or torch.nn.Module, optional

    Yields
    ------
    Attacking
    """
    modules = dict(model.named_modules())
    if embedding is None:
        layers = [layer for layer in modules.values()
                        if isinstance(layer, torch.nn.Embedding)]  # fmt: skip
    else:
        layers = [layer for name, layer in modules.items() if embedding in (name, layer)]
    if not layers:
        raise no_embedding(model, [name for name in modules if name])
    attacking = Attacking(attack, layers[0])
    handle = layers[0].register_forward_hook(attacking.hook)
    try:
        yield attacking
    finally:
        handle.remove()


def _slope(loss_at: Callable[[Any], Any], delta: Any) -> Any:
    """Return the gradient of a loss by a perturbation."""
    delta = delta.detach().requires_grad_()
    return torch.autograd.grad(loss_at(delta), delta)[0]
