"""What TypeScript is told is what Python says now."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from limelight import contract, facts
from limelight.answer import answer
from limelight.apps.runs import Runs
from limelight.catalogue import analyses
from limelight.query import Query
from limelight.store import open_run

sys.path.insert(0, str(Path(__file__).parent / "golden"))

import planted


def test_the_file_in_the_repository_is_fresh():
    assert contract.main(["--check"]) == 0, f"run: {contract.COMMAND}"


def test_every_field_of_a_query_is_there_with_its_default():
    text = contract.typescript()
    body = re.search(r"interface Query \{\n(.*?)\n\}", text, re.S).group(1)
    names = re.findall(r"^  (\w+)\??:", body, re.M)
    assert names == [field.name for field in fields(Query)]
    defaults = re.search(r"QUERY_DEFAULTS = \{\n(.*?)\n\}", text, re.S).group(1)
    said = dict(re.findall(r"^  (\w+): (.*),$", defaults, re.M))
    asked = Query("run")
    for name, value in said.items():
        assert json.loads(value) == (
            list(getattr(asked, name)) if name in ("parameter", "at") else getattr(asked, name)
        )
    assert set(said) == set(names) - {"what"}


def test_it_names_no_measure():
    """Their cards come with the catalogue, so that a new one changes no file of the front end."""
    written = contract.typescript().partition("export const RULES")[0]  # whose words are free
    for name in analyses():
        assert name not in written


NAMES = ("Analysis", "Catalogue", "Example", "Parameter", "Problem", "RunCard", "RunFacts", "Site")


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_what_answers_say_is_there(name):
    body = re.search(rf"interface {name} \{{\n(.*?)\n\}}", contract.typescript(), re.S).group(1)
    names = re.findall(r"^  readonly (\w+): ", body, re.M)
    assert names == list(get_type_hints(getattr(facts, name)))


def test_types_of_lists_choices_and_other_facts():
    text = contract.typescript()
    assert "  readonly query_layout: readonly [number, number] | null;" in text
    assert "  readonly kind: Kind;" in text
    assert "  readonly code: ErrorCode;" in text
    assert "  readonly runs: readonly RunCard[];" in text
    assert (
        "  /** Unix seconds of the newest published step. */\n  readonly written: number;" in text
    )


def test_what_an_answer_says_is_what_the_contract_says(tmp_path):
    run = open_run(planted.write(tmp_path / "words", planted.words))
    said = answer(run, Query("run")).attrs
    assert set(said) == set(get_type_hints(facts.RunFacts))
    for many, kind in (("sites", "Site"), ("examples", "Example"), ("parameters", "Parameter")):
        assert said[many]
        for part in said[many]:
            assert set(part) == set(get_type_hints(getattr(facts, kind)))
    listed = Runs().catalogue({"words": str(tmp_path / "words")})
    assert set(listed) == set(get_type_hints(facts.Catalogue))
    assert {*map(frozenset, listed["runs"])} == {frozenset(get_type_hints(facts.RunCard))}
    assert {*map(frozenset, listed["analyses"])} == {frozenset(get_type_hints(facts.Analysis))}


def test_a_stale_or_missing_file_is_told_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "src" / "contract.ts"
    assert contract.main(["--check", "--out", str(path)]) == 1
    assert "is missing. Run: python -m limelight.contract" in capsys.readouterr().err
    assert contract.main(["--out", str(path)]) == 0
    assert contract.main(["--check", "--out", str(path)]) == 0
    path.write_text(path.read_text("utf-8").replace("mean", "median"), "utf-8")
    assert contract.main(["--check", "--out", str(path)]) == 1
    assert "differs from what Python says now" in capsys.readouterr().err


def test_a_type_without_a_counterpart_is_refused():
    with pytest.raises(
        TypeError, match=r"no TypeScript type is known for .*add it to contract\.py"
    ):
        contract._type(complex)
