"""A live model behind the screens: what is typed is run, and nothing else runs it."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.apps.show import showing
from limelight.store import open_run


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.vectors = torch.nn.Embedding(30, 8)
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.runs = 0

    def forward(self, ids):
        self.runs += 1
        x = self.vectors(ids)
        return self.attention(x, x, x)[0]


def letters(text):
    """A tokenizer: a letter a token."""
    return [ord(letter) % 30 for letter in text], list(text)


def post(shown, asked, token=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", shown.port, timeout=60)
    given = {"X-Limelight-Token": shown.token if token is None else token, **headers}
    connection.request("POST", "/run", json.dumps(asked), given)
    response = connection.getresponse()
    answered = json.loads(response.read())
    connection.close()
    return response.status, answered


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def shown(model, tmp_path):
    with showing(tmp_path, 0, (model, letters)) as server:
        yield server


def test_a_sentence_is_run_and_recorded_with_its_tokens(shown, model):
    status, answered = post(shown, {"text": "ab 针"})
    assert (status, answered) == (200, {"run": "typed/1"})
    run = open_run(shown.listed()["typed/1"])
    assert run.examples[0].tokens == ("a", "b", " ", "针")
    weights = run.weights("attention")[0].values
    ids = torch.tensor([letters("ab 针")[0]])
    x = model.vectors(ids)
    with torch.no_grad():
        right = model.attention(x, x, x, average_attn_weights=False)[1][0]
    np.testing.assert_allclose(weights, right, atol=1e-3)
    assert post(shown, {"text": "again"})[1] == {"run": "typed/2"}


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_who_has_no_token_runs_nothing(shown, model, token):
    before = model.runs
    status, answered = post(shown, {"text": "a"}, token=token.encode("utf-8").decode("latin-1"))
    assert status == 403
    assert "token" in answered["error"]["came"]
    status, _ = post(shown, {"text": "a"}, Origin="http://evil.example")
    assert status == 403
    assert model.runs == before


@pytest.mark.parametrize(
    "asked", [{}, {"text": " "}, {"text": 3}, {"ids": []}, {"ids": ["a"]}, {"example": 0}, [1]]
)
def test_what_is_no_input_is_refused_in_words(shown, asked):
    status, answered = post(shown, asked)
    assert status == 400
    assert set(answered["error"]) == {"code", "came", "wanted", "fix"}


def test_a_model_that_fails_on_it_says_so_and_goes_on(shown):
    status, answered = post(shown, {"ids": [99]})
    assert status == 400
    assert "index out of range" in answered["error"]["came"]
    assert "typed/1" not in shown.listed()
    assert post(shown, {"ids": [1, 2]})[0] == 200


def test_without_a_tokenizer_ids_or_an_example_are_taken(model, tmp_path):
    with showing(tmp_path, 0, (model, torch.tensor([[1, 2, 3], [4, 5, 6]]))) as server:
        assert server.typed.asks == {"asks": "ids", "examples": ["example 0", "example 1"]}
        assert post(server, {"text": "7, 8 9"})[0] == 200
        assert post(server, {"example": 1})[0] == 200
        assert post(server, {"example": 2})[0] == 400
        status, answered = post(server, {"text": "seven"})
        assert (status, answered["error"]["code"]) == (400, "probe")
        first = open_run(server.listed()["typed/1"])
        assert first.weights("attention").sizes["key"] == 3
        root = server.typed.root
    assert not Path(root).exists()


def test_only_so_many_runs_are_kept(shown, monkeypatch):
    monkeypatch.setattr("limelight.apps.show.typed._MOST", 2)
    for _ in range(4):
        post(shown, {"ids": [1, 2]})
    assert sorted(shown.listed()) == ["typed/3", "typed/4"]
