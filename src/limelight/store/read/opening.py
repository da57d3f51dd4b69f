"""A recording at one moment: its description, its published steps, its arrays.

Room: store. Comes in: a run's folder. Goes out: :class:`Opened`, which never changes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from limelight.errors import NotRecordedError, StoreError
from limelight.store.format import index
from limelight.store.format.description import Description, Site
from limelight.store.format.files import META, Files
from limelight.store.format.layout import ArraySpec, Specs
from limelight.store.format.loading import loads
from limelight.store.format.published import Published
from limelight.store.zarr.arrays import Arrays

#: A longer description is none of ours.
_LONGEST = 1 << 28


@dataclass(frozen=True)
class Located:
    """Where in a recording one site lies.

    Attributes
    ----------
    site : Site
    specs : dict of str to ArraySpec
        The arrays of its group.
    ordinal : int
        Its number in its group.
    """

    site: Site
    specs: dict[str, ArraySpec]
    ordinal: int


@dataclass(frozen=True)
class Opened:
    """A recording as it was when it was looked at.

    Attributes
    ----------
    run : str
        The run's name, for messages.
    description : Description
    specs : Specs
        Its arrays.
    published : Published
    arrays : Arrays
    problems : tuple of str
        What could not be read, a sentence each.
    """

    run: str
    description: Description
    specs: Specs
    published: Published
    arrays: Arrays
    problems: tuple[str, ...]

    def locate(self, name: str) -> Located:
        """Return where a site lies.

        Raises
        ------
        NotRecordedError
            If there is no such site.
        """
        if name not in self._located:
            raise absent("site", name, self.run, [site.name for site in self.description.sites])
        return self._located[name]

    @cached_property
    def _located(self) -> dict[str, Located]:
        sites = {site.name: site for site in self.description.sites}
        groups = zip(self.description.groups, self.specs.groups, strict=True)
        return {
            name: Located(sites[name], specs, ordinal)
            for group, specs in groups
            for ordinal, name in enumerate(group.sites)
        }


def opened(path: str | os.PathLike[str], run: str) -> Opened:
    """Look at a recording; reads no arrays.

    Parameters
    ----------
    path : str or path
        The run's folder.
    run : str
        Its name.

    Returns
    -------
    Opened

    Raises
    ------
    NotRecordedError
        If limelight recorded nothing there.
    StoreError
        If it is damaged, or newer than this limelight.
    """
    files = Files.of(path)
    description, specs = _described(files, Path(path))
    lines, problems = index.read(files.index)
    return Opened(run, description, specs, Published(run, lines), Arrays(files), tuple(problems))


def absent(what: str, name: str, run: str, names: Sequence[str]) -> NotRecordedError:
    """Return the error for a name that is not there; it lists a few that are."""
    first = ", ".join(map(repr, names[:8])) or "none"
    rest = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return NotRecordedError(
        f"Got {what} {name!r}.",
        f"Run {run!r} holds {first}{rest}.",
        "Ask for one of these, spelled the same.",
    )


def _described(files: Files, path: Path) -> tuple[Description, Specs]:
    meta = files.meta
    restore = (
        "Wanted the text that limelight wrote there.",
        "Restore the file from a copy, or record the run again.",
    )
    try:
        if meta.stat().st_size > _LONGEST:
            raise StoreError(f"{meta} is longer than {_LONGEST >> 20} MiB.", *restore)
        text = meta.read_text("utf-8", errors="replace")
    except FileNotFoundError as cause:
        if files.index.exists():
            if meta.exists():  # its first step came between the two looks
                return _described(files, path)
            what = f"{meta} is missing; the recording beside it says nothing without it."
            raise StoreError(what, *restore) from cause
        raise NotRecordedError(
            f"{path} holds no limelight recording.",
            f"Wanted {META} in {files.root}.",
            "Correct the path, or record a run there; if it was deleted, open another.",
        ) from cause
    except OSError as cause:
        raise StoreError(
            f"{meta} cannot be read ({cause.strerror or cause}).",
            "Wanted a file that this user may read.",
            "Change its permissions, or read it as another user.",
        ) from cause
    return loads(text, str(meta))
