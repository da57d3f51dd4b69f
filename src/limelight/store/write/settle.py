"""Makes the recording on disk one that a step fits.

Room: store. Comes in: a description of the step. Goes out: the recording's own, :class:`Settled`,
with the layout that the step has, written down if it is new.
"""

from __future__ import annotations

import secrets
import warnings
from dataclasses import dataclass, replace
from typing import Any

from limelight.errors import LimelightWarning, StoreError
from limelight.store.format import index
from limelight.store.format.description import LINEAR, NEWEST, Description, Site, dumps
from limelight.store.format.files import Files
from limelight.store.format.layout import Layout, Specs, laid_out
from limelight.store.format.loading import LONGEST, Described, loads
from limelight.store.zarr import shards


@dataclass(frozen=True)
class Settled:
    """A recording that a step fits.

    Attributes
    ----------
    text : bytes
        Of ``limelight.json``.
    run : str
        The run's own mark.
    layouts : tuple of Layout
        What it says.
    number : int
        Which of them the step has.
    """

    text: bytes
    run: str
    layouts: tuple[Layout, ...]
    number: int

    @property
    def description(self) -> Description:
        """That of the step's layout."""
        return self.layouts[self.number].description

    @property
    def specs(self) -> Specs:
        """The arrays of the step's layout."""
        return self.layouts[self.number].specs


def settle(files: Files, new: Description, before: Settled | None) -> Settled:
    """Make the recording on disk one that a step fits.

    Parameters
    ----------
    files : Files
    new : Description
        Of the step to come.
    before : Settled, optional
        What the step before it was told.

    Returns
    -------
    Settled
        ``before`` itself if nothing was to be done.

    Warns
    -----
    LimelightWarning
        If there was a recording that nobody can read, which was moved aside.
    """
    try:
        text, described = _on_disk(files, before)
    except StoreError as cause:
        _move_aside(files, cause)
        text, described = b"", None
    if described is None and files.index.exists() and files.index.stat().st_size:
        _move_aside(files, None)  # steps, and nothing says what they mean
    if described is None:
        described = Described(secrets.token_hex(8), ())
    new = _as_before(described.layouts, new)
    number = _fitting(described.layouts, new)
    if number is not None and described.run is not None:
        if before is not None and before.text == text and before.number == number:
            return before
        return Settled(text, described.run, described.layouts, number)
    return _written(files, described, new)


def _on_disk(files: Files, before: Settled | None) -> tuple[bytes, Described | None]:
    """Return what is on disk already."""
    try:
        text = files.content(files.meta, LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        return b"", None
    except ValueError as cause:
        raise StoreError(
            f"{files.meta} cannot be read ({cause}).",
            "Wanted the text that limelight wrote there.",
            "Restore the file from a copy.",
        ) from cause
    if before is not None and text == before.text:
        return text, Described(before.run, before.layouts)
    return text, loads(text, str(files.meta))


def _written(files: Files, described: Described, new: Description) -> Settled:
    """Add a layout, or what the newest lacks, and write it down before any of its rows."""
    pairs = [(layout.description, layout.version) for layout in described.layouts]
    run = described.run
    whole = merged(*pairs[-1], new) if pairs else None
    pairs[len(pairs) - (whole is not None) :] = [(whole or new, NEWEST)]
    layouts = laid_out(pairs)
    files.root.mkdir(parents=True, exist_ok=True)
    if run is None:  # of an earlier limelight: its lines get what makes them whole
        run = secrets.token_hex(8)
        with index.locked(files.index) as descriptor:
            lines, _ = index.read(files, None)
            index.rewrite(descriptor, b"".join(line.dumps(run) for line in lines))
    text = dumps(run, [(layout.description, layout.version, layout.numbers) for layout in layouts])
    shards.replace(files.meta, text)
    return Settled(text, run, layouts, len(layouts) - 1)


def _move_aside(files: Files, cause: StoreError | None) -> None:
    number = files.aside()
    why = f" {cause.came}" if cause is not None else ""
    files.root.rename(files.root.with_name(f"{files.root.name}.{number}"))
    warnings.warn(
        LimelightWarning(
            f"{files.run_dir} already held a recording that this limelight cannot go on with.{why} "
            f"It was moved to {files.root}.{number}, and is listed as {files.run_dir}@{number}; "
            "nothing is lost. Give each run a folder of its own."
        ),
        stacklevel=5,
    )


def _fitting(layouts: tuple[Layout, ...], new: Description) -> int | None:
    """Return which layout a step has, the newest first; None if it has none of them."""
    for number in reversed(range(len(layouts))):
        description, version = layouts[number].description, layouts[number].version
        if merged(description, version, new) == description:
            return number
    return None


def merged(old: Description, version: int, new: Description) -> Description | None:
    """Return a description that holds both, where neither contradicts the other.

    Parameters
    ----------
    old : Description
    version : int
        Of what its arrays are like.
    new : Description
        It may lack attention, or some table, or a probe, and so may ``old``; they then follow the
        other. It may lack some measures.

    Returns
    -------
    Description or None
        None if they describe different models, probes or forms of storage.
    """
    if version != NEWEST:
        return None
    values: dict[str, Any] = {}
    for name in (
        "sites",
        "examples",
        "measures",
        "texts",
        "images",
        "images_digest",
        "images_dtype",
    ):
        before, after = getattr(old, name), getattr(new, name)
        if name == "measures" and set(after) <= set(before):
            after = before
        # Texts belong to sites: with sites and without texts is not to lack them.
        lacks = not (before and after)
        if name in ("texts", "measures"):
            lacks = not (old.sites and new.sites)
        elif name == "images_dtype":
            lacks = old.images is None or new.images is None
            before, after = (before, after) if old.images else (after, before)
        if not lacks and before != after:
            return None
        values[name] = before or after
    tables = {table.kind: table for table in new.tables} | {t.kind: t for t in old.tables}
    if any(tables[table.kind] != table for table in new.tables):
        return None
    if old.sites and new.sites and old.precision != new.precision:
        return None
    sizes = old.sizes if old.tables else replace(old.sizes, bins=new.sizes.bins)
    if replace(new.sizes, bins=sizes.bins) != sizes:
        return None
    precision = (old if old.sites else new).precision
    return Description(precision=precision, sizes=sizes, tables=tuple(tables.values()), **values)


def _as_before(layouts: tuple[Layout, ...], new: Description) -> Description:
    """Give a new layout the sizes of the newest before; large maps are pooled as others were."""
    if not layouts:
        return new
    before = layouts[-1].description.sizes
    sizes = replace(before, bins=new.sizes.bins, statistics=before.statistics)
    tables = tuple(
        replace(table, columns=before.statistics)
        if (table.kind, table.encoding) == (index.PARAMETER, LINEAR)
        else table
        for table in new.tables
    )
    return replace(new, sizes=sizes, tables=tables, sites=tuple(_site(s, sizes) for s in new.sites))


def _site(site: Site, sizes: Any) -> Site:
    if site.features is None:
        return site
    return replace(site, strides=sizes.strides(site.queries, site.keys))
