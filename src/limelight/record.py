"""The write path: capture, measure, append, announce; and never in training's way.

Room: record. Comes in: a live model, a probe, a step. Goes out: a published step on disk, or one
warning. The only place where every error becomes a warning.
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from limelight import schema
from limelight.analyses import blockwise
from limelight.capture import Probe, capture, parameters
from limelight.catalogue import Analysis, analyses
from limelight.errors import LimelightError, LimelightWarning
from limelight.factors import Factors, factors_of
from limelight.processes import Processes, folder, unwrapped
from limelight.renamed import arguments
from limelight.rule import Rule
from limelight.store import Writer
from limelight.store.format.precision import Form
from limelight.store.write.claim import claim, release
from limelight.store.write.step import sites_of

Measured = dict[str, xr.Dataset]
Result = TypeVar("Result")


class Recorder:
    """Records a model's attention and parameters, one step at a time, in any training loop.

    Parameters
    ----------
    log_dir : str or path
        The run's folder, such as ``logs/lstm``.
    model : keras.Model or torch.nn.Module
        The live model, wrapped for several processes or not.
    probe : Probe or array, optional
        The fixed examples the model is run on; without them, no attention is recorded.
    precision : str
        How attention weights are stored: ``float16``, exact to half precision, or ``compact``, one
        byte each.
    parameters : bool
        Also record the model's own parameters: histograms and statistics.
    processes : str
        Where several processes train one model: ``first``, only the first records; ``all``, each
        into a folder of its own, ``rank-1`` and so on below the first one's.

    Raises
    ------
    LimelightError
        If ``processes`` or ``precision`` is unknown.
    ProbeError
        If ``probe`` is no good in itself.

    Notes
    -----
    Whatever goes wrong inside becomes one :class:`~limelight.errors.LimelightWarning`, and what
    failed is not tried again: without attention, parameters go on; without a disk, nothing does.

    Examples
    --------
    >>> import tempfile, torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> optimizer, x = torch.optim.SGD(layer.parameters(), 0.1), torch.ones(4, 5, 8)
    >>> with Recorder(tempfile.mkdtemp(), layer, x[:2]) as recorder:
    ...     for step in range(3):
    ...         layer(x).square().mean().backward()
    ...         optimizer.step()
    ...         recorder.record(step)
    True
    True
    True
    """

    @arguments(weights="parameters", ranks="processes")
    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        model: Any,
        probe: Probe | Any | None = None,
        *,
        precision: Form = "float16",
        parameters: bool = True,
        processes: Processes = "first",
    ) -> None:
        recorded = folder(log_dir, processes)  # None: another process records
        self._log_dir = log_dir if recorded is None else recorded
        self._model = model
        self._probe = probe if probe is None or isinstance(probe, Probe) else Probe(probe)
        writer = Writer(self._log_dir, precision=precision)
        self._writer = None if recorded is None else writer
        self._unwrapped = False
        self._release: Callable[[], object] | None = None
        self._attention = self._probe is not None
        self._parameters = parameters
        self._uniforms = _Uniforms()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, step: int, epoch: float | None = None) -> bool:
        """Record the model as it is now.

        Parameters
        ----------
        step : int
            The optimizer's iteration.
        epoch : float, optional
            How many epochs are done.

        Returns
        -------
        bool
            Whether a step was published.
        """
        if self._writer is None or not self._prepared():
            return False
        tree = measured = uniform = found = None
        if self._attention:
            attended = self._tried(self._attend, "attention")
            self._attention = attended is not None
            if attended is not None:
                tree, measured, uniform = attended
        if self._parameters:
            found = self._tried(lambda: parameters(self._model), "parameters")
            self._parameters = found is not None
        if tree is None and found is None:
            return False
        writer = self._writer

        def append() -> bool:
            self._claim()
            writer.append(
                step, tree=tree, measures=measured, uniform=uniform, parameters=found,
                probe=self._probe, epoch=epoch,
            )  # fmt: skip
            return True

        published = self._tried(append, "anything") is not None
        if not published:
            self.close()
        return published

    def close(self) -> None:
        """End recording; what was published stays."""
        self._writer = None
        if self._release is not None:
            self._release()

    def _prepared(self) -> bool:
        """Take the model out of what wraps it for several processes, once."""
        if not self._unwrapped:
            model = self._tried(lambda: unwrapped(self._model), "anything")
            if model is None:
                self.close()
                return False
            self._model, self._unwrapped = model, True
        return True

    def _claim(self) -> None:
        """Keep other processes out of the folder until this recorder is closed or forgotten."""
        if self._release is None:
            self._release = weakref.finalize(self, release, claim(self._log_dir))

    def _attend(self) -> tuple[xr.DataTree, Measured, Measured]:
        tree = capture(self._model, self._probe)
        sites = sites_of(tree)
        with ThreadPoolExecutor() as pool:  # NumPy lets others work meanwhile
            measured = dict(zip(sites, pool.map(measures_of, sites.values()), strict=True))
            even = pool.map(self._uniforms.of, sites, sites.values())
            uniform = dict(zip(sites, even, strict=True))
        return tree, measured, uniform

    def _tried(self, act: Callable[[], Result], what: str) -> Result | None:
        """Do something that may fail; training must not."""
        try:
            return act()
        except Exception as cause:  # noqa: BLE001  # a promise: no error of ours stops training
            warnings.warn(LimelightWarning(self._excuse(what, cause)), stacklevel=3)
            return None

    def _excuse(self, what: str, cause: Exception) -> str:
        if isinstance(cause, LimelightError):
            reason = str(cause)
        elif isinstance(cause, OSError):
            reason = (
                f"{cause.strerror or cause}: {cause.filename or self._log_dir}. Free some space, "
                "or choose a folder that can be written."
            )
        else:
            reason = f"{type(cause).__name__}: {cause}"
        return f"limelight records no {what} of this run from here on. {reason}".replace(
            "no anything", "nothing"
        )


def measures_of(site: xr.Dataset) -> xr.Dataset:
    """Apply every analysis that suits a site.

    Parameters
    ----------
    site : Dataset
        One site, as :mod:`limelight.schema` describes it.

    Returns
    -------
    Dataset [example, head]
        One variable per analysis: the mean over the example's valid queries, float32; NaN where it
        has none, or where one of them is NaN.
    """
    names = [card.name for card in _suiting(str(site.attrs.get("kind", "self")))]
    return _averaged(_values(site["weights"], names), site)


def uniform_of(site: xr.Dataset) -> xr.Dataset:
    """Return what the same analyses give for uniform attention over the allowed keys.

    Parameters
    ----------
    site : Dataset
        One site.

    Returns
    -------
    Dataset [example]
        One variable per analysis, float32; the mean over heads where they may attend differently.
    """
    names = [card.name for card in _suiting(str(site.attrs.get("kind", "self")))]
    factors = factors_of(site["weights"])
    if factors is not None:
        return _averaged(_uniform(factors, names), site)
    allowed = site.get("allowed")
    if allowed is None:
        allowed = xr.ones_like(site["weights"].isel(head=0, drop=True), dtype=bool)
    count = allowed.sum(schema.KEY).clip(min=1)
    found = _averaged(_values(allowed.astype(np.float32) / count.astype(np.float32), names), site)
    return found.mean(schema.HEAD) if schema.HEAD in found.dims else found


def _values(weights: xr.DataArray, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Apply analyses to weights, without the map where they are kept as vectors."""
    factors = factors_of(weights)
    if factors is not None:
        return blockwise.rows(factors, names)
    cards = analyses()
    return {name: cards[name].function(weights) for name in names}


def _uniform(factors: Factors, names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Apply analyses to uniform attention under a rule: that of vectors without any length.

    Examples that may attend alike share one, and so do heads.
    """
    rule, (examples, _, queries, keys) = factors.rule, factors.shape
    parts = [rule.cells] if rule.cells is not None else [rule.first, rule.valid]
    several = max(map(len, parts))
    heads = rule.cells.shape[1] if rule.cells is not None else 1
    query = np.zeros((several, heads, queries, 1), np.float32)
    key = np.zeros((several, 1, keys, 1), np.float32)
    found = blockwise.rows(Factors(query, key, rule, 1.0), names)
    every = np.zeros(examples, np.intp) if several == 1 else np.arange(examples)
    return {
        name: one.mean(schema.HEAD).isel({schema.EXAMPLE: every}) for name, one in found.items()
    }


def _averaged(found: Mapping[str, xr.DataArray], site: xr.Dataset) -> xr.Dataset:
    """Return each analysis' mean over a site's valid queries."""
    valid = None
    if "query_valid" in site:
        valid = site["query_valid"].transpose(schema.EXAMPLE, schema.QUERY).values
    return xr.Dataset({name: _mean(values, valid) for name, values in found.items()})


def _suiting(kind: str) -> list[Analysis]:
    """Return the analyses of single maps that suit a kind of site."""
    single = {schema.QUERY, schema.KEY}
    cards = analyses().values()
    return [card for card in cards if kind in card.kinds and set(card.needs) <= single]


def _mean(values: xr.DataArray, valid: np.ndarray[Any, Any] | None) -> xr.Variable:
    """Mean over valid queries; a NaN among them counts, one beside them does not.

    In plain NumPy: xarray would spend four times as long on a small site.
    """
    if schema.QUERY not in values.dims:
        return values.variable.astype(np.float32)
    dims = [dim for dim in (schema.EXAMPLE, schema.HEAD) if dim in values.dims]
    numbers = values.transpose(*dims, schema.QUERY).values
    if valid is None:
        return xr.Variable(dims, numbers.mean(-1, dtype=np.float64).astype(np.float32))
    kept = valid[:, None] if schema.HEAD in dims else valid
    total = np.where(kept, numbers, 0).sum(-1, dtype=np.float64)
    count = kept.sum(-1).astype(np.float64)
    count[count == 0] = np.nan
    return xr.Variable(dims, (total / count).astype(np.float32))


class _Uniforms:
    """Remembers what uniform attention gives each site while what may be attended stays."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[xr.Dataset, Rule | None, xr.Dataset]] = {}

    def of(self, name: str, site: xr.Dataset) -> xr.Dataset:
        """Return the measures of uniform attention at a site."""
        factors = factors_of(site["weights"])
        rule = None if factors is None else factors.rule
        parts = ("allowed", "query_valid") if rule is None else ("query_valid",)
        masks = site[[part for part in parts if part in site]]
        known = self._known.get(name)
        if known is None or not (_alike(known[1], rule) and known[0].equals(masks)):
            known = self._known[name] = (masks, rule, uniform_of(site))
        return known[2]


def _alike(one: Rule | None, other: Rule | None) -> bool:
    """Tell whether two rules are one, or both are missing."""
    if one is None or other is None:
        return one is other
    return one.equals(other)
