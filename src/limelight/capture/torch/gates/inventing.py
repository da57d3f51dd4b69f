"""Makes up inputs that a torch model takes, where that is plain.

Room: capture, torch. Comes in: a model. Goes out: inputs to try, most likely ones first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Positions and examples of inputs that are made up.
_POSITIONS, _EXAMPLES = 5, 2


def inputs_for(model: Any) -> Iterator[Any]:
    """Yield inputs that a model may take.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    tensors
        As :func:`limelight.capture.torch.calling.forward` takes them. Whole numbers are from a
        source of their own, so that no state moves.
    """
    import torch

    source = torch.Generator().manual_seed(0)
    parameter = next(iter(model.parameters()), torch.empty(()))

    def numbers(most: int) -> Any:
        made = torch.randint(0, max(most, 1), (_EXAMPLES, _POSITIONS), generator=source)
        return made.to(parameter.device)

    def floats(*shape: int) -> Any:
        return torch.randn(shape, generator=source).to(parameter.device, parameter.dtype)

    config = getattr(model, "config", None)
    name = getattr(model, "main_input_name", None)
    if name == "pixel_values" and config is not None:
        size = getattr(config, "image_size", None)
        if isinstance(size, int):
            channels = int(getattr(config, "num_channels", 3))
            yield {"pixel_values": floats(_EXAMPLES, channels, size, size)}
    words = getattr(config, "vocab_size", None)
    if isinstance(words, int):
        ids = numbers(words)
        yield {name or "input_ids": ids}
        yield {name or "input_ids": ids, "decoder_input_ids": ids}
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            yield numbers(module.num_embeddings)
            yield (numbers(module.num_embeddings),) * 2
            break
    for module in model.modules():
        width = getattr(module, "embed_dim", None) or getattr(module, "in_features", None)
        if isinstance(width, int):
            vectors = floats(_EXAMPLES, _POSITIONS, width)
            yield vectors
            yield (vectors,) * 3
            yield (vectors,) * 2
            break
