"""Right for the right reasons: predictions should not change with what shall not decide.

Room: mitigations. Comes in: a function of inputs, and where it should not look. Goes out: a number
to add to a loss.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import fit_rank


@mitigation(
    answers=("L4",), stage="loss", needs=("suspect tokens",),
    why_not={"transformers": "It needs the model as a function of embeddings: subclass Trainer and "
             "add it in compute_loss; compute_loss_func is given outputs only."},
    source="A. S. Ross, M. C. Hughes and F. Doshi-Velez, Right for the Right Reasons, IJCAI 2017",
)  # fmt: skip
def right_reasons(forward: Callable[[Any], Any], inputs: Any, irrelevant: Any) -> Any:
    """Return how much predictions change with the inputs that should not decide.

    The mean over examples of Σ (irrelevant · ∂ Σ log p / ∂ input)², to add to a loss with a factor.
    It holds near each input only: a word exchanged for another is no small step, so measure flips.

    Parameters
    ----------
    forward : callable
        Scores before the softmax [example, class] of inputs, such as ``lambda e:
        model(inputs_embeds=e).logits``.
    inputs : tensor [example, …] of floats
        Embeddings, in the graph or not.
    irrelevant : tensor [example], [example, position] or of the inputs' shape
        1 where the input should not decide, else 0.

    Returns
    -------
    tensor
        A number, from 0.

    References
    ----------
    .. [1] A. S. Ross, M. C. Hughes and F. Doshi-Velez, "Right for the Right Reasons: Training
       Differentiable Models by Constraining their Explanations", IJCAI 2017, equation 1.

    Notes
    -----
    In a loop of PyTorch, or of Keras on its backends, where gradients of gradients are taken: in a
    ``GradientTape``, below ``jax.grad``. On PyTorch fused attention kernels may have no second
    gradient: ``torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`` has.
    """
    ours = type(inputs).__module__.partition(".")[0] == "torch"  # whatever else is loaded
    name = "torch" if ours or "keras" not in sys.modules else "keras"
    module = importlib.import_module(f"limelight.mitigating.{name}.curving")
    ops = importlib.import_module(f"limelight.mitigating.{name}.operations")

    def logs(values: Any) -> Any:
        return ops.sum(ops.log_softmax(forward(values)))

    slopes = module.slope_in_graph(logs, inputs)
    mask = fit_rank(irrelevant, len(inputs.shape))
    return ops.sum((ops.real(mask, slopes) * slopes) ** 2) / inputs.shape[0]
