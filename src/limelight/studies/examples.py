"""What each head looks at over a whole data set: its strongest rows, samples, tokens, distances.

Room: studies. Comes in: a model and data. Goes out: evidence [site, head, …], with the texts of
the examples that it names. Memory does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

import limelight
from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.maps.evidence import Evidence, gathered, plain_word
from limelight.maps.reading import batch
from limelight.study import study
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.evidencing import COLUMNS, shown
from limelight.studying.folding import folded, kept
from limelight.studying.looking import datasets_of, ids_of, is_of
from limelight.studying.passes import Numbers, Passes

#: Tokens of an example's text, on either side of what it is named for.
_AROUND: Final = 24


@study(
    title="examples",
    answers=("O5",),
    home=False,
    tier="observed",
    units="weight",
    bounds=(0.0, 1.0),
    source="C. Olah et al., Zoom In, Distill 2020 (dataset examples)",
    zh=("例证", "在整个数据集上，每个头最关注什么：最强的行、抽样、词与距离。"),
)
def examples(
    model: Any,
    data: Any,
    *,
    tokens: Any = None,
    ranks: int = 12,
    samples: int = 3,
    link: tuple[str, str] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Collect evidence of what each head looks at, over as much data as there is.

    Tier: *observed*. Data streams by: what is kept for each head does not grow with it.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or Recipe
        It stays as it was.
    data : object
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    tokens : optional
        What turns ids into text, as :class:`limelight.Probe` takes it. Without it, ids stand for
        tokens.
    ranks : int
        Strongest rows of each head, at most two of one example.
    samples : int
        Rows for each tenth of what the head's rows are like.
    link : (str, str), optional
        A query's token and a key's: ``("it", "animal")`` asks where a head links them. Marks of
        tokenizers and capitals do not count.
    seed : int
        For the samples.
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.
    progress : callable, optional
        Called with how many tasks are done, and how many there are.

    Returns
    -------
    Dataset
        A row's entry is its greatest weight beside the first key. ``strongest`` [site, head, rank]
        and ``sample`` [site, head, decile, draw] are weights of such entries, each with
        ``_example``, ``_query`` and ``_key``: where it is (−1: nowhere). Samples are rows drawn
        evenly from the data, by the decile of their weight. ``near`` [site, head, distance] is the
        share of attention so many positions away, up to the named number, with ``near_null`` for
        uniform attention. ``key_token`` [site, head, top] gets the share ``key_share`` of the
        head's attention, uniform attention would give it ``key_null``; ``pair_query``,
        ``pair_key``, ``pair_share`` are which token singles out which. With ``link``:
        ``link_weight`` [site, head], the mean weight of such a query on such a key, with
        ``link_null`` for uniform attention and ``link_count`` pairs, and ``link_strongest``.
        ``text`` [example] are tokens around what is named, apart by spaces.

    Raises
    ------
    StudyError
        If there is no data, or a link is asked for without tokens.

    Notes
    -----
    Observed: strongest rows show a head at its clearest, which may be rare; samples show what it
    does as a rule. Sums of tokens are kept for the 192 to 768 that get most so far, so rare tokens
    are undercounted. With ``run``, parts are removed when the study is finished.

    Examples
    --------
    .. code-block:: python

       found = ll.examples(model, sentences, tokens=tokenizer, link=("it", "animal"))
       found["link_weight"].max("head")
    """
    words: Any = link
    if link is not None and (isinstance(words, str) or list(map(type, words)) != [str, str]):
        raise StudyError(
            f"Got link={link!r}.", "Wanted two tokens: a query's and a key's.",
            "Write link=('it', 'animal').",
        )  # fmt: skip
    if min(ranks, samples) < 1:
        raise StudyError(
            f"Got ranks={ranks}, samples={samples}.", "Wanted at least one of each.",
            "Leave them out for 12 and 3.",
        )  # fmt: skip
    if hasattr(data, "ndim") and hasattr(data, "shape"):
        data = Probe(data, call=call)
    read = Data(data, partition, collate, call)
    asked: dict[str, Any] = {"study": "examples", "ranks": ranks, "samples": samples, "seed": seed}
    asked |= {} if link is None else {"link": list(link)}
    passes = Passes(model, read, asked, executor, workers, run, "observed")
    held: dict[str, Evidence] = {}

    def merge(numbers: Numbers) -> None:
        parts: dict[str, Numbers] = {}
        for name, values in numbers.items():
            site, _, kind = name.partition("|")
            parts.setdefault(site, {})[kind] = values
        for site, part in parts.items():
            held.setdefault(site, Evidence(ranks)).add(part)

    folded(passes, Gathering(tokens, seed, link), merge, progress)
    if link is not None and not any("link" in evidence.sums for evidence in held.values()):
        raise StudyError(
            f"Got link={link!r} for data whose tokens are not known.",
            "Wanted the text of each position of a self-attention.", "Give tokens=.",
        )  # fmt: skip
    made = shown(held, ranks, samples)
    made = made.merge(_texts(read, tokens, made))
    return kept(passes, made.assign_attrs(_attributes(passes, seed, link)))


@dataclass(frozen=True)
class Gathering:
    """Does one partition: what its maps show of each head."""

    tokens: Any
    seed: int
    link: tuple[str, str] | None

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return little arrays by site and kind."""
        probe = _worded(task.probe, self.tokens)
        made: Numbers = {}
        for site, dataset in datasets_of(adapter_for(model).watch(model, probe, None)).items():
            ids = ids_of(probe)
            words: Any = dataset["key_token"].values if "key_token" in dataset.coords else None
            if words is None and ids is not None and is_of(ids, dataset):
                words = ids.astype(str)
            parts = gathered(batch(dataset), task.first, words, self.seed, self.link)
            made |= {f"{site}|{kind}": values for kind, values in parts.items()}
        return made


def _worded(probe: Probe, tokens: Any) -> Probe:
    return probe if tokens is None else probe.changed(tokens=tokens)


def _texts(data: Data, tokens: Any, made: xr.Dataset) -> xr.Dataset:
    """Read the data once more for the tokens around what is named, without running the model."""
    named: dict[int, tuple[int, int]] = {}
    for name in ("strongest", "sample", "link_strongest"):
        if name not in made:
            continue
        columns = [made[f"{name}_{part}"].values.reshape(-1) for part in COLUMNS]
        for example, query, key in zip(*columns, strict=True):
            low, high = named.get(int(example), (int(query), int(query)))
            named[int(example)] = (min(low, query, key), max(high, query, key))
    named.pop(-1, None)
    texts, begins = {}, {}
    for part in data.partitions():
        inside = [number for number in named if part.first <= number < part.first + part.size]
        if not inside:
            continue
        probe = _worded(part.probe, tokens)
        ids = ids_of(probe)
        for number in inside:
            words = probe.tokens_of(number - part.first)
            if words is None and ids is not None:
                words = tuple(map(str, ids[number - part.first]))
            if words is None:
                continue
            low, high = named[number]
            begin = max(low - _AROUND, 0)
            begins[number] = begin
            texts[number] = " ".join(word or "·" for word in words[begin : high + _AROUND])
    if not texts:
        return xr.Dataset()
    numbers = sorted(texts)
    return xr.Dataset(
        {"text": ("example", np.array([texts[number] for number in numbers], np.str_)),
         "text_begin": ("example", np.array([begins[number] for number in numbers]))},
        coords={"example": np.array(numbers)},
    )  # fmt: skip


def _attributes(passes: Passes, seed: int, link: tuple[str, str] | None) -> dict[str, Any]:
    n = passes.examples
    asked = f", link {plain_word(link[0])} to {plain_word(link[1])}" if link else ""
    return {
        "study": "examples", "tier": "observed", "n": n, "of": "examples", "seed": seed,
        "units": "weight", "data_digest": passes.scan.digest, "model_digest": passes.digest,
        "limelight": limelight.__version__, **({"link": list(link)} if link else {}),
        "sentence": (
            f"examples (observed): what heads look at beside the first key, over n = {n} examples"
            f"{asked}; seed {seed}; limelight {limelight.__version__}, data "
            f"{passes.scan.digest[:8]}, model {passes.digest[:8]}."
        ),
    }  # fmt: skip
