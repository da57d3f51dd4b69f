"""Every parameter of a model, summed up.

Room: capture. Comes in: a live model. Goes out: one labelled dataset of histograms and moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.adapter import Parameter, adapter_for
from limelight.capture.low_rank import products
from limelight.capture.tensors import Tensor, table
from limelight.capture.tensors import summed_up as laid_out
from limelight.distribution import Distribution, TensorTable, distribution, distributions
from limelight.distribution.spectrum import spectrum
from limelight.histogram import BINS, NEAR_ZERO, Statistics, statistics

_NUMBERS = ("low", "high", "mean", "std", "min", "max", "norm", "near_zero", "nonfinite")


def parameters(model: Any) -> xr.Dataset:
    """Sum up every parameter of a model, also those that are frozen.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module
        A built model. Its parameters are read, and never changed.

    Returns
    -------
    Dataset
        As :func:`limelight.capture.tensors.table` lays it out: ``count`` [parameter, bin] on bins
        that are the same for all, and numbers [parameter]. Coords: ``parameter`` (a name that stays
        the same from run to run), ``module`` (path of its layer), ``size``, ``shape``,
        ``trainable`` (False: frozen) and ``note`` (what the numbers are of, such as the modulus of
        complex values, or why there are none; else ``""``). What an adapter of low rank adds to a
        matrix, ``B·A``, is one more.

    Raises
    ------
    UnsupportedModelError
        If no adapter knows the model, it is not built yet, or none of its parameters has values
        in this process.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> parameters(model)["parameter"].values.tolist()
    ['dense/kernel', 'dense/bias']
    """
    return parameter_table(model).dataset()


def parameter_table(model: Any) -> TensorTable:
    """Sum up every parameter of a model, as :func:`parameters` does; without labels."""
    adapter = adapter_for(model)
    named = getattr(adapter, "every_parameter", adapter.named_parameters)(model)
    try:
        known = _frozen.setdefault(model, {})
    except TypeError:  # a model of another package that nothing can refer to weakly
        known = {}
    return summed_up(named, known)


def summed_up(
    named: Mapping[str, NDArray[Any] | Parameter],
    known: dict[str, tuple[Any, Distribution]] | None = None,
) -> TensorTable:
    """Sum up named arrays; :func:`parameters` describes the result.

    Parameters
    ----------
    named : mapping of str to array or Parameter
        Name to values; a plain array is trainable.
    known : dict, optional
        What parameters that have a mark were summed up to before; filled.

    Returns
    -------
    TensorTable

    Examples
    --------
    >>> float(summed_up({"gain": np.array([2.0, 4.0])}).columns["mean"][0])
    3.0
    """
    described = {name: _parameter(item) for name, item in named.items()}
    tensors = _tensors(described, {} if known is None else known)
    for name, (values, trains) in products(described).items():
        if name not in tensors:
            note = "what an adapter of low rank adds, without its factor"
            tensors[name] = Tensor(distribution(values), values.shape, trains, note)
    return laid_out(tensors)


def _parameter(item: NDArray[Any] | Parameter) -> Parameter:
    return item if isinstance(item, Parameter) else Parameter(np.shape(item), item)


def _tensors(
    described: Mapping[str, Parameter], known: dict[str, tuple[Any, Distribution]]
) -> dict[str, Tensor]:
    """Sum up all values at once that are not known to be as they were."""
    new = {name: item for name, item in described.items()
           if item.mark is None or name not in known or known[name][0] != item.mark}  # fmt: skip
    summaries: dict[str, Distribution] = {}
    dtypes: dict[str, str] = {}
    for several in _batches(new):
        values = {name: _values(item) for name, item in several.items()}
        summaries |= dict(zip(values, distributions(list(values.values())), strict=True))
        dtypes |= {name: _spelled(array.dtype) for name, array in values.items()}
    for name, summary in summaries.items():
        if (mark := new[name].mark) is not None:
            known[name] = (mark, summary)
    return {
        name: Tensor(summaries[name] if name in summaries else known[name][1], item.shape,
                     item.trainable, _note(item), item.dtype or dtypes.get(name, ""))
        for name, item in described.items()
    }  # fmt: skip


def _batches(described: Mapping[str, Parameter]) -> Iterator[dict[str, Parameter]]:
    """Yield parameters that are at hand together, and each of those that are fetched alone."""
    yield {name: item for name, item in described.items() if not callable(item.values)}
    for name, item in described.items():
        if callable(item.values):
            yield {name: item}


def _values(item: Parameter) -> NDArray[Any]:
    """Return values; of complex ones their modulus, and none where there are none."""
    values = item.values() if callable(item.values) else item.values
    if values is None:
        return np.zeros(0, np.float32)
    return np.abs(values) if values.dtype.kind == "c" else values


@cache
def _spelled(dtype: Any) -> str:
    return str(dtype)


def spectra_of(model: Any) -> xr.Dataset:
    """Return the singular values of a model's matrices, and what they say.

    Parameters
    ----------
    model : keras.Model or torch.nn.Module

    Returns
    -------
    Dataset
        As :func:`limelight.capture.tensors.table` lays it out, of the singular values of each
        parameter that is a matrix; beside its numbers ``spectral_norm``, ``stable_rank``,
        ``alpha``, ``alpha_error``, ``fit_distance`` and ``tail``, of
        :class:`limelight.distribution.spectrum.Spectrum`.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> spectra_of(model)["parameter"].values.tolist()
    ['dense/kernel']
    """
    adapter = adapter_for(model)
    tensors = {}
    for name, values in adapter.named_parameters(model).items():
        known = None if np.iscomplexobj(values) else spectrum(values)
        if known is not None:
            numbers = {column: float(getattr(known, attribute)) for column, attribute in
                       _SPECTRAL.items()}  # fmt: skip
            singular = known.values.astype(np.float32)
            tensors[name] = Tensor(distribution(singular), singular.shape, numbers=numbers)
    return table(tensors, tuple(_SPECTRAL))


_SPECTRAL = {
    "spectral_norm": "norm", "stable_rank": "stable_rank", "alpha": "alpha",
    "alpha_error": "alpha_error", "fit_distance": "fit_distance", "tail": "tail",
}  # fmt: skip


#: What large frozen parameters were summed up to, by model and name, with the mark they had.
_frozen: WeakKeyDictionary[Any, dict[str, tuple[Any, Distribution]]] = WeakKeyDictionary()


def summarise(
    named: Mapping[str, NDArray[Any] | Parameter],
    bins: int = BINS,
) -> xr.Dataset:
    """Sum up named arrays on evenly spaced bins, as recordings of before have them.

    Parameters
    ----------
    named : mapping of str to array or Parameter
        Name to values; a plain array is trainable.
    bins : int
        Of each histogram.

    Returns
    -------
    Dataset
        ``count`` [parameter, bin] int64 is exactly ``np.histogram(finite values, bins)`` with edges
        ``linspace(low, high, bins + 1)``; numbers are those of
        :class:`limelight.histogram.Statistics`.
    """
    described = [_parameter(item) for item in named.values()]
    summaries = [_summary(item, bins) for item in described]
    shapes = [parameter.shape for parameter in described]
    names = list(named)
    variables: dict[str, Any] = {"count": (("parameter", "bin"), _counts(summaries, bins))}
    for number in _NUMBERS:
        column = np.array([getattr(summary, number) for summary in summaries], dtype=np.float64)
        variables[number] = (("parameter",), column)
    dataset = xr.Dataset(
        variables,
        coords={
            "parameter": np.array(names, dtype=np.str_),
            "module": ("parameter", np.array([_module(name) for name in names], dtype=np.str_)),
            "size": ("parameter", np.array([_size(shape) for shape in shapes], dtype=np.int64)),
            "shape": ("parameter", np.array([_spell(shape) for shape in shapes], dtype=np.str_)),
            "trainable": ("parameter", np.array([item.trainable for item in described], bool)),
            "note": ("parameter", np.array([_note(item) for item in described], dtype=np.str_)),
        },
    )
    dataset["near_zero"].attrs.update(units="1", limit=f"|w| <= {NEAR_ZERO:g} std")
    dataset["nonfinite"].attrs.update(units="values")
    return dataset


def unread(numbers: xr.Dataset | TensorTable) -> str:
    """Say which parameters have no numbers, and why.

    Parameters
    ----------
    numbers : Dataset or TensorTable
        As :func:`parameters` returns it.

    Returns
    -------
    str
        Empty where all have.

    Examples
    --------
    >>> unread(summarise({"w": np.ones(3), "codes": Parameter((9,), None, note="holds codes")}))
    "limelight lists 'codes' without numbers: it holds codes."
    """
    known = TensorTable.of(numbers)
    noted = [at for at, note in enumerate(known.notes) if note]
    empty = [at for at in noted if not (known.columns["nonfinite"][at] or known.counts[at].any())]
    if not empty:
        return ""
    names, note = [known.names[at] for at in empty], known.notes[empty[0]]
    listed = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if names[5:] else "")
    return f"limelight lists {listed} without numbers: it {note.rstrip('.')}."


def _summary(parameter: Parameter, bins: int) -> Statistics:
    """Sum up values; of complex ones their modulus, and none where there are none."""
    values = parameter.values() if callable(parameter.values) else parameter.values
    if values is None:
        values = np.zeros(0, np.float32)
    return statistics(np.abs(values) if np.iscomplexobj(values) else values, bins)


def _note(parameter: Parameter) -> str:
    values = None if callable(parameter.values) else parameter.values
    modulus = "" if values is None or not np.iscomplexobj(values) else "modulus of complex values"
    return ", ".join(part for part in (parameter.note, modulus) if part)


def _counts(summaries: list[Statistics], bins: int) -> NDArray[np.int64]:
    counts = [summary.count for summary in summaries]
    return np.stack(counts) if counts else np.zeros((0, bins), np.int64)


def _module(name: str) -> str:
    return name.rpartition("/")[0]


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _spell(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"
