"""Which heads a study is about.

Room: studying. Comes in: what a user asked for, and what the model has. Goes out: pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from limelight.errors import StudyError

Head = tuple[str, int]


def chosen(known: Mapping[str, int], heads: Any = None) -> list[Head]:
    """Return the heads that are meant, in the order in which they run.

    Parameters
    ----------
    known : mapping of str to int
        Sites and how many heads each has.
    heads : mapping of str to iterable of int, or iterable of (str, int), optional
        All if not given; None in a mapping is all of a site.

    Returns
    -------
    list of (str, int)

    Raises
    ------
    StudyError
        If one is not there.

    Examples
    --------
    >>> chosen({"a": 2, "b": 1}, {"a": [1]})
    [('a', 1)]
    """
    every = [(site, head) for site, count in known.items() for head in range(count)]
    if heads is None:
        return every
    wanted = set(_pairs(known, heads))
    missing = [pair for pair in wanted if pair not in set(every)]
    if missing or not wanted:
        named = f"the head {missing[0]!r}" if missing else "no head"
        raise StudyError(
            f"Got {named} among heads=….",
            f"Wanted heads of {', '.join(f'{site} ({count})' for site, count in known.items())}.",
            "Write heads={'path/of/site': [0, 3]}, or leave it out for all.",
        )
    return [pair for pair in every if pair in wanted]


def key_groups(
    known: Mapping[str, int], shared: Mapping[str, int], pairs: Sequence[Head]
) -> tuple[list[tuple[Head, ...]], list[Head]]:
    """Join heads whose queries share a head of keys.

    Parameters
    ----------
    known : mapping of str to int
        Sites and how many heads each has.
    shared : mapping of str to int
        How many heads the keys of each site have.
    pairs : sequence of (str, int)
        Heads that are meant: a group is, if one of its heads is.

    Returns
    -------
    list of tuple of (str, int)
        Heads that go together.
    list of (str, int)
        The site of each, and the number of its group.

    Raises
    ------
    StudyError
        If no heads share any.

    Examples
    --------
    >>> key_groups({"a": 4}, {"a": 2}, [("a", 1)])
    ([(('a', 0), ('a', 1))], [('a', 0)])
    """
    if all(shared[site] == count for site, count in known.items()):
        raise StudyError(
            "Got key_groups=True for a model in which each head has keys of its own.",
            "Wanted grouped-query attention.",
            "Leave key_groups out: each head is taken by itself.",
        )
    groups: dict[Head, tuple[Head, ...]] = {}
    for site, head in pairs:
        size = known[site] // shared[site]
        label = site, head // size
        groups[label] = tuple((site, label[1] * size + at) for at in range(size))
    return list(groups.values()), list(groups)


def _pairs(known: Mapping[str, int], heads: Any) -> Iterable[Head]:
    if isinstance(heads, Mapping):
        for site, numbers in heads.items():
            if numbers is None:
                numbers = range(known.get(site, 1))
            yield from ((site, int(head)) for head in numbers)
    else:
        yield from ((str(site), int(head)) for site, head in heads)
