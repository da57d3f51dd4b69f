"""``limelight study`` and ``limelight catalogue``, as people and programs meet them."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
from click.testing import CliRunner

import limelight as ll
from limelight import catalogue
from limelight.apps.cli import main
from limelight.apps.doctor import recordings
from limelight.rooms import members

HERE = Path(__file__).parent


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def labels():
    return np.arange(12) // 2


def twelve():
    return small.data(12)


def share(outputs, targets):
    return outputs.softmax(-1)[:, 1]


WORDS = ("--model", "small:model", "--data", "test_command:twelve")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def test_a_study_in_words_and_kept(tmp_path):
    done = call("study", "ablation", *WORDS, "--run", tmp_path / "run", "--replace", "mean")
    assert done.exit_code == 0, done.output
    first, *lines = done.output.splitlines()
    expected = ll.ablation(small.model(), small.data(12), replace="mean")
    assert first == expected.attrs["sentence"]
    site, head = np.unravel_index(np.abs(expected["effect"].values).argmax(), (2, 2))
    assert lines[0].startswith(f"{expected['site'].values[site]}#{head}  effect ")
    assert len(lines) == 4
    assert ll.open_run(tmp_path / "run").study("ablation", replace="mean").attrs["n"] == 12
    shown = call("ls", tmp_path)
    assert "study ablation (" in shown.output
    assert "finished, n = 12 examples" in shown.output
    (run,) = json.loads(call("ls", tmp_path, "--json").output)["runs"]
    assert run["studies"][0]["state"] == "finished"


def test_options_are_those_of_the_function(tmp_path):
    done = call(
        "study", "ablation", *WORDS, "--metric", "test_command:share", "--no-split", "--each",
        "--resample-by", "test_command:labels", "--heads", "encoder/layers/1/self_attn=1", "--json",
        "--partition", 5, "--scheme", "cumulative",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(done.output)
    assert result["attrs"]["n"] == 6
    assert result["attrs"]["metric"] == "share"
    effect = result["data_vars"]["effect"]["data"]
    assert effect[0] == [None, None]
    assert effect[1][0] is None
    assert "effect_held_out" not in result["data_vars"]
    help_text = call("study", "ablation", "--help").output
    for name in ("--replace [mean|sample|uniform|zero]", "--seed INTEGER", "--quick", "--workers"):
        assert name in help_text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("study", "nothing"), "No such command 'nothing'"),
        (("study", "ablation"), "Missing option '--model'"),
        (
            ("study", "ablation", "--model", "small", "--data", "small:data"),
            "MODULE:FUNCTION|module",
        ),
        (("study", "ablation", *WORDS, "--heads", "a"), "Got --heads a"),
        (("study", "ablation", *WORDS[:3], "nowhere:data"), "cannot be imported here"),
        (("study", "ablation", *WORDS, "--replace", "none"), "is not one of"),
    ],
)
def test_bad_words_are_one_line(words, said):
    import re

    done = call(*words)
    assert done.exit_code in (1, 2)
    assert re.search(said, done.output), done.output
    assert len(done.output.splitlines()) == 1


def test_studies_are_listed_with_what_they_answer():
    listed = call("study").output
    assert "ablation: H11, intervened" in listed
    cards = {card["name"]: card for card in json.loads(call("catalogue", "--json").output)["cards"]}
    assert cards["ablation"]["answers"] == ["H11"]
    assert cards["entropy"]["kind"] == "measure"
    assert set(cards) == set(ll.catalogue())
    assert "importance: study (H9), gradient-attributed" in call("catalogue").output


def test_each_question_has_one_home():
    homes = [
        number for card in catalogue.studies().values() if card.home for number in card.answers
    ]
    assert sorted(homes) == sorted(set(homes))


@pytest.mark.parametrize("name", members("studies"))
def test_a_card_says_everything(name):
    card = catalogue.studies()[name]
    assert card.question.endswith(".")
    assert card.title
    assert card.zh.title != card.title
    assert card.tier in ("observed", "gradient-attributed", "intervened")
    assert card.source
    assert card.bounds[0] < card.bounds[1]
    assert getattr(ll, name) is card.function


def test_one_that_stopped_is_told_by_doctor(tmp_path):
    def dies(done, _tasks):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ll.ablation(small.model(), small.data(12), partition=4, run=tmp_path / "run", progress=dies)
    (stopped, sound) = recordings(tmp_path)
    assert stopped.ok is None
    assert stopped.fact == "stopped at 1 of 3 tasks: KeyboardInterrupt"
    assert "Call it again with the same settings" in stopped.fix
    ll.ablation(small.model(), small.data(12), partition=4, run=tmp_path / "run")
    (sound,) = recordings(tmp_path)
    assert (sound.ok, sound.fact) == (True, "0 recorded steps and 1 studies, all readable")
    (result,) = tmp_path.rglob("result.safetensors")
    result.write_bytes(result.read_bytes()[:-9])
    (damaged,) = recordings(tmp_path)
    assert damaged.ok is False
    assert "study ablation-" in damaged.what
