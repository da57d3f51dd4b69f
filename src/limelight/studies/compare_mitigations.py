"""Mitigations beside a baseline: each trained over several seeds, judged by predictions.

Room: studies. Comes in: how to train and how to evaluate, techniques. Goes out: measures
[technique, seed, measure], differences with intervals and tests, and a verdict for each.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.log_folder import log_folder
from limelight.store import Run
from limelight.store.tensorboard.events import EventFile
from limelight.study import study
from limelight.studying.comparing import PARTS, TIER, Table, Task, Work, said
from limelight.studying.executing import done, pool
from limelight.studying.keeping import Kept, facts
from limelight.studying.parts import Parts
from limelight.studying.progress import teller


@study(
    title="comparison of mitigations",
    answers=("L13",),
    tier="intervened",
    units="the measure's",
    bounds=(float("-inf"), float("inf")),
    source="S. Holm, Scandinavian Journal of Statistics 6, 1979",
    zh=("缓解方法的比较", "用多个随机种子训练每种方法，看它对预测有什么影响。"),
)
def compare_mitigations(
    train: Callable[..., Any],
    evaluate: Callable[[Any, str], Mapping[str, float]],
    techniques: Mapping[str, Mapping[str, Any]],
    *,
    seeds: int | Sequence[int] = 5,
    baseline: str | None = None,
    saw_groups: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
    progress: Any = None,
) -> xr.Dataset:
    """Train each technique over several seeds, and say what it did to predictions.

    Tier: *intervened*. A verdict comes from ``flip_rate`` and ``worst_group`` alone: attention that
    moved away from a word does not say that predictions rest on it less.

    Parameters
    ----------
    train : callable
        ``train(seed, **settings) -> model``; the seed decides all that is drawn.
    evaluate : callable
        ``evaluate(model, part) -> {measure: number}``. ``part`` is ``"validation"``, by which a
        technique is chosen, or ``"verdict"``, examples that are used for nothing else. Shares are
        from 0 to 1: ``flip_rate`` is the share of predictions that change when only the suspect
        does, ``worst_group`` the accuracy of the worst group; ``attention`` the attention on the
        suspect; others as you like.
    techniques : mapping of str to mapping
        Names, and the settings that ``train`` gets.
    seeds : int or sequence of int
        How many, from 0, or which. Below 5 there are numbers, and no intervals or verdicts.
    baseline : str, optional
        What the others are compared with; the first if not given.
    saw_groups : bool
        Whether validation knows groups, and so the choice does: kept with the result.
    executor, workers : optional
        Who trains: any ``concurrent.futures.Executor``, or so many processes. With processes
        ``train`` and ``evaluate`` must be importable functions.
    run : str, path, or Run, optional
        A log folder where each trained model's measures are kept, as they come: one that was
        killed goes on from there. Each is also a run of TensorBoard's below it.
    progress : bool or callable, optional
        A bar on a terminal if not given.

    Returns
    -------
    Dataset [technique, seed, measure]
        ``metric`` and ``validation`` [technique, seed, measure]; ``difference``, ``low``, ``high``
        (95 %), ``p_value`` and ``p_adjusted`` [technique, measure], paired by seed, Student's t
        over seeds, Holm over the techniques within each measure; ``verdict`` [technique].
        Attributes say which technique validation chooses and by what rule.

    Raises
    ------
    StudyError
        If there is one seed or technique, functions return other measures for other models or no
        finite numbers, or seeds change nothing.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
       of Statistics 6, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> def train(seed, shift=0.0):
    ...     random = np.random.default_rng([seed, int(10 * shift)])
    ...     return random.normal(0.4 - shift, 0.02)
    >>> def evaluate(model, part):
    ...     return {"flip_rate": model, "worst_group": 0.5 + model % 0.01}
    >>> table = compare_mitigations(train, evaluate, {"plain": {}, "shifted": {"shift": 0.3}})
    >>> float(table["difference"].sel(technique="shifted", measure="flip_rate").round(1))
    -0.3
    >>> table["verdict"].values.tolist()
    ['', 'relies less on it']
    """
    names, numbers = _asked(techniques, seeds, baseline)
    first = names.index(baseline) if baseline is not None else 0
    tasks = [
        Task(index, name, seed, dict(techniques[name]))
        for index, (name, seed) in enumerate((name, seed) for name in names for seed in numbers)
    ]
    settings = {
        "study": "compare_mitigations",
        "techniques": {name: said(techniques[name]) for name in names},
        "seeds": numbers,
        "baseline": names[first],
        "train": said(train),
        "evaluate": said(evaluate),
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = None
    if run is not None:
        folder = Kept(run, facts("compare_mitigations", key, settings, "", "", len(tasks), TIER))
    parts = Parts(None if folder is None else folder.parts, key)
    table = Table(names, numbers, first, saw_groups)
    finished = set(parts.finished(range(len(tasks))))
    tell = teller(progress, "compare_mitigations")
    with ExitStack() as undo:
        if folder is not None:
            undo.enter_context(folder.running(len(finished)))
        if executor is None and workers:
            spread: Any = undo.enter_context(pool(workers))
        else:
            spread = executor
        waiting = [task for task in tasks if task.index not in finished]
        work = Work(train, evaluate)
        for task, result in done(waiting, len(tasks), work, spread, workers, len(finished)):
            parts.put(task.index, result)
            finished.add(task.index)
            if tell is not None:
                tell(len(finished), len(tasks))
            if folder is not None:
                folder.tell(len(finished))
                _log(run, task, result)
                if len(finished) < len(tasks):
                    folder.publish(table.made(parts))
        made = table.made(parts)
        table.check(made)
    if folder is not None:
        folder.finish(made)
    return made


def _asked(
    techniques: Mapping[str, Mapping[str, Any]], seeds: int | Sequence[int], baseline: str | None
) -> tuple[list[str], list[int]]:
    """Return names of techniques, and seeds."""
    numbers = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if len(set(numbers)) < 2 or len(set(numbers)) < len(numbers):
        raise StudyError(
            f"Got seeds={seeds!r}.",
            "Wanted at least two different ones, and five for intervals and verdicts: with another "
            "seed the worst group alone can move by tens of points.",
            "Take seeds=5.",
        )
    if len(techniques) < 2 or (baseline is not None and baseline not in techniques):
        raise StudyError(
            f"Got techniques {list(techniques)} with baseline={baseline!r}.",
            "Wanted at least two, the baseline among them.",
            "Write {'baseline': {}, 'group weights': {…}}.",
        )
    return [str(name) for name in techniques], numbers


def _log(run: Any, task: Task, result: Mapping[str, NDArray[Any]]) -> None:
    """Let TensorBoard show a trained model's measures, as a run of its own."""
    folder = Path(run.path if isinstance(run, Run) else log_folder(run))
    name = "".join(
        letter if letter.isalnum() or letter in "-_" else "-" for letter in task.technique
    )
    values = {
        f"{part}/{measure}": float(value)
        for part in PARTS
        for measure, value in zip(result[f"{part}_measures"], result[part], strict=True)
    }
    folder = folder / name / f"seed-{task.seed}"
    with contextlib.suppress(OSError):  # what counts is kept with the study
        folder.mkdir(parents=True, exist_ok=True)
        EventFile(folder).write(0, time.time(), values, {}, pointer=False)
