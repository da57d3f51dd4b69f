"""Rows that are whole on disk and that no index lists: an index was lost, or cut.

Room: store. Comes in: a recording's files, and the lines that were read. Goes out: the lines that
are missing, from the copies that bundles hold.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace

from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.index import Line
from limelight.store.zarr.bundles import Bundle, Bundles, listed


def listed_rows(files: Files, run: str, lines: Iterable[Line]) -> list[int]:
    """Return the rows that any index lists, histories that were set aside included, in order."""
    rows = {line.row for line in lines}
    for number in files.histories():
        rows |= {line.row for line in index.read(replace(files, history=number), run)[0]}
    return sorted(rows)


def unlisted(files: Files, run: str, lines: Iterable[Line]) -> list[Line]:
    """Return the lines of rows that no index lists, in the order of their rows.

    Parameters
    ----------
    files : Files
    run : str
        The run's own mark.
    lines : iterable of Line
        Those of the index.

    Returns
    -------
    list of Line
        Of each only if its bundle is whole: a writer that was killed may have left half of one.
    """
    lines = list(lines)
    every = sorted({line.row for line in lines})
    doubted = _doubted(listed(files), every)
    if doubted:  # histories that were set aside are asked only then
        every = listed_rows(files, run, lines)
        doubted = _doubted(doubted, every)
    missing = {}
    bundles = Bundles(files, run)
    for bundle in doubted:
        try:
            copies = bundles.rows(bundle)
        except (OSError, ValueError):
            continue
        for row in copies.keys() - set(every):
            if (line := index.line_of(copies[row], run)) is not None:
                missing[row] = line
    return [missing[row] for row in sorted(missing)]


def _doubted(bundles: Iterable[Bundle], rows: list[int]) -> list[Bundle]:
    """Return the bundles that hold more rows than are listed."""
    return [
        bundle
        for bundle in bundles
        if bisect_right(rows, bundle.last) - bisect_left(rows, bundle.first) < bundle.count
    ]
