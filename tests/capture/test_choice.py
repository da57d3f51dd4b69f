"""What a user decided on, and what is said where no attention was seen, for every framework."""

from __future__ import annotations

import pytest

from limelight.capture.recognition import Choice, Softmax, nothing_seen
from limelight.errors import UnsupportedModelError

ROUTER = Softmax(
    "blocks/0/router", "Router", reason="it runs over a single value", argument="include"
)


def test_patterns_name_paths():
    choice = Choice(include=["blocks/*/router"], exclude=["head"])
    assert choice.includes("blocks/0/router")
    assert not choice.includes("head")
    assert choice.excludes("head")
    assert not choice.excludes("blocks/0/router")


@pytest.mark.parametrize("name", ["include", "exclude"])
def test_a_pattern_that_names_nothing_lists_what_ran(name):
    choice = Choice(**{name: ["router"]})
    with pytest.raises(UnsupportedModelError) as caught:
        choice.check(["head", "head", "blocks/0/router"], [], "layer")
    assert str(caught.value) == (
        f"Got {name}='router', where no softmax ran. Softmaxes ran in: head, blocks/0/router. "
        "Name one of these."
    )


def test_nothing_ran_is_said_in_the_frameworks_own_word():
    with pytest.raises(UnsupportedModelError, match="Softmaxes ran in: no module"):
        Choice(include=["router"]).check([], [], "module")


def test_what_is_included_but_cannot_be_read_says_why():
    choice = Choice(include=["*/router"])
    choice.check(
        ["head", ROUTER.path], [Softmax("head", "Dense", reason="it is an output")], "layer"
    )
    with pytest.raises(UnsupportedModelError) as caught:
        choice.check([ROUTER.path], [ROUTER], "layer")
    assert caught.value.came == (
        "Got include= for the softmax in 'blocks/0/router': it runs over a single value."
    )


def said(others, ran=("a", "b", "a", ""), **options):
    error = nothing_seen("m", "layer", ran, others, wanted="W.", fix="F.", **{"why": ""} | options)
    return error.came, error.fix


def test_nothing_seen_lists_what_ran_once():
    assert said([]) == ("No attention was seen in the model 'm'; its layers that ran: a, b.", "F.")


def test_nothing_seen_lists_some_of_many():
    came, _ = said([], ran=[f"layer{number}" for number in range(14)])
    assert came.endswith("layer11 and 2 more.")


def test_nothing_seen_says_why_each_softmax_is_none_and_how_to_insist():
    nameless = Softmax("m", "", reason="it ran outside any layer")
    came, fix = said([ROUTER, ROUTER, nameless], why="It is compiled.")
    assert came.endswith(
        " Softmaxes that are not attention: 'blocks/0/router' (Router): it runs over a single "
        "value; 'm' (no layer): it ran outside any layer. It is compiled."
    )
    assert fix == "If one of these is attention after all, say include=['blocks/0/router']. F."


def test_include_is_not_offered_where_it_cannot_help():
    assert said([ROUTER], or_include=False)[1] == "F."
