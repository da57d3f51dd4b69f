"""What heads write, one vector for each example, and how alike that is.

Room: studying. Comes in: a model and data. Goes out: alignments of pairs of heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.maps.alignment import aligned
from limelight.studying.data import Data, Partition
from limelight.studying.heads import Head
from limelight.studying.looking import Settings
from limelight.studying.passes import Numbers, Passes

#: Fewer examples have no debiased alignment.
_FEWEST = 4
_MASK = "attention_mask"


def written(model: Any, task: Partition) -> Numbers:
    """Do one partition: the mean over positions of what each head writes.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
    task : Partition

    Returns
    -------
    dict of str to array [example, head, feature]
        By site: before the output projection, as rotations do not matter.
    """
    made: Numbers = {}
    for site, given in adapter_for(model).contributions(model, task.probe).items():
        if isinstance(given, str):
            continue
        values = np.asarray(given.values, np.float64)  # [example, head, query, feature]
        valid = _valid(task.probe, values.shape[0], values.shape[2])[:, None, :, None]
        made[site] = np.where(valid, values, 0).sum(2) / np.maximum(valid.sum(2), 1)
    if not made:
        raise StudyError(
            f"Got a {type(model).__name__} of which no head's outputs are known.",
            "Wanted what heads write.", "Take method='js', which compares maps.",
        )  # fmt: skip
    return made


def aligned_heads(
    model: Any, data: Any, asked: Mapping[str, Any], settings: Settings
) -> tuple[list[Head], NDArray[np.float64], Passes]:
    """Return how alike what heads write is.

    Parameters
    ----------
    model, data : object
    asked : mapping
    settings : Settings

    Returns
    -------
    list of (str, int), array [pair], Passes

    Raises
    ------
    StudyError
        If there are fewer than four examples or two heads.
    """
    if hasattr(data, "ndim") and hasattr(data, "shape"):
        data = Probe(data, call=settings.call)
    read = Data(data, settings.partition, settings.collate, settings.call)
    passes = Passes(model, read, dict(asked), settings.executor, settings.workers, settings.run,
                    "observed")  # fmt: skip
    if passes.scan.examples < _FEWEST:
        raise StudyError(
            f"Got {passes.scan.examples} examples.", f"Wanted at least {_FEWEST}.", "Give more."
        )
    numbers = passes.numbers(written)
    heads = [(site, head) for site, values in numbers.items() for head in range(values.shape[1])]
    if len(heads) < 2:
        raise StudyError("Got one head.", "Wanted two or more, to compare.", "Take a larger model.")
    outputs = [numbers[site][:, head] for site, head in heads]
    return heads, aligned(outputs), passes


def _valid(probe: Probe, examples: int, queries: int) -> NDArray[np.bool_]:
    mask = probe.inputs.get(_MASK) if isinstance(probe.inputs, Mapping) else None
    if mask is not None and np.shape(mask) == (examples, queries):
        return np.asarray(mask, np.bool_)
    return np.ones((examples, queries), np.bool_)
