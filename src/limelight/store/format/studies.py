"""Where a run keeps studies, and what it says of each.

Room: store. Comes in: a run's recording folder. Goes out: paths and facts. ::

    <run>/plugins/limelight/studies/<name>-<key>/
        study.json           what was asked, of which model and data, with which versions
        parts/               what is finished of it, a file for each task
        result.safetensors   the result, written last; the parts are removed then
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from limelight.errors import StoreError

STUDIES: Final = "studies"
FACTS: Final = "study.json"
PARTS: Final = "parts"
RESULT: Final = "result.safetensors"


@dataclass(frozen=True)
class Study:
    """What is said of one study.

    Attributes
    ----------
    name : str
        Of the study, such as ``ablation``.
    key : str
        A hash of everything that decides its numbers.
    settings : mapping
        What was asked.
    model, data : str
        Digests.
    tasks : int
        How many there are.
    begun : float
        Seconds since 1970.
    versions : mapping of str to str
    """

    name: str
    key: str
    settings: Mapping[str, Any]
    model: str
    data: str
    tasks: int
    begun: float
    versions: Mapping[str, str] = field(default_factory=dict)

    def dumps(self) -> bytes:
        """Return it as JSON."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1, default=str)
        return text.encode()


def folder(root: Path, study: Study) -> Path:
    """Return the folder of a study below a recording's folder."""
    return root / STUDIES / f"{study.name}-{study.key[:8]}"


def listed(root: Path) -> Iterator[tuple[Path, Study]]:
    """Yield the studies of a recording, oldest first.

    Parameters
    ----------
    root : Path
        The recording's folder.

    Yields
    ------
    (Path, Study)
        What is no study is passed over.
    """
    known = []
    for path in root.glob(f"{STUDIES}/*/{FACTS}"):
        try:
            facts = json.loads(path.read_bytes())
            known.append((path.parent, Study(**facts)))
        except (OSError, ValueError, TypeError):
            continue
    yield from sorted(known, key=lambda pair: (pair[1].begun, pair[0].name))


def result_of(path: Path) -> bytes:
    """Return the bytes of a study's result.

    Parameters
    ----------
    path : Path
        Its folder.

    Returns
    -------
    bytes

    Raises
    ------
    StoreError
        If it is not finished.
    """
    try:
        return (path / RESULT).read_bytes()
    except OSError as error:
        done = len(list((path / PARTS).glob("*.npz")))
        raise StoreError(
            f"The study in {path} has {done} tasks done and no result yet.",
            "Wanted one that is finished.",
            "Call the study again with the same run and settings: it goes on from there.",
        ) from error
