"""Every kind of error limelight raises, with its facts as fields.

Room: lowest. Imports nothing of ours but types. A message is built here and nowhere else, always in
the same order: what came, what was wanted, what to do.
"""

from __future__ import annotations

from typing import Any

from limelight.facts import Problem


class LimelightError(Exception):
    """Base of every error limelight raises.

    Parameters
    ----------
    came : str
        What limelight was given or found, as one sentence.
    wanted : str
        What would have been right, as one sentence.
    fix : str
        What the reader can do now, as one sentence.

    Examples
    --------
    >>> error = LimelightError("Got 3.", "Wanted 4.", "Add 1.")
    >>> str(error)
    'Got 3. Wanted 4. Add 1.'
    >>> error.fix
    'Add 1.'
    """

    #: Short stable name that screens and ``--json`` output carry.
    code = "error"

    def __init__(self, came: str, wanted: str, fix: str) -> None:
        self.came = came
        self.wanted = wanted
        self.fix = fix
        super().__init__(f"{came} {wanted} {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it travel between processes; ``Exception`` alone would come back without parts."""
        return type(self), (self.came, self.wanted, self.fix), vars(self)

    def facts(self) -> Problem:
        """Return the error as plain text fields: ``code``, ``came``, ``wanted``, ``fix``."""
        return {"code": self.code, "came": self.came, "wanted": self.wanted, "fix": self.fix}


class UnsupportedModelError(LimelightError):
    """Attention cannot be taken from this model, or none was seen in it."""

    code = "unsupported-model"


class NoAttentionError(UnsupportedModelError):
    """The model ran, and nothing in it was attention.

    Attributes
    ----------
    plain : bool
        Whether nothing speaks for attention that was missed: no softmax but those of classifiers,
        nothing that ran unseen.
    """

    plain = False


class UnbuiltModelError(UnsupportedModelError):
    """The model has no parameters yet: its first batch makes them."""


class ProbeError(LimelightError):
    """The probe is missing, empty, or does not fit the model."""

    code = "probe"


class DimensionError(LimelightError, ValueError):
    """An array lacks a dim, or its size is not the one needed."""

    code = "dimension"


class UnequalSitesError(LimelightError, ValueError):
    """Sites of different shapes were asked to form one array."""

    code = "unequal-sites"


class StoreError(LimelightError):
    """A store cannot be written or read: damaged, unwritable, or from a newer version."""

    code = "store"


class NotRecordedError(LimelightError, KeyError):
    """The run holds no such step, site, example, head or parameter."""

    code = "not-recorded"

    def __str__(self) -> str:
        """Return the message itself; ``KeyError`` alone would show it quoted."""
        return f"{self.came} {self.wanted} {self.fix}"


class QueryError(LimelightError, ValueError):
    """A question to a run is malformed."""

    code = "query"


class UnavailableError(LimelightError):
    """Something outside limelight is needed and is not there: a package, data, a free port."""

    code = "unavailable"


class CatalogueError(LimelightError):
    """Two members of a room have one name, or one is not what its file's name says."""

    code = "catalogue"


class LimelightWarning(UserWarning):
    """Something could not be recorded; training goes on without it."""


class GateError(LimelightError):
    """A gate names no head of the model, or does not reach what the model computes."""

    code = "gate"


class StudyError(LimelightError):
    """A study got data, a metric or settings that it cannot measure with, or could not end."""

    code = "study"
