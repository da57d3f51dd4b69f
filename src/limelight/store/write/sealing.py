"""Puts what is small of many steps into one file.

Room: store. Comes in: the bundles of single rows. Goes out: bundles of up to 256. TensorBoard looks
at every file below its log folder at each reload, so they must stay few.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from limelight.store.format.files import Files
from limelight.store.format.layout import Layout
from limelight.store.zarr import bundles as bundling
from limelight.store.zarr.bundles import Bundle, Bundles
from limelight.store.zarr.shards import metadata

#: Rows in one file.
MANY: Final = 256

_DESCRIBED: Final = "zarr.json"


def seal(
    files: Files, run: str, layouts: Sequence[Layout], listed: Collection[int], least: int = MANY
) -> None:
    """Put single rows together, if there are so many.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark.
    layouts : sequence of Layout
    listed : collection of int
        Rows that an index lists.
    least : int

    Raises
    ------
    OSError
        If the disk is full or gone; every row is then still where it was.

    Notes
    -----
    Written aside, waited for, renamed, and only then are the single ones deleted: whenever the
    process is killed, each row lies in one of the two, or in both.
    """
    reader = Bundles(files, run)
    sealed = [bundle for bundle in bundling.listed(files) if bundle.sealed]
    tails = [bundle for bundle in bundling.listed(files) if not bundle.sealed]
    if len(tails) < least:
        return
    whole = [tail for tail in tails if _sound(reader, tail, sealed, listed)]
    if sealed and sealed[-1].count < MANY and whole and sealed[-1].last < whole[0].first:
        whole.insert(0, sealed[-1])
    while whole:
        group, count = [], 0
        while whole and count + whole[0].count <= MANY:
            count += whole[0].count
            group.append(whole.pop(0))
        if len(group) > 1 or not group[0].sealed:
            _together(files, run, layouts, reader, group)


def _sound(
    reader: Bundles, tail: Bundle, sealed: Sequence[Bundle], listed: Collection[int]
) -> bool:
    """Say whether a row is to be sealed; delete what is sealed already, or half of a row."""
    try:
        for bundle in sealed:
            if bundle.first <= tail.first <= bundle.last and tail.first in reader.rows(bundle):
                tail.path.unlink()
                return False
        return tail.first in reader.rows(tail)
    except ValueError:
        if tail.first not in listed and tail.path.is_file():
            tail.path.unlink()
        return False  # damaged: it stays, and whoever reads it is told so


def _together(
    files: Files, run: str, layouts: Sequence[Layout], reader: Bundles, group: Sequence[Bundle]
) -> None:
    """Write one bundle of several, and delete these."""
    partial = files.rows / f"{os.getpid()}.partial"
    rows: list[int] = []
    try:
        with partial.open("w+b") as file:
            bundling.write(file, _members(layouts, reader, group, rows), run)
            file.flush()
            os.fsync(file.fileno())
        whole = bundling.sealed(files, rows)
        partial.replace(whole)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _synced(files.rows)
    for bundle in group:
        if bundle.path != whole:
            bundle.path.unlink(missing_ok=True)


def _members(
    layouts: Sequence[Layout], reader: Bundles, group: Sequence[Bundle], rows: list[int]
) -> Iterator[tuple[str, bytes]]:
    """Yield what a bundle of several holds: their members, and what Zarr wants to know of them."""
    names = set()
    for bundle in group:
        rows += reader.rows(bundle)
        for name, data in reader.everything(bundle):
            if name.rpartition("/")[2] != _DESCRIBED:
                names.add(name.partition("/")[0])
                yield name, data
    group_facts = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    yield _DESCRIBED, json.dumps(group_facts).encode()
    specs = {spec.name: spec for layout in layouts for spec in layout.specs.every}
    for name in sorted(names & specs.keys()):
        facts = metadata(specs[name], max(rows) + 1)
        yield f"{name}/{_DESCRIBED}", json.dumps(facts).encode()


def _synced(folder: Path) -> None:
    """Wait until a folder's names are on disk, where that can be waited for."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
