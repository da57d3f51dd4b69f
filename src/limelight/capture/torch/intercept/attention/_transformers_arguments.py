"""What each kind of attention kernel of transformers makes of the same arguments.

Room: capture, torch. Comes in: the arguments of one call. Goes out: bias, causality, window, soft
cap and sinks as *this* kernel applies them: SDPA takes no window, flex no ``is_causal``, and flash
reads its mask as padding and counts causality from the last key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limelight.capture.torch.intercept.events import Attend

#: Fills in an event from a call's arguments by name.
Reader = Callable[[Attend, dict[str, Any]], None]


def reader(name: str) -> Reader | None:
    """Return what reads the arguments of a kernel.

    Parameters
    ----------
    name : str
        The kernel's name in the attention interface, such as ``sdpa`` or ``paged|sdpa``.

    Returns
    -------
    callable or None
        None for a kernel of somebody's own, which may do anything with its arguments.
    """
    for part, read in (("flex", _flex), ("flash", _flash), ("sdpa", _sdpa)):
        if part in name.lower():
            return read
    return None


def _sdpa(event: Attend, given: dict[str, Any]) -> None:
    event.bias = given.get("attention_mask")
    event.causal = event.query.shape[-2] > 1 and event.bias is None and _is_causal(given)
    _add_position_bias(event, given.get("position_bias"))


def _flex(event: Attend, given: dict[str, Any]) -> None:
    mask = given.get("attention_mask")
    if hasattr(mask, "mask_mod"):
        mask = _cells(mask, event)
    elif mask is not None:
        mask = mask[..., : event.key.shape[-2]]
    event.bias = mask
    event.softcap = given.get("softcap")
    event.sink_logit = given.get("s_aux")
    _add_position_bias(event, given.get("position_bias"))


def _flash(event: Attend, given: dict[str, Any]) -> None:
    queries, keys = event.query.shape[-2], event.key.shape[-2]
    event.softcap = given.get("softcap")
    event.sink_logit = given.get("s_aux")
    mask, parts = given.get("attention_mask"), _parts(event, given)
    if mask is not None and mask.dim() == 4:  # what falls back on another kernel brings its mask
        event.bias = mask
        return
    causal = _is_causal(given)
    window = given.get("sliding_window")
    window = window if window is not None and keys > window else None
    plain = mask is None and parts is None
    if plain and queries == keys and (causal or window is None):
        event.causal, event.window = causal, window
    elif not (plain and window is None and (queries == 1 or not causal)):
        event.bias = _flash_cells(event, mask, parts, causal, window)


def _is_causal(given: dict[str, Any]) -> bool:
    causal = given.get("is_causal")
    return bool(getattr(given.get("module"), "is_causal", True) if causal is None else causal)


def _add_position_bias(event: Attend, position_bias: Any) -> None:
    """Add a learned bias to what is allowed; a bias cannot be bool any more then."""
    if position_bias is None:
        return
    import torch

    queries, keys = event.query.shape[-2], event.key.shape[-2]
    position_bias = position_bias[..., :keys]
    if event.bias is None:
        event.bias = position_bias
    elif event.bias.dtype == torch.bool:
        event.bias = torch.where(event.bias, position_bias, float("-inf"))
    else:
        event.bias = event.bias + position_bias
    if event.causal:
        may = torch.ones(queries, keys, dtype=torch.bool, device=event.key.device).tril()
        event.bias = torch.where(may, event.bias, float("-inf"))
        event.causal = False


def _cells(block_mask: Any, event: Attend) -> Any:
    """Return which cells a block mask of flex attention allows."""
    from torch.nn.attention.flex_attention import create_mask

    examples, heads = block_mask.shape[:2]
    queries, keys = event.query.shape[-2], event.key.shape[-2]
    return create_mask(
        block_mask.mask_mod, examples, heads, queries, keys, device=str(event.key.device)
    )


def _parts(event: Attend, given: dict[str, Any]) -> tuple[Any, Any] | None:
    """Return the number of the part each query and key is of, where several lie in one row."""
    import torch

    def numbered(ends: Any, length: int) -> Any:
        position = torch.arange(length, device=ends.device)
        return torch.searchsorted(ends[1:].contiguous().to(position.dtype), position, right=True)

    queries, keys = event.query.shape[-2], event.key.shape[-2]
    first, second = given.get("cu_seq_lens_q"), given.get("cu_seq_lens_k")
    if first is not None and second is not None:
        return numbered(first, queries), numbered(second, keys)
    position = given.get("position_ids")
    if position is None or event.query.shape[0] != 1 or queries != keys:
        return None
    if position.shape[-1] != keys:
        return None
    position = position.reshape(-1, keys)[0]
    begins = position.diff() != 1
    if not bool(begins.any()):
        return None
    part = torch.cat([torch.zeros_like(position[:1]), begins.cumsum(0)])
    return part, part


def _flash_cells(
    event: Attend, mask: Any, parts: tuple[Any, Any] | None, causal: bool, window: int | None
) -> Any:
    """Return which cells flash attention fills, [example or 1, 1, query, key]."""
    import torch

    queries, keys = event.query.shape[-2], event.key.shape[-2]
    # A static cache is longer than its mask: what lies beyond is not filled yet.
    filled = keys if mask is None else min(keys, mask.shape[-1])
    device = event.key.device
    key = torch.arange(keys, device=device)[None]
    query = torch.arange(queries, device=device)[:, None] + filled - queries
    may = (key < filled).expand(queries, keys)
    if causal:
        may = may & (key <= query)
    if window is not None:
        may = may & ((query - key).abs() < window)
    if parts is not None:
        may = may & (parts[0][:, None] == parts[1][None])
    may = may[None, None]
    if mask is not None:
        valid = torch.zeros(len(mask), keys, dtype=torch.bool, device=device)
        valid[:, :filled] = mask[:, :filled].to(device).bool()
        may = may & valid[:, None, None]
    return may
