"""What a study cannot measure with is told in words before time is spent on it."""

import warnings

import numpy as np
import pytest
import small
import torch

import limelight as ll
from limelight.errors import LimelightError, StudyError

X, Y = small.data(20)


def mean_of_all(outputs, targets):
    return outputs.mean()


def against_the_others(outputs, targets):
    return outputs[:, 0] - outputs[:, 0].mean()


def among_partners(outputs, targets):
    return (outputs @ outputs.T).softmax(-1).diagonal()


def squeezed(outputs, targets):
    return outputs[:, 0].squeeze()


def torn(outputs, targets):
    return torch.stack([outputs[0, 0], *outputs[1:, 0]]) if len(outputs) > 1 else outputs[1, 0]


CASES = {
    "read once only": ({"data": iter([(X, Y)])}, "read once only"),
    "no targets": ({"data": (X,)}, "'loss' for data without targets"),
    "one number a batch": ({"metric": mean_of_all}, "one number for 20 examples"),
    "looks at others": ({"metric": against_the_others}, "looks at other examples"),
    "partners in the batch": ({"metric": among_partners}, "looks at other examples"),
    "loses the axis": ({"metric": squeezed}, "returns no axis where a batch is one"),
    "fails alone": ({"metric": torn}, "fails where a batch is one example: IndexError"),
    "not a metric": ({"metric": "losss"}, "metric='losss'"),
    "no such metric": ({"metric": 3}, "metric=3"),
    "NaN": ({"data": (X, np.full(20, -100))}, r"loss = nan of example 0 .* and 19 more"),
    "one NaN": ({"data": (X, np.where(np.arange(20) == 17, -100, Y))}, "loss = nan of example 17"),
    "unknown head": ({"heads": {"encoder/layers/0/self_attn": [2]}}, r"self_attn', 2\)"),
    "unknown site": ({"heads": {"encoder/layers/7/self_attn": [0]}}, r"layers/1/self_attn \(2\)"),
    "no heads": ({"heads": {}}, "no head"),
    "shuffled": ({"data": "shuffled"}, "RandomSampler"),
    "replace": ({"replace": "nothing"}, "replace='nothing'"),
    "scheme": ({"scheme": "two"}, "scheme='two'"),
    "partition": ({"partition": 0}, "partition=0"),
    "no workers": ({"workers": 0}, "workers=0"),
    "no executor": ({"executor": 4}, "executor=int"),
    "live model elsewhere": ({"workers": 2}, r"Recipe\('package\.module:make_model'"),
    "no data": ({"data": []}, "without an example"),
    "one example to sample from": ({"data": (X[:1], Y[:1]), "replace": "sample"}, "alone in its"),
    "class out of range": ({"data": (X, Y + 7)}, "class 7"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_trouble_has_its_message(case):
    arguments, message = CASES[case]
    data = arguments.get("data", (X, Y))
    if isinstance(data, str):
        pairs = list(zip(map(torch.as_tensor, X), map(torch.as_tensor, Y), strict=True))
        data = torch.utils.data.DataLoader(pairs, shuffle=True)
    rest = {name: value for name, value in arguments.items() if name != "data"}
    model = small.model()
    before = model.normal.running_mean.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LimelightError, match=message):
            ll.ablation(model, data, **rest)
    assert torch.equal(model.normal.running_mean, before)
    assert model.training


@pytest.mark.parametrize("study", [ll.ablation, ll.importance])
def test_a_random_forward_pass_is_found_out(study):
    with pytest.raises(StudyError, match="forward pass is random: loss of example"):
        study(small.model(noise=0.3), (X, Y))


@pytest.mark.parametrize("metric", ["accuracy", "change"])
def test_what_has_no_gradient(metric):
    with pytest.raises(StudyError, match="gradient is zero"):
        ll.importance(small.model(), (X, Y), metric=metric)


class Changing:
    """Gives other examples in its third pass."""

    def __init__(self, after=2):
        self.passes, self.after = 0, after

    def __iter__(self):
        self.passes += 1
        yield X[:8], Y[:8]
        yield (X[8:] + (self.passes > self.after)), Y[8:]


def test_data_that_changes_from_pass_to_pass(tmp_path):
    with pytest.raises(StudyError, match="other examples from number 8 on"):
        ll.ablation(small.model(), Changing(), partition=8, run=tmp_path)
    (fact,) = ll.open_run(tmp_path).studied()
    assert fact[1].state == "stopped"
    assert fact[1].done == 1
    assert "other examples" in fact[1].sentence


def test_a_model_that_is_trained_meanwhile_is_found_out():
    model = small.model()

    def trains(done, tasks):
        with torch.no_grad():
            model.head.bias += 1

    with pytest.raises(StudyError, match="not what it was when the study began"):
        ll.ablation(model, (X, Y), progress=trains)


def test_autocast_reaches_no_other_thread():
    from concurrent.futures import ThreadPoolExecutor

    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = ll.ablation(small.model(), (X, Y))
        assert result.attrs["precision"] == "float32, autocast bfloat16"
        with ThreadPoolExecutor(1) as executor, pytest.raises(StudyError, match="autocast"):
            ll.ablation(small.model(), (X, Y), executor=executor)


def test_sampling_joins_a_last_example_that_would_be_alone():
    result = ll.ablation(small.model(), small.data(33), replace="sample")
    assert result.attrs["n"] == 33
