"""What a URL may ask, and what it is told when it asks wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from limelight.errors import QueryError
from limelight.query import Query


def test_text_fields_become_a_checked_query() -> None:
    query = Query.parse(
        {
            "what": ["map"],
            "run": ["日本語 モデル"],
            "step": ["-2"],
            "example": ["3"],
            "site": ["encoder/attention"],
            "head": ["1"],
            "reduce": ["mean"],
        }
    )
    assert query == Query("map", "日本語 モデル", -2, 3, "encoder/attention", 1, (), "mean")


def test_fields_left_out_have_their_defaults() -> None:
    assert Query.parse({"what": ["run"]}) == Query("run")
    assert (Query("run").step, Query("run").example, Query("run").steps) == (-1, None, 60)


def test_parameter_may_be_repeated() -> None:
    query = Query.parse({"what": ["parameters"], "parameter": ["a/kernel", "b&c=d"]})
    assert query.parameter == ("a/kernel", "b&c=d")


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "Got a question without 'what'."),
        ({"what": ["everything"]}, "Got what='everything'. Wanted one of ('run', 'grid',"),
        ({"what": ["run"], "path": ["/etc"]}, "Got an unknown field 'path'. Wanted some of ["),
        ({"what": ["run"], "step": ["1", "2"]}, "Got 2 values for 'step'. Wanted one."),
        ({"what": ["run"], "step": []}, "Got 0 values for 'step'. Wanted one."),
        ({"what": ["run"], "step": ["1.5"]}, "Got step='1.5'. Wanted a whole number."),
        ({"what": ["run"], "step": [""]}, "Got step=''. Wanted a whole number."),
        ({"what": ["run"], "head": ["9" * 5000]}, "Wanted a whole number."),
        ({"what": ["grid"], "reduce": ["sum"]}, "Got reduce='sum'. Wanted one of ('max', 'mean')."),
        ({"what": ["map"], "site": ["a"]}, "Got a question for a map without its site or head."),
        ({"what": ["map"], "head": ["0"]}, "Got a question for a map without its site or head."),
        ({"what": ["measures"]}, "Got a question for measures without a site."),
        ({"what": ["parameters"], "steps": ["1"]}, "Got steps=1. Wanted 2 to 1000."),
        ({"what": ["parameters"], "steps": ["1001"]}, "Got steps=1001. Wanted 2 to 1000."),
    ],
)
def test_a_malformed_question_is_answered_in_words(form: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError) as caught:
        Query.parse(form)
    assert message in str(caught.value)
    assert caught.value.facts()["code"] == "query"
    assert caught.value.fix


@pytest.mark.parametrize("steps", [2, 1000])
def test_the_ends_of_steps_are_allowed(steps: int) -> None:
    assert Query("parameters", steps=steps).steps == steps
