"""What happens without a word: each is masked alone, and the model run again.

Room: studies. Comes in: a model and data. Goes out: changes [example, query, key].
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

import limelight
from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates
from limelight.capture.recognition import Choice
from limelight.errors import StudyError
from limelight.study import study
from limelight.studying import metrics
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.erasing import each_alone, erasable, variants
from limelight.studying.outputs import changed, outputs_of
from limelight.studying.passes import Numbers, Passes


@study(
    title="masking",
    answers=("O2",),
    tier="intervened",
    units="1 − cos, or nat",
    bounds=(0.0, np.inf),
    source="M. D. Zeiler and R. Fergus, ECCV 2014 (occlusion)",
    zh=("遮盖", "逐一遮盖每个词（图块、时间步），输出会变多少。"),
)
def masking(
    model: Any,
    data: Any,
    *,
    how: str = "mask",
    mask: float | None = None,
    tokens: Any = None,
    metric: str | Callable[[Any, Any], Any] | None = None,
    distance: str | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Mask each word, time step or patch alone, and measure what becomes of the outputs.

    Tier: *intervened*.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was.
    data : object
        An array of inputs, or data as for :func:`limelight.ablation`, all of one length. Ids
        [example, position], values [example, position, feature], or images in a Probe that says
        their ``layout``.
    how : ``mask``, ``delete`` or ``resample``
        What becomes of a position: a mask token, or the mean of values; no position at all; or what
        stands at a position drawn from the partition.
    mask : int or float, optional
        The mask token's id, or the value that stands for nothing.
    tokens : optional
        A tokenizer, whose ``mask_token_id`` is taken.
    metric : str or callable, optional
        Also measure this of each example, as for :func:`limelight.ablation`; it may need targets.
    distance : ``cosine`` or ``kl``, optional
        How far outputs are apart: 1 − cos, or the divergence of classes. Not given: ``kl`` for what
        the model calls logits, and for a single number.
    seed : int
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset
        ``change`` [example, query, key], how far the output at a position is from what it was; or
        [example, key], where there is one output an example. NaN for padding. With ``metric``:
        ``target`` [example, key], the metric without the word minus with it, and ``baseline``
        [example].

    Raises
    ------
    StudyError
        If inputs have no positions, or nothing stands for nothing.

    Notes
    -----
    One word is masked at a time: two that say the same hide each other. An input with a mask is
    nothing the model may have seen; ``how`` offers three ways, and what all agree on is firmer.

    Examples
    --------
    .. code-block:: python

       ll.masking(model, sentences, tokens=tokenizer)["change"].isel(example=0, query=0)
    """
    if distance not in (None, "cosine", "kl"):
        raise StudyError(
            f"Got distance={distance!r}.", "Wanted 'cosine' or 'kl'.", "Leave it out to choose."
        )
    if hasattr(data, "ndim") and hasattr(data, "shape"):
        data = Probe(data, call=call)
    measure = None if metric is None else metrics.read(metric)
    name = None if measure is None else measure.name
    read = Data(data, partition, collate, call)
    if measure is not None and measure.needs_targets:
        first = next(read.partitions(), None)
        if first is not None and first.targets is None:
            raise StudyError(
                f"Got metric={name!r} for data without targets.",
                "Wanted a target for each example.", "Give (inputs, targets), or no metric.",
            )  # fmt: skip
    asked = {"study": "masking", "how": how, "mask": mask, "metric": name, "distance": distance,
             "seed": seed}  # fmt: skip
    given = {key: value for key, value in asked.items() if value is not None}
    passes = Passes(model, read, given, executor, workers, run, "intervened")
    act = Masking(how, mask, tokens, None if measure is None else measure.measure, distance, seed)
    numbers = passes.numbers(act)
    changes = numbers["change"]
    dims = ("example", "query", "key") if changes.ndim == 3 else ("example", "key")
    made = xr.Dataset({"change": (dims, changes)})
    if "target" in numbers:
        made = made.assign(
            target=(("example", "key"), numbers["target"]), baseline=("example", numbers["plain"])
        )
    units = "nat" if numbers["classes"].any() else "1 − cos"
    n = len(changes)
    of = f" and of {name}" if name else ""
    return passes.finish(made.assign_attrs({
        **given, "tier": "intervened", "n": n, "of": "examples", "units": units,
        "data_digest": passes.scan.digest, "model_digest": passes.digest,
        "limelight": limelight.__version__,
        "sentence": (
            f"masking (intervened): change of outputs ({units}){of} with one position erased, "
            f"how={how!r}, n = {n} examples; seed {seed}; limelight {limelight.__version__}, data "
            f"{passes.scan.digest[:8]}, model {passes.digest[:8]}."
        ),
    }))  # fmt: skip


@dataclass(frozen=True)
class Masking:
    """Does one partition: outputs with each position erased in turn."""

    how: str
    mask: Any
    tokens: Any
    metric: Any
    distance: str | None
    seed: int

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``change`` [example, …, key], and perhaps ``target`` [example, key]."""
        inputs = erasable(task.probe, self.how, self.mask, self.tokens, self.seed, task.first)
        before, logits = outputs_of(model, task.probe)
        single = before.shape[-1] == 1  # has no angle
        classes = (logits or single) if self.distance is None else self.distance == "kl"
        count = inputs.valid.shape[1]
        per_position = before.ndim == 3 and before.shape[1] == count
        if before.ndim > 2 and not per_position:
            before = before.reshape(len(before), -1)
        plain = self._measured(model, task.probe, task, 1)
        changes, targets = np.zeros((count, *before.shape[:-1])), np.zeros((count, task.size))
        for part, probe in variants(inputs, each_alone(inputs.valid)):
            after = outputs_of(model, probe)[0]
            if per_position and after.shape[1] < count:  # deleted: what follows moved up
                after = np.insert(after, part.start, np.nan, axis=1)
            after = after.reshape(-1, *before.shape)
            changes[part] = changed(np.broadcast_to(before, after.shape), after, classes)
            if plain is not None:
                measured = self._measured(model, probe, task, len(after))
                targets[part] = measured.reshape(-1, task.size) - plain
        there = np.moveaxis(inputs.valid, 1, 0)  # [key, example]
        targets = np.where(there, targets, np.nan)
        if per_position:
            there = there[..., None] & inputs.valid
        changes = np.where(there, changes, np.nan)
        made = {"change": np.moveaxis(changes, 0, -1), "classes": np.full(task.size, classes)}
        if plain is not None:
            made |= {"target": targets.T, "plain": plain}
        return made

    def _measured(self, model: Any, probe: Probe, task: Partition, times: int) -> Any:
        if self.metric is None:
            return None
        targets = task.targets
        if targets is not None and times > 1:
            targets = np.concatenate([targets] * times)
        plain = [Gates({}, choice=Choice.of(probe))]
        return adapter_for(model).measured(model, probe, plain, self.metric, targets)[0]
