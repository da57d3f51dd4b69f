"""What is wrong with the recordings of a log directory.

Room: apps. Comes in: a log directory. Goes out: findings, each with what to do about it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from limelight.apps.doctor.finding import Finding
from limelight.apps.listing import run_folders
from limelight.errors import LimelightError, NotRecordedError
from limelight.store import Run, open_run
from limelight.store.format.files import Files
from limelight.store.write import mending

#: A half-written file that is this old, in seconds, belongs to a writer that is gone.
_ABANDONED = 60.0


def recordings(logdir: Path, *, mend: bool = False) -> Iterator[Finding]:
    """Yield what was found of each recording in a log directory; reads all of it.

    Parameters
    ----------
    logdir : Path
    mend : bool
        Whether to put steps back first that an index has lost.

    Yields
    ------
    Finding

    Raises
    ------
    NotRecordedError
        If there is no such folder.
    """
    empty = True
    for name, folder in run_folders(logdir):
        empty = False
        if mend:
            yield from _mended(name, folder)
        bad = [*_damage(name, folder), *_leftovers(name, folder), *_studies(name, folder)]
        yield from bad
        if all(finding.ok is not False for finding in bad):
            run = open_run(folder)
            studies = f" and {len(run.studies)} studies" if run.studies else ""
            fact = f"{run.steps.size} recorded steps{studies}, all readable"
            yield Finding(f"Run {name}", True, fact)
    if empty:
        yield Finding(f"Runs in {logdir}", None, "none recorded by limelight",
                      "Record one: limelight demo.")  # fmt: skip


def _damage(name: str, folder: Path) -> Iterator[Finding]:
    what = f"Run {name}"
    try:
        run = open_run(folder)
    except LimelightError as error:
        yield Finding(what, False, f"{error.came} {error.wanted}", error.fix)
        return
    for problem in run.problems:
        yield Finding(what, False, problem, "The other steps are readable; nothing needs doing."
                      if "--mend" not in problem else "")  # fmt: skip
    for step in run.steps.tolist():
        try:
            _read_all(run, step)
        except LimelightError as error:
            yield Finding(f"{what}, step {step}", False, f"{error.came} {error.wanted}", error.fix)
        except Exception as error:  # noqa: BLE001  # whatever a damaged file leads to is a finding
            fact = f"It cannot be read ({type(error).__name__}: {str(error)[:160]})."
            yield Finding(f"{what}, step {step}", False, fact, "Ask for another step.")


def _studies(name: str, folder: Path) -> Iterator[Finding]:
    """Read every study of a run; one that stopped is nothing bad, and can go on."""
    try:
        run = open_run(folder)
        known = run.studied()
    except LimelightError:
        return  # told already
    for study, progress in known:
        what = f"Run {name}, study {study.name}-{study.key[:8]}"
        if progress.state == "stopped":
            reason = f": {progress.sentence}" if progress.sentence else ""
            fact = f"stopped at {progress.done} of {study.tasks} tasks{reason}"
            fix = "Call it again with the same settings: it goes on from there."
            yield Finding(what, None, fact, fix)
        if progress.state == "finished":
            try:
                run.study(study.key)
            except LimelightError as error:
                yield Finding(what, False, f"{error.came} {error.wanted}", error.fix)


def _mended(name: str, folder: Path) -> Iterator[Finding]:
    """Put steps back that an index has lost."""
    try:
        steps = mending.mend(folder)
    except LimelightError as error:
        yield Finding(f"Run {name}", False, f"{error.came} {error.wanted}", error.fix)
    except OSError as error:
        yield Finding(f"Run {name}", False, f"{error.strerror or error}: it cannot be mended.",
                      "Let this user write to the folder.")  # fmt: skip
    else:
        if steps:
            fact = f"{len(steps)} steps put back into its index: {', '.join(map(str, steps[:8]))}"
            yield Finding(f"Run {name}", True, fact + (", …" if steps[8:] else ""))


def _read_all(run: Run, step: int) -> None:
    """Read everything of one step; what is damaged raises."""
    # A step may lack attention, which is no damage: the model refused the probe, say.
    with suppress(NotRecordedError):
        for name in run.sites_at(step):
            run.site(name, step).load()
        for example in range(len(run.examples_at(step))):
            run.overview(step, example)
            run.image(example)
    run.measures([step])
    run.parameters(step=[step])


def _leftovers(name: str, folder: Path) -> Iterator[Finding]:
    now = time.time()
    for path in sorted(Files.of(folder).root.rglob("*.partial")):
        try:
            age = now - path.stat().st_mtime
        except OSError:  # renamed meanwhile: it was being written, as it should be
            continue
        if age > _ABANDONED:
            yield Finding(f"Run {name}", False, f"{path} is half of a file whose writer is gone.",
                          f"Delete it: rm '{path}'")  # fmt: skip
