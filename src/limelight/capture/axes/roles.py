"""Reads a softmax's axes as example, head, query and key, or says why it is no attention.

Room: capture, axes. Comes in: a :class:`~limelight.capture.axes.course.Course`. Goes out: a
:class:`Reading`, or words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limelight.capture.axes.course import Course, Use
from limelight.capture.axes.labels import Atom, are_compared, role
from limelight.capture.axes.weighing import RENORMALISED

UNUSED = "nothing is computed from it: it is an output"
SINGLE = "it runs over a single value"
WINDOWS = "each query has keys of its own; the axis before the keys is read as queries"

_FEATURE_KINDS = {"channel", "feature"}

_OTHER_AXIS = "its values are summed over another axis than the softmax's"
_UNSUMMED = "the products of its values are not summed over the softmax's axis"
_FEATURES = "it runs over features, not positions"
_BRANCHES = "it runs over branches of the model, not positions"
_LEARNED = "it runs over learned vectors: classes, experts or slots"
_EXAMPLES = (
    "it runs over what counts as examples; if the model takes one example at a time, say "
    "axes={'inputs': None}"
)
_LINEAR = "its sums are spread over positions again: linear attention"
_FACTOR = "its weights are multiplied with another softmax's: neither is a map of what is weighed"
_CONSTANTS = "its values weigh learned vectors or constants only"
_UNFOLLOWED = "where its keys come from could not be followed; they are read as positions"
_LOST = (
    "what its values weigh could not be followed; heads and queries are told apart by how the "
    "scores were made"
)
_PARTS = "parts of a feature axis ask the same keys; they are read as heads, not as queries"


@dataclass(frozen=True)
class Reading:
    """What the factors of a softmax's axes count.

    Attributes
    ----------
    roles : tuple of str
        For each factor of the logits: ``example``, ``head``, ``query`` or ``key``.
    kind : str
        ``self``, ``cross``, ``pooling`` or ``feature``.
    use : Use, optional
        The sum that shows what the values were multiplied with.
    note : str
        Where two readings remain, which was chosen.
    example : int, optional
        Which example it is of, where it holds one alone.
    alike : bool
        Whether it is the same for all examples.
    query_inputs, key_inputs : frozenset of int, optional
        The inputs whose positions they are; None where that is not known.
    """

    roles: tuple[str, ...]
    kind: str
    use: Use | None = None
    note: str = ""
    example: int | None = None
    alike: bool = False
    query_inputs: frozenset[int] | None = None
    key_inputs: frozenset[int] | None = None


def read(
    course: Course, examples: int, forced: bool = False, meant: Sequence[str | None] | None = None
) -> Reading | str | None:
    """Read a softmax's axes.

    Parameters
    ----------
    course : Course
    examples : int
        How many ran.
    forced : bool
        Whether the user says that it is attention.
    meant : sequence of (str or None), optional
        What the user says its axes are, in the order of the logits' own axes.

    Returns
    -------
    Reading, str or None
        Words say why it is no attention; None is where it could not be followed.
    """
    if meant is not None:
        return _as_meant(course, meant)
    if not course.keys:
        return SINGLE
    use = _use(course)
    if not forced:
        refusal = _refusal(course, use)
        if refusal is not None:
            return refusal
    if use is not None and not use.summed & course.keys and RENORMALISED in use.stages:
        # Shares of another axis were made of them, as slots' of what they compete for.
        course = replace(course, keys=use.summed)
    if use is None or not use.summed & course.keys:
        return _by_scores(course, examples)
    return _read(course, use, examples)


def _by_scores(course: Course, examples: int) -> Reading | str | None:
    """Read a softmax whose values are not followed into a sum: how its scores were made tells."""
    kinds = {mark: role(factor.atoms) for mark, factor in enumerate(course.factors)}
    if any(not kinds[mark] for mark in kinds):
        return None
    rest = set(kinds) - course.keys
    met = {mark for mark in rest if are_compared(course.factors[mark].atoms)}
    # Beside what was compared with the keys, positions have keys of their own: windows.
    shared = frozenset(rest - met) if met else frozenset()
    use = Use(None, (), None, course.keys, shared, (), False)
    reading = _read(course, use, examples)
    if not isinstance(reading, Reading):
        return reading
    if "query" not in reading.roles and any(kinds[mark] in _FEATURE_KINDS for mark in rest):
        return None  # whether each feature asks, or has values of its own, only a sum would tell
    return replace(reading, use=None, note=reading.note or _LOST)


def over_features(course: Course) -> bool:
    """Say whether a softmax runs over features or branches, and weighs no positions.

    Parameters
    ----------
    course : Course

    Returns
    -------
    bool
    """
    kinds = {role(course.factors[mark].atoms) for mark in course.keys}
    return not course.on_positions and bool(kinds) and kinds <= {*_FEATURE_KINDS, "branch"}


def _use(course: Course) -> Use | None:
    """Return the sum over the keys that shows how the weights are used."""
    uses = [use for use in (*course.uses, *course.scalars) if use.summed & course.keys]
    others = [use for use in course.uses if not use.summed & course.keys]
    data = [use for use in uses if not use.learned]
    return next(iter((*data, *uses, *others)), None)


def _refusal(course: Course, use: Use | None) -> str | None:
    """Say why a softmax is no attention, where that is known."""
    kinds = {role(course.factors[mark].atoms) for mark in course.keys}
    if "example" in kinds and kinds == {"example"}:
        return _EXAMPLES
    if use is None and not course.used:
        return UNUSED
    if use is not None and not use.summed & course.keys:
        return _OTHER_AXIS
    if course.linear:
        return _LINEAR
    if course.factor:
        return _FACTOR
    met = all(are_compared(course.factors[mark].atoms) for mark in course.keys)
    if kinds & _FEATURE_KINDS and "position" not in kinds and not met:
        return _FEATURES
    if "branch" in kinds and not met:
        return _BRANCHES
    if use is None and not course.lost:
        return _UNSUMMED if course.unsummed else UNUSED
    if use is None:
        return _LEARNED if kinds == {"learned"} and not met else None
    # Keys that are constants are a memory, whose values are constants too.
    if (kinds == {"learned"} and not met) or (use.learned and kinds != {"constant"}):
        queries = {atom for mark, factor in enumerate(course.factors) if mark not in course.keys
                   for atom in factor.atoms}  # fmt: skip
        keys = {atom for mark in course.keys for atom in course.factors[mark].atoms}
        if not queries & keys & _axes_of_positions(keys):
            return _CONSTANTS if use.learned else _LEARNED
    return None


def _axes_of_positions(atoms: set[Atom]) -> set[Atom]:
    return {atom for atom in atoms if atom.kind in {"position", "learned"}}


def _read(course: Course, use: Use, examples: int) -> Reading | str | None:
    roles = ["head"] * len(course.factors)
    note = ""
    for mark in course.keys:
        roles[mark] = "key"
    if any(role(course.factors[mark].atoms) == "example" for mark in course.keys):
        return None
    left = [mark for mark in range(len(roles)) if mark not in course.keys]
    example = _example(course, left, examples)
    alike = False
    picked = sorted({index for atom, index in course.picks if atom.kind == "example"})
    if example is not None:
        roles[example] = "example"
        left.remove(example)
    elif len(picked) == 1:
        pass
    elif "data" not in course.origin:
        alike = True
    elif examples > 1:
        return None
    queries, note = _queries(course, use, left)
    for mark in queries:
        roles[mark] = "query"
    kinds = [role(course.factors[mark].atoms) for mark in sorted(course.keys)]
    if "" in kinds:
        note = _UNFOLLOWED
    reading = Reading(
        tuple(roles), _kind(course, queries, sorted(course.keys)), use, note, alike=alike,
        example=picked[0] if example is None and picked else None,
        query_inputs=_inputs(course, queries), key_inputs=_inputs(course, sorted(course.keys)),
    )  # fmt: skip
    met = all(are_compared(course.factors[mark].atoms) for mark in course.keys)
    of_features = set(kinds) & {*_FEATURE_KINDS, "branch"} and "position" not in kinds and not met
    return replace(reading, kind="feature") if of_features else reading


def _example(course: Course, left: list[int], examples: int) -> int | None:
    """Return the factor that counts examples."""
    counting = [mark for mark in left if role(course.factors[mark].atoms) == "example"]
    if counting:
        whole = [mark for mark in counting if course.factors[mark].size == examples]
        return whole[0] if whole else None
    first = left[0] if left and examples > 1 else None
    if first is None or course.picks:
        return None
    # Something that all examples begin with: a state of zeros, learned queries given to each.
    given = role(course.factors[first].atoms) in {"copies", "constant"}
    return first if given and course.factors[first].size == examples and first == 0 else None


def _queries(course: Course, use: Use, left: list[int]) -> tuple[list[int], str]:
    """Return the factors that count queries, and a note where that is not sure.

    Queries are positions whose sums are taken of the same values; heads have values of their own,
    or are parts of the features.
    """
    if course.queries is not None:
        return sorted(course.queries), ""
    kinds = {mark: role(course.factors[mark].atoms) for mark in left}
    free = [mark for mark in left if mark not in use.shared]
    positions = [mark for mark in free if kinds[mark] in {"position", "learned", "constant"}]
    if positions:
        beside = _axes_of(course, positions)
        pixels = [mark for mark in free if kinds[mark] == "channel" and mark in beside]
        return sorted({*positions, *pixels}), ""
    parts = [mark for mark in free if kinds[mark] in {*_FEATURE_KINDS, "branch"}
             and are_compared(course.factors[mark].atoms)]  # fmt: skip
    keys = frozenset(atom for mark in course.keys for atom in course.factors[mark].atoms)
    alike = [mark for mark in parts if _same(course.factors[mark].atoms, keys)]
    headed = any(kinds[mark] in _FEATURE_KINDS for mark in left if mark in use.shared)
    if parts and (alike or headed or all(kinds[mark] == "branch" for mark in parts)):
        return alike or parts, ""
    if parts:
        return [], _PARTS
    unknown = [mark for mark in free if kinds[mark] == ""]
    if unknown:
        return unknown[-1:], _UNFOLLOWED.replace("keys", "queries") if len(left) > 1 else ""
    windows = [mark for mark in left if mark in use.shared and kinds[mark] == "position"]
    if windows:
        return windows[-1:], WINDOWS
    return [], ""


def _axes_of(course: Course, marks: list[int]) -> set[int]:
    """Return all factors of the axes that some factors are on."""
    beside: set[int] = set()
    first = 0
    for axis in course.axes:
        span = set(range(first, first + len(axis)))
        beside |= span if span & set(marks) else set()
        first += len(axis)
    return beside


def _kind(course: Course, queries: list[int], keys: Sequence[int]) -> str:
    if not queries:
        return "pooling"
    rows, columns = ([course.factors[mark] for mark in marks]
                     for marks in (queries, keys))  # fmt: skip
    if [factor.size for factor in rows] != [factor.size for factor in columns]:
        return "cross"
    same = all(_same(a.atoms, b.atoms) for a, b in zip(rows, columns, strict=True))
    return "self" if same else "cross"


def _same(first: frozenset[Atom], second: frozenset[Atom]) -> bool:
    """Say whether two factors count the same positions."""
    for kind in ("position", "learned", "constant", "branch", "feature"):
        sides = [{atom for atom in atoms if atom.kind == kind} for atoms in (first, second)]
        if any(sides):
            return bool(sides[0] & sides[1])
    return False


def _inputs(course: Course, marks: Sequence[int]) -> frozenset[int] | None:
    atoms = [atom for mark in marks for atom in course.factors[mark].atoms]
    if not any(atom.kind in {"position", "learned", "constant"} for atom in atoms):
        return None
    return frozenset(atom.source for atom in atoms if atom.kind == "position")


def _as_meant(course: Course, meant: Sequence[str | None]) -> Reading | str:
    """Read axes as the user says."""
    if len(meant) != len(course.axes):
        return f"it has {len(course.axes)} axes, and axes= names {len(meant)}"
    names = [meant[axis] for axis in course.moved]
    roles: list[str] = []
    for axis, name in zip(course.axes, names, strict=True):
        roles += [name if name in {"example", "query", "key"} else "head"] * len(axis)
    keys = [mark for mark, name in enumerate(roles) if name == "key"]
    if not keys:
        return "axes= names an axis of a single value as 'key'"
    queries = [mark for mark, name in enumerate(roles) if name == "query"]
    use = _use(course)
    matches = use is not None and use.summed & set(keys)
    kind = "feature" if "feature" in names else _kind(course, queries, keys)
    if set(keys) != course.keys and not matches:
        return (
            "axes= names another axis as 'key' than it runs over, and nothing is summed over that"
        )
    return Reading(
        tuple(roles), kind, use if matches else None,
        query_inputs=_inputs(course, queries), key_inputs=_inputs(course, keys),
    )  # fmt: skip
