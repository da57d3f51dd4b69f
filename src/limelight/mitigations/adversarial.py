"""Adversarial training: the model also learns from inputs moved to where it fails most.

Room: mitigations. Comes in: a model. Goes out: a context in which it is trained so.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from typing import Any

from limelight.mitigating.attacking import Attack, Method, is_keras
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L12",), home="L12", stage="training",
    source="T. Miyato, A. M. Dai and I. Goodfellow, Adversarial Training Methods for "
    "Semi-Supervised Text Classification, ICLR 2017",
)  # fmt: skip
def adversarial(
    model: Any,
    method: Method = "fgm",
    *,
    epsilon: float = 1.0,
    steps: int = 3,
    step: float | None = None,
    weight: float = 1.0,
    embedding: Any = None,
) -> AbstractContextManager[Any]:
    """Train on the loss plus the loss where what the embedding gives is moved to raise it.

    It makes a model steadier near its inputs. That it leans less on any particular word does not
    follow: measure it.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module
    method : ``fgm``, ``pgd`` or ``freelb``
        One step along the gradient; several, within a ball; or the mean loss along these.
    epsilon : float
        Length of the perturbation of an example, over its positions and features together. Padding
        is not moved. 0 changes nothing but the time it takes.
    steps : int
        Of ``pgd`` and ``freelb``.
    step : float, optional
        Length of each; 1.5 · epsilon / steps if not given.
    weight : float
        How much the attacked loss counts. At 0 the model is left alone: losses are the plain ones,
        to the bit.
    embedding : str or layer, optional
        Whose output is moved; the first embedding if not given.

    Returns
    -------
    context manager
        In Keras, ``fit`` inside trains so, on each backend. In PyTorch it gives a function:
        ``loss = attack(lambda: criterion(model(x), y))``; or ``attack.attach(trainer)`` before
        ``trainer.train()``. Afterwards the model is as it was.

    Raises
    ------
    LimelightError
        If there is no embedding, or settings make no sense.

    Notes
    -----
    ``fgm`` takes two further passes forward and one back, ``pgd`` and ``freelb`` as many for each
    step. The perturbation's own gradient is not followed. Passes of the attack change no running
    averages in Keras; in PyTorch they do, as any pass in training mode.

    References
    ----------
    .. [1] T. Miyato, A. M. Dai and I. Goodfellow, "Adversarial Training Methods for Semi-Supervised
       Text Classification", ICLR 2017, equation 3.
    .. [2] A. Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR
       2018.
    .. [3] C. Zhu et al., "FreeLB: Enhanced Adversarial Training for Natural Language
       Understanding", ICLR 2020, algorithm 1.

    Examples
    --------
    >>> adversarial(None, epsilon=-1)
    Traceback (most recent call last):
        ...
    limelight.errors.LimelightError: Got epsilon=-1, steps=3, step=-0.5, weight=1.0. ...
    """
    attack = Attack(method, epsilon, steps, 1.5 * epsilon / max(steps, 1) if step is None else step,
                    weight)  # fmt: skip
    name = "keras" if is_keras(model) else "torch"
    module = importlib.import_module(f"limelight.mitigating.{name}.attacking")
    made: AbstractContextManager[Any] = module.attacked(model, attack, embedding)
    return made
