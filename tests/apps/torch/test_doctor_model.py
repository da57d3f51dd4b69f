"""``limelight doctor --model``: what a model's softmaxes are taken for, from the command line."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner

from limelight.apps.cli import main

PROGRAM = """
import torch
from torch import nn

def both():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(3, 5, 8)

def plain():
    return nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1)), torch.randn(3, 4)

def subtracted():
    class Differential(nn.Module):
        def forward(self, x):
            return ((x @ x.mT).softmax(-1) - 0.5 * (2 * x @ x.mT).softmax(-1)) @ x
    return Differential(), torch.randn(3, 5, 8)

def alone():
    return nn.Linear(4, 2)

def said():
    model = alone()
    model.dummy_inputs = torch.randn(2, 4)
    return model

def broken():
    raise RuntimeError("no such checkpoint")
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    (tmp_path / "made_here.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "made_here", raising=False)

    def ask(target, *options):
        return CliRunner().invoke(main, ["doctor", "--model", target, *options])

    yield ask
    sys.modules.pop("made_here", None)


@pytest.mark.parametrize("target", ["made_here:both", "made_here.py:both"])
def test_the_table_is_printed(asked, target):
    done = asked(target)
    assert done.exit_code == 0, done.output
    assert "self_attn" in done.stdout
    assert "weighted sum within" in done.stdout
    assert "exclude=['self_attn']" in done.stdout


def test_json_holds_the_same(asked):
    table = json.loads(asked("made_here:both", "--json").stdout)
    assert [(row["path"], row["kind"]) for row in table["rows"]] == [("self_attn", "self")]


def test_no_attention_is_an_answer(asked):
    done = asked("made_here:plain")
    assert done.exit_code == 0
    assert "taken for attention: 0" in done.stdout
    assert asked("made_here:said").exit_code == 0


def test_what_is_shown_but_not_used_fails(asked):
    done = asked("made_here:subtracted")
    assert done.exit_code == 1
    assert "NOT: " in done.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("made_here", "model.py:build"),
        ("made_here:missing", "has no function 'missing'"),
        ("nowhere:both", "nowhere could not be imported"),
        ("nowhere.py:both", "there is no file nowhere.py"),
        ("made_here:broken", "no such checkpoint"),
        ("made_here:alone", "return (model, inputs)"),
    ],
)
def test_what_cannot_be_made_says_what_to_do(asked, target, words):
    done = asked(target)
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_log_folder_beside_it_makes_no_sense(asked):
    done = asked("made_here:both", "logs")
    assert done.exit_code == 2
