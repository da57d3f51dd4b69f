"""What TypeScript is told is what Python says now."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from limelight import contract
from limelight.catalogue import analyses
from limelight.query import Query


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
            list(asked.parameter) if name == "parameter" else getattr(asked, name)
        )
    assert set(said) == set(names) - {"what"}


def test_every_analysis_of_ours_is_there():
    names = re.findall(r'^    name: "(\w+)",$', contract.typescript(), re.M)
    assert names == list(analyses())


def test_what_another_package_brings_stays_out(monkeypatch):
    ours = analyses()
    theirs = replace(ours["first_key_share"], name="theirs", function=json.dumps)
    monkeypatch.setattr(contract, "analyses", lambda: {**ours, "theirs": theirs})
    assert '"theirs"' not in contract.typescript()


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
