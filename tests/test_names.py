"""Names of values are nouns of the field, in the code and in its tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("benchmarks", "src", "tests", "tools")

#: Words that say nothing of a value but that there is one, or where it came from.
WORDS = {"bare", "found", "kept", "lively", "one", "own", "place", "places", "some", "told"}

#: A file and a name in it that is none of these: the reason.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def names(source: str) -> Iterator[tuple[int, str]]:
    """Yield each name that a source gives to a value, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case _:
                pass


def offences(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in names(source) if name.strip("_") in WORDS]


@pytest.mark.parametrize("room", ROOMS)
def test_names_of_values_are_nouns(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, "nothing is read: the measurement is broken"
    bad = []
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        bad += [
            f"{path}:{line} {name}"
            for line, name in offences(file.read_text("utf-8"))
            if (path, name) not in EXCEPTIONS
        ]
    assert bad == [], "name them by what they are: a head, a row, a site, the result of …"


def test_every_exception_is_still_one():
    for path, name in EXCEPTIONS:
        assert name in {name for _, name in offences((ROOT / path).read_text("utf-8"))}, path


@pytest.mark.parametrize(
    "source",
    [
        "found = 1",
        "def f(own): pass",
        "lambda one: 1",
        "self._kept = 2",
        "[0 for place in 'ab']",
        "for some, head in (): pass",
        "if (told := 3): pass",
        "with open('a') as bare: pass",
        "class A:\n    places: int",
        "try: pass\nexcept OSError as found: pass",
    ],
)
def test_such_a_name_is_seen_wherever_it_is_given(source):
    assert len(offences(source)) == 1


def test_words_themselves_may_be_used():
    assert offences("if value.found: print('one', row.own)  # some are told") == []
