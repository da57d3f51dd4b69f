"""Parameters that training leaves as they were."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from limelight.alerts.judging.history import History, Numbers, Table
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

#: Numbers that both stay the same only where every value does.
SAME = ("mean", "norm")
#: The same values may be added up in another order, as by a compiled pass that takes over: of the
#: norm, this share is none of training's.
ROUNDING = 1e-12

#: So many records in which nothing moves are no accident.
ALONE = 5

#: What an adapter of low rank learns.
_ADAPTER = re.compile(r"(^|[/._])lora_")
#: Adding the same to every key changes no weight of attention: its gradient is zero.
_IDLE = re.compile(r"(^|/)(key|k_proj|k_lin)/bias$")


@rule(
    needs={"parameter": SAME},
    reads={"gradient": ("norm",), "parameter": ("w1_from_start",)},
    harm=26,
    source="The mean and the norm of all values agree in 12 digits of the norm.",
    words=Words(
        "Not moving",
        "a trainable parameter, or an adapter, exactly as it was at the first record, two records "
        "later, while others move",
        "pass it to the optimizer, make it trainable, look for a detach or a frozen adapter",
    ),
    zh=Words(
        "参数不动",
        "可训练参数或适配器在两次记录之后仍与首次记录完全相同，而其他参数在变",
        "把它交给优化器、设为可训练、检查 detach 或被冻结的适配器",
    ),
)
def not_moving(history: History) -> Judged:
    """Parameters that are the same as at the first record, while others move.

    Of adapters of low rank, which often stay frozen by mistake, also those that are not trainable,
    unless another adapter moves.
    """
    table = history["parameter"]
    finite = np.isfinite(table["norm"])
    same = finite & np.all([_as_first(table[name], table["norm"]) for name in SAME], axis=0)
    moved = (finite & ~same).any(axis=1, keepdims=True)
    gradients = history.get("gradient")
    if gradients is not None:
        moved |= (table.steps >= gradients.steps[0])[:, None]
    if len(table.steps) >= ALONE:
        moved |= ~moved.any()  # nothing at all moves: what is trained is another model
    if not moved.any():
        return None  # nothing says that it is trained
    bad = same & moved & _judged(table, same)
    bad[0] |= bad[1:2].any(axis=0) & same[0]
    moves = np.where(same, 0.0, np.nan)
    if "w1_from_start" in table.numbers:
        moves = np.where(same, 0.0, table["w1_from_start"])
    return [Breach(table, "w1_from_start", moves, bad, 0.0, records=3, lower=True)]


def _as_first(values: Numbers, norms: Numbers) -> NDArray[np.bool_]:
    """Say where numbers are what they were when a tensor was first recorded."""
    known = np.isfinite(values)
    first = values[known.argmax(axis=0), np.arange(values.shape[1])]
    with np.errstate(invalid="ignore"):
        unchanged: NDArray[np.bool_] = known & (np.abs(values - first) <= ROUNDING * norms)
    return unchanged


def _judged(table: Table, same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which tensors ought to move."""
    adapters = np.array([bool(_ADAPTER.search(name)) for name in table.names], bool)
    idle = np.array([bool(_IDLE.search(name)) for name in table.names], bool)
    trainable = np.array([member.trainable for member in table.members], bool)
    moving = (adapters & ~same.all(axis=0)).any()
    judged: NDArray[np.bool_] = (trainable & ~idle) | (adapters & (not moving))
    return judged
