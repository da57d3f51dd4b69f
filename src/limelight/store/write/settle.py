"""Makes the recording on disk one that a step fits.

Room: store. Comes in: a description of the step. Goes out: the recording's own, :class:`Settled`,
with every array made that it names; a recording of another structure was moved aside.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limelight.errors import LimelightWarning, StoreError
from limelight.store.format import index
from limelight.store.format.description import Description, Site
from limelight.store.format.files import Files
from limelight.store.format.layout import Specs
from limelight.store.format.loading import loads
from limelight.store.zarr import shards


@dataclass(frozen=True)
class Settled:
    """A recording that a step fits.

    Attributes
    ----------
    text : str
        Of ``limelight.json``.
    description : Description
        What it says.
    specs : Specs
        The arrays it names, which are there.
    """

    text: str
    description: Description
    specs: Specs


def settle(
    files: Files, new: Description, images: np.ndarray[Any, Any] | None, before: Settled | None
) -> Settled:
    """Make the recording on disk one that new arrays fit.

    Parameters
    ----------
    files : Files
    new : Description
        Of a step to come.
    images : array [example, row, column], optional
        The probe's, which are stored once.
    before : Settled, optional
        What the step before it was told.

    Returns
    -------
    Settled
        ``before`` itself if nothing was to be done.

    Warns
    -----
    LimelightWarning
        If there was a recording of another structure, which was moved aside.
    """
    try:
        old = _found(files, before)
        whole = new if old is None else merged(old.description, new)
    except StoreError:
        _move_aside(files)
        old, whole = None, new
    if old is not None and whole == old.description:
        return old
    if old is None and files.index.exists() and index.read(files.index)[0]:
        _move_aside(files)  # steps, and nothing says what they mean
    files.data.mkdir(parents=True, exist_ok=True)
    specs = Specs.of(whole)
    for spec in specs.every:
        if old is None or not files.array(spec).exists():
            shards.create(files, spec)
    if images is not None:
        shards.write(files, specs.shared["images"], 0, np.asarray(images, "<f4"))
        shards.grow(files, specs.shared["images"], 1)
    settled = Settled(whole.dumps(), whole, specs)
    shards.replace(files.meta, settled.text)  # says what the arrays mean, so they come first
    return settled


def _found(files: Files, before: Settled | None) -> Settled | None:
    """Return what is on disk already."""
    try:
        text = files.meta.read_text("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if before is not None and text == before.text:
        return before
    return Settled(text, *loads(text, str(files.meta)))


def _move_aside(files: Files) -> None:
    aside = files.aside()
    files.root.rename(aside)
    warnings.warn(
        LimelightWarning(
            f"{files.run_dir} already held a recording of another model or probe. It was "
            f"moved to {aside}; nothing is lost. Give each run a folder of its own."
        ),
        stacklevel=5,
    )


def merged(old: Description, new: Description) -> Description:
    """Return a description that holds both, where neither contradicts the other.

    Parameters
    ----------
    old, new : Description
        One may lack attention, or parameters, or a probe, which then follow the other. Measures
        are those of ``old``: a limelight that knows others continues a recording without them.

    Returns
    -------
    Description
        ``old`` itself, or equal to it, if ``new`` adds nothing.

    Raises
    ------
    StoreError
        If they describe different models, probes or forms of storage.
    """
    values: dict[str, Any] = {}
    for name in ("sites", "examples", "parameters", "measures", "texts", "images", "images_digest"):
        before, after = getattr(old, name), getattr(new, name)
        if name == "sites":
            after = _as_before(old, new.sites)
        if before and after and before != after and name != "measures":
            raise StoreError(
                f"Got other {name} than those recorded before.",
                "Wanted the same model and probe as before.",
                "Record into another folder.",
            )
        values[name] = before or after
    if old.parameters and new.parameters and old.sizes.bins != new.sizes.bins:
        raise StoreError(
            f"Got histograms of {new.sizes.bins} bins; those recorded before have "
            f"{old.sizes.bins}.",
            "Wanted as many as before.",
            "Record into another folder.",
        )
    if old.sites and new.sites and old.precision != new.precision:
        raise StoreError(
            f"Got weights as {new.precision.name}; those recorded before are {old.precision.name}.",
            "Wanted one form of storage in a recording.",
            "Record into another folder.",
        )
    sizes = replace(old.sizes, bins=(old if old.parameters else new).sizes.bins)
    return Description(precision=(old if old.sites else new).precision, sizes=sizes, **values)


def _as_before(old: Description, new: tuple[Site, ...]) -> tuple[Site, ...]:
    """Store sites as they were stored before.

    Maps that were stored whole are stored whole again, though vectors would now do; large ones are
    pooled as the recording's other large maps are.
    """
    known = {site.name: site for site in old.sites}
    sites = []
    for site in new:
        before = known.get(site.name)
        if before is not None and before.features is None:
            site = replace(site, features=None, key_heads=None, strides=None)
        elif site.features is not None:
            strides = old.sizes.strides(site.queries, site.keys)
            site = replace(site, strides=before.strides if before is not None else strides)
        sites.append(site)
    return tuple(sites)
