"""Where a run keeps studies, and what it says of each.

Room: store. Comes in: a recording's files. Goes out: paths and facts; nothing is believed
unchecked, as of any file of a recording. ::

    <run>/plugins/limelight/studies/<name>-<key>/
        study.json             what was asked, of which model and data, with which versions
        progress.json          how far it is; its time says whether it still runs
        parts/                 what is finished of it, a file for each task
        partial.safetensors    the result so far
        result.safetensors     the result, written last; the parts are packed then
        parts.npz              the numbers of all tasks, packed
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from limelight.errors import StoreError
from limelight.store.format.files import Files

STUDIES: Final = "studies"
FACTS: Final = "study.json"
PROGRESS: Final = "progress.json"
PARTS: Final = "parts"
PACKED: Final = "parts.npz"
PARTIAL: Final = "partial.safetensors"
RESULT: Final = "result.safetensors"

#: A study that runs touches its progress so often; one that has not for so long has stopped.
BEAT: Final = 5.0
SILENT: Final = 45.0

#: Nothing longer is read.
_LONGEST: Final = 1 << 22
_LONGEST_RESULT: Final = 1 << 28
_MOST_STUDIES: Final = 10_000

State = Literal["running", "finished", "stopped"]


@dataclass(frozen=True)
class Study:
    """What is said of one study.

    Attributes
    ----------
    name : str
        Of the study, such as ``ablation``.
    key : str
        A hash of everything that decides its result.
    settings : mapping
        What was asked.
    model, data : str
        Digests.
    tasks : int
        How many there are.
    begun : float
        Seconds since 1970.
    versions : mapping of str to str
    tier : str
        What its numbers may claim.
    """

    name: str
    key: str
    settings: Mapping[str, Any]
    model: str
    data: str
    tasks: int
    begun: float
    versions: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""

    def __post_init__(self) -> None:
        settings: Any = self.settings  # it comes from a file
        versions: Any = self.versions
        tasks: Any = self.tasks
        texts: tuple[Any, ...] = (self.name, self.key, self.model, self.data, self.tier)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("no text")
        if not isinstance(settings, Mapping) or not isinstance(versions, Mapping):
            raise TypeError("no mapping")
        if not isinstance(tasks, int) or not math.isfinite(float(self.begun)):
            raise ValueError("no number")

    def dumps(self) -> bytes:
        """Return it as JSON."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1, default=str)
        return text.encode()


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes
    ----------
    done : int
        Tasks.
    n : int
        Units that its numbers so far rest on.
    of : str
        What a unit is.
    state : str
        ``running``, ``finished`` or ``stopped``.
    sentence : str
        The result in one sentence, or why it stopped.
    """

    done: int = 0
    n: int = 0
    of: str = "examples"
    state: State = "stopped"
    sentence: str = ""

    def dumps(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()


def folder(root: Path, study: Study) -> Path:
    """Return the folder of a study below a recording's folder."""
    return root / STUDIES / f"{study.name}-{study.key[:8]}"


def listed(files: Files) -> Iterator[tuple[Path, Study]]:
    """Yield the studies of a recording, oldest first.

    Parameters
    ----------
    files : Files

    Yields
    ------
    (Path, Study)
        What is no study is passed over.
    """
    known = []
    for at, path in enumerate(files.root.glob(f"{STUDIES}/*/{FACTS}")):
        if at >= _MOST_STUDIES:
            break
        try:
            facts = json.loads(files.content(path, _LONGEST))
            known.append((path.parent, Study(**facts)))
        except (OSError, ValueError, TypeError):
            continue
    yield from sorted(known, key=lambda pair: (pair[1].begun, pair[0].name))


def progress(files: Files, path: Path) -> Progress:
    """Return how far a study is.

    Parameters
    ----------
    files : Files
    path : Path
        The study's folder.

    Returns
    -------
    Progress
        ``stopped`` where it says that it runs and has been silent for 45 s: it was killed.
    """
    try:
        facts = json.loads(files.content(path / PROGRESS, _LONGEST))
        said = Progress(int(facts["done"]), int(facts["n"]), str(facts["of"]),
                        facts["state"], str(facts["sentence"]))  # fmt: skip
        beat = (path / PROGRESS).stat().st_mtime
    except (OSError, ValueError, TypeError, KeyError):
        said, beat = Progress(), 0.0
    if (path / RESULT).is_file():
        return Progress(said.done, said.n, said.of, "finished", said.sentence)
    running = said.state == "running" and time.time() - beat < SILENT
    state: State = "running" if running else "stopped"
    return Progress(said.done, said.n, said.of, state, said.sentence)


def result_of(files: Files, path: Path, *, partial: bool = False) -> bytes:
    """Return the bytes of a study's result.

    Parameters
    ----------
    files : Files
    path : Path
        The study's folder.
    partial : bool
        Whether what there is so far will do, where it is not finished.

    Returns
    -------
    bytes

    Raises
    ------
    StoreError
        If there is none, or its file is none of ours.
    """
    try:
        return files.content(path / RESULT, _LONGEST_RESULT)
    except FileNotFoundError as error:
        if partial:
            try:
                return files.content(path / PARTIAL, _LONGEST_RESULT)
            except (OSError, ValueError):
                pass
        so_far = progress(files, path)
        raise StoreError(
            f"The study in {path} has {so_far.done} tasks done and no result yet.",
            "Wanted one that is finished.",
            "Wait for it." if so_far.state == "running" else
            "Call the study again with the same run and settings: it goes on from there.",
        ) from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise StoreError(
            f"The result of the study in {path} cannot be read ({error}).",
            "Wanted the file that limelight wrote there.",
            "Restore it from a copy, or remove the study's folder and call it again.",
        ) from error
