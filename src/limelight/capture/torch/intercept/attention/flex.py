"""Flex attention: scores and masks that the user wrote as functions of positions.

Room: capture, torch. Comes in: what the operator behind ``flex_attention`` is called with. Goes
out: the same :class:`~limelight.capture.torch.intercept.events.Attend` as from any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from limelight.capture.torch.intercept.events import Attend
from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "torch.nn.attention.flex_attention"


def kernels() -> Iterator[Kernel]:
    """Yield the operator behind the function, which compiled code calls as well."""
    from torch._higher_order_ops.flex_attention import flex_attention

    yield Kernel(flex_attention, _read)


def _read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attend:
    names = ("query", "key", "value", "score_mod", "block_mask", "scale", "kernel_options",
             "score_mod_other_buffers", "mask_mod_other_buffers")  # fmt: skip
    given = dict(zip(names, args, strict=False)) | kwargs
    query, key, score, mask = given["query"], given["key"], given["score_mod"], given["block_mask"]
    shape = (*query.shape[:3], key.shape[2])
    score_buffers = given.get("score_mod_other_buffers") or ()
    mask_buffers = given.get("mask_mod_other_buffers") or ()
    plain = getattr(score, "__name__", "") == "_identity"
    return Attend(
        query,
        key,
        given["value"],
        scale=given.get("scale"),
        bias=_allowed(mask[-1], mask_buffers, shape, query.device),
        score=None if plain else _scored(score, score_buffers, shape, query.device),
        packed=True,
    )


def _allowed(mask: Any, buffers: Any, shape: tuple[int, ...], device: Any) -> Any:
    """Return which cells the mask's function allows, bool [example, head, query, key]."""
    import torch

    if getattr(mask, "__name__", "") == "noop_mask":
        return None
    return _everywhere(lambda *at: mask(*at, *buffers), shape, device).to(torch.bool)


def _scored(score: Any, buffers: Any, shape: tuple[int, ...], device: Any) -> Callable[[Any], Any]:
    def changed(scores: Any) -> Any:
        return _everywhere(lambda *at: score(*at, *buffers), shape, device, scores)

    return changed


def _everywhere(
    function: Callable[..., Any], shape: tuple[int, ...], device: Any, *scores: Any
) -> Any:
    """Call a function of one cell for all cells at once."""
    import torch

    positions = [torch.arange(size, device=device) for size in shape]
    for axis in (3, 2, 1, 0):
        in_dims = (*(0 for _ in scores), *(0 if axis == other else None for other in range(4)))
        function = torch.vmap(function, in_dims=in_dims)
    return function(*scores, *positions)
