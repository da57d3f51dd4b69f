"""Whether what a score calls important is: words are erased in its order, and in random orders.

Room: studies. Comes in: a model, data, and scores of positions. Goes out: curves [way, order,
fraction] of the probability of what the model predicted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.maps.reading import batch
from limelight.study import study
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.erasing import Erasable, each_alone, erasable, variants
from limelight.studying.intervals import interval
from limelight.studying.looking import datasets_of
from limelight.studying.outputs import outputs_of, probabilities
from limelight.studying.passes import Numbers, Passes
from limelight.studying.results import attributes
from limelight.studying.units import Units

_FRACTIONS: Final = (0.01, 0.05, 0.1, 0.2, 0.5)
_CURVES: Final = ("comprehensiveness", "sufficiency", "deletion", "insertion")


@study(
    title="erasure",
    answers=("O2",),
    home=False,
    tier="intervened",
    units="probability",
    bounds=(-1.0, 1.0),
    source="J. DeYoung et al., ACL 2020 (ERASER)",
    zh=("擦除", "按重要性依次擦除词，预测变多少：与随机次序相比。"),
)
def erasure(
    model: Any,
    data: Any,
    *,
    scores: Any = "masking",
    how: str | Sequence[str] = "mask",
    mask: float | None = None,
    tokens: Any = None,
    fractions: Sequence[float] = _FRACTIONS,
    draws: int = 5,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    r"""Erase what a score calls important, and keep only that, against random orders.

    Tier: *intervened*. With :math:`p_j` the probability of the class that the model predicts on the
    full input :math:`x`, and :math:`r` the positions of highest score,

    .. math:: \text{comprehensiveness} = p_j(x) - p_j(x \setminus r), \quad
              \text{sufficiency} = p_j(x) - p_j(r)

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It returns logits or probabilities [example, class], and stays as it was.
    data : object
        An array of inputs, or data as for :func:`limelight.ablation`, all of one length; targets
        are not used.
    scores : ``masking``, ``attention``, or array [example, position]
        What is important, the highest first; signs count. ``masking`` is the loss of
        :math:`p_j` when a position alone is erased; ``attention`` is what a position receives,
        over all layers, heads and queries.
    how : ``mask``, ``delete`` or ``resample``, or several
        As for :func:`limelight.masking`.
    mask, tokens : optional
        As for :func:`limelight.masking`.
    fractions : sequence of float
        Of an example's positions, at least one.
    draws : int
        Random orders.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset [way, order, fraction]
        ``comprehensiveness`` (high is good), ``sufficiency`` (low is good; it may be negative),
        ``deletion`` and ``insertion``, the probability with the highest erased, and with only these
        there. ``order`` is ``scored`` or ``random``, the mean over draws. Each has ``_low`` and
        ``_high`` (95 %). ``gain`` [way, fraction], comprehensiveness beyond that of random orders,
        likewise. ``aopc_comprehensiveness`` and ``aopc_sufficiency`` [way, order] are means over
        fractions.

    Raises
    ------
    StudyError
        If outputs are no classes, or scores or inputs do not fit.

    Notes
    -----
    Erased inputs are nothing the model may have seen: a large effect may be that alone, which is
    why random orders stand beside, and ``how`` takes several ways.

    References
    ----------
    .. [1] J. DeYoung et al., "ERASER: A Benchmark to Evaluate Rationalized NLP Models", ACL 2020,
       section 4.

    Examples
    --------
    .. code-block:: python

       ll.erasure(model, sentences, scores="attention", tokens=tokenizer, how=("mask", "resample"))
    """
    ways = (how,) if isinstance(how, str) else tuple(how)
    parts = tuple(float(fraction) for fraction in fractions)
    if not ways or not parts or not all(0 < part <= 1 for part in parts) or draws < 1:
        raise StudyError(
            f"Got how={how!r}, fractions={fractions!r}, draws={draws}.",
            "Wanted a way, shares above 0 and up to 1, and a random order.", "Correct them.",
        )  # fmt: skip
    if hasattr(data, "ndim") and hasattr(data, "shape"):
        data = Probe(data, call=call)
    read = Data(data, partition, collate, call)
    name, values = _scores(scores)
    passes = Passes(
        model, read,
        {"study": "erasure", "scores": name, "how": ways, "mask": mask, "fractions": parts,
         "draws": draws, "seed": seed},
        executor, workers, run, "intervened",
    )  # fmt: skip
    if values is not None and len(values) != passes.scan.examples:
        raise StudyError(
            f"Got scores of {len(values)} examples for {passes.scan.examples}.",
            "Wanted a score for each position of each example.", "Give scores [example, position].",
        )  # fmt: skip
    act = Erasing(scores if values is None else values, ways, mask, tokens, parts, draws, seed)
    numbers = passes.numbers(act)
    units = Units(len(numbers["full"]), resample_by)
    made = _curves({key: units.means(value) for key, value in numbers.items()}, ways, parts, seed)
    attrs = attributes(
        study="erasure", tier="intervened", metric="probability", units="probability",
        better="", n=units.count, of="examples" if resample_by is None else "units",
        baseline=float(units.means(numbers["full"]).mean()), seed=seed,
        data_digest=passes.scan.digest, model_digest=passes.digest, correction="",
        settings={"scores": name.partition(" ")[0], "how": ", ".join(ways), "draws": draws},
    )  # fmt: skip
    return passes.finish(made.assign_attrs(attrs))


@dataclass(frozen=True)
class Erasing:
    """Does one partition: the predicted class's probability as positions go, and as they come."""

    scores: Any
    ways: tuple[str, ...]
    mask: Any
    tokens: Any
    fractions: tuple[float, ...]
    draws: int
    seed: int

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return ``full`` [example], ``deletion`` and ``insertion`` [example, way, order, part]."""
        values = _classes(outputs_of(model, task.probe)[0])
        predicted = values.argmax(-1)
        full = values[np.arange(task.size), predicted]

        def left(inputs: Erasable, cells: NDArray[np.bool_]) -> NDArray[np.float64]:
            made = np.zeros(cells.shape[:2])
            for part, probe in variants(inputs, cells):
                outputs = _classes(outputs_of(model, probe)[0]).reshape(-1, *values.shape)
                made[part] = outputs[:, np.arange(task.size), predicted]
            return made

        gone: list[NDArray[Any]] = []
        alone: list[NDArray[Any]] = []
        for name in self.ways:
            inputs = erasable(task.probe, name, self.mask, self.tokens, self.seed, task.first)
            orders = [self._scored(model, task, inputs, full, left), *self._random(task, inputs)]
            many = np.ceil(np.outer(self.fractions, inputs.valid.sum(1)) - 1e-9).clip(1)
            ranks = np.stack([_ranks(order, inputs.valid) for order in orders])
            top = ranks[:, None] < many[None, :, :, None]  # [order, fraction, example, position]
            cells = top.reshape(-1, *inputs.valid.shape)
            for made, erased in ((gone, cells), (alone, ~cells)):
                shape = (len(orders), len(self.fractions), task.size)
                made.append(np.moveaxis(left(inputs, erased).reshape(shape), 2, 0))
        return {"full": full, "deletion": np.stack(gone, 1), "insertion": np.stack(alone, 1)}

    def _scored(self, model: Any, task: Partition, inputs: Erasable, full: Any, left: Any) -> Any:
        if not isinstance(self.scores, str):
            rows = self.scores[task.first : task.first + task.size]
        elif self.scores == "attention":
            rows = _received(model, task)
        else:
            rows = (full - left(inputs, each_alone(inputs.valid))).T
        if rows.shape != inputs.valid.shape:
            raise StudyError(
                f"Got scores of {rows.shape[1:]} for {inputs.valid.shape[1]} positions.",
                "Wanted one for each position of the input.",
                "Give an array [example, position].",
            )
        return rows

    def _random(self, task: Partition, inputs: Erasable) -> list[NDArray[np.float64]]:
        drawn = [
            np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(task.first + row,)))
            .random((self.draws, inputs.valid.shape[1]))
            for row in range(task.size)
        ]  # fmt: skip
        return list(np.stack(drawn, 1))


def _ranks(order: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the rank of each position, from 0, the highest first; padding comes last."""
    highest = np.argsort(np.where(valid, -order, np.inf), axis=1, kind="stable")
    ranks = np.empty(highest.shape, np.intp)
    np.put_along_axis(ranks, highest, np.broadcast_to(np.arange(order.shape[1]), ranks.shape), 1)
    return ranks


def _received(model: Any, task: Partition) -> NDArray[np.float64]:
    """Return the attention that each position receives, by queries that may attend to it."""
    sums = []
    for dataset in datasets_of(adapter_for(model).watch(model, task.probe, None)).values():
        maps = batch(dataset)
        if maps.kind != "self":
            continue
        cells = maps.allowed & maps.rows[..., None]
        eligible = np.broadcast_to(cells, maps.weights.shape).sum(2)
        sums.append((np.where(cells, maps.weights, 0).sum(2) / np.maximum(eligible, 1)).mean(1))
    if not sums or len({part.shape for part in sums}) > 1:
        raise StudyError(
            "Got scores='attention' for a model without self-attention over its input's positions.",
            "Wanted layers over the same positions.", "Take scores='masking'.",
        )  # fmt: skip
    return np.asarray(np.mean(sums, axis=0), np.float64)


def _classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise StudyError(
            f"Got outputs of shape {values.shape}.", "Wanted [example, class].",
            "Say which part classifies: call=lambda model, inputs: model(**inputs).logits[:, -1].",
        )  # fmt: skip
    return probabilities(values)


def _scores(scores: Any) -> tuple[str, NDArray[Any] | None]:
    if isinstance(scores, str):
        if scores not in ("masking", "attention"):
            raise StudyError(
                f"Got scores={scores!r}.", "Wanted 'masking', 'attention', or an array.",
                "Correct it.",
            )  # fmt: skip
        return scores, None
    values = np.asarray(scores, np.float64)
    return f"given {hashlib.sha256(values.tobytes()).hexdigest()[:12]}", values


def _curves(
    means: dict[str, NDArray[Any]], ways: tuple[str, ...], parts: tuple[float, ...], seed: int
) -> xr.Dataset:
    """Return curves of means [unit, way, order, fraction]."""
    full = means["full"][:, None, None, None]
    columns: dict[str, Any] = {}
    for name, kind in zip(_CURVES, ("deletion", "insertion") * 2, strict=True):
        values = means[kind]
        values = full - values if name in ("comprehensiveness", "sufficiency") else values
        two = np.stack([values[:, :, 0], values[:, :, 1:].mean(2)], 2)
        low, high = interval(two, seed)
        for suffix, numbers in (("", two.mean(0)), ("_low", low), ("_high", high)):
            columns[f"{name}{suffix}"] = (("way", "order", "fraction"), numbers)
        if name in ("comprehensiveness", "sufficiency"):
            columns[f"aopc_{name}"] = (("way", "order"), two.mean((0, 3)))
        if name == "comprehensiveness":
            gain = two[:, :, 0] - two[:, :, 1]
            low, high = interval(gain, seed)
            for suffix, numbers in (("", gain.mean(0)), ("_low", low), ("_high", high)):
                columns[f"gain{suffix}"] = (("way", "fraction"), numbers)
    return xr.Dataset(columns, coords={
        "way": np.array(ways, np.str_), "order": np.array(["scored", "random"], np.str_),
        "fraction": np.array(parts),
    })  # fmt: skip
