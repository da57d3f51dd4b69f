"""Every architecture of the table gives its own maps, or is refused by name."""

from __future__ import annotations

import warnings

import pytest
import transformers
from benchmarks import written
from benchmarks.architectures import REFUSED, RIGHT, verdict


@pytest.mark.parametrize("name", [*RIGHT, *REFUSED])
def test_an_architecture_gives_its_own_maps_or_is_refused(name):
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert verdict(name) == ""


@pytest.mark.parametrize("name", written.ROWS)
def test_attention_written_by_hand_is_the_map_that_the_model_notes_and_nothing_else_is(name):
    assert written.verdict(name) == ""
