"""Models trained by several techniques: one task each, and the table that becomes of them.

Room: studying. Comes in: how to train and to evaluate. Goes out: measures of each model, and a
dataset of all, or of those that are there so far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.studying.intervals import FEWEST
from limelight.studying.parts import Parts
from limelight.studying.verdicts import OUTCOMES, compared

#: What models are chosen by, and what they are judged by, which is used for nothing else.
PARTS: Final = ("validation", "verdict")
TIER: Final = "intervened"


@dataclass(frozen=True)
class Task:
    """One model to train.

    Attributes
    ----------
    index : int
    technique : str
    seed : int
    settings : dict
    """

    index: int
    technique: str
    seed: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Work:
    """Trains one model and evaluates it, in any process."""

    train: Callable[..., Any]
    evaluate: Callable[[Any, str], Mapping[str, float]]

    def __call__(self, task: Task) -> dict[str, NDArray[Any]]:
        """Return measures of both parts, by name."""
        model = self.train(task.seed, **task.settings)
        made: dict[str, NDArray[Any]] = {}
        for part in PARTS:
            given: Any = self.evaluate(model, part)
            what = f"{task.technique!r}, seed {task.seed}, part {part!r}"
            if not isinstance(given, Mapping) or not given:
                raise StudyError(
                    f"Got {type(given).__name__} from evaluate for {what}.",
                    "Wanted {measure: number}.", "Return a dict, such as {'flip_rate': 0.1}.",
                )  # fmt: skip
            measures = sorted(str(name) for name in given)
            values = np.array([float(given[name]) for name in measures])
            bad = [
                name
                for name, value in zip(measures, values, strict=True)
                if not np.isfinite(value) or (name in OUTCOMES and not 0 <= value <= 1)
            ]
            if bad:
                raise StudyError(
                    f"Got {bad[0]}={given[bad[0]]} for {what}.",
                    "Wanted finite numbers, and shares from 0 to 1 for flip_rate and worst_group.",
                    "A group without examples has no accuracy: leave it out of the worst group.",
                )
            made[part] = values
            made[f"{part}_measures"] = np.array(measures)
        return made


@dataclass(frozen=True)
class Table:
    """What becomes of all measures, or of those that are there so far."""

    names: list[str]
    seeds: list[int]
    baseline: int
    saw_groups: bool

    def made(self, parts: Parts) -> xr.Dataset:
        """Return the result so far; what is missing is NaN."""
        count = len(self.names) * len(self.seeds)
        results = [parts.get(index) for index in range(count)]
        present = [result for result in results if result is not None]
        measures = [str(name) for name in present[0]["verdict_measures"]]
        arrays = {}
        for part in PARTS:
            for result in present:
                same = [str(name) for name in result[f"{part}_measures"]]
                if same != measures:
                    raise StudyError(
                        f"Got measures {same} of one model and {measures} of another.",
                        "Wanted the same of all models and both parts.",
                        "Return every measure each time.",
                    )
            nothing = np.full(len(measures), np.nan)
            rows = [nothing if result is None else result[part] for result in results]
            shape = (len(self.names), len(self.seeds), len(measures))
            arrays[part] = np.stack(rows).reshape(shape)
        full = len(present) == count
        judged = compared(arrays["verdict"], measures, self.baseline)
        dims = ("technique", "measure")
        made = xr.Dataset(
            {
                "metric": (("technique", "seed", "measure"), arrays["verdict"]),
                "validation": (("technique", "seed", "measure"), arrays["validation"]),
                "difference": (dims, judged.difference), "low": (dims, judged.low),
                "high": (dims, judged.high), "p_value": (dims, judged.p_value),
                "p_adjusted": (dims, judged.p_adjusted),
                "verdict": ("technique", judged.verdict if full else [""] * len(self.names)),
            },
            coords={"technique": self.names, "seed": self.seeds, "measure": measures},
        )  # fmt: skip
        return made.assign_attrs(self._attributes(made, measures, len(present)))

    def _attributes(self, made: xr.Dataset, measures: list[str], trained: int) -> dict[str, Any]:
        rule = next((name for name in ("worst_group", "average") if name in measures), measures[0])
        means = made["validation"].sel(measure=rule).mean("seed").values
        at = int(np.nanargmax(means)) if np.isfinite(means).any() else self.baseline
        lacking = [name for name in OUTCOMES if name not in measures]
        reason = ""
        if lacking:
            reason = f"evaluate gives no {' and no '.join(lacking)}"
        elif len(self.seeds) < FEWEST:
            reason = f"{len(self.seeds)} seeds are fewer than {FEWEST}"
        elif trained < len(self.names) * len(self.seeds):
            reason = f"{trained} of {len(self.names) * len(self.seeds)} models are trained"
        knows = "knows groups" if self.saw_groups else "is not said to know groups"
        others = len(self.names) - 1
        sentence = (
            f"{len(self.names)} techniques were trained over {len(self.seeds)} seeds each and "
            f"compared with {self.names[self.baseline]!r} by seed on examples used for nothing "
            f"else (95 % t-intervals over seeds; p-values of paired t-tests, Holm-adjusted over "
            f"{others} comparison{'s' * (others != 1)} for each measure). Validation, which "
            f"{knows}, chooses {self.names[at]!r} by the mean of {rule}."
        )
        return {
            "study": "compare_mitigations", "tier": TIER, "n": len(self.seeds), "of": "seeds",
            "correction": "Holm", "baseline": self.names[self.baseline],
            "selected": self.names[at], "selection_rule": f"highest mean validation {rule}",
            "saw_groups": int(self.saw_groups), "no_verdict": reason, "sentence": sentence,
        }  # fmt: skip

    def check(self, made: xr.Dataset) -> None:
        """Refuse seeds that change nothing."""
        values = np.concatenate([made["metric"].values, made["validation"].values], axis=-1)
        if (values == values[:, :1]).all():
            raise StudyError(
                f"Got the same numbers from each of {len(self.seeds)} seeds, to the last digit.",
                "Wanted models that differ by what the seed draws.",
                "Let train use its seed: keras.utils.set_random_seed(seed) or "
                "torch.manual_seed(seed), and the order of the data.",
            )


def said(value: Any) -> Any:
    """Return a setting as plain values that are the same in another process.

    Parameters
    ----------
    value : object
        Arrays and functions are said by digests of what they hold.

    Returns
    -------
    object

    Examples
    --------
    >>> said({"rates": (0.1, 0.2)})
    {'rates': [0.1, 0.2]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): said(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [said(item) for item in value]
    code = getattr(value, "__code__", None)
    if code is not None:
        plain = [item for item in code.co_consts if isinstance(item, int | float | str)]
        body = repr((code.co_code, plain, code.co_names)).encode()
        return f"{value.__module__}:{value.__qualname__} {hashlib.sha256(body).hexdigest()[:12]}"
    try:
        array = np.asarray(value)
    except Exception:  # noqa: BLE001  # whatever an object of a user's does
        array = np.array(None)
    if array.dtype.kind in "biufUS":
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]
        return f"{array.dtype}{list(array.shape)} {digest}"
    written = repr(value)
    return type(value).__qualname__ if " at 0x" in written else written
