"""A recording at one moment: its description, its published steps, its arrays.

Room: store. Comes in: a run's folder. Goes out: :class:`Opened`, which never changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeVar

from limelight.errors import LimelightError, NotRecordedError, StoreError
from limelight.store.format import index
from limelight.store.format.description import NEWEST, Description, Parameter, Site
from limelight.store.format.files import META, Files, sidecar
from limelight.store.format.index import Line
from limelight.store.format.layout import ArraySpec, Layout, laid_out
from limelight.store.format.loading import LONGEST, Described, loads
from limelight.store.format.precision import precision
from limelight.store.format.published import Published
from limelight.store.format.studies import FACTS, STUDIES
from limelight.store.zarr.arrays import Arrays
from limelight.store.zarr.unlisted import unlisted

Fact = TypeVar("Fact")


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
    description : Description
        Of the steps that have it so.
    """

    site: Site
    specs: dict[str, ArraySpec]
    ordinal: int
    description: Description


@dataclass(frozen=True)
class Opened:
    """A recording as it was when it was looked at.

    Attributes
    ----------
    run : str
        The run's name, for messages.
    layouts : tuple of Layout
        What its steps' arrays are like; lines say which is theirs.
    published : Published
    arrays : Arrays
    problems : tuple of str
        What could not be read, a sentence each.
    """

    run: str
    layouts: tuple[Layout, ...]
    published: Published
    arrays: Arrays
    problems: tuple[str, ...]

    def layout(self, line: Line) -> Layout:
        """Return the layout of a step."""
        return self.layouts[line.layout]

    @cached_property
    def shown(self) -> tuple[Layout, ...]:
        """Layouts of published steps, that of the newest first; all, where there are none."""
        numbers = dict.fromkeys(line.layout for line in reversed(self.published.lines))
        return tuple(self.layouts[at] for at in numbers) or self.layouts[::-1]

    @cached_property
    def sites(self) -> dict[str, Site]:
        """Every site, each as the newest step has it that has it at all."""
        return _joined((site.name, site) for layout in self.shown
                       for site in layout.description.sites)  # fmt: skip

    def members(self, kind: str) -> dict[str, Parameter]:
        """Return what there are statistics of, each as the newest step has it."""
        tables = (layout.description.table(kind) for layout in self.shown)
        return _joined((member.name, member) for table in tables if table
                       for member in table.members)  # fmt: skip

    def newest(self, having: Callable[[Description], object]) -> Description:
        """Return the newest description that has something; the newest of all if none has."""
        every = [layout.description for layout in self.shown]
        return next(filter(having, every), every[0])

    def locate(self, name: str, line: Line) -> Located:
        """Return where a site lies at a step.

        Raises
        ------
        NotRecordedError
            If there is no such site, or not at that step.
        """
        located = self._located[line.layout]
        if name in located:
            return located[name]
        if name not in self.sites:
            raise absent("site", name, self.run, list(self.sites))
        having = [known.step for known in self.having(name)]
        raise NotRecordedError(
            f"Got site {name!r} at step {line.step} of run {self.run!r}.",
            f"The model had none of that name then; {len(having)} of its steps have it.",
            f"Ask for step {having[-1]}, say." if having else "Ask for another site.",
        )

    def having(self, name: str) -> list[Line]:
        """Return the lines of steps that have a site."""
        return [line for line in self.published.lines
                if line.attention and name in self._located[line.layout]]  # fmt: skip

    @cached_property
    def _located(self) -> list[dict[str, Located]]:
        every = []
        for layout in self.layouts:
            sites = {site.name: site for site in layout.description.sites}
            groups = zip(layout.description.groups, layout.specs.groups, strict=True)
            every.append({
                name: Located(sites[name], specs, ordinal, layout.description)
                for group, specs in groups
                for ordinal, name in enumerate(group.sites)
            })  # fmt: skip
        return every


def _joined(pairs: Iterable[tuple[str, Fact]]) -> dict[str, Fact]:
    """Return the first of each name, in order."""
    joined: dict[str, Fact] = {}
    for name, fact in pairs:
        joined.setdefault(name, fact)
    return joined


def opened(path: str | os.PathLike[str], run: str, within: Sequence[str] = ()) -> Opened:
    """Look at a recording; reads no arrays.

    Parameters
    ----------
    path : str or path
        The run's folder; ``<folder>@<number>`` for a history that was set aside.
    run : str
        Its name.
    within : sequence of str
        Folders that its files must really lie in; if none is given, the run's own.

    Returns
    -------
    Opened

    Raises
    ------
    NotRecordedError
        If limelight recorded nothing there.
    StoreError
        If it is damaged, or newer than this limelight: whatever a file leads to is this error.
    """
    try:
        return _opened(Files.of(path, within), path, run)
    except LimelightError:
        raise
    except Exception as cause:
        raise StoreError(
            f"{path} cannot be opened ({type(cause).__name__}: {str(cause)[:160]}).",
            "Wanted a recording as limelight wrote it.",
            "Restore its files from a copy, or record the run again.",
        ) from cause


def _opened(files: Files, path: str | os.PathLike[str], run: str) -> Opened:
    if _holds_studies_alone(files):
        alone = laid_out([(Description(precision("float16")), NEWEST)])
        return Opened(run, alone, Published(run, []), Arrays(files, ""), ())
    described = _described(files, Path(path))
    layouts, mark = described.layouts, described.run
    lines, problems = index.read(files, mark)
    if any(line.layout >= len(layouts) for line in lines):
        described = _described(files, Path(path))  # a new layout came between the two looks
        layouts = described.layouts
    if len(known := [line for line in lines if line.layout < len(layouts)]) < len(lines):
        problems.append(f"{len(lines) - len(known)} steps are left out: nothing describes them.")
    if mark is not None and not files.history:
        problems += _missing(files, mark, lines, len(problems))
    arrays = Arrays(files, mark or "")
    return Opened(run, layouts, Published(run, known), arrays, tuple(problems))


def _holds_studies_alone(files: Files) -> bool:
    """Say whether a run was studied and nothing recorded in it."""
    if files.history or files.meta.exists() or files.meta.is_symlink() or files.index.exists():
        return False
    return any(files.root.glob(f"{STUDIES}/*/{FACTS}"))


def _missing(files: Files, mark: str, lines: Sequence[Line], damaged: int) -> list[str]:
    """Say whether steps are there that the index does not list, beside its damaged lines."""
    if not unlisted(files, mark, lines) or index.is_locked(files.index):
        return []  # one is being published
    lines, _ = index.read(files, mark)
    missing = unlisted(files, mark, lines)
    if len(missing) <= damaged:
        return []
    steps = ", ".join(str(line.step) for line in missing[:5]) + (", …" if missing[5:] else "")
    problem = (
        f"The index lacks {len(missing)} steps that are there whole ({steps}): it was cut, lost or "
        "damaged. Put them back with: limelight doctor --mend LOGDIR."
    )
    return [problem]


def absent(what: str, name: str, run: str, names: Sequence[str]) -> NotRecordedError:
    """Return the error for a name that is not there; it lists a few that are."""
    first = ", ".join(map(repr, names[:8])) or "none"
    rest = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return NotRecordedError(
        f"Got {what} {name!r}.",
        f"Run {run!r} holds {first}{rest}.",
        "Ask for one of these, spelled the same.",
    )


def _described(files: Files, path: Path) -> Described:
    meta = files.meta
    restore = (
        "Wanted the text that limelight wrote there.",
        "Restore the file from a copy, or record the run again.",
    )
    try:
        text = files.content(meta, LONGEST)
        if files.history and not files.index.exists():
            raise FileNotFoundError(2, "No such history", str(files.index))
    except FileNotFoundError as cause:
        if not files.history and files.index.exists():
            if meta.exists():  # its first step came between the two looks
                return _described(files, path)
            what = f"{meta} is missing; the recording beside it says nothing without it."
            raise StoreError(what, *restore) from cause
        raise _none(path, files) from cause
    except OSError as cause:
        raise StoreError(
            f"{meta} cannot be read ({cause.strerror or cause}).",
            "Wanted a file that this user may read.",
            "Change its permissions, or read it as another user.",
        ) from cause
    except ValueError as cause:
        raise StoreError(f"{meta} cannot be read ({cause}).", *restore) from cause
    return loads(text, str(meta))


#: How many folders below one without a recording are looked into for runs, and how many are named.
_FOLDERS, _RUNS = 2000, 8


def _none(path: Path, files: Files) -> NotRecordedError:
    """Return the error for a folder without a recording; it lists the runs below it."""
    runs = list(islice(_below(path), _RUNS + 1))
    if not runs:
        return NotRecordedError(
            f"{path} holds no limelight recording.",
            f"Wanted {META} in {files.root}.",
            "Correct the path, or record a run there; if it was deleted, open another.",
        )
    names = ", ".join(map(repr, runs[:_RUNS])) + (" and more" if runs[_RUNS:] else "")
    return NotRecordedError(
        f"{path} is no run, but holds some: {names}.",
        "Wanted the folder of one run.",
        f"Open one of them: ll.open_run({str(path / runs[0])!r}).",
    )


def _below(path: Path) -> Iterator[str]:
    """Return the runs in the folders below one, by name."""
    for parent, folders, _ in islice(os.walk(path), _FOLDERS):
        folders.sort()
        if (sidecar(parent) / META).is_file():
            yield Path(parent).relative_to(path).as_posix()
        if "plugins" in folders:
            folders.remove("plugins")
