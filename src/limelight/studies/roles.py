"""Which role each head has, over what chance would give, such as previous token or induction.

Room: studies. Comes in: a model and data, or maps at hand. Goes out: scores, nulls and excesses
[role, site, head] with intervals, and a word for each head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.maps import naming, scoring
from limelight.maps.patterns import Pattern
from limelight.maps.reading import Maps
from limelight.maps.scoring import FURTHEST
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.intervals import interval
from limelight.studying.looking import Looked, Settings, Sites, described, looked
from limelight.studying.units import Units

#: Offsets that a head's card shows, on either side.
_NEAR: Final = 6
_BY_HEAD: Final = ("offset", "first_key_share", "first_key_null", "first_key_low", "left_out")


@study(
    title="roles of heads",
    answers=("H6",),
    tier="observed",
    units="share beyond chance",
    bounds=(-np.inf, 1.0),
    source="K. Clark et al., BlackboxNLP 2019; E. Voita et al., ACL 2019",
    zh=("头的角色", "每个头看向什么：与随机相比，它在多大程度上属于某种角色。"),
)
def roles(
    model: Any,
    data: Any = None,
    *,
    patterns: Mapping[str, Pattern] | None = None,
    tokens: Any = None,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Name what each head of a model's self-attention looks at, where it is more than chance.

    Tier: *observed*. Roles are ``previous``, ``next``, ``self``, another fixed offset
    (``positional``), ``separator``, ``punctuation``, ``one key``, ``block``, ``induction`` (what
    followed the token when it stood there before), ``duplicate`` (the same token), and a user's.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, Recipe, Run, DataTree, or mapping of str to Dataset
        A model, with data; or maps at hand: what :func:`limelight.capture` returns, or a run, whose
        newest are taken.
    data : object, optional
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    patterns : mapping of str to array or callable, optional
        Roles of one's own: bool [key] or [query, key], or a function of an example's tokens (its
        texts, else its ids) that returns such.
    tokens : optional
        What turns ids into text, as :class:`limelight.Probe` takes it: ``separator`` and
        ``punctuation`` need texts.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset [role, site, head]
        ``score``, the mean share of attention that lies where the role would have it; ``null``, the
        same by chance; ``excess``, ``(score − null) / (1 − null)``, with ``low`` and ``high``
        (95 %). ``main_role`` [site, head] is a word: the narrowest role that explains 80 % of what
        the strongest does, if the interval of its excess begins above 0.10; else ``first key``, if
        that does; else ``unclassified``. ``offset`` [site, head] is the best one,
        ``offset_share`` and ``offset_null`` [site, head, near] those around; ``first_key_share``
        with its null and the low end of its excess; ``left_out``, the share of rows not looked at.
        NaN for sites that are no self-attention, and without an interval (fewer than 5 units).

    Raises
    ------
    StudyError
        If there are no maps, or a pattern does not fit.

    Notes
    -----
    Observed: where a head looks is not what it does for the output; ``ll.ablation`` says that.
    The first key is set aside first: rows are scaled up without it, and left out where they hold
    less than a twentieth beside it or a single key. By chance is uniform attention over what a row
    may attend to; where a role picks its offset, key or block from the data, it is the best that
    permuted rows would give. Offsets up to 64 are looked at. On data that repeats with one period,
    a fixed offset of that period cannot be told from induction, and is called so.

    References
    ----------
    .. [1] O. Kovaleva et al., "Revealing the Dark Secrets of BERT", EMNLP 2019.
    .. [2] E. Voita et al., "Analyzing Multi-Head Self-Attention", ACL 2019, section 5.
    .. [3] C. Olsson et al., "In-context Learning and Induction Heads", 2022.

    Examples
    --------
    >>> weights = np.broadcast_to(np.eye(8, k=-1), (6, 1, 8, 8)).copy()
    >>> weights[:, :, 0, 0] = 1
    >>> site = xr.Dataset({"weights": (("example", "head", "query", "key"), weights)},
    ...                   attrs={"kind": "self"})
    >>> roles({"a": site})["main_role"].values.tolist()
    [['previous']]
    """
    users = dict(patterns or {})
    taken = [name for name in users if name in (*naming.names(), naming.UNCLASSIFIED, "first key")]
    if taken:
        raise StudyError(
            f"Got a pattern called {taken[0]!r}.", "Wanted names that no role has.",
            "Call it otherwise.",
        )  # fmt: skip
    names = naming.names(users)
    fixed = tuple(name for name in names if name not in naming.PICKED)
    settings = Settings(partition, collate, call, tokens, executor, workers, run)
    asked = {"study": "roles", "roles": names, "patterns": _said(users), "seed": seed}
    came = looked(model, data, Scoring(fixed, users), asked, settings)
    units = Units(came.examples, resample_by)
    labels = units.number

    def ends(values: NDArray[Any], there: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return interval(Units(len(values), labels[there].tolist()).means(values), seed)

    made = _by_site(came, names, tuple(users), ends)
    attrs = described("roles", came, units, "what heads look at beside the first key", seed,
                      {"patterns": ", ".join(users)} if users else {})  # fmt: skip
    return came.finish(made.assign_attrs(attrs | {"units": "share of attention"}))


@dataclass(frozen=True)
class Scoring:
    """Scores the heads of all self-attention of one example."""

    fixed: tuple[str, ...]
    patterns: Mapping[str, Pattern]

    def __call__(self, sites: Sites) -> dict[str, NDArray[Any]]:
        """Return scores by site and kind, each [head, …]."""
        return {
            f"{site}|{kind}": values
            for site, maps in sites.items()
            if _is_self(maps)
            for kind, values in scoring.scored(maps, self.fixed, self.patterns).items()
        } | {"": np.zeros(0)}


def _is_self(maps: Maps) -> bool:
    return maps.kind == "self" and maps.weights.shape[1] == maps.weights.shape[2]


def _by_site(
    came: Looked, names: tuple[str, ...], users: tuple[str, ...], ends: naming.Interval
) -> xr.Dataset:
    """Lay numbers of all sites out [role, site, head]."""
    sites, width = list(came.heads), max(came.heads.values())
    shape = (len(sites), width)
    columns: dict[str, Any] = {
        name: np.full((len(names), *shape), np.nan)
        for name in ("score", "null", "excess", "low", "high")
    }
    columns |= {name: np.full(shape, np.nan) for name in _BY_HEAD}
    columns |= {f"offset_{name}": np.full((*shape, 2 * _NEAR + 1), np.nan)
                for name in ("share", "null")}  # fmt: skip
    words = np.full(shape, "", dtype=object)
    for at, site in enumerate(sites):
        each = {kind: came.numbers[f"{site}|{kind}"]
                for kind in ("fixed", "offsets", "blocks", "key", "first")
                if f"{site}|{kind}" in came.numbers}  # fmt: skip
        if not each:
            continue
        heads = slice(0, came.heads[site])
        judged = naming.judged(each, names, users, ends)
        words[at, heads] = judged.pop("main_role")
        for name, values in judged.items():
            columns[name][..., at, heads] = values
        near = slice(FURTHEST - _NEAR, FURTHEST + _NEAR + 1)
        for number, name in enumerate(("share", "null")):
            values = each["offsets"][:, :, near, number].astype(np.float64)
            columns[f"offset_{name}"][at, heads] = naming.average(values)
    dims = {"offset_share": ("site", "head", "near"), "offset_null": ("site", "head", "near")}
    made = {name: (dims.get(name, ("role", "site", "head")[-np.ndim(values) :]), values)
            for name, values in columns.items()}  # fmt: skip
    made["main_role"] = (("site", "head"), words.astype(np.str_))
    return xr.Dataset(made, coords={
        "role": np.array(names, np.str_), "site": np.array(sites, np.str_),
        "head": np.arange(width), "near": np.arange(-_NEAR, _NEAR + 1),
    })  # fmt: skip


def _said(patterns: Mapping[str, Pattern]) -> list[str]:
    """Return what tells patterns from others of the same names."""
    return [
        f"{name}={getattr(pattern, '__qualname__', None) or np.asarray(pattern).tolist()}"
        for name, pattern in patterns.items()
    ]
